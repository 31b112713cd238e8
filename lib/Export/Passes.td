//===- Passes.td - quantized ONNX out of the QDQ form -----------------------===//
#ifndef EXPORT_PASSES
#define EXPORT_PASSES
include "mlir/Pass/PassBase.td"

def TernExportOnnx : Pass<"tern-export-onnx", "::mlir::ModuleOp"> {
  let summary = "Write the quantized ONNX file that the QDQ form stands for";
  let description = [{
    Reads the decisions off the QDQ form (formats of weights, methods, formats and ranges of activations, by the names of the ops), and applies them to
    the file that the module was imported from. The module stays as it is. Runs after nn-quantize, before or after tern-encode-weights.
    Ops that the form leaves float stay float. Example: test/tools/quant-opt-exports.test
  }];
  let options = [
    Option<"out", "out", "std::string", "", "path of the file">,
    Option<"model", "model", "std::string", "", "the file that the module comes from; empty: the module's location">,
    ListOption<"emit", "emit", "std::string", "onnx-qdq, onnx-nbits (default: onnx-qdq)">,
    Option<"profile", "profile", "std::string", "\"ort\"", "who reads it: ort, tensorrt, openvino, tflite, qonnx">
  ];
  let dependentDialects = ["::tern::TernDialect", "::tern::nn::NNDialect"];
}
#endif
