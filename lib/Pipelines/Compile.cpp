//===- Compile.cpp - from an ONNX model to a program ------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/Planning.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Pipelines/Pipelines.h"
#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Lowering/Artifact.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Threading.h"
#include <unistd.h>

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
  listener.progress(stage, steps ? double(step) / double(steps) : 0, step ? seconds * double(steps - step) / double(step) : -1);
}

void Compilation::dump(StringRef stage, ModuleOp module) {
  if (options.dumpIr.empty() || options.dumpIr != stage || !listener.ir)
    return;
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().elideLargeElementsAttrs(64).elideLargeResourceString(64));
  listener.ir(text);
}

/// "44.6 MB"
std::string bytesText(int64_t bytes) {
  if (bytes < 1000)
    return llvm::formatv("{0} B", bytes);
  return bytes < 1000000 ? llvm::formatv("{0:f1} kB", bytes / 1e3).str() : llvm::formatv("{0:f1} MB", bytes / 1e6).str();
}

static std::string countText(int64_t count, StringRef one) { return (llvm::Twine(count) + " " + one + (count == 1 ? "" : "s")).str(); }

//===-- options ---------------------------------------------------------------===//

LogicalResult Compilation::check() {
  auto read = [&](auto expected, auto &to, StringRef flag) -> LogicalResult {
    if (!expected)
      return fail("--" + flag + ": " + llvm::toString(expected.takeError()));
    to = *expected;
    return success();
  };
  if (options.model.empty())
    return fail("no model is given; name an .onnx file");
  if (failed(read(parseScheme(options.scheme), scheme, "scheme")))
    return failure();
  for (const std::string &text : options.overrides)
    if (failed(read(parseOverride(text), overrides.emplace_back(), "override")))
      return failure();
  auto ranges = calib::parseRangeMethod(options.ranges);
  if (!ranges)
    return fail("--ranges: " + ranges.error());
  rangeOptions = *ranges;

  std::vector<std::string> targets;
  for (const auto &[name, text] : targetNames())
    targets.push_back(name);
  if (!llvm::is_contained(targets, options.target))
    return fail("--target: unknown target '" + options.target + "'" + nearest(options.target, targets));
  StringRef best = options.target == "native" ? StringRef(cpu::hostIsa().name)
                                              : llvm::StringSwitch<StringRef>(options.target).Case("x86-64-v3", "avx2").Case("x86-64-portable", "portable").Default("avx512vnni");
  isas = "portable";
  for (const cpu::Isa &isa : cpu::isas())
    if (isa.name != "portable" && (isa.name == best || options.target == "x86-64"))
      isas += "," + isa.name.str();

  for (const std::string &what : options.emit)
    if (what != "so" && what != "obj" && what != "mlir")
      return fail("--emit: unknown output '" + what + "'" + nearest(what, {"so", "obj", "mlir"}));
  if (!options.dumpIr.empty() && !llvm::is_contained(stageNames(), options.dumpIr))
    return fail("--dump-ir: unknown stage '" + options.dumpIr + "'" + nearest(options.dumpIr, stageNames()));
  for (const std::string &text : options.dims) {
    auto [name, size] = StringRef(text).rsplit('=');
    int64_t number = 0;
    if (name.empty() || size.getAsInteger(10, number) || number < 1)
      return fail("--dim: '" + text + "' is not NAME=N with a size N of at least 1, for instance batch=4");
    importOptions.dims[name] = number;
  }
  importOptions.inputs = options.inputs;
  importOptions.outputs = options.outputs;
  // The files of the model and the data are read several times: a path to nothing is said at once.
  jobs = options.jobs > 0 ? unsigned(options.jobs) : llvm::hardware_concurrency().compute_thread_count();
  return success();
}

LogicalResult Compilation::checkOutput() {
  StringRef stem = llvm::sys::path::stem(options.model);
  out = !options.out.empty() ? options.out : (stem + (options.planOnly ? ".plan.json" : ".tern")).str();
  while (out.size() > 1 && out.back() == '/')
    out.pop_back();
  summary.out = out;
  namespace fs = llvm::sys::fs;
  SmallString<256> parent(llvm::sys::path::parent_path(out));
  if (parent.empty())
    parent = ".";
  if (!fs::is_directory(parent))
    return fail(out + ": the folder " + parent + " does not exist; make it, or choose another place with -o");
  if (access(parent.c_str(), W_OK | X_OK) != 0)
    return fail(out + ": the folder " + parent + " cannot be written; choose another place with -o");
  if (!fs::exists(out))
    return success();
  if (options.planOnly && StringRef(out).ends_with(".json"))
    return fs::is_directory(out) ? fail(out + " is a folder; choose another name with -o") : success();
  if (!fs::is_directory(out))
    return fail(out + " is a file; a program is a folder: remove it or choose another name with -o");
  std::error_code ec;
  bool isEmpty = fs::directory_iterator(out, ec) == fs::directory_iterator();
  bool isProgram = fs::exists(out + "/manifest.json");
  if (options.planOnly && isProgram)
    return fail(out + " holds a compiled program, whose plan would no longer be the one it has; choose another name with -o");
  if (!options.planOnly && !isEmpty && !isProgram && !fs::exists(out + "/plan.json"))
    return fail(out + " exists and is no compiled program; remove it or choose another name with -o");
  return success();
}

//===-- passes ------------------------------------------------------------------===//

LogicalResult Compilation::runPasses(ModuleOp module, StringRef stage, llvm::function_ref<void(OpPassManager &)> build) {
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

//===-- stages --------------------------------------------------------------------===//

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
    count += isa_and_present<nn::NNDialect, TernDialect>(op->getDialect()) && op->getNumResults() && !constants.contains(op->getResult(0));
  });
  return count;
}

template <class Op> static int64_t countOf(ModuleOp module) {
  int64_t count = 0;
  module.walk([&](Op) { ++count; });
  return count;
}

LogicalResult Compilation::openData() {
  auto read = readSignature(options.model, context, options);
  if (failed(read))
    return failure();
  signature = std::move(*read);
  if (options.calibration.empty())
    return success();
  auto reader = calib::SampleReader::open(options.calibration);
  if (!reader)
    return fail("--calib: " + reader.error());
  data.emplace(std::move(*reader));
  std::vector<std::string> names;
  for (const ModelInput &input : signature.inputs)
    names.push_back(input.name);
  auto shapes = data->peek(names);
  if (!shapes)
    return fail("--calib: " + shapes.error());
  // A leading open size is the batch, and files hold one sample after the other along it: the importer takes 1.
  for (auto [input, array] : llvm::zip(signature.inputs, *shapes)) {
    std::vector<int64_t> shape = array.shape;
    if (shape.size() + 1 == input.shape.size())
      shape.insert(shape.begin(), 1);
    bool isOpen = llvm::is_contained(input.shape, -1);
    if (!isOpen || shape.size() != input.shape.size())
      continue;
    if (input.shape.front() == -1)
      shape.front() = 1;
    importOptions.hints[input.name].assign(shape.begin(), shape.end());
  }
  return success();
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
  std::string weights = elements < 1000000 ? llvm::formatv("{0:f1} k", elements / 1e3).str() : llvm::formatv("{0:f1} M", elements / 1e6).str();
  done("import", llvm::sys::path::filename(options.model) + "  " + countText(modelOps, "op") + ", " + weights + " weights" + inputs);
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
  std::string text = llvm::formatv("{0} for {1}: {2} of {3} layers quantized", decisions.scheme, options.target, quantized, decisions.ops.size());
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
    diag << "--require-kernels: no generated kernel computes " << (portable.size() == 1 ? "this op" : std::to_string(portable.size()) + " ops");
    for (CallOp call : ArrayRef(portable).take_front(5))
      diag.attachNote(call.getLoc()) << call.getName().value_or("") << ": " << call->getAttrOfType<StringAttr>("cpu.portable").getValue();
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
  std::string temporary = (path + ".tmp." + llvm::Twine(llvm::sys::Process::getProcessId())).str();
  std::error_code ec;
  {
    llvm::raw_fd_ostream os(temporary, ec);
    if (!ec) {
      os << printPlan(decisions);
      os.close();
      ec = os.error();
      os.clear_error();
    }
  }
  if (!ec)
    ec = llvm::sys::fs::rename(temporary, path);
  if (ec) {
    llvm::sys::fs::remove(temporary);
    return fail(path + ": cannot be written: " + ec.message());
  }
  summary.out = std::string(path);
  return success();
}

LogicalResult Compilation::run() {
  summary.status = CompileStatus::BadInput;
  stageStart = std::chrono::steady_clock::now();
  if (failed(check()) || failed(checkOutput()) || failed(openData()) || failed(hashModel()))
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
    note("no --calib: activations are quantized at run time; calibration data (--calib=FILE.npz) would fix their ranges once, which is "
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
  summary.status = CompileStatus::Done;
  measure();
  return success();
}

bool Compilation::usesStaticActivations() const {
  auto isStatic = [](const Scheme &scheme) { return scheme.activationBits == 8; };
  return isStatic(scheme) || llvm::any_of(overrides, [&](const Override &rule) { return isStatic(rule.scheme); });
}

LogicalResult Compilation::hashModel() {
  auto hash = hashFile(options.model);
  if (!hash)
    return fail(llvm::toString(hash.takeError()));
  modelHash = *hash;
  return success();
}

FailureOr<OwningOpRef<ModuleOp>> Compilation::quantized() {
  summary.status = CompileStatus::BadInput;
  if (failed(check()) || failed(openData()) || failed(hashModel()) || failed(import()) || failed(prepare()) || failed(plan()) ||
      failed(runPasses(*module, "quantize", buildQuantize)))
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

LogicalResult compile(const CompileOptions &options, MLIRContext &context, const CompileListener &listener, CompileSummary *summary) {
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
    return emitError(UnknownLoc::get(&context)) << "the compilation failed without a reason; this is a mistake of the compiler";
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
