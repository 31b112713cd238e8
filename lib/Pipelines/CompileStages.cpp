//===- CompileStages.cpp - import to emit -------------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Pipelines/Pipelines.h"
#include "lib/Target/Cpu/Lowering/Artifact/Artifact.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

using namespace mlir;

namespace tern {

/// "44.6 MB"
static std::string bytesText(int64_t bytes) {
  if (bytes < 1000)
    return llvm::formatv("{0} B", bytes);
  return bytes < 1000000 ? llvm::formatv("{0:f1} kB", bytes / 1e3).str()
                         : llvm::formatv("{0:f1} MB", bytes / 1e6).str();
}

static std::string countText(int64_t count, StringRef one) {
  return (llvm::Twine(count) + " " + one + (count == 1 ? "" : "s")).str();
}

static int64_t weightElements(ModuleOp module) {
  int64_t count = 0;
  for (auto global : module.getOps<ml_program::GlobalOp>())
    if (auto type = dyn_cast<RankedTensorType>(global.getType()))
      count += type.getNumElements();
  return count;
}

/// Bytes of constants that are tensors of more than 16 elements: as the importer tells weights from other constants.
static int64_t weightBytes(ModuleOp module) {
  int64_t bytes = 0;
  auto add = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && tensor.getNumElements() > 16)
      bytes += (tensor.getNumElements() * tensor.getElementTypeBitWidth() + 7) / 8;
  };
  for (auto global : module.getOps<ml_program::GlobalOp>())
    add(global.getType());
  module.walk([&](arith::ConstantOp op) { add(op.getType()); });
  return bytes;
}

/// Ops that compute at run time: not those of weight expressions.
static int64_t countOps(ModuleOp module) {
  int64_t count = 0;
  nn::ConstantExpressions constants;
  module.walk([&](Operation *op) {
    count += isa_and_present<nn::NNDialect, TernDialect>(op->getDialect()) && op->getNumResults() &&
             !constants.contains(op->getResult(0));
  });
  return count;
}

template <class Op> static int64_t countOf(ModuleOp module) {
  int64_t count = 0;
  module.walk([&](Op) { ++count; });
  return count;
}

LogicalResult Compilation::import() {
  auto imported = importOnnx(options.model, context, importOptions);
  if (failed(imported))
    return failure();
  module = std::move(*imported);
  if (failed(verify(*module))) {
    summary.status = CompileStatus::Internal;
    return failure();
  }
  if (failed(reportUnknownOps(*module)))
    return failure();
  floatBytes = weightBytes(*module);
  modelOps = countOps(*module);
  std::string inputs;
  func::FuncOp main = nn::mainFunction(*module);
  for (unsigned i = 0; i < main.getNumArguments() && i < 3; ++i) {
    auto type = dyn_cast<RankedTensorType>(main.getArgumentTypes()[i]);
    inputs += ", ";
    if (auto name = main.getArgAttrOfType<StringAttr>(i, "tern.name"))
      inputs += name.str() + " ";
    inputs += type ? calib::printShape(type.getShape().vec()) : "?";
  }
  if (main.getNumArguments() > 3)
    inputs += llvm::formatv(" and {0} more inputs", main.getNumArguments() - 3);
  int64_t elements = weightElements(*module);
  std::string weights = elements < 1000000 ? llvm::formatv("{0:f1} k", elements / 1e3).str()
                                           : llvm::formatv("{0:f1} M", elements / 1e6).str();
  done("import", llvm::sys::path::filename(options.model) + "  " + countText(modelOps, "op") + ", " + weights +
                     " weights" + inputs);
  dump("import", *module);
  return success();
}

LogicalResult Compilation::prepare() {
  int64_t norms = countOf<nn::BatchNormOp>(*module), transposes = countOf<nn::TransposeOp>(*module);
  if (failed(runPasses(*module, "prepare", buildPrepare)))
    return failure();
  std::string text = llvm::formatv("{0} -> {1} ops", modelOps, countOps(*module));
  if (norms -= countOf<nn::BatchNormOp>(*module); norms > 0)
    text += ", " + countText(norms, "batch norm") + " folded";
  if (transposes -= countOf<nn::TransposeOp>(*module); transposes > 0)
    text += ", " + countText(transposes, "transpose") + " cancelled";
  done("prepare", text);
  return success();
}

nn::PlanRequest Compilation::request() const {
  nn::PlanRequest request;
  request.scheme = scheme;
  request.overrides = overrides;
  request.excludes = options.excludes;
  return request;
}

/// Says what is wrong with names before calibration takes its time.
LogicalResult Compilation::checkNames() {
  if (overrides.empty() && options.excludes.empty())
    return success();
  OwningOpRef<ModuleOp> trial = module->clone();
  Plan unused;
  return nn::makePlan(nn::mainFunction(*trial), request(), unused);
}

LogicalResult Compilation::plan() {
  func::FuncOp main = nn::mainFunction(*module);
  if (isFloat() && !options.planOnly)
    decisions.scheme = "float";
  if (!options.plan.empty()) {
    llvm::Expected<Plan> read = readPlan(options.plan);
    if (!read)
      return fail("--plan: " + llvm::toString(read.takeError()));
    decisions = std::move(*read);
    ScopedDiagnosticHandler where(&context, [&](Diagnostic &diag) {
      diag.attachNote() << "in the plan " << options.plan;
      return failure();
    });
    if (failed(nn::applyPlan(main, decisions, modelHash)))
      return failure();
  } else {
    if (failed(nn::makePlan(main, request(), decisions)))
      return failure();
    decisions.scheme = options.scheme;
    if (data && floatRuns.inputs.size()) {
      decisions.calibrationSha256 = dataHash;
      decisions.ranges = calib::printRangeMethod(rangeOptions);
    }
  }
  decisions.modelSha256 = modelHash;
  decisions.modelOps = modelOps;
  decisions.chip = options.target;
  int64_t quantized = llvm::count_if(decisions.ops, [](const PlanOp &op) { return op.w.has_value(); });
  int64_t dynamic = llvm::count_if(decisions.ops, [](const PlanOp &op) { return op.x && !op.xStatic; });
  std::string text = llvm::formatv("{0} for {1}: {2} of {3} layers quantized", decisions.scheme, options.target,
                                   quantized, decisions.ops.size());
  if (dynamic)
    text += llvm::formatv(", {0} with dynamic activations", dynamic);
  done("plan", text);
  dump("plan", *module);
  return success();
}

LogicalResult Compilation::lower() {
  if (failed(runPasses(*module, "quantize", buildQuantize)) || failed(runPasses(*module, "fuse", buildFuse)) ||
      failed(runPasses(*module, "encode", [](OpPassManager &pm) { buildEncode(pm); })))
    return failure();
  done("encode", bytesText(floatBytes) + " -> " + bytesText(weightBytes(*module)));
  return runPasses(*module, "outline", buildOutline);
}

LogicalResult Compilation::emit() {
  cpu::ArtifactOptions artifact;
  artifact.out = out;
  artifact.name = llvm::sys::path::stem(options.model).str();
  artifact.isas = isas;
  artifact.jobs = jobs;
  artifact.object = llvm::is_contained(options.emit, "obj");
  artifact.files.push_back({"plan.json", printPlan(decisions)});
  artifact.files.push_back({"compile.json", compileJson()});
  if (llvm::is_contained(options.emit, "mlir")) {
    std::string text;
    llvm::raw_string_ostream os(text);
    module->print(os, OpPrintingFlags().elideLargeElementsAttrs(64).elideLargeResourceString(64));
    artifact.files.push_back({"model.mlir", text + "\n"});
  }
  int64_t kernels = 0;
  for (auto function : module->getOps<func::FuncOp>())
    kernels += function.isPrivate();
  std::vector<CallOp> portable;
  if (failed(runPasses(*module, "layouts", [](OpPassManager &pm) { pm.addPass(cpu::createCpuAssignLayouts()); })))
    return failure();
  module->walk([&](CallOp call) {
    if (call->hasAttr("cpu.portable"))
      portable.push_back(call);
  });
  if (options.requireKernels && !portable.empty()) {
    summary.status = CompileStatus::KernelsMissing;
    InFlightDiagnostic diag = emitError(portable.front().getLoc());
    diag << "--require-kernels: no generated kernel computes "
         << (portable.size() == 1 ? "this op" : std::to_string(portable.size()) + " ops");
    for (CallOp call : ArrayRef(portable).take_front(5))
      diag.attachNote(call.getLoc()) << call.getName().value_or("") << ": "
                                     << call->getAttrOfType<StringAttr>("cpu.portable").getValue();
    return diag;
  }
  auto rest = [&](OpPassManager &pm) { cpu::buildCpuPipeline(pm, isas, /*layouts=*/false); };
  if (failed(runPasses(*module, "kernels", rest)) || failed(cpu::writeArtifact(*module, artifact)))
    return failure();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - stageStart).count();
  std::string text = countText(kernels, "kernel");
  if (!portable.empty())
    text += llvm::formatv(", {0} of them portable code", portable.size());
  done("emit", llvm::formatv("{0}, {1}, {2:f1} s", text, llvm::join(llvm::split(isas, ','), " "), seconds));
  return success();
}

LogicalResult Compilation::writePlanOnly() {
  SmallString<256> path(out);
  if (!StringRef(out).ends_with(".json")) {
    if (std::error_code ec = llvm::sys::fs::create_directory(out))
      return fail(out + ": cannot be created: " + ec.message());
    llvm::sys::path::append(path, "plan.json");
  }
  if (failed(writeText(path, printPlan(decisions))))
    return failure();
  summary.out = std::string(path);
  return success();
}

} // namespace tern
