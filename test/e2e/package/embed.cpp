// Compiles a model with the C++ API: embed MODEL.onnx FOLDER.
#include "tern/Compile.h"
#include "tern/Register.h"
#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  mlir::DialectRegistry registry;
  tern::registerAll(registry);
  mlir::MLIRContext context(registry);
  tern::CompileOptions options;
  options.model = argv[1];
  options.out = argv[2];
  options.scheme = "float";
  tern::CompileListener listener;
  listener.done = [](llvm::StringRef stage, llvm::StringRef text) { llvm::outs() << stage << ": " << text << "\n"; };
  return failed(tern::compile(options, context, listener));
}
