//===- Emit.h - the kernel generators of the CPU target -------------------===//
#ifndef TERN_TARGET_CPU_EMIT_H
#define TERN_TARGET_CPU_EMIT_H

#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Problems/Problem.h"
#include "lib/Target/Cpu/Problems/RowProblems.h"
#include "lib/Target/Cpu/Problems/TaskCount.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tern::cpu {

/// A generated kernel: a private func.func of scf, vector, memref, arith, math and micro ops on flat one-dimensional memrefs
/// (memref<1073741824xT>: static, so that they become bare pointers) with a last argument %task : index.
/// A kernel with dynamic sizes takes them as one more memref of index before scratch and task. The caller runs it for task = 0 .. tasks - 1, in any order and in parallel.
struct Kernel {
  mlir::func::FuncOp function;
  TaskCount tasks;
  int64_t scratchBytes = 0; ///< > 0: one more argument before %task, that many bytes per task
};

/// Every generator appends one function named `name` to `module`. A problem that a generator cannot serve is answered by refuse()
/// with the reason, which the caller asks first; emitting a refused problem is a bug.
Kernel emitConv(mlir::ModuleOp module, llvm::StringRef name, const ConvProblem &, const Isa &);
Kernel emitEltwise(mlir::ModuleOp module, llvm::StringRef name, const EltwiseProblem &, const Isa &);
Kernel emitRelayout(mlir::ModuleOp module, llvm::StringRef name, const RelayoutProblem &, const Isa &);
Kernel emitPool(mlir::ModuleOp module, llvm::StringRef name, const PoolProblem &, const Isa &);
Kernel emitGlobalReduce(mlir::ModuleOp module, llvm::StringRef name, const GlobalReduceProblem &, const Isa &);
Kernel emitSoftmax(mlir::ModuleOp module, llvm::StringRef name, const SoftmaxProblem &, const Isa &);
Kernel emitResize(mlir::ModuleOp module, llvm::StringRef name, const ResizeProblem &, const Isa &);
Kernel emitCopy(mlir::ModuleOp module, llvm::StringRef name, const CopyProblem &, const Isa &);
Kernel emitFill(mlir::ModuleOp module, llvm::StringRef name, const FillProblem &, const Isa &);
Kernel emitNorm(mlir::ModuleOp module, llvm::StringRef name, const NormProblem &, const Isa &);
Kernel emitGroupNorm(mlir::ModuleOp module, llvm::StringRef name, const GroupNormProblem &, const Isa &);
Kernel emitAttention(mlir::ModuleOp module, llvm::StringRef name, const AttentionProblem &, const Isa &);
Kernel emitMatmul(mlir::ModuleOp module, llvm::StringRef name, const MatmulProblem &, const Isa &);
Kernel emitRope(mlir::ModuleOp module, llvm::StringRef name, const RopeProblem &, const Isa &);
Kernel emitNd(mlir::ModuleOp module, llvm::StringRef name, const NdProblem &, const Isa &);
Kernel emitAxesReduce(mlir::ModuleOp module, llvm::StringRef name, const AxesReduceProblem &, const Isa &);
Kernel emitAxis(mlir::ModuleOp module, llvm::StringRef name, const AxisProblem &, const Isa &);
Kernel emitTopk(mlir::ModuleOp module, llvm::StringRef name, const TopkProblem &, const Isa &);
Kernel emitCumulate(mlir::ModuleOp module, llvm::StringRef name, const CumulateProblem &, const Isa &);
Kernel emitGather(mlir::ModuleOp module, llvm::StringRef name, const GatherProblem &, const Isa &);
Kernel emitRnn(mlir::ModuleOp module, llvm::StringRef name, const RnnProblem &, const Isa &);
// One name for the problems of RowProblems.h.
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const RnnProblem &p, const Isa &isa) { return emitRnn(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const NormProblem &p, const Isa &isa) { return emitNorm(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const GroupNormProblem &p, const Isa &isa) { return emitGroupNorm(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const AttentionProblem &p, const Isa &isa) { return emitAttention(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const MatmulProblem &p, const Isa &isa) { return emitMatmul(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const RopeProblem &p, const Isa &isa) { return emitRope(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const NdProblem &p, const Isa &isa) { return emitNd(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const AxesReduceProblem &p, const Isa &isa) { return emitAxesReduce(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const AxisProblem &p, const Isa &isa) { return emitAxis(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const TopkProblem &p, const Isa &isa) { return emitTopk(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const CumulateProblem &p, const Isa &isa) { return emitCumulate(m, name, p, isa); }
inline Kernel emitRows(mlir::ModuleOp m, llvm::StringRef name, const GatherProblem &p, const Isa &isa) { return emitGather(m, name, p, isa); }
/// `quantize` false: the absmax pass of a per-tensor problem.
Kernel emitDynamicQuant(mlir::ModuleOp module, llvm::StringRef name, const DynamicQuantProblem &, const Isa &, bool quantize);
/// Length of the array of partial maxima between the two kernels of a per-tensor problem; the same on every instruction set.
int64_t partialMaxima(const DynamicQuantProblem &);

std::string refuse(const ConvProblem &);
std::string refuse(const EltwiseProblem &);
std::string refuse(const RelayoutProblem &);
std::string refuse(const PoolProblem &);
std::string refuse(const GlobalReduceProblem &);
std::string refuse(const SoftmaxProblem &);
std::string refuse(const ResizeProblem &);
std::string refuse(const CopyProblem &);
std::string refuse(const FillProblem &);
std::string refuse(const DynamicQuantProblem &);
std::string refuse(const NormProblem &);
std::string refuse(const GroupNormProblem &);
std::string refuse(const AttentionProblem &);
std::string refuse(const MatmulProblem &);
std::string refuse(const RopeProblem &);
std::string refuse(const NdProblem &);
std::string refuse(const AxesReduceProblem &);
std::string refuse(const AxisProblem &);
std::string refuse(const TopkProblem &);
std::string refuse(const CumulateProblem &);
std::string refuse(const GatherProblem &);
std::string refuse(const RnnProblem &);

/// Microseconds on one core with warm caches, from arithmetic and bytes; also decides how many tasks a kernel gets.
double estimateUs(const EltwiseProblem &, const Isa &);
double estimateUs(const RelayoutProblem &, const Isa &);
double estimateUs(const PoolProblem &, const Isa &);
double estimateUs(const GlobalReduceProblem &, const Isa &);
double estimateUs(const SoftmaxProblem &, const Isa &);
double estimateUs(const ResizeProblem &, const Isa &);
double estimateUs(const CopyProblem &, const Isa &);
double estimateUs(const FillProblem &, const Isa &);
double estimateUs(const DynamicQuantProblem &, const Isa &);
double estimateUs(const NormProblem &, const Isa &);
double estimateUs(const GroupNormProblem &, const Isa &);
double estimateUs(const AttentionProblem &, const Isa &);
double estimateUs(const MatmulProblem &, const Isa &);
double estimateUs(const RopeProblem &, const Isa &);
double estimateUs(const NdProblem &, const Isa &);
double estimateUs(const AxesReduceProblem &, const Isa &);
double estimateUs(const AxisProblem &, const Isa &);
double estimateUs(const TopkProblem &, const Isa &);
double estimateUs(const CumulateProblem &, const Isa &);
double estimateUs(const GatherProblem &, const Isa &);
double estimateUs(const RnnProblem &, const Isa &);

} // namespace tern::cpu
#endif
