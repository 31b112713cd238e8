//===- TernToLinalgLoops.h - lowerings that need loops of scf -------------===//
// Private to TernToLinalg*.cpp.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALGLOOPS_H
#define TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALGLOOPS_H

#include "TernToLinalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tern::lowering {

/// A pattern for ops of any number of results.
template <typename OpTy> struct ResultsPattern : OpConversionPattern<OpTy> {
  using OpConversionPattern<OpTy>::OpConversionPattern;
  using Adaptor = typename OpTy::Adaptor;

  LogicalResult matchAndRewrite(OpTy op, Adaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    replaceSized(rewriter, op, lower(op, adaptor, build));
    return success();
  }
  /// One value a result, of its signless element type.
  virtual SmallVector<Value> lower(OpTy op, Adaptor adaptor, const Build &build) const = 0;
};

/// state = body(i, state) for i in 0..count.
inline SmallVector<Value> repeat(const Build &build, OpFoldResult count, ValueRange init,
                                 llvm::function_ref<SmallVector<Value>(const Build &, Value, ValueRange)> body) {
  auto loop = build.create<scf::ForOp>(build.index(0), build.index(count), build.index(1), init,
                                       [&](OpBuilder &b, Location loc, Value i, ValueRange state) {
                                         Build in{b, loc};
                                         in.create<scf::YieldOp>(body(in, i, state));
                                       });
  return loop.getResults();
}

/// The index (any integer type, `type` has its sign) counted from the start where it is negative; what is still outside
/// 0..size-1 becomes the nearest inside: a program must not touch memory beyond its buffers, whatever its input.
inline Value insideIndex(const Build &in, Value index, Type type, OpFoldResult size) {
  Type i64 = in.b.getI64Type();
  Value row = in.convert(index, type, i64), count = in.convertSize(size, i64), zero = in.integer(i64, 0);
  Value isNegative = in.create<arith::CmpIOp>(arith::CmpIPredicate::slt, row, zero);
  row = in.select(isNegative, in.add(row, count), row);
  row = in.max(in.min(row, in.convertSize(in.plus(size, -1), i64)), zero);
  return in.create<arith::IndexCastOp>(in.b.getIndexType(), row);
}

} // namespace tern::lowering
#endif
