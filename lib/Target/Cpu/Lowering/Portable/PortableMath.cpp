#include "lib/Target/Cpu/Lowering/Portable/PortableMath.h"
#include "lib/Target/Cpu/Math/VectorMath.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::cpu {

static Value expanded(KernelBuilder &k, Operation *op) {
  Value x = op->getOperand(0);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<math::ExpOp>([&](auto) { return vmath::exp(k, x); })
      .Case<math::LogOp>([&](auto) { return vmath::log(k, x); })
      .Case<math::TanhOp>([&](auto) { return vmath::tanh(k, x); })
      .Case<math::ErfOp>([&](auto) { return vmath::erf(k, x); })
      .Case<math::SinOp>([&](auto) { return vmath::sin(k, x); })
      .Case<math::CosOp>([&](auto) { return vmath::cos(k, x); })
      .Case<math::TanOp>([&](auto) { return k.div(vmath::sin(k, x), vmath::cos(k, x)); })
      .Case<math::AsinOp>([&](auto) { return vmath::asin(k, x); })
      .Case<math::AcosOp>([&](auto) { return vmath::acos(k, x); })
      .Case<math::AtanOp>([&](auto) { return vmath::atan(k, x); })
      .Case<math::SinhOp>([&](auto) { return vmath::sinh(k, x); })
      .Case<math::CoshOp>([&](auto) { return vmath::cosh(k, x); })
      .Case<math::AsinhOp>([&](auto) { return vmath::asinh(k, x); })
      .Case<math::AcoshOp>([&](auto) { return vmath::acosh(k, x); })
      .Case<math::AtanhOp>([&](auto) { return vmath::atanh(k, x); })
      .Case<math::PowFOp>([&](auto pow) { return vmath::pow(k, x, pow.getRhs()); })
      .Default([](Operation *) { return Value(); });
}

template <typename From, typename To> static void replaceAll(func::FuncOp function) {
  function.walk([](From op) {
    OpBuilder b(op);
    Value made = To::create(b, op.getLoc(), op.getType(), op->getOperands());
    op.getResult().replaceAllUsesWith(made);
    op.erase();
  });
}

void expandFloatMath(func::FuncOp function, const Isa &isa) {
  SmallVector<Operation *> found;
  function.walk([&](Operation *op) {
    if (isa_and_nonnull<math::MathDialect>(op->getDialect()))
      found.push_back(op);
  });
  if (found.empty())
    return;
  KernelBuilder k(function, isa);
  for (Operation *op : found) {
    k.builder().setInsertionPoint(op);
    Value made = op->getResult(0).getType().isF32() ? expanded(k, op) : Value();
    if (!made)
      continue;
    op->getResult(0).replaceAllUsesWith(made);
    op->erase();
  }
  // What is one instruction is LLVM's.
  replaceAll<math::FmaOp, LLVM::FMAOp>(function);
  replaceAll<math::CopySignOp, LLVM::CopySignOp>(function);
  replaceAll<math::SqrtOp, LLVM::SqrtOp>(function);
}

} // namespace tern::cpu
