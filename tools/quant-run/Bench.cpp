//===- Bench.cpp - how fast a program is ------------------------------------===//
#include "tools/quant-run/Run.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace llvm;

namespace tern::run {

static double quantile(std::vector<double> values, double part) {
  if (values.empty())
    return 0;
  llvm::sort(values);
  return values[std::min(values.size() - 1, size_t(part * double(values.size())))];
}

double Times::p10() const { return quantile(seconds, 0.1); }
double Times::median() const { return quantile(seconds, 0.5); }

std::string timeText(double seconds) {
  return seconds < 1e-3 ? formatv("{0:f1} us", seconds * 1e6).str() : formatv("{0:f3} ms", seconds * 1e3).str();
}

Times timeRuns(Artifact &artifact, const Buffers &inputs, double budget) {
  using Clock = std::chrono::steady_clock;
  Buffers in = inputs, out;
  for (const tern_tensor_info &info : artifact.getOutputs())
    out.emplace_back(info.bytes);
  std::vector<void *> from, to;
  for (auto &buffer : in)
    from.push_back(buffer.data());
  for (auto &buffer : out)
    to.push_back(buffer.data());
  auto once = [&] {
    auto start = Clock::now();
    artifact.runPointers(from.data(), to.data());
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (int i = 0; i < 3; ++i)
    once();
  Times times;
  double total = 0;
  while (times.seconds.size() < 10 || (total < budget && times.seconds.size() < 100000)) {
    times.seconds.push_back(once());
    total += times.seconds.back();
    if (total > 20 * budget)
      break;
  }
  return times;
}

static std::string rate(double amount, double seconds, StringRef unit) {
  return seconds > 0 ? formatv("{0:f1} {1}", amount / seconds / 1e9, unit).str() : "-";
}

namespace {
/// Of a kernel call: steps of a loop run it more than once, branches that are not taken never.
struct StepTime {
  std::vector<double> seconds; ///< of each run
  double sum = 0;              ///< of this run
  int64_t calls = 0;           ///< in this run
  double median() const { return quantile(seconds, 0.5); }
};
} // namespace

/// A line a kernel call, the slowest first.
static Error benchSteps(Artifact &artifact, const Buffers &inputs, double budget) {
  std::vector<StepTime> times(artifact.getSteps().size());
  artifact.setHook(
      [&](size_t index, const tern_step &, double seconds, const void *) { times[index].sum += seconds, ++times[index].calls; });
  Buffers outputs;
  double total = 0;
  for (int i = 0; i < 5000 && (i < 12 || total < budget); ++i) {
    for (StepTime &step : times)
      step.sum = 0, step.calls = 0;
    auto start = std::chrono::steady_clock::now();
    if (Error error = runOnce(artifact, inputs, outputs))
      return error;
    total += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (StepTime &step : times)
      if (i > 1 && step.calls) // the first ones warm the caches up
        step.seconds.push_back(step.sum);
  }
  artifact.setHook({});
  double sum = 0;
  std::vector<std::pair<double, size_t>> order; // the slowest first, then by position
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i].seconds.empty())
      continue;
    order.emplace_back(-times[i].median(), i);
    sum += times[i].median();
  }
  llvm::sort(order);
  outs() << formatv("\n{0,9}  {1,5}  {2,7}  {3,8}  {4,7}  {5}\n", "us", "%", "GMAC/s", "kB", "GB/s", "op (kernel)");
  for (auto [negative, i] : order) {
    const tern_step &step = artifact.getSteps()[i];
    double t = -negative;
    double calls = double(times[i].calls);
    std::string macs = step.macs && t > 0 ? formatv("{0:f1}", calls * double(step.macs) / t / 1e9).str() : "-";
    std::string bytes = t > 0 ? formatv("{0:f1}", calls * double(step.bytes) / t / 1e9).str() : "-";
    std::string often = calls > 1 ? formatv(", {0} times", times[i].calls).str() : "";
    outs() << formatv("{0,9:f1}  {1,5:f1}  {2,7}  {3,8:f1}  {4,7}  {5} ({6}{7})\n", t * 1e6, sum > 0 ? 100 * t / sum : 0,
                      macs, double(step.bytes) / 1e3, bytes, step.name, step.row, often);
  }
  return Error::success();
}

Error bench(Artifact &artifact, const Buffers &inputs, const RunOptions &options) {
  uint64_t macs = 0, bytes = 0;
  for (const tern_step &step : artifact.getSteps()) {
    macs += step.macs;
    bytes += step.bytes;
  }
  Times times = timeRuns(artifact, inputs, 2);
  double median = times.median();
  outs() << formatv("{0}  {1}, {2} thread{3}, {4} kernel calls\n", artifact.getName(), artifact.getIsa(),
                    artifact.getThreads(), artifact.getThreads() == 1 ? "" : "s", artifact.getSteps().size());
  outs() << formatv("median {0}  p10 {1}  {2} runs  {3} ({4:f1} MMAC)  {5} ({6:f1} MB)\n", timeText(median),
                    timeText(times.p10()), times.seconds.size(), rate(double(macs), median, "GMAC/s"),
                    double(macs) / 1e6, rate(double(bytes), median, "GB/s"), double(bytes) / 1e6);
  return options.steps || options.verbose ? benchSteps(artifact, inputs, 1) : Error::success();
}

} // namespace tern::run
