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
void populateResize(const TypeConverter &types, RewritePatternSet &patterns);
void populateIndex(const TypeConverter &types, RewritePatternSet &patterns);
void populateRnn(const TypeConverter &types, RewritePatternSet &patterns);
void populateLoops(const TypeConverter &types, RewritePatternSet &patterns);
void populateQuantization(const TypeConverter &types, RewritePatternSet &patterns);

/// The type of plain tensors: integers without sign; elements of fewer than 8 bits and floats of 8 are bytes (lib/Reference's
/// Tensor): a code, or an integer that is extended by its sign.
RankedTensorType signless(RankedTensorType type);
bool isByteCode(Type element);
inline bool isUnsigned(Type element) { return element.isUnsignedInteger() || element.isInteger(1); }
inline ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }
inline Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }

//===-- sizes ---------------------------------------------------------------------===//
/// Sizes of a tensor: numbers, and index values where they are open.
using Extents = SmallVector<OpFoldResult>;

/// A tensor type and its sizes. Made of a type alone, those of its open dimensions are null: an elementwise op takes them
/// from its operands.
struct Shaped {
  RankedTensorType type;
  Extents sizes;
  Shaped(RankedTensorType type);
  Shaped(Extents sizes, Type element);
  Type element() const { return type.getElementType(); }
  Shaped with(Type element) const { return Shaped(sizes, element); }
};

//===-- building ------------------------------------------------------------------===//
/// A builder at a place; everything below is created there.
struct Build {
  OpBuilder &b;
  Location loc;

  template <typename OpTy, typename... Args> OpTy create(Args &&...args) const {
    return OpTy::create(b, loc, std::forward<Args>(args)...);
  }
  Value index(int64_t value) const { return create<arith::ConstantIndexOp>(value); }
  Value index(OpFoldResult size) const;
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

  //===-- sizes -------------------------------------------------------------------===//
  OpFoldResult number(int64_t size) const { return b.getIndexAttr(size); }
  /// One size of a tensor, all of them.
  OpFoldResult extent(Value tensor, int64_t axis) const;
  Extents extents(Value tensor) const;
  /// Of a result of an op that is being lowered: what `nn.sizes` says where it is open (nn.size). Its signless type.
  Shaped sized(Value original) const;
  OpFoldResult plus(OpFoldResult x, OpFoldResult y) const;
  OpFoldResult plus(OpFoldResult x, int64_t y) const { return plus(x, number(y)); }
  OpFoldResult times(OpFoldResult x, OpFoldResult y) const;
  OpFoldResult times(OpFoldResult x, int64_t y) const { return times(x, number(y)); }
  OpFoldResult minus(OpFoldResult x, OpFoldResult y) const;
  /// Rounded up; sizes are not negative.
  OpFoldResult ceilDiv(OpFoldResult x, int64_t y) const;
  OpFoldResult product(ArrayRef<OpFoldResult> sizes) const;
  /// As a number of a scalar type.
  Value convertSize(OpFoldResult size, Type type) const;
  /// x mod size, not negative, of index values.
  Value floorMod(Value x, Value size) const;

  //===-- tensors -----------------------------------------------------------------===//
  using Body = llvm::function_ref<Value(const Build &, ValueRange)>;

  Value empty(const Shaped &type) const;
  Value filled(const Shaped &type, Value scalar) const;
  /// One linalg.generic. The body gets the scalars of the inputs and the output and yields the output's.
  Value generic(ValueRange inputs, Value output, ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
                Body body) const;
  /// Elementwise with numpy broadcasting.
  Value elementwise(const Shaped &type, ValueRange operands, Body body) const;
  /// Elementwise, each operand by its own map of the result's dimensions.
  Value elementwise(const Shaped &type, ValueRange operands, ArrayRef<AffineMap> maps, Body body) const;
  /// The map of a vector along one axis of a result of this rank.
  AffineMap alongAxis(int64_t axis, int64_t rank) const;
  /// The map to the first n of `loops` dimensions.
  AffineMap firstDims(int64_t n, int64_t loops) const;

  /// The same elements in another shape.
  Value reshape(Value tensor, ArrayRef<OpFoldResult> sizes) const;
  Value reshape(Value tensor, ArrayRef<int64_t> shape) const;
  /// tensor.extract_slice and insert_slice with steps of 1 or as given.
  Value slice(Value tensor, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes, ArrayRef<OpFoldResult> steps = {}) const;
  Value insert(Value part, Value whole, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> steps = {}) const;
  /// tensor.pad with a scalar; negative amounts crop.
  Value padOrCrop(Value tensor, ArrayRef<int64_t> low, ArrayRef<int64_t> high, Value scalar) const;
  /// Where an element of the result is read, along one axis; null: at the same index.
  using Source = llvm::function_ref<Value(const Build &, int64_t axis, Value at)>;
  /// Result element = tensor element at source(axis, index) of each axis.
  Value gather(Value tensor, const Shaped &type, Source source) const;
  /// A source that is a list of numbers, for `axes` that have one: reads them.
  Value gatherByTables(Value tensor, const Shaped &type, ArrayRef<SmallVector<int64_t>> tables, Source other) const;
  Value extract(Value tensor, ValueRange indices) const { return create<tensor::ExtractOp>(tensor, indices); }
  /// Sum, maximum, ... over axes: the kept dimensions, in order. `body` gets (element, accumulator).
  Value reduce(Value tensor, ArrayRef<int64_t> axes, Value init, Body body) const;
};

/// Replaces an op by values of its element types: what operands tell about a size may be more, or less, than the types of the
/// results say.
void replaceSized(ConversionPatternRewriter &rewriter, Operation *op, ValueRange values);
/// `value` as the type, which agrees with its own.
Value castSizes(const Build &build, Value value, RankedTensorType type);

} // namespace tern::lowering
#endif
