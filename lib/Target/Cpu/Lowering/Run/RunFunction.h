//===- RunFunction.h - the plan as a function of one instruction set --------===//
#ifndef TERN_TARGET_CPU_LOWERING_RUN_RUNFUNCTION_H
#define TERN_TARGET_CPU_LOWERING_RUN_RUNFUNCTION_H

#include "lib/Target/Cpu/Table/KernelTable.h"
#include "lib/Target/Cpu/Lowering/Run/RunPlan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace tern::cpu {

/// The numbers of a program with open sizes: each once, and lists of them that lie together.
class SizeNumbers {
public:
  int64_t slot(nn::SizeExpr e);
  /// First slot of the list.
  int64_t list(llvm::ArrayRef<nn::SizeExpr> list);
  llvm::ArrayRef<nn::SizeExpr> entries() const { return all; }

private:
  llvm::SmallVector<nn::SizeExpr> all;
  llvm::DenseMap<const nn::SizeNode *, int64_t> slots;
};

/// Writes @run_<isa>(%context, inputs..., outputs..., %numbers?, %weights): buffers are memref.alloc, steps are calls, frames
/// are scf.if, scf.for and scf.while around them. `isOpen`: some sizes are only known at run time, the numbers are an argument.
class RunFunction {
public:
  RunFunction(mlir::func::FuncOp main, const RunPlan &plan, SizeNumbers &sizes, bool isOpen)
      : main(main), plan(plan), sizes(sizes), isOpen(isOpen), b(main.getContext()) {}

  /// kernels: one a step.
  mlir::func::FuncOp emit(const Isa &isa, llvm::ArrayRef<const Kernel *> kernels);

private:
  struct OpenFrame {
    unsigned number;
    mlir::Operation *op;
    mlir::Value step; ///< of a loop
  };

  mlir::Value base(const Storage &where);
  mlir::Value viewNumbers(int64_t slot);
  mlir::Value number(nn::SizeExpr e);
  mlir::Value index(int64_t value);
  mlir::Value allocate(nn::SizeExpr bytes);
  mlir::Value view(const Storage &where, mlir::MemRefType type, mlir::Value more = {});
  mlir::Value load(const Storage &where, mlir::Type type);
  mlir::Value truth(const Storage &where, bool on);
  void enter(llvm::ArrayRef<unsigned> frames);
  void openFrame(unsigned number);
  void call(const PlannedStep &planned, const Kernel &kernel, size_t number);

  mlir::func::FuncOp main;
  const RunPlan &plan;
  SizeNumbers &sizes;
  bool isOpen;
  mlir::OpBuilder b;
  mlir::Location loc = main.getLoc(); ///< of what is being written
  mlir::Block *body = nullptr;
  mlir::Value firstNumber;
  llvm::SmallVector<mlir::Value> allocations;
  llvm::SmallVector<OpenFrame, 2> open;
};

} // namespace tern::cpu
#endif
