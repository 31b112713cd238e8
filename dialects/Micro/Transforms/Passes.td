//===- Passes.td - passes of the micro dialect ----------------------------===//
#ifndef MICRO_PASSES
#define MICRO_PASSES

include "mlir/Pass/PassBase.td"

def MicroLower : Pass<"micro-lower"> {
  let summary = "lower micro ops to arith, vector and intrinsics of one instruction set";
  let description = [{
    `feature` names the instruction set: `avx512vnni` (one `vpdpbusd` a dot), `avx2` and `portable` (bytes are split into even and
    odd 16-bit lanes and multiplied by `pmaddwd`, which cannot overflow; `pmaddubsw` saturates and is never used). Without the option each
    function's own `target_features` decide. The splits of a value are shared by all dots that use it.

    Test: test/dialects/Micro/micro-lower.mlir

    ```mlir
    %r = micro.dot4 %acc, %u, %s : vector<16xi32>, vector<64xi8>
    // becomes, avx512vnni:
    %r = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%acc, %u, %s) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
    ```
  }];
  let options = [Option<"feature", "feature", "std::string", "\"\"", "avx512vnni, avx2 or portable; empty: by target_features">];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::vector::VectorDialect", "mlir::LLVM::LLVMDialect"];
}

#endif
