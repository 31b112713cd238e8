//===- LayoutNeeds.h - what kernels want of the places of their operands ----===//
#ifndef TERN_TARGET_CPU_LOWERING_LAYOUTS_LAYOUTNEEDS_H
#define TERN_TARGET_CPU_LOWERING_LAYOUTS_LAYOUTNEEDS_H

#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/Calls/ConvLowering.h"
#include "lib/Target/Cpu/Lowering/Calls/KernelClass.h"
#include "lib/Target/Cpu/Lowering/Layouts/Layout.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/Support/MathExtras.h"

namespace tern::cpu {

/// Channels rounded up to quads; a number of channels that is only known at run time stays as it is.
inline int64_t alignedTo4(int64_t channels) { return isDynamic(channels) ? channels : int64_t(llvm::alignTo(channels, 4)); }

/// What the kernels of a program, as readers of values, want of their places.
class LayoutNeeds {
public:
  explicit LayoutNeeds(mlir::ModuleOp module) : symbols(module) {}

  mlir::func::FuncOp kernelOf(CallOp call);
  const KernelInfo &infoOf(mlir::func::FuncOp kernel);
  /// The result of a selection by one truth value whose side the operand is; null: it is none. Such a call only copies the side
  /// that is taken: what the readers of the result want, they want of both sides.
  mlir::Value branchResult(CallOp call, mlir::Value operand);
  /// The form an operand must have; nullopt: the kernel takes any.
  std::optional<Form> strictForm(mlir::func::FuncOp kernel, mlir::Value operand);
  /// Reductions of all pixels and softmax over channels have a kernel for either form.
  bool takesBothForms(mlir::func::FuncOp kernel);
  /// A reader of the value, or of what flexible kernels make of it, takes pictures.
  bool prefersChannels(mlir::Value value);
  /// A copy whose result has the axes of its operand (not a transpose or reshape).
  bool keepsAxes(mlir::func::FuncOp kernel);
  /// The halo that the readers of a picture need.
  Halo haloFor(mlir::Value value);
  /// A reader takes codes in quads of channels.
  bool readInQuads(mlir::Value value);

  /// The place has the halo and the channel padding that the kernel reads.
  static bool fits(const Placement &place, const KernelInfo &info, unsigned operand);
  /// The place with them.
  static Placement withNeeds(Placement place, const KernelInfo &info, unsigned operand);

protected:
  mlir::SymbolTable symbols;

private:
  llvm::DenseMap<mlir::Value, bool> preference;
  llvm::DenseMap<mlir::func::FuncOp, KernelInfo> infos;
};

} // namespace tern::cpu
#endif
