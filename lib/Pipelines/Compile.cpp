//===- Compile.cpp - from an ONNX model to a program --------------------------===//
#include "lib/Pipelines/Compilation.h"
#include "lib/Pipelines/Pipelines.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace tern {

//===-- saying things -------------------------------------------------------===//

LogicalResult Compilation::fail(const llvm::Twine &message) { return emitError(UnknownLoc::get(&context)) << message; }

void Compilation::done(StringRef stage, const llvm::Twine &text) {
  if (listener.done)
    listener.done(stage, text.str());
  stageStart = std::chrono::steady_clock::now();
}

void Compilation::note(const llvm::Twine &text) {
  if (listener.note)
    listener.note(text.str());
}

void Compilation::progress(StringRef stage, int64_t step, int64_t steps) {
  if (!listener.progress)
    return;
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - stageStart).count();
  listener.progress(stage, steps ? double(step) / double(steps) : 0,
                    step ? seconds * double(steps - step) / double(step) : -1);
}

void Compilation::dump(StringRef stage, ModuleOp module) {
  if (options.dumpIr.empty() || options.dumpIr != stage || !listener.ir)
    return;
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().elideLargeElementsAttrs(64).elideLargeResourceString(64));
  listener.ir(text);
}

//===-- passes ------------------------------------------------------------------===//

LogicalResult Compilation::runPasses(ModuleOp module, StringRef stage,
                                     llvm::function_ref<void(OpPassManager &)> build) {
  bool reported = false;
  ScopedDiagnosticHandler watch(&context, [&](Diagnostic &diag) {
    reported |= diag.getSeverity() == DiagnosticSeverity::Error;
    return failure();
  });
  PassManager pm(&context, ModuleOp::getOperationName());
  // The verifier runs below: what it finds after a pass is not the user's mistake.
  pm.enableVerifier(false);
  build(pm);
  if (failed(pm.run(module))) {
    if (!reported) {
      summary.status = CompileStatus::Internal;
      (void)fail("stage '" + stage + "' failed without a reason; this is a mistake of the compiler");
    }
    return failure();
  }
  if (failed(verify(module))) {
    summary.status = CompileStatus::Internal;
    return failure();
  }
  dump(stage, module);
  return success();
}

LogicalResult Compilation::run() {
  summary.status = CompileStatus::BadInput;
  stageStart = std::chrono::steady_clock::now();
  if (failed(check()))
    return failure();
  if (exportsOnly())
    return runExport();
  if (failed(checkOutput()) || failed(openData()) || failed(hashModel()))
    return failure();
  if (!options.calibration.empty()) {
    auto files = hashFiles(options.calibration);
    if (!files)
      return fail("--calib: " + llvm::toString(files.takeError()));
    dataHash = *files;
  }
  if (isUpToDate()) {
    summary.upToDate = true;
    summary.status = CompileStatus::Done;
    return success();
  }
  if (failed(import()) || failed(prepare()) || (options.plan.empty() && failed(checkNames())))
    return failure();
  if (data && !isFloat() && options.plan.empty() && failed(calibrate()))
    return failure();
  if (!data && options.plan.empty() && usesStaticActivations())
    note("no --calib: activations are quantized at run time; calibration data (--calib=FILE.npz) would fix their "
         "ranges once, which is "
         "faster and as a rule more accurate");
  if (failed(plan()))
    return failure();
  if (options.planOnly) {
    if (failed(writePlanOnly()))
      return failure();
    summary.status = CompileStatus::Done;
    return success();
  }
  if (failed(lower()) || failed(emit()))
    return failure();
  module = {};
  if ((emits("onnx-qdq") || emits("onnx-nbits")) && failed(exportModel(exportPath())))
    return failure();
  summary.status = CompileStatus::Done;
  measure();
  return success();
}

FailureOr<OwningOpRef<ModuleOp>> Compilation::quantized() {
  summary.status = CompileStatus::BadInput;
  if (failed(check()) || failed(openData()) || failed(hashModel()) || failed(import()) || failed(prepare()) ||
      failed(plan()) || failed(runPasses(*module, "quantize", buildQuantize)))
    return failure();
  return std::move(module);
}

FailureOr<OwningOpRef<ModuleOp>> quantizedModule(const CompileOptions &options, MLIRContext &context) {
  CompileSummary summary;
  CompileListener listener;
  CompileOptions kept = options;
  context.printOpOnDiagnostic(false);
  kept.calibration.clear(); // a plan holds what calibration has found
  return Compilation(kept, context, listener, summary).quantized();
}

LogicalResult compile(const CompileOptions &options, MLIRContext &context, const CompileListener &listener,
                      CompileSummary *summary) {
  CompileSummary own;
  CompileSummary &result = summary ? *summary : own;
  bool reported = false;
  LogicalResult status = success();
  // Locations name nodes of the model; the op's text would be pages of IR.
  context.printOpOnDiagnostic(false);
  {
    ScopedDiagnosticHandler watch(&context, [&](Diagnostic &diag) {
      reported |= diag.getSeverity() == DiagnosticSeverity::Error;
      return failure();
    });
    status = Compilation(options, context, listener, result).run();
  }
  if (failed(status) && !reported) {
    result.status = CompileStatus::Internal;
    return emitError(UnknownLoc::get(&context))
           << "the compilation failed without a reason; this is a mistake of the compiler";
  }
  return status;
}

std::string diagnosticText(Diagnostic &diagnostic, StringRef model) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Location loc = diagnostic.getLocation();
  if (auto file = dyn_cast<FileLineColLoc>(loc); file && file.getLine() == 0)
    os << file.getFilename().getValue() << ": ";
  else if (auto name = dyn_cast<NameLoc>(loc))
    os << model << ": " << name.getName().getValue() << ": ";
  else if (!isa<UnknownLoc>(loc))
    os << model << ": " << loc << ": ";
  constexpr llvm::StringLiteral kinds[] = {"note", "warning", "error", "remark"};
  os << kinds[unsigned(diagnostic.getSeverity())] << ": " << diagnostic.str();
  for (Diagnostic &inner : diagnostic.getNotes())
    os << "\n" << diagnosticText(inner, model);
  return text;
}

} // namespace tern
