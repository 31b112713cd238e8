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

/// Collects the operands of an elementwise op over the elements of a quantized value. Planes of whole bytes become
/// operands with a map; packed ones are read inside the body.
class PlaneReader {
public:
  PlaneReader(const Build &build, ArrayRef<int64_t> shape);
  /// A plane with one entry a block (no block: one entry), or the codes (blocks of 1). Returns its number for read().
  unsigned add(Value plane, const Element &element, ArrayRef<int64_t> block);
  /// A tensor of numbers.
  void addTensor(Value tensor, AffineMap map);
  /// The entry for the current element: integers as i32, floats as f32.
  Value read(const Build &in, ValueRange scalars, unsigned index) const;

  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;

private:
  struct Entry {
    Value plane;
    Element element;
    AffineMap map;
    int64_t operand; ///< -1: read inside the body
  };
  const Build &build;
  int64_t rank;
  SmallVector<Entry> entries;
};

} // namespace tern::lowering
#endif
