//===- Layout.h - how the tensors of the graph lie in memory --------------===//
// Between two kernel calls the target chooses the physical form of a value after outlining. Two forms exist:
// Plain    ONNX order, row-major; the last dimension is the channel of a Map, everything before it is a row;
// Channels dimension 1 is the channel, innermost (NHWC), with an optional halo around each picture.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_LAYOUTS_LAYOUT_H
#define TERN_TARGET_CPU_LOWERING_LAYOUTS_LAYOUT_H

#include "lib/Target/Cpu/Lowering/Sizes/SizedType.h"
#include "lib/Target/Cpu/Problems/Problem.h"
#include "mlir/IR/BuiltinTypes.h"
#include <optional>

namespace tern::cpu {

enum class Form : uint8_t { Plain, Channels };

/// A value's place: the buffer it lies in and its map there.
struct Placement {
  Form form = Form::Plain;
  Map map;
};

/// The element of a tensor at kernel borders: signless i8 tensors are codes (U8). nullopt: no kernel knows it.
std::optional<Elem> elemOf(mlir::Type type);

/// Row-major view: c is the last dimension, w the product of the others.
Map plainMap(SizedType type);
/// Flat view: c is the number of elements.
Map flatMap(SizedType type);
/// NHWC without halo; rank 3 has h = 1, rank 5 joins the first two spatial dimensions. Rank >= 3.
Map channelsMap(SizedType type);
/// ONNX order seen as pictures (planar). Rank >= 3.
Map planarMap(SizedType type);

/// No halo, no offset, no padding of the channels.
inline bool isDense(const Map &map) { return !map.hasHalo() && map.base == 0 && map.cs == map.c; }

/// The elements lie at the same addresses in both forms: no halo, dense, and one channel or one pixel.
bool formsCoincide(const Map &channels);

/// Element strides of every logical dimension of a value of this type at this place, as offsets of a problem.
llvm::SmallVector<int64_t> stridesOf(SizedType type, const Placement &place);
/// Elements from one row, one picture of a map to the next, before its first pixel, and in the whole buffer: offsets.
int64_t rowStrideOf(const Map &map);
int64_t imageStrideOf(const Map &map);
int64_t firstPixelOf(const Map &map);
nn::SizeExpr elementsOf(const Map &map);
/// The number of elements of the pictures without halo: a size.
SizeCode countOf(const Map &map);

inline Expr &programOf(RelayoutProblem &problem) { return problem.expr; }
template <typename Problem> Expr &programOf(Problem &problem) { return problem.epilogue; }

/// The kernel of these pictures is that of one, in a loop around it: where their number, height or width is only known at
/// run time.
template <typename Problem> bool runsForEachPicture(const Problem &problem) {
  return isDynamic(problem.in.n) || (problem.in.n > 1 && hasOpenPictures(problem));
}
/// The problem of one picture, if it runs for each.
template <typename Problem> Problem onePicture(Problem problem) {
  if (!runsForEachPicture(problem))
    return problem;
  int64_t n = problem.in.n;
  auto one = [&](Map &map) { map.n = map.n == n ? 1 : map.n; };
  one(problem.in);
  one(problem.out);
  visitMaps(programOf(problem), one);
  return problem;
}

/// "channels u8 n1 h56 w56 c64 cs64 halo 1,1,1,1 base 0": the spelling in the IR. A size that is only known at run time
/// is an expression in braces: "w{batch*seq}".
std::string str(const Placement &place);
std::optional<Placement> parsePlacement(llvm::StringRef text);

} // namespace tern::cpu
#endif
