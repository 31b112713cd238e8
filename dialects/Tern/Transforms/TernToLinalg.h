//===- TernToLinalg.h - what the files of tern-to-linalg share ------------===//
// Private to TernToLinalg*.cpp.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALG_H
#define TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALG_H

#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "dialects/Tern/IR/Tern.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/DialectConversion.h"

namespace tern::lowering {
using namespace mlir;

//===-- patterns, by family -------------------------------------------------------===//
void populateElementwise(const TypeConverter &types, RewritePatternSet &patterns);
void populateContractions(const TypeConverter &types, RewritePatternSet &patterns);
void populateReductions(const TypeConverter &types, RewritePatternSet &patterns);
void populateNorms(const TypeConverter &types, RewritePatternSet &patterns);
void populateAttention(const TypeConverter &types, RewritePatternSet &patterns);
void populateMovement(const TypeConverter &types, RewritePatternSet &patterns);
void populateIndex(const TypeConverter &types, RewritePatternSet &patterns);
void populateRnn(const TypeConverter &types, RewritePatternSet &patterns);
void populateQuantization(const TypeConverter &types, RewritePatternSet &patterns);

/// The type of plain tensors: integers without sign; elements of fewer than 8 bits and floats of 8 are bytes (lib/Reference's
/// Tensor): a code, or an integer that is extended by its sign.
RankedTensorType signless(RankedTensorType type);
bool isByteCode(Type element);
inline bool isUnsigned(Type element) { return element.isUnsignedInteger() || element.isInteger(1); }
inline ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }
inline Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }

//===-- building ------------------------------------------------------------------===//
/// A builder at a place; everything below is created there.
struct Build {
  OpBuilder &b;
  Location loc;

  template <typename OpTy, typename... Args> OpTy create(Args &&...args) const {
    return OpTy::create(b, loc, std::forward<Args>(args)...);
  }
  Value index(int64_t value) const { return create<arith::ConstantIndexOp>(value); }
  /// A number of a scalar type; floats are rounded, integers keep their low bits.
  Value number(Type type, double value) const;
  Value integer(Type type, int64_t value) const;
  /// A constant tensor of i64 or f32.
  Value table(ArrayRef<int64_t> values, ArrayRef<int64_t> shape) const;
  Value table(ArrayRef<float> values, ArrayRef<int64_t> shape) const;

  Value add(Value x, Value y) const;
  Value mul(Value x, Value y) const;
  Value select(Value condition, Value yes, Value no) const { return create<arith::SelectOp>(condition, yes, no); }
  /// Largest and smallest of two; NaN when one is.
  Value max(Value x, Value y, bool isUnsigned = false) const;
  Value min(Value x, Value y, bool isUnsigned = false) const;

  /// f16, bf16 and narrower floats compute in f32; other scalars as they are.
  Type computeType(Type element) const;
  Value widen(Value scalar) const;
  Value narrow(Value scalar, Type element) const;
  /// Conversion of a scalar as nn.cast: toward zero, saturating, NaN to 0. `from` and `to` carry the signs.
  Value convert(Value scalar, Type from, Type to) const;
  /// The same without byte codes: the result has the type `to` without its sign.
  Value convertPlain(Value scalar, Type from, Type to) const;

  //===-- tensors -----------------------------------------------------------------===//
  using Body = llvm::function_ref<Value(const Build &, ValueRange)>;

  /// tensor.empty; unknown sizes are those of the operands that broadcast to it.
  Value empty(RankedTensorType type, ValueRange like = {}) const;
  Value filled(RankedTensorType type, Value scalar) const;
  /// One linalg.generic. The body gets the scalars of the inputs and the output and yields the output's.
  Value generic(ValueRange inputs, Value output, ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
                Body body) const;
  /// Elementwise with numpy broadcasting.
  Value elementwise(RankedTensorType type, ValueRange operands, Body body) const;
  /// Elementwise, each operand by its own map of the result's dimensions.
  Value elementwise(RankedTensorType type, ValueRange operands, ArrayRef<AffineMap> maps, Body body) const;
  /// The map of a vector along one axis of a result of this rank.
  AffineMap alongAxis(int64_t axis, int64_t rank) const;
  /// The map to the first n of `loops` dimensions.
  AffineMap firstDims(int64_t n, int64_t loops) const;

  /// The same elements in another static shape.
  Value reshape(Value tensor, ArrayRef<int64_t> shape) const;
  /// tensor.pad with a scalar; negative amounts crop.
  Value padOrCrop(Value tensor, ArrayRef<int64_t> low, ArrayRef<int64_t> high, Value scalar) const;
  /// Result element = tensor element whose index along each axis is tables[axis][result index]; an empty table keeps
  /// the index.
  Value gatherByTables(Value tensor, RankedTensorType type, ArrayRef<SmallVector<int64_t>> tables) const;
  Value extract(Value tensor, ValueRange indices) const { return create<tensor::ExtractOp>(tensor, indices); }
  /// Sum, maximum, ... over axes: the kept dimensions, in order. `body` gets (element, accumulator).
  Value reduce(Value tensor, ArrayRef<int64_t> axes, Value init, Body body) const;
};

} // namespace tern::lowering
#endif
