#include "OnnxInput.h"
#include "lib/Import/Import.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/ManagedStatic.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace tern {
namespace {

struct OnnxOptions {
  llvm::cl::OptionCategory category{"Options for .onnx input"};
  llvm::cl::list<std::string> dims{"dim", llvm::cl::desc("Size of an open dimension, by symbol or place (image.2)"),
                                   llvm::cl::value_desc("NAME=N"), llvm::cl::cat(category)};
  llvm::cl::list<std::string> inputs{"inputs", llvm::cl::desc("Cut the model at these values: its inputs"),
                                     llvm::cl::CommaSeparated, llvm::cl::value_desc("A,B"), llvm::cl::cat(category)};
  llvm::cl::list<std::string> outputs{"outputs", llvm::cl::desc("Cut the model at these values: its outputs"),
                                      llvm::cl::CommaSeparated, llvm::cl::value_desc("C"), llvm::cl::cat(category)};
  llvm::cl::opt<bool> keepUnknown{"keep-unknown", llvm::cl::desc("Keep ops without a rule as nn.onnx"),
                                  llvm::cl::init(true), llvm::cl::cat(category)};
};
llvm::ManagedStatic<OnnxOptions> options;

/// WHERE: error: WHAT. A node of the model is "NAME (OP #INDEX)", the file its path.
void print(Diagnostic &diag, StringRef input) {
  llvm::raw_ostream &os = llvm::errs();
  Location loc = diag.getLocation();
  if (auto file = dyn_cast<FileLineColLoc>(loc); file && file.getLine() == 0)
    os << file.getFilename().getValue() << ": ";
  else if (auto name = dyn_cast<NameLoc>(loc))
    os << input << ": " << name.getName().getValue() << ": ";
  else if (!isa<UnknownLoc>(loc))
    os << loc << ": ";
  constexpr StringLiteral kinds[] = {"note", "warning", "error", "remark"};
  os << kinds[unsigned(diag.getSeverity())] << ": " << diag << "\n";
  for (Diagnostic &note : diag.getNotes())
    print(note, input);
}

LogicalResult importAndRun(StringRef input, StringRef output, MLIRContext &context) {
  ImportOptions import;
  import.inputs = options->inputs;
  import.outputs = options->outputs;
  import.keepUnknown = options->keepUnknown;
  for (StringRef flag : options->dims) {
    auto [name, size] = flag.rsplit('=');
    int64_t n, high;
    if (auto [from, to] = size.split(".."); !name.empty() && size.contains("..") && !from.getAsInteger(10, n) &&
                                            !to.getAsInteger(10, high)) {
      import.bounds[name] = {n, high};
      import.open = true;
      continue;
    }
    if (name.empty() || size.getAsInteger(10, n)) {
      llvm::errs() << "quant-opt: error: --dim " << flag << ": NAME=N or NAME=LOW..HIGH is needed, as in --dim batch=1\n";
      return failure();
    }
    import.dims[name] = n;
  }
  FailureOr<OwningOpRef<ModuleOp>> module = importOnnx(input, context, import);
  if (failed(module))
    return failure();
  auto config = MlirOptMainConfig::createFromCLOptions();
  PassManager pm(&context, ModuleOp::getOperationName(), PassManager::Nesting::Implicit);
  pm.enableVerifier(config.shouldVerifyPasses());
  if (failed(applyPassManagerCLOptions(pm)) || failed(config.setupPassPipeline(pm)) || failed(pm.run(**module)))
    return failure();
  std::string error;
  std::unique_ptr<llvm::ToolOutputFile> file = openOutputFile(output, &error);
  if (!file) {
    llvm::errs() << "quant-opt: error: " << error << "\n";
    return failure();
  }
  if (config.shouldEmitBytecode()) {
    if (failed(writeBytecodeToFile(**module, file->os())))
      return failure();
  } else {
    (*module)->print(file->os());
    file->os() << "\n";
  }
  file->keep();
  return success();
}

} // namespace

void registerOnnxOptions() { *options; }

int runOnnx(StringRef input, StringRef output, DialectRegistry &registry) {
  MLIRContext context(registry);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diag) { print(diag, input); });
  return asMainReturnCode(importAndRun(input, output, context));
}

} // namespace tern
