//===- Passes.td - from the outlined module to kernels and one run function -===//
#ifndef CPU_PASSES
#define CPU_PASSES
include "mlir/Pass/PassBase.td"

def CpuAssignLayouts : Pass<"cpu-assign-layouts", "::mlir::ModuleOp"> {
  let summary = "Choose the physical form of every value of @main and insert the copies that remain";
  let description = [{
    Every tern.call gets `cpu.operands` and `cpu.results`, the places of its operands and results (Layout.h). Convolutions, pooling and resize
    take pictures NHWC; a value that a convolution reads carries the widest halo its readers need. Elementwise kernels follow their operands.
    Where two kernels cannot agree, a call of an identity kernel changes the layout. Example: test/target/cpu/cpu-assign-layouts.mlir
  }];
  let dependentDialects = ["::tern::TernDialect", "::tern::nn::NNDialect", "::mlir::func::FuncDialect"];
}

def CpuGuardCalls : Pass<"cpu-guard-calls", "::mlir::ModuleOp"> {
  let summary = "Say under which conditions each call of @main has to run: only the taken branch of an If does";
  let description = [{
    A call whose results are only read on one side of selections by single truth values gets `cpu.guard`, the numbers of the conditions (Guards.h),
    and is moved behind what computes them. Selections get `cpu.branch`: they copy one side, or nothing where `cpu.embedded` says that the side is
    computed at the place of the result. Before:
    ```
    %t = tern.call @k.then(%x) ...
    %e = tern.call @k.else(%x) ...
    %y = tern.call @k.select(%c, %t, %e) ...
    ```
    After: `@k.then` has `cpu.guard = array<i64: 1>`, `@k.else` `array<i64: -1>`, and both write where %y lies.
    Example: test/target/cpu/cpu-guard-calls.mlir
  }];
  let dependentDialects = ["::tern::TernDialect", "::tern::nn::NNDialect", "::mlir::func::FuncDialect"];
}

def CpuEmitKernels : Pass<"cpu-emit-kernels", "::mlir::ModuleOp"> {
  let summary = "Generate the kernels of all instruction sets and one run function for each";
  let description = [{
    Replaces @main and the kernel functions by @run_<isa>(%context, inputs..., outputs..., %weights) on memrefs: buffers are memref.alloc, weights are
    views of one constant (`cpu.weights`, a resource), calls carry `tern.parallel` = step number and `cpu.step`. Equal problems share a kernel.
    Guarded calls lie in scf.if, those of an nn.loop in scf.while.
    Example: test/target/cpu/cpu-emit-kernels.mlir
  }];
  let options = [Option<"isas", "isas", "std::string", "\"portable,avx2,avx512vnni\"", "instruction sets, separated by commas">];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::LLVM::LLVMDialect", "::tern::micro::MicroDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect", "::mlir::bufferization::BufferizationDialect", "::mlir::affine::AffineDialect", "::mlir::index::IndexDialect"];
}

def CpuPlanMemory : Pass<"cpu-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Give every buffer of the run functions an offset in one arena";
  let description = [{
    Greedy best fit over lifetimes, largest buffer first; 64-byte aligned with 128 bytes of slack for vector reads. The allocations become views of a new
    argument %arena before %weights; the module gets `cpu.arena_bytes`. Example: test/target/cpu/cpu-plan-memory.mlir
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def TernEmit : Pass<"tern-emit", "::mlir::ModuleOp"> {
  let summary = "Write the artifact: libmodel.so, weights.bin, manifest.json, model.h";
  let description = [{
    Takes the module that cpu-plan-memory leaves, or an outlined module, on which it runs the passes of the target first. The module is consumed.
    Example: test/target/cpu/cpu-emit-kernels.mlir
  }];
  let options = [
    Option<"out", "out", "std::string", "\"\"", "the folder to write">,
    Option<"name", "name", "std::string", "\"\"", "of the model; default: the folder's name">,
    Option<"isas", "isas", "std::string", "\"portable,avx2,avx512vnni\"", "instruction sets, separated by commas">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}
#endif
