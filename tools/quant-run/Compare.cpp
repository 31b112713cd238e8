//===- Compare.cpp - against the float program and the reference --------------===//
#include "lib/Calibrate/Compare.h"
#include "lib/Reference/Reference.h"
#include "tools/quant-run/Run.h"
#include "tools/quant-run/Session.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace llvm;

namespace tern::run {

namespace {
/// Differences of every output.
class Differences {
public:
  explicit Differences(ArrayRef<tern_tensor_info> outputs) : infos(outputs), comparisons(outputs.size()) {}
  Error add(const Buffers &reference, const Buffers &result) {
    for (const auto &[index, info] : enumerate(infos))
      if (auto status = comparisons[index].add(arrayOf(info, reference[index]), arrayOf(info, result[index])); !status)
        return createStringError(status.error());
    return Error::success();
  }
  void print() const {
    outs() << formatv("{0,-20}  {1,9}  {2,10}  {3,12}  {4}\n", "output", "SQNR dB", "cosine", "max rel err", "top-1");
    for (const auto &[index, info] : enumerate(infos)) {
      const calib::Comparison &c = comparisons[index];
      std::string sqnr = std::isinf(c.sqnr()) ? (c.sqnr() > 0 ? "equal" : "-inf") : formatv("{0:f1}", c.sqnr()).str();
      std::string top = c.rows() ? formatv("{0}/{1}", c.agreeing(), c.rows()).str() : "-";
      outs() << formatv("{0,-20}  {1,9}  {2,10:f6}  {3,12:e2}  {4}\n", info.name, sqnr, c.cosine(), c.maxRelative(),
                        top);
    }
  }
  bool areEqual() const {
    return all_of(comparisons, [](const calib::Comparison &c) { return c.maxAbsolute() == 0 && !c.broken(); });
  }

private:
  ArrayRef<tern_tensor_info> infos;
  std::vector<calib::Comparison> comparisons;
};
} // namespace

static std::string samplesText(const Feeds &feeds) {
  return feeds.isRandom() ? "one random input"
                          : formatv("{0} sample{1}", feeds.count(), feeds.count() == 1 ? "" : "s").str();
}

/// Inputs and outputs of the two programs must be the same.
static Error checkSignature(ArrayRef<tern_tensor_info> a, ArrayRef<tern_tensor_info> b, StringRef what,
                            StringRef model) {
  auto shape = [](const tern_tensor_info &info) {
    return calib::printShape(std::vector<int64_t>(info.dims, info.dims + info.rank));
  };
  if (a.size() != b.size())
    return createStringError(
        formatv("--compare: {0} has {1} {2}s, the program {3}; is it another model?", model, b.size(), what, a.size()));
  for (const auto &[one, other] : zip(a, b))
    if (StringRef(one.name) != other.name || one.dtype != other.dtype || shape(one) != shape(other))
      return createStringError(formatv(
          "--compare: {0} '{1}' of {2} is {3} {4}, in the program it is '{5}' {6} {7}; is it another model?", what,
          other.name, model, dtypeName(other.dtype), shape(other), one.name, dtypeName(one.dtype), shape(one)));
  return Error::success();
}

/// The model with the sizes of this run.
static void bindSizes(CompileOptions &compile, Artifact &artifact) {
  for (auto [dim, size] : zip(artifact.getDims(), artifact.getSizes()))
    compile.dims.push_back(std::string(dim.name) + (size ? "=" + std::to_string(size) : "=0..0"));
}

Error compareWith(Artifact &artifact, Feeds &feeds, const RunOptions &options) {
  Expected<Origin> origin = readOrigin(options.folder);
  if (!origin)
    return origin.takeError();
  SmallString<128> folder;
  if (std::error_code ec = sys::fs::createUniqueDirectory("quant-run", folder))
    return createStringError("cannot make a temporary folder: " + ec.message() + "; TMPDIR names another place");
  scope_exit remove([&] { sys::fs::remove_directories(folder); });

  CompileOptions compile;
  compile.model = options.compare;
  compile.out = (folder + "/float.tern").str();
  compile.scheme = "float";
  compile.inputs = origin->options.inputs;
  compile.outputs = origin->options.outputs;
  for (const auto &[name, size] : origin->dims)
    compile.dims.push_back(name + "=" + std::to_string(size));
  bindSizes(compile, artifact);
  compile.measure = false;
  compile.target = "native";
  {
    Session session(options.compare);
    errs() << "compiling " << options.compare << " as a float program\n";
    if (failed(tern::compile(compile, session.context)))
      return session.error();
  }
  ArtifactOptions open;
  open.threads = int32_t(options.threads);
  Expected<std::unique_ptr<Artifact>> reference = Artifact::open(compile.out, open);
  if (!reference)
    return reference.takeError();
  Artifact &other = **reference;
  if (Error error = checkSignature(artifact.getInputs(), other.getInputs(), "input", options.compare))
    return error;
  if (Error error = checkSignature(artifact.getOutputs(), other.getOutputs(), "output", options.compare))
    return error;

  Differences differences(artifact.getOutputs());
  Buffers first, got, want;
  feeds.rewind();
  while (true) {
    Expected<std::optional<Buffers>> inputs = feeds.next();
    if (!inputs)
      return inputs.takeError();
    if (!*inputs)
      break;
    if (Error error = joinErrors(runOnce(artifact, **inputs, got), runOnce(other, **inputs, want)))
      return error;
    if (Error error = differences.add(want, got))
      return error;
    if (first.empty())
      first = std::move(**inputs);
  }
  outs() << options.folder << " against the float program of " << options.compare << ", " << samplesText(feeds) << "\n";
  differences.print();
  // The two take turns, so that what else the machine does hits both.
  Times mine, others;
  for (int round = 0; round < 8; ++round) {
    Times a = timeRuns(artifact, first, 0.1), b = timeRuns(other, first, 0.1);
    mine.seconds.insert(mine.seconds.end(), a.seconds.begin(), a.seconds.end());
    others.seconds.insert(others.seconds.end(), b.seconds.begin(), b.seconds.end());
  }
  outs() << formatv("speed: median {0}, p10 {1}; float median {2}, p10 {3}: {4:f2}x ({5}, {6} thread{7})\n",
                    timeText(mine.median()), timeText(mine.p10()), timeText(others.median()), timeText(others.p10()),
                    others.p10() / mine.p10(), artifact.getIsa(), artifact.getThreads(),
                    artifact.getThreads() == 1 ? "" : "s");
  return Error::success();
}

//===-- the reference ---------------------------------------------------------===//

static Expected<reference::Value> valueOf(mlir::Type type, const std::vector<char> &bytes) {
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
  reference::Tensor value = tensor ? reference::Tensor(tensor) : reference::Tensor();
  if (!tensor || value.bytes().size() != bytes.size())
    return createStringError("the model's inputs are not those of the program; is it another model?");
  std::copy(bytes.begin(), bytes.end(), value.mutableData().begin());
  return reference::Value(value);
}

Error compareWithReference(Artifact &artifact, Feeds &feeds, const RunOptions &options) {
  Expected<Origin> origin = readOrigin(options.folder);
  if (!origin)
    return origin.takeError();
  CompileOptions &compile = origin->options;
  if (!options.reference.empty())
    compile.model = options.reference;
  if (!sys::fs::exists(compile.model))
    return createStringError("--reference: the model is not at " + compile.model +
                             " any more; give its place: --reference=MODEL.onnx");
  compile.plan = options.folder + "/plan.json";
  compile.dims.clear();
  for (const auto &[name, size] : origin->dims)
    compile.dims.push_back(name + "=" + std::to_string(size));
  bindSizes(compile, artifact);
  Session session(compile.model);
  auto module = quantizedModule(compile, session.context);
  if (failed(module))
    return session.error();
  auto main = (*module)->lookupSymbol<mlir::func::FuncOp>("main");
  reference::Interpreter interpreter(**module);

  Differences differences(artifact.getOutputs());
  Buffers got, want(artifact.getOutputs().size());
  feeds.rewind();
  for (int64_t index = 0;; ++index) {
    Expected<std::optional<Buffers>> inputs = feeds.next();
    if (!inputs)
      return inputs.takeError();
    if (!*inputs)
      break;
    errs() << formatv("reference {0} of {1}\n", index + 1, feeds.count());
    if (Error error = runOnce(artifact, **inputs, got))
      return error;
    SmallVector<reference::Value> values;
    for (const auto &[type, bytes] : zip(main.getArgumentTypes(), **inputs)) {
      Expected<reference::Value> value = valueOf(type, bytes);
      if (!value)
        return value.takeError();
      values.push_back(std::move(*value));
    }
    auto results = interpreter.run(main, values);
    if (mlir::failed(results))
      return session.error();
    for (const auto &[index, result] : enumerate(*results)) {
      ArrayRef<char> bytes = reference::asTensor(result).bytes();
      want[index].assign(bytes.begin(), bytes.end());
    }
    if (Error error = differences.add(want, got))
      return error;
  }
  outs() << options.folder << " against the reference evaluation of its QDQ form, " << samplesText(feeds) << "\n";
  differences.print();
  outs() << (differences.areEqual() ? "equal in every value\n"
                                    : "not equal in every value: sums of floats depend on their order\n");
  return Error::success();
}

} // namespace tern::run
