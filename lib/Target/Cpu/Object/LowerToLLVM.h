//===- LowerToLLVM.h - kernels and run functions become an object ---------===//
#ifndef TERN_TARGET_CPU_OBJECT_LOWERTOLLVM_H
#define TERN_TARGET_CPU_OBJECT_LOWERTOLLVM_H

#include "lib/Target/Cpu/Isa.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace llvm {
class Module;
}

namespace tern::cpu {

/// Name of the attribute of a func.call @k(args..., %tasks) whose callee is run for task = 0 .. tasks - 1 by the pool;
/// its value, an i32, is the number of the step. The enclosing function has the context, a pointer, as first argument.
inline constexpr llvm::StringLiteral parallelAttr = "tern.parallel";

struct CompileOptions {
  unsigned optLevel = 2;         ///< of LLVM's middle end; 3 costs 15 % more time and gains nothing
  unsigned jobs = 1;             ///< parts that are optimized and emitted in parallel; one object each
  std::string *llvmIr = nullptr; ///< receives the optimized LLVM IR (jobs = 1)
  std::string *assembly = nullptr; ///< receives assembler text besides the object (jobs = 1)
};

/// Marks a function with the features of an instruction set; every function of a level needs it.
void setFeatures(mlir::func::FuncOp function, const Isa &isa);

/// Calls with `tern.parallel` in the LLVM dialect -> a struct of arguments, one trampoline a kernel, a call of
/// `void tern_parallel_for(void *context, int32_t step, void (*fn)(void *, int64_t), void *arguments, int64_t tasks)`.
std::unique_ptr<mlir::Pass> createParallelCallsPass();

/// func, scf, vector, memref, arith, math and micro ops -> LLVM dialect. Memrefs are static and become bare pointers.
void buildLowerToLLVMPipeline(mlir::OpPassManager &pm);

/// Lowers the module (in place) and emits position independent ELF objects for x86-64. Functions carry their features
/// (setFeatures), so one object holds all levels. Errors: a pass that failed (its diagnostics went to the context's handler), or
/// a call of a function that is neither here nor in the runtime or the math library (the library serves portable
/// kernels; tests see to it that generators do not need it).
llvm::Expected<std::vector<llvm::SmallVector<char, 0>>> compileToObjects(mlir::ModuleOp module, const CompileOptions &options = {});

/// The same with one part.
llvm::Expected<llvm::SmallVector<char, 0>> compileToObject(mlir::ModuleOp module, const CompileOptions &options = {});

/// Emits an LLVM module as it is (no optimization) as a position independent ELF object for x86-64.
llvm::Expected<llvm::SmallVector<char, 0>> emitObject(llvm::Module &module);

} // namespace tern::cpu
#endif
