//===- Run.h - what quant-run is asked to do --------------------------------===//
#ifndef TERN_TOOLS_QUANT_RUN_RUN_H
#define TERN_TOOLS_QUANT_RUN_RUN_H

#include "lib/Calibrate/Data.h"
#include "lib/Support/Artifact.h"
#include "tern/Compile.h"
#include "llvm/Support/Error.h"
#include <optional>

namespace tern::run {

struct RunOptions {
  std::string folder, output, compare, reference;
  std::vector<std::string> inputs, trace, dims;
  int64_t threads = 0, seed = 0;
  bool bench = false, steps = false, isReference = false, verbose = false;
};

/// Bytes of every input or output of one run, in the order of the model's signature.
using Buffers = std::vector<std::vector<char>>;

/// Inputs for any number of runs: from files, or one random one.
class Feeds {
public:
  static llvm::Expected<Feeds> open(const RunOptions &options, llvm::ArrayRef<tern_tensor_info> inputs);
  bool isRandom() const { return !reader; }
  int64_t count() const { return reader ? reader->count() : 1; }
  /// Nothing after the last.
  llvm::Expected<std::optional<Buffers>> next();
  void rewind();

private:
  llvm::ArrayRef<tern_tensor_info> infos;
  std::optional<calib::SampleReader> reader;
  Buffers random;
  bool isTaken = false;
};

/// Runs on one set of inputs.
llvm::Error runOnce(Artifact &artifact, const Buffers &inputs, Buffers &outputs);

calib::Array arrayOf(const tern_tensor_info &info, const std::vector<char> &bytes);

/// Outputs of all samples, one after the other along the first axis.
class Outputs {
public:
  void add(size_t index, calib::Array array);
  /// Writes --output and prints a line an output.
  llvm::Error finish(const RunOptions &options, int64_t count) const;

private:
  std::vector<calib::Array> all;
};

/// Times of many runs, in seconds.
struct Times {
  std::vector<double> seconds;
  double p10() const;
  double median() const;
};
/// Runs for about `budget` seconds after a few runs that do not count.
Times timeRuns(Artifact &artifact, const Buffers &inputs, double budget);
std::string timeText(double seconds);

/// --bench
llvm::Error bench(Artifact &artifact, const Buffers &inputs, const RunOptions &options);
/// --compare
llvm::Error compareWith(Artifact &artifact, Feeds &feeds, const RunOptions &options);
/// --reference
llvm::Error compareWithReference(Artifact &artifact, Feeds &feeds, const RunOptions &options);

/// --reference of a model without a program.
llvm::Error runModel(const RunOptions &options);

/// Values of ops by name during a run.
class Tracer {
public:
  /// Fails for a name that no step has, with near ones.
  static llvm::Expected<Tracer> create(Artifact &artifact, const std::vector<std::string> &names);
  /// One run; the values of the ops, in the order of the steps.
  llvm::Expected<std::vector<calib::Array>> run(const Buffers &inputs, Buffers &outputs);

private:
  explicit Tracer(Artifact &artifact) : artifact(artifact) {}
  Artifact &artifact;
  std::vector<bool> wanted; ///< by step
};

/// The options the program was compiled with, from compile.json; the model's path is made valid here.
struct Origin {
  CompileOptions options;
  std::vector<std::pair<std::string, int64_t>> dims; ///< sizes of the dimensions that the model leaves open
};
llvm::Expected<Origin> readOrigin(llvm::StringRef folder);

} // namespace tern::run
#endif
