//===- Naive.h - elementwise programs and activations in plain C++ --------===//
#ifndef TERN_TEST_UNIT_CPU_NAIVE_H
#define TERN_TEST_UNIT_CPU_NAIVE_H

#include "KernelTest.h"
#include <optional>

namespace tern::cpu::test {

/// Pictures, dense but for a halo of the same width on all sides.
Map image(Elem elem, int64_t n, int64_t h, int64_t w, int64_t c, int64_t halo = 0);
ExprNode node(ExprOp op, llvm::ArrayRef<int> args, double a = 0, double b = 0);

/// A value of a program: an integer or a float.
struct Number {
  bool integer = false;
  int64_t i = 0;
  float f = 0;
  static Number of(float v) { return {false, 0, v}; }
  static Number code(int64_t v) { return {true, v, 0}; }
  float real() const { return integer ? float(i) : f; }
};

/// An activation in a buffer of its own.
struct Activation {
  Map map;
  Buffer buffer;
  explicit Activation(const Map &map) : map(map), buffer(map) {}
  /// Floats in [lo, hi], codes over their whole range; halos stay 0xA5.
  Activation(const Map &map, Random &random, float lo = -4, float hi = 4);
  Number get(int64_t n, int64_t y, int64_t x, int64_t c);
  void set(int64_t n, int64_t y, int64_t x, int64_t c, Number v);
};

Number readElement(Buffer &buffer, Elem elem, int64_t at);
void writeElement(Buffer &buffer, Elem elem, int64_t at, Number v);

/// The program on scalars, in f32, as Problem.h defines it.
Number evaluate(const Expr &expr, std::vector<Number> inputs);

/// Buffers for the inputs of a program after Acc, with random contents; Scalars lie in [0.01, 0.1], so that they can be
/// scales.
struct Operands {
  Operands(const Expr &expr, const Map &out, Random &random);
  std::vector<Buffer *> pointers();
  /// The inputs at one element.
  std::vector<Number> at(std::optional<Number> acc, int64_t n, int64_t y, int64_t x, int64_t c, std::optional<Number> second = {});
  const Expr &expr;
  std::vector<std::unique_ptr<Activation>> inputs; ///< null for Acc
};

/// What an elementwise kernel computes from these inputs.
Activation evaluate(const EltwiseProblem &problem, Operands &operands);

/// Compares the whole buffers byte for byte outside of the view, and every element of the view: codes exactly, floats
/// within `tolerance` * max(1, |want|).
void expectEqual(Activation &got, Activation &want, double tolerance, const std::string &what);

} // namespace tern::cpu::test
#endif
