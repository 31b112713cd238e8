//===- TernToLinalgQuant.h - quantized values as planes -------------------===//
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALGQUANT_H
#define TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALGQUANT_H

#include "TernToLinalg.h"

namespace tern::lowering {

/// Why values of a type, or a quantize op, cannot be lowered; empty when they can.
std::string whyNotLowered(QuantType type);
std::string whyNotLowered(QuantizeOp op);

/// code - zero as i32, and (code - zero) * scale as `element`: the logical shape of the type.
Value integersOf(const Build &build, QuantType type, ValueRange planes);
Value realsOf(const Build &build, QuantType type, ValueRange planes, Type element);

/// Whether codes or entries of this type can be read as f32.
bool canReadNumbers(const Element &element);
/// The f32 that a code of at most 32 bits stands for: i32, with its sign where codes have one. A lut: its code.
Value numberOf(const Build &in, const Element &element, Value code);

/// What a float of 8 bits or fewer makes of numbers it does not hold.
struct SmallFloatCode {
  bool overflow = false;       ///< too large: infinity or NaN, else the largest value
  bool nanIsMinusZero = false; ///< NaN of a type without one: minus zero (nn.cast), else the largest value
  nn::CastRound round = nn::CastRound::nearest;
};
/// The code of an f32 as i32: nearest, ties to even.
Value encodeSmallFloat(const Build &in, const Element &element, Value y, SmallFloatCode how);

/// Collects the operands of an elementwise op over the elements of a quantized value. Planes of whole bytes become
/// operands with a map; packed ones are read inside the body.
class PlaneReader {
public:
  PlaneReader(const Build &build, ArrayRef<int64_t> shape);
  /// A plane with one entry a block (no block: one entry), or the codes (blocks of 1). Returns its number for read().
  unsigned add(Value plane, const Element &element, ArrayRef<int64_t> block);
  /// A table plane: it is read inside the body, by tableEntry.
  unsigned addTable(Value plane, const Element &element, ArrayRef<int64_t> block);
  /// A tensor of numbers.
  void addTensor(Value tensor, AffineMap map);
  /// The entry for the current element: integers as i32, floats as f32.
  Value read(const Build &in, ValueRange scalars, unsigned index) const;
  /// The same as the f32 that it stands for.
  Value number(const Build &in, ValueRange scalars, unsigned index) const;
  /// The entry of a table for a code, as f32.
  Value tableEntry(const Build &in, unsigned index, Value code) const;

  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;

private:
  struct Entry {
    Value plane;
    Element element;
    AffineMap map;
    int64_t operand; ///< -1: read inside the body
  };
  AffineMap mapOf(ArrayRef<int64_t> block) const;
  SmallVector<Value> indicesOf(const Build &in, const Entry &entry) const;

  const Build &build;
  int64_t rank;
  SmallVector<Entry> entries;
};

} // namespace tern::lowering
#endif
