//===- ExprVector.h - an elementwise program on vectors -------------------===//
#ifndef TERN_TARGET_CPU_MATH_EXPRVECTOR_H
#define TERN_TARGET_CPU_MATH_EXPRVECTOR_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu {

/// Element offset of channel 0 of pixel (n, y, 0), and the step of a pixel, of one activation.
Index rowOffset(KernelBuilder &k, const Map &map, const Index &n, const Index &y);

/// Evaluates an Expr for neighbouring channels of one pixel. Made once per kernel, at its entry.
///
///   ExprVector expr(k, problem.epilogue, problem.out.elem, /*firstArg=*/2);
///   ExprVector::Row row = expr.row(n, y);                       // once per output row: offsets of the inputs
///   Values held = expr.hold(row, c, lanes, mask);               // optional: Channel and Pixelwise vectors kept over
///   many pixels k.store(expr.evaluate(row, x, c, lanes, mask, acc, held), out, at, mask);
class ExprVector {
public:
  /// `firstArg`: number of the kernel argument of the first input that is not Acc; the others follow.
  /// `accElem`: what evaluate() gets as accumulator (an i8 vector is read as U8 unless this says S8).
  ExprVector(KernelBuilder &k, const Expr &expr, Elem outElem, unsigned firstArg, Elem accElem = Elem::F32);

  /// Element types of the kernel arguments of an expression, in order.
  static void appendArgs(const Expr &expr, llvm::SmallVectorImpl<Elem> &args);

  struct Row {
    Index n;
    llvm::SmallVector<Index, 4> base; ///< one per input; 0 where it has no meaning
  };
  Row row(const Index &n, const Index &y);
  /// The Channel and Pixelwise vectors at channel c; empty entries for the other inputs.
  Values hold(const Row &row, const Index &c, int64_t lanes, mlir::Value mask);
  /// The value of the program for channels c .. c + lanes - 1 of pixel x of the row, in the output's element type.
  /// lanes = 0: one channel, scalars. Masked lanes read 0 and give an unspecified value.
  mlir::Value evaluate(const Row &row, const Index &x, const Index &c, int64_t lanes, mlir::Value mask, llvm::ArrayRef<mlir::Value> accs,
                       llvm::ArrayRef<mlir::Value> held = {});
  /// The same with values for the inputs that are given (not null); used where an input was loaded in another shape.
  mlir::Value evaluateWith(llvm::ArrayRef<mlir::Value> inputs, int64_t lanes);

  /// Vectors that the program needs at once, roughly: how wide an unrolled evaluation may be.
  static int64_t weight(const Expr &expr);
  /// Time of an element on one core, without memory.
  static double nsPerElement(const Expr &expr, const Isa &isa);

  /// An element as it lies in memory -> what programs compute with: i32 or f32.
  mlir::Value widen(mlir::Value v, Elem elem);

private:
  mlir::Value scalar(unsigned input, int64_t lanes);
  mlir::Value finish(mlir::Value v);

  KernelBuilder &k;
  const Expr &expr;
  Elem outElem, accElem;
  Values args; ///< memref of each input, null for Acc
  llvm::SmallVector<std::pair<int64_t, mlir::Value>>
      splats; ///< (input * 4096 + lanes) -> broadcast of a Scalar, made at the entry
};

/// One operator of a program on vectors (lanes = 0: scalars) of f32; those that convert also take i32.
mlir::Value vectorOp(KernelBuilder &k, const ExprNode &node, llvm::ArrayRef<mlir::Value> args, int64_t lanes);

/// Why the vectors cannot evaluate the program; empty: they can. `accumulators`: the first inputs, as many as the kernel has.
std::string refuseExpr(const Expr &expr, Elem outElem, int64_t accumulators);

} // namespace tern::cpu
#endif
