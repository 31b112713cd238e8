#include "lib/Import/Import.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Import/Importer.h"

using namespace mlir;

namespace tern {

FailureOr<OwningOpRef<ModuleOp>> importOnnx(StringRef path, MLIRContext &context, const ImportOptions &options) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, ml_program::MLProgramDialect, nn::NNDialect, TernDialect,
                      tensor::TensorDialect>();
  // Somebody always says why: type inference may fail silently.
  bool reported = false;
  ScopedDiagnosticHandler watch(&context, [&](Diagnostic &diag) {
    reported |= diag.getSeverity() == DiagnosticSeverity::Error;
    return failure();
  });
  auto model = importer::ModelFile::open(path, context);
  if (failed(model))
    return failure();
  auto module = importer::Importer(**model, options, &context).run();
  if (failed(module)) {
    if (!reported)
      emitError((*model)->loc()) << "the model could not be imported";
    return failure();
  }
  if (!options.keepUnknown && failed(reportUnknownOps(**module)))
    return failure();
  return module;
}

} // namespace tern
