// The format of a quantized tensor: which real number each code means (docs/FORMATS.md 1).
//
//   x^ = (dec(code, select, table) - zero) * PROD scale + PROD min
//
// and positions that the tail covers are the entries of the tail plane (see tailExtent).
//
// Every plane is read at the block that holds the element. The scales multiply first, finest first, in f32; then the
// value is multiplied by the product, then the minimum is added: each step rounds to f32, none is fused.
#ifndef TERN_FORMATS_FORMAT_H
#define TERN_FORMATS_FORMAT_H

#include "lib/Formats/Element.h"
#include "lib/Formats/Encode.h"
#include "lib/Formats/Numeric.h"
#include "lib/Formats/Pack.h"

namespace tern {

/// Codes comes first in planeShapes and is not a plane of the format.
enum class Role : uint8_t { Codes, Scale, Zero, Min, Select, Table, Tail, Sparse, LowrankA, LowrankB };

/// "scale", "zero", ..., "codes".
const char *str(Role);

/// A block extent that covers the whole dimension, spelled '*'.
constexpr int64_t kWhole = -1;

/// One parameter per block.
struct Plane {
  Role role = Role::Scale;
  Element type;
  std::vector<int64_t> block; ///< one extent per dimension; empty: one value for the tensor

  bool operator==(const Plane &o) const { return role == o.role && type == o.type && block == o.block; }
  bool operator!=(const Plane &o) const { return !(*this == o); }
  std::string str() const;
};

/// Equal formats decode equally. Planes of one role are listed finest first.
struct Format {
  Element elem;
  std::vector<Plane> planes;

  bool operator==(const Format &o) const { return elem == o.elem && planes == o.planes; }
  bool operator!=(const Format &o) const { return !(*this == o); }

  /// As in the IR: "<ui4, scale<f16, [1, 32]>, zero<ui4>>".
  std::string str() const;
  /// The first (finest) plane of a role, or null.
  const Plane *find(Role) const;
};

/// Reads what Format::str prints, with or without "#tern.format" before it. Only the grammar is checked: see verify.
Result<Format> parseFormat(const std::string &text);

/// Empty when the rules hold, else one sentence that starts with the label: "F1: block extents are ...".
std::string verify(const Format &);
/// The same, and that the blocks fit the shape. A negative extent is a dynamic dimension.
std::string verify(const Format &, Span<const int64_t> shape);

/// A plane as it is stored without a layout.
struct PlaneShape {
  Role role = Role::Codes;
  Element type;
  std::vector<int64_t> shape; ///< entries, before packing; empty: one value
  int64_t bytes = 0;          ///< rows * ceil(last * bits / 8), LSB first; negative when a dimension is dynamic
};

/// Which planes a tensor has, in order: the codes, then the planes of the format. A table has one more dimension of
/// 2^b entries. A tail has the tensor's extents, but along its window axis those of the window. A dynamic dimension
/// stays dynamic, with its own negative number, unless its block is '*'. The format must fit the shape.
std::vector<PlaneShape> planeShapes(Span<const int64_t> shape, const Format &);

/// The axis along which the tail plane is a window: the one whose extent is neither 1 nor '*'.
size_t tailAxis(const Plane &tail);
/// How many of the last positions of a tensor are in its tail (KIVI). Blocks that span several positions of the window
/// axis (keys) are quantized a window at a time: size % window are left. Blocks of one position (values) leave the
/// window as soon as they are the oldest: the last `window` positions stay. The tail plane begins with the oldest of
/// them; entries without a position are 0, as are codes and parameters of the positions it covers.
int64_t tailExtent(Span<const int64_t> shape, const Format &);

/// Bytes of all planes together, without alignment.
int64_t planeBytes(Span<const int64_t> shape, const Format &);

/// Bits of codes and planes per element, packing gaps at the ends of rows not counted.
double bitsPerElement(const Format &, Span<const int64_t> shape);

/// Writes the f32 values of all elements, row-major. `planes` as planeShapes lists them.
/// Returns an error sentence, empty when all went well.
std::string decode(const Format &, Span<const int64_t> shape, Span<const ConstBytes> planes, float *out);

} // namespace tern
#endif // TERN_FORMATS_FORMAT_H
