// quant-opt MODEL.onnx: the importer in front of the passes.
#ifndef TERN_TOOLS_QUANT_OPT_ONNXINPUT_H
#define TERN_TOOLS_QUANT_OPT_ONNXINPUT_H

#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/StringRef.h"

namespace tern {

/// Declares the options of the importer; before the command line is parsed.
void registerOnnxOptions();

/// Imports `input`, runs the passes of the command line and prints to `output`. The exit code.
int runOnnx(llvm::StringRef input, llvm::StringRef output, mlir::DialectRegistry &registry);

} // namespace tern
#endif // TERN_TOOLS_QUANT_OPT_ONNXINPUT_H
