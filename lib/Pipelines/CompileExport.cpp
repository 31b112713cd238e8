//===- CompileExport.cpp - quantized ONNX files --------------------------------===//
#include "lib/Export/Export.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Quantize/Method.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include <unistd.h>

using namespace mlir;

namespace tern {

static bool isOnnx(StringRef what) { return what == "onnx-qdq" || what == "onnx-nbits"; }

bool Compilation::exportsOnly() const { return !options.emit.empty() && llvm::all_of(options.emit, isOnnx); }

LogicalResult Compilation::checkExport() {
  std::vector<std::string> known;
  for (const auto &[name, text] : exportProfiles())
    known.push_back(name);
  if (!llvm::is_contained(known, options.qdqProfile))
    return fail("--qdq-profile: unknown profile '" + options.qdqProfile + "'" + nearest(options.qdqProfile, known));
  known = {"auto"};
  for (const Method &method : methods())
    known.push_back(method.name);
  if (!llvm::is_contained(known, options.method))
    return fail("--method: unknown method '" + options.method + "'" + nearest(options.method, known));
  if (exportsOnly()) {
    if (scheme.isFloat() && overrides.empty() && options.plan.empty())
      return fail("--emit=" + llvm::join(options.emit, ",") +
                  ": with --scheme=float there is nothing to quantize; choose another --scheme, or name ops with --override");
    std::pair<bool, StringRef> programOnly[] = {{!options.inputs.empty(), "--inputs"},
                                                {!options.outputs.empty(), "--outputs"},
                                                {options.requireKernels, "--require-kernels"},
                                                {!options.dumpIr.empty(), "--dump-ir"}};
    for (auto [given, flag] : programOnly)
      if (given)
        return fail(flag + " is for programs; --emit=" + llvm::join(options.emit, ",") +
                    " changes the model's own file (add so to --emit to make a program as well)");
    return success();
  }
  if (StringRef(options.out).ends_with(".onnx"))
    return fail("-o " + options.out + ": a program is a folder; for an ONNX file give --emit=onnx-qdq or --emit=onnx-nbits");
  for (const Scheme &each : llvm::concat<const Scheme>(ArrayRef(scheme), llvm::map_range(overrides, [](const Override &o) {
                                                         return o.scheme;
                                                       })))
    if (std::string why = each.whyNotCpu(); !why.empty())
      return fail("--scheme: " + why);
  return success();
}

LogicalResult Compilation::checkExportOutput() {
  namespace fs = llvm::sys::fs;
  out = outputOf(options);
  if (options.planOnly)
    return checkOutput();
  bool isFile = StringRef(out).ends_with(".onnx");
  SmallString<256> parent(llvm::sys::path::parent_path(out));
  if (parent.empty())
    parent = ".";
  if (!fs::is_directory(parent))
    return fail(out + ": the folder " + parent + " does not exist; make it, or choose another place with -o");
  if (!isFile && fs::exists(out) && !fs::is_directory(out))
    return fail(out + " is a file; name a folder, or a file that ends in .onnx, with -o");
  if (isFile && fs::is_directory(out))
    return fail(out + " is a folder; choose another name with -o");
  StringRef folder = !isFile && fs::exists(out) ? StringRef(out) : StringRef(parent);
  if (access(folder.str().c_str(), W_OK | X_OK) != 0)
    return fail(out + ": the folder " + folder + " cannot be written; choose another place with -o");
  // The old file is read while the new one is written.
  std::string target = exportPath();
  if (fs::exists(target) && fs::equivalent(target, options.model))
    return fail(out + " is the model itself; choose another name with -o");
  return success();
}

std::string Compilation::exportPath() const {
  if (StringRef(out).ends_with(".onnx"))
    return out;
  return out + (emits("onnx-nbits") ? "/model.nbits.onnx" : "/model.qdq.onnx");
}

void Compilation::reportExport(const ExportReport &report, StringRef path) {
  std::map<std::string, std::vector<std::string>> byReason;
  for (const PlanOp &op : report.plan.ops)
    if (!op.why.empty())
      byReason[op.why].push_back(op.name);
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons(byReason.begin(), byReason.end());
  llvm::sort(reasons, [](const auto &a, const auto &b) {
    return std::pair(b.second.size(), a.first) < std::pair(a.second.size(), b.first);
  });
  auto list = [](const std::vector<std::string> &names) {
    std::string text = llvm::join(ArrayRef(names).take_front(3), ", ");
    return names.size() > 3 ? text + llvm::formatv(" and {0} more", names.size() - 3).str() : text;
  };
  for (const auto &[why, names] : ArrayRef(reasons).take_front(12))
    note(llvm::formatv("float: {0}: {1}", list(names), why));
  if (reasons.size() > 12)
    note(llvm::formatv("float: {0} more reasons in plan.json", reasons.size() - 12));
  std::map<std::string, std::vector<std::string>> byText;
  for (const ExportRemark &remark : report.remarks)
    byText[remark.text].push_back(remark.op);
  size_t shown = 0;
  for (const auto &[text, names] : byText)
    if (shown++ < 12)
      note(list(names) + ": " + text);
}

LogicalResult Compilation::exportModel(StringRef path) {
  ExportOptions request;
  request.out = path.str();
  request.qdq = emits("onnx-qdq");
  request.nbits = emits("onnx-nbits");
  request.profile = options.qdqProfile;
  request.scheme = scheme;
  request.method = options.method;
  request.overrides = overrides;
  request.excludes = options.excludes;
  request.planOnly = options.planOnly;
  request.jobs = jobs;
  request.progress = [&](double part) {
    if (listener.progress)
      listener.progress("quantize", part, -1);
  };
  Plan given;
  if (!options.plan.empty()) {
    llvm::Expected<Plan> read = readPlan(options.plan);
    if (!read)
      return fail("--plan: " + llvm::toString(read.takeError()));
    given = std::move(*read);
    if (!given.modelSha256.empty() && given.modelSha256 != modelHash)
      return fail("--plan: the plan was made for another model; make one with --plan-only, or remove \"sha256\" from it");
    request.plan = &given;
  }
  request.partialPlan = !exportsOnly();
  // The data have been read when a program was made.
  if (!exportsOnly() && !options.calibration.empty() && failed(openData()))
    return failure();
  if (data && usesStaticActivations()) {
    FailureOr<std::vector<std::string>> values = exportActivations(options.model, context, request);
    if (failed(values) || failed(observe(*values, options.qdqProfile == "tensorrt", request.ranges)))
      return failure();
    request.calibrationNote = std::to_string(decisions.samples) + " samples, " + calib::printRangeMethod(rangeOptions);
  }
  ExportReport report;
  if (failed(exportOnnx(options.model, context, request, report)))
    return failure();
  int64_t samples = decisions.samples;
  decisions = report.plan;
  decisions.samples = samples;
  decisions.calibrationSha256 = dataHash;
  if (samples)
    decisions.ranges = calib::printRangeMethod(rangeOptions);
  decisions.scheme = options.plan.empty() ? options.scheme : given.scheme;
  decisions.modelSha256 = modelHash;
  decisions.chip = "onnx";
  decisions.modelOps = int64_t(decisions.ops.size());
  for (const auto &[kind, count] : report.withoutWeight)
    decisions.modelOps += count;
  std::string text = llvm::formatv("{0}: {1} of {2} ops with weights", decisions.scheme, report.quantized,
                                   report.quantized + report.left);
  if (report.dynamic)
    text += llvm::formatv(", {0} with dynamic activations", report.dynamic);
  if (report.fixed)
    text += llvm::formatv(", {0} with static activations", report.fixed);
  int64_t others = decisions.modelOps - int64_t(decisions.ops.size());
  text += llvm::formatv("; {0} ops have none", others);
  if (report.newOpset != report.oldOpset)
    text += llvm::formatv("; opset {0} -> {1}", report.oldOpset, report.newOpset);
  done("quantize", text);
  reportExport(report, path);
  if (report.quantized == 0) {
    std::map<std::string, std::vector<std::string>> reasons;
    for (const PlanOp &op : decisions.ops)
      reasons[op.why].push_back(op.name);
    std::string why = "the model has no MatMul, Gemm, Conv, Gather, LSTM, GRU or RNN with a constant weight";
    size_t most = 0;
    for (const auto &[reason, names] : reasons)
      if (names.size() > most) {
        most = names.size();
        why = names.front() + (most > 1 ? " and " + std::to_string(most - 1) + " more" : "") + ": " + reason;
      }
    emitWarning(UnknownLoc::get(&context)) << "scheme " << decisions.scheme << " matched nothing: " << why;
  }
  auto bytes = [](uint64_t n) {
    return n < 1000000 ? llvm::formatv("{0:f1} kB", double(n) / 1e3).str() : llvm::formatv("{0:f1} MB", double(n) / 1e6).str();
  };
  if (options.planOnly)
    return success();
  done("wrote", path.str() + "  " + bytes(report.oldBytes) + " -> " + bytes(report.newBytes) +
                    (report.hasExternalData ? ", data in " + llvm::sys::path::filename(path).str() + ".data" : ""));
  return success();
}

LogicalResult Compilation::runExport() {
  namespace fs = llvm::sys::fs;
  if (failed(checkExportOutput()) || failed(hashModel()))
    return failure();
  if (!options.calibration.empty() && usesStaticActivations()) {
    auto files = hashFiles(options.calibration);
    if (!files)
      return fail("--calib: " + llvm::toString(files.takeError()));
    dataHash = *files;
    if (failed(openData()))
      return failure();
  } else if (!options.calibration.empty()) {
    note("--calib is not needed: scheme " + scheme.str() + " has no activations of 8 bits");
  } else if (usesStaticActivations() && emits("onnx-qdq")) {
    note("no --calib: activations are quantized at run time where ONNX has integer ops for that");
  }
  if (options.planOnly) {
    if (failed(exportModel("")) || failed(writePlanOnly()))
      return failure();
    summary.status = CompileStatus::Done;
    return success();
  }
  bool isFile = StringRef(out).ends_with(".onnx");
  bool made = false;
  if (!isFile && !fs::exists(out)) {
    if (std::error_code ec = fs::create_directory(out))
      return fail(out + ": cannot be created: " + ec.message());
    made = true;
  }
  std::string path = exportPath();
  if (failed(exportModel(path))) {
    if (made)
      fs::remove(out);
    return failure();
  }
  summary.out = summary.exported = path;
  std::string planPath = isFile ? StringRef(path).drop_back(5).str() + ".plan.json" : out + "/plan.json";
  if (failed(writeText(planPath, printPlan(decisions))))
    return failure();
  summary.status = CompileStatus::Done;
  return success();
}

LogicalResult Compilation::writeText(StringRef path, StringRef text) {
  std::string temporary = (path + ".tmp." + llvm::Twine(llvm::sys::Process::getProcessId())).str();
  std::error_code ec;
  {
    llvm::raw_fd_ostream os(temporary, ec);
    if (!ec) {
      os << text;
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
  return success();
}

} // namespace tern
