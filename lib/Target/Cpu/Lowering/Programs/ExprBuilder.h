//===- ExprBuilder.h - elementwise ops of a kernel function -> Expr -------===//
#ifndef TERN_TARGET_CPU_LOWERING_PROGRAMS_EXPRBUILDER_H
#define TERN_TARGET_CPU_LOWERING_PROGRAMS_EXPRBUILDER_H

#include "lib/Target/Cpu/Lowering/Layouts/Layout.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include <functional>
#include <vector>

namespace tern {
class BundleOp;
}

namespace tern::cpu {

/// One operand of a generated kernel, in the order of its arguments.
struct KernelArg {
  enum Kind : uint8_t {
    Operand,  ///< operand `index` of the call
    Result,   ///< result `index` of the call
    Constant, ///< `bytes` in weights.bin
    Temporary ///< buffer `index` of this call, `size` bytes, shared between its steps
  } kind = Operand;
  unsigned index = 0;
  Elem elem = Elem::F32;
  std::vector<char> bytes;
  int64_t size = 0;                       ///< of a Temporary, and of a Constant that has no `bytes` but is written in place:
  std::function<void(char *)> write = {}; ///< writes `size` bytes
};

inline KernelArg constantArg(Elem elem, std::vector<char> bytes) {
  KernelArg arg;
  arg.kind = KernelArg::Constant;
  arg.elem = elem;
  arg.bytes = std::move(bytes);
  return arg;
}

template <typename T> KernelArg arrayArg(Elem elem, const std::vector<T> &values) {
  const char *begin = reinterpret_cast<const char *>(values.data());
  return constantArg(elem, std::vector<char>(begin, begin + values.size() * sizeof(T)));
}

/// The operands of a call as the target has placed them.
struct CallOperand {
  SizedType type;
  Placement place;             ///< of activations
  mlir::ElementsAttr constant; ///< set: the operand is a constant and has no place
};

/// Collects the program that computes one result of a kernel function from the accumulator of its anchor (if any) and
/// its operands.
class ExprBuilder {
public:
  /// out: the type and place that the program writes.
  ExprBuilder(llvm::ArrayRef<CallOperand> operands, SizedType outType, const Placement &out)
      : operands(operands), outType(outType), out(out) {}

  /// An accumulator of the kernel: the first inputs, so call before anything else. Returns its number.
  int addAccumulator();
  void setAccumulator(mlir::Value value) { remember(value, addAccumulator()); }
  /// Number of the program's value for an SSA value of the body; negative: error() says why it cannot be one.
  int valueOf(mlir::Value value);
  /// Appends a node.
  int node(ExprOp op, llvm::ArrayRef<int> args, double a = 0, double b = 0, int32_t lo = 0, int32_t hi = 255);
  /// One number, or one a channel, as an input.
  int constantInput(const std::vector<double> &numbers);
  /// Input that reads operand `index` of the call as a tensor of the output's shape.
  int tensorInput(unsigned index);

  /// One number a row or pixel, at `map`.
  int rowInput(const Map &map, KernelArg arg) { return input(ExprInput::Row, map, std::move(arg)); }

  /// `value` of the body is value `number` of the program.
  void remember(mlir::Value value, int number) { known[value] = number; }

  /// Number of the lower (0) or upper (1) half of `value`, which has twice the channels of the program and depends on `anchor`, whose half is value
  /// `accumulator`.
  int halfOf(mlir::Value value, mlir::Value anchor, int accumulator, int half);

  /// Drops everything but the accumulator.
  void forgetInputs();

  /// Makes `result` the value of the program. Call once, last.
  bool finish(mlir::Value result);

  const Expr &expr() const { return program; }
  /// Arguments of the inputs after the accumulator, in order.
  llvm::ArrayRef<KernelArg> args() const { return inputArgs; }
  llvm::StringRef error() const { return why; }

private:
  int fail(const llvm::Twine &reason);
  int argument(mlir::BlockArgument argument);
  int constant(mlir::ElementsAttr attr);
  int input(ExprInput::Kind kind, const Map &map, KernelArg arg);
  int opResult(mlir::Operation *op, mlir::Value value);
  /// The number that a constant of one element holds, in the body or as an operand.
  std::optional<double> splatConstant(mlir::Value value) const;
  /// (code - zero) * scale of a bundle of an activation.
  int dequantized(BundleOp bundle, std::optional<double> scale);

  llvm::ArrayRef<CallOperand> operands;
  SizedType outType;
  Placement out;
  Expr program;
  llvm::SmallVector<KernelArg> inputArgs;
  llvm::DenseMap<mlir::Value, int> known;
  int half = -1;
  std::string why;
};

/// Number that a node is known by until finish() moves the nodes behind the inputs.
constexpr int kFirstNode = 1 << 16;

/// The zero point of stored codes: that of the bundle, plus 128 for signed elements (Problem.h: Elem::U8 holds code +
/// 128). nullopt: the zero point is no constant.
std::optional<int64_t> storedZero(BundleOp bundle);
/// The one value of a constant plane inside the kernel body.
std::optional<double> scalarConstant(mlir::Value value, bool asUnsigned = false);
/// The call operand that a value of the body is, looking through nothing; -1 when it is none.
int operandIndex(mlir::Value value);

} // namespace tern::cpu
#endif
