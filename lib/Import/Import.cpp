#include "lib/Import/Import.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Import/Decisions.h"
#include "lib/Import/Importer.h"

using namespace mlir;

namespace tern {

/// Imports with the branches that have been decided on, until they fit.
static FailureOr<OwningOpRef<ModuleOp>> importDecided(importer::ModelFile &model, MLIRContext &context, const ImportOptions &options) {
  importer::Decisions decisions;
  std::vector<Diagnostic> first, said;
  for (bool tried = false;;) {
    FailureOr<OwningOpRef<ModuleOp>> module = failure();
    {
      ScopedDiagnosticHandler collect(&context, [&](Diagnostic &diagnostic) { said.push_back(std::move(diagnostic)); });
      module = importer::Importer(model, options, &context, decisions).run();
    }
    if (decisions.again) {
      decisions.again = false;
      said.clear();
      continue;
    }
    bool works = succeeded(module) && (decisions.empty() || !(*module)->walk([](nn::OnnxOp) { return WalkResult::interrupt(); }).wasInterrupted());
    if (!tried && !works)
      std::swap(first, said);
    tried |= !works;
    bool another = !works && decisions.flip();
    if (!another) {
      // The first choice says best what is missing.
      for (Diagnostic &diagnostic : works ? said : first)
        context.getDiagEngine().emit(std::move(diagnostic));
      return module;
    }
    said.clear();
  }
}

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
  auto module = importDecided(**model, context, options);
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
