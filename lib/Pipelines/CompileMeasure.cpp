//===- CompileMeasure.cpp - the last line: how the program does here --------===//
#include "lib/Calibrate/Compare.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Support/Artifact.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace tern {

static calib::Array arrayOf(const tern_tensor_info &info, const std::vector<char> &bytes) {
  calib::Array array{info.name, info.dtype, std::vector<int64_t>(info.dims, info.dims + info.rank), {}};
  array.bytes.assign(bytes.begin(), bytes.end());
  return array;
}

void Compilation::measure() {
  std::string text = out + "/";
  auto loaded =
      options.measure ? Artifact::open(out) : llvm::Expected<std::unique_ptr<Artifact>>(llvm::createStringError(""));
  if (!loaded) {
    llvm::consumeError(loaded.takeError());
    done("wrote", text);
    return;
  }
  Artifact &runner = **loaded;
  // A program with open sizes runs with those of the samples.
  const bool isOpen = !runner.getDims().empty();
  auto bindRun = [&](size_t run) {
    llvm::Error error = isOpen ? runner.bind(floatRuns.sizes[run]) : llvm::Error::success();
    return !llvm::errorToBool(std::move(error));
  };
  if (isOpen && (floatRuns.inputs.empty() || !bindRun(0)))
    return done("wrote", text);
  std::vector<std::vector<char>> inputs, outputs;
  for (const tern_tensor_info &info : runner.getInputs())
    inputs.emplace_back(info.bytes);
  calib::Comparison comparison;
  int64_t agreeing = 0, compared = 0;
  for (size_t i = 0; i < floatRuns.inputs.size(); ++i) {
    SmallVector<llvm::ArrayRef<char>> views(floatRuns.inputs[i].begin(), floatRuns.inputs[i].end());
    if (!bindRun(i))
      break;
    if (llvm::Error error = runner.run(views, outputs)) {
      llvm::consumeError(std::move(error));
      break;
    }
    ++compared;
    for (const auto &[info, got, want] : llvm::zip(runner.getOutputs(), outputs, floatRuns.outputs[i]))
      if (!comparison.add(arrayOf(info, want), arrayOf(info, got)))
        return done("wrote", text);
    if (i == 0)
      inputs = floatRuns.inputs[0];
  }
  agreeing = comparison.agreeing();
  if (isOpen && !bindRun(0))
    return done("wrote", text);

  // The fastest of a few runs: what the program does, not what else the machine does.
  outputs.resize(runner.getOutputs().size());
  for (auto [info, buffer] : llvm::zip(runner.getOutputs(), outputs))
    buffer.resize(info.bytes);
  SmallVector<void *> in, to;
  for (auto &buffer : inputs)
    in.push_back(buffer.data());
  for (auto &buffer : outputs)
    to.push_back(buffer.data());
  double best = 1e30, total = 0;
  for (int i = 0; i < 30 && (i < 3 || total < 0.2); ++i) {
    auto start = std::chrono::steady_clock::now();
    runner.runPointers(in.data(), to.data());
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, seconds), total += seconds;
  }
  std::string at;
  for (auto [dim, size] : llvm::zip(runner.getDims(), runner.getSizes()))
    at += llvm::formatv(" {0}={1}", dim.name, size);
  text += llvm::formatv("  {0:f3} ms here{4} ({1} thread{2}, {3})", best * 1e3, runner.getThreads(),
                        runner.getThreads() == 1 ? "" : "s", runner.getIsa(), at.empty() ? "" : " at" + at);
  if (compared) {
    text += llvm::formatv(", SQNR {0:f1} dB", comparison.sqnr());
    if (comparison.rows() == compared)
      text += llvm::formatv(", top-1 agreement {0}/{1}", agreeing, comparison.rows());
  }
  done("wrote", text);
}

} // namespace tern
