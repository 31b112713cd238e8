//===- NNInterfaces.td - what quantization and transforms ask of an op -----===//
#ifndef NN_INTERFACES
#define NN_INTERFACES
include "mlir/IR/OpBase.td"

def QuantizableOpInterface : OpInterface<"QuantizableOpInterface"> {
  let cppNamespace = "::tern::nn";
  let description = [{
    Says which operands of an op are activation, weight and bias, which axes of each are reduced, and which is the output channel axis.
    Attached to nn.matmul, nn.conv and nn.conv_transpose; external models may attach it to linalg ops.
  }];
  let methods = [
    InterfaceMethod<"Roles of the operands that quantization looks at, activation first.",
      "::llvm::SmallVector<::tern::nn::OperandRole>", "getRoles">,
    InterfaceMethod<"Multiply-accumulates of one execution; 0 when a size is unknown.", "int64_t", "getMacs">
  ];
}

def SizesOpInterface : OpInterface<"SizesOpInterface"> {
  let cppNamespace = "::tern::nn";
  let description = [{
    Sizes of the results of an op outside of nn (those of nn have their rules in SizeAnalysis.cpp).
  }];
  let methods = [
    InterfaceMethod<"One list of sizes a result; null where a size is not known.",
      "void", "inferSizes", (ins "::tern::nn::SizeAnalysis &":$sizes,
                                 "::llvm::SmallVectorImpl<::llvm::SmallVector<::tern::nn::SizeExpr, 6>> &":$results)>
  ];
}
#endif
