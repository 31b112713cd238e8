//===- quant-run.cpp - runs, measures and compares programs -------------------===//
#include "tools/quant-run/Run.h"
#include "tools/support/Flags.h"
#include "tools/support/Interrupt.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tern;
using namespace tern::run;
using namespace tern::tools;

static void addFlags(CommandLine &line, RunOptions &options) {
  line.add({"input", "FILE|DIR", ".npz, .npy or .pb with one or more samples; without: random numbers",
            appendText(options.inputs)});
  line.add({"output", "FILE.npz", "write the outputs, samples one after the other", storeText(options.output)});
  line.add({"threads", "N", "threads that compute (default: one for each cpu)", storeNumber(options.threads, 1, 256)});
  line.add({"compare", "MODEL.onnx", "accuracy and speed against the float program of the model",
            storeText(options.compare)});
  line.add({"bench", "[steps]", "time it; =steps: also each kernel call", [&](StringRef value) {
              options.bench = true;
              options.steps = value == "steps";
              return value.empty() || options.steps
                         ? std::string()
                         : ("'" + value + "' is not known; allowed are --bench and --bench=steps").str();
            }});
  line.add({"trace", "OP,OP|all", "add the values of ops to --output", appendCommas(options.trace)});
  line.add({"reference", "[MODEL.onnx]",
            "compare with the slow evaluation of the quantized model\n(at the place where it was compiled from, or at "
            "the given one)",
            [&](StringRef value) {
              options.isReference = true;
              options.reference = value.str();
              return std::string();
            },
            true});
  line.add({"dim", "NAME=N", "size of an open dimension (else that of the input arrays);\nof a program with fixed sizes: what it must be", appendText(options.dims),
            true});
  line.add({"seed", "N", "of the random input", storeNumber(options.seed, 0, INT64_MAX), true});
  line.add({"v", "", "say more: with --bench each kernel call", setTrue(options.verbose), true});
}

/// Open dimensions get the sizes of --dim, the others those of the arrays of --input.
static Error bindDims(Artifact &artifact, const RunOptions &options) {
  std::vector<std::string> names;
  for (const tern_dim_info &dim : artifact.getDims())
    names.push_back(dim.name);
  std::vector<std::pair<std::string, int64_t>> sizes;
  for (const std::string &dim : options.dims) {
    auto [name, text] = StringRef(dim).rsplit('=');
    int64_t size = 0;
    if (name.empty() || text.getAsInteger(10, size))
      return createStringError("--dim: '" + dim + "' is not NAME=N, for instance batch=4");
    if (!is_contained(names, name))
      return createStringError("--dim: the program has no open dimension '" + name + "'; it has " + llvm::join(names, ", "));
    sizes.emplace_back(name.str(), size);
  }
  // Random inputs have the least sizes that hold anything where nothing tells others.
  std::string assumed;
  for (const tern_dim_info &dim : artifact.getDims()) {
    if (!options.inputs.empty() || any_of(sizes, [&](const auto &given) { return given.first == dim.name; }))
      continue;
    sizes.emplace_back(dim.name, std::clamp<int64_t>(1, dim.low, dim.high));
    assumed += formatv(" {0}={1}", dim.name, sizes.back().second);
  }
  if (!assumed.empty())
    errs() << "sizes:" << assumed << "; --dim NAME=N sets others\n";
  std::vector<std::vector<int64_t>> shapes;
  if (!options.inputs.empty()) {
    auto reader = calib::SampleReader::open(options.inputs);
    if (!reader)
      return createStringError("--input: " + reader.error());
    std::vector<std::string> inputs;
    for (const tern_tensor_info &info : artifact.getInputs())
      inputs.push_back(info.name);
    auto arrays = reader->peek(inputs);
    if (!arrays)
      return createStringError("--input: " + arrays.error());
    for (const calib::ArrayInfo &array : *arrays)
      shapes.push_back(array.shape);
  }
  return artifact.bind(sizes, shapes);
}

/// --dim asks for sizes; a program has those it was compiled with.
static Error checkDims(const RunOptions &options) {
  if (options.dims.empty())
    return Error::success();
  Expected<Origin> origin = readOrigin(options.folder);
  if (!origin)
    return origin.takeError();
  std::vector<std::string> names;
  for (const auto &[name, size] : origin->dims)
    names.push_back(name);
  for (const std::string &dim : options.dims) {
    StringRef name, text;
    std::tie(name, text) = StringRef(dim).rsplit('=');
    int64_t size = 0;
    if (name.empty() || text.getAsInteger(10, size))
      return createStringError("--dim: '" + dim + "' is not NAME=N, for instance batch=4");
    auto known = find_if(origin->dims, [&](const auto &entry) { return entry.first == name; });
    if (known == origin->dims.end())
      return createStringError(
          "--dim: the program has no dimension '" + name + "'" +
          (names.empty() ? "; all its sizes are those of the model" : "; it has " + llvm::join(names, ", ")));
    if (known->second != size)
      return createStringError(
          formatv("--dim: the program was compiled with {0}={1}; compile it again with --dim {0}={2}", name,
                  known->second, size));
  }
  return Error::success();
}

void tern::run::Outputs::add(size_t index, calib::Array array) {
  if (index == all.size()) {
    all.push_back(std::move(array));
    return;
  }
  if (array.shape.empty())
    all[index].shape.resize(1, 1), array.shape = {1};
  all[index].shape[0] += array.shape[0];
  all[index].bytes.insert(all[index].bytes.end(), array.bytes.begin(), array.bytes.end());
}

Error tern::run::Outputs::finish(const RunOptions &options, int64_t count) const {
  if (!options.output.empty()) {
    if (auto status = calib::writeNpz(options.output, all); !status)
      return createStringError("--output: " + status.error());
    outs() << "wrote " << options.output << "  " << count << (count == 1 ? " sample\n" : " samples\n");
  }
  for (const calib::Array &array : all) {
    outs() << formatv("{0,-20}  {1} {2}", array.name, calib::dtypeInfo(array.dtype).name,
                      calib::printShape(array.shape));
    auto values = calib::toDouble(array);
    if (values && !values->empty()) {
      auto [low, high] = std::minmax_element(values->begin(), values->end());
      double sum = 0;
      for (double value : *values)
        sum += value;
      outs() << formatv("  min {0:f4}  mean {1:f4}  max {2:f4}", *low, sum / double(values->size()), *high);
    }
    outs() << "\n";
  }
  return Error::success();
}

/// Runs all samples.
static Error runAll(Artifact &artifact, Feeds &feeds, const RunOptions &options) {
  std::optional<Tracer> tracer;
  if (!options.trace.empty()) {
    Expected<Tracer> made = Tracer::create(artifact, options.trace);
    if (!made)
      return made.takeError();
    tracer.emplace(std::move(*made));
  }
  Outputs all;
  Buffers outputs;
  int64_t count = 0;
  for (;; ++count) {
    Expected<std::optional<Buffers>> inputs = feeds.next();
    if (!inputs)
      return inputs.takeError();
    if (!*inputs)
      break;
    std::vector<calib::Array> traced;
    if (tracer) {
      Expected<std::vector<calib::Array>> values = tracer->run(**inputs, outputs);
      if (!values)
        return values.takeError();
      traced = std::move(*values);
    } else if (Error error = runOnce(artifact, **inputs, outputs)) {
      return error;
    }
    size_t next = 0;
    for (const auto &[info, bytes] : zip(artifact.getOutputs(), outputs))
      all.add(next++, arrayOf(info, bytes));
    for (calib::Array &array : traced) {
      bool isOutput =
          any_of(artifact.getOutputs(), [&](const tern_tensor_info &info) { return array.name == info.name; });
      if (!isOutput)
        all.add(next++, std::move(array));
    }
  }
  return all.finish(options, count);
}

static Error runAsTold(const RunOptions &options) {
  ArtifactOptions open;
  open.threads = int32_t(options.threads);
  Expected<std::unique_ptr<Artifact>> loaded = Artifact::open(options.folder, open);
  if (!loaded)
    return loaded.takeError();
  Artifact &artifact = **loaded;
  if (Error error = artifact.getDims().empty() ? checkDims(options) : bindDims(artifact, options))
    return error;
  Expected<Feeds> feeds = Feeds::open(options, artifact.getInputs());
  if (!feeds)
    return feeds.takeError();
  if (feeds->isRandom() && !artifact.getInputs().empty())
    errs() << "no --input: normal random numbers, seed " << options.seed << "\n";
  bool isOther = options.bench || !options.compare.empty() || options.isReference;
  if (!isOther || !options.output.empty() || !options.trace.empty())
    if (Error error = runAll(artifact, *feeds, options))
      return error;
  if (options.bench) {
    feeds->rewind();
    Expected<std::optional<Buffers>> first = feeds->next();
    if (!first)
      return first.takeError();
    if (Error error = bench(artifact, **first, options))
      return error;
  }
  if (!options.compare.empty())
    if (Error error = compareWith(artifact, *feeds, options))
      return error;
  return options.isReference ? compareWithReference(artifact, *feeds, options) : Error::success();
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  reportLimits("quant-run", "", "choose smaller sizes with --dim, or fewer samples");
  CommandLine line("quant-run", "quant-run DIR [flags], or quant-run MODEL.onnx --reference: slow evaluation of a model as it is",
                   "TERN_ISA=portable|avx2|avx512vnni forces an instruction set");
  RunOptions options;
  addFlags(line, options);
  int code = 0;
  if (!line.parse(ArrayRef(argv + 1, argc - 1), code))
    return code;
  if (line.operands.empty())
    return line.fail("no program is given: quant-run DIR, the folder that quant-compile wrote");
  if (line.operands.size() > 1)
    return line.fail("one program is run at a time, but '" + line.operands[1] + "' is a second one");
  options.folder = line.operands.front();
  if (!options.output.empty() && !StringRef(options.output).ends_with(".npz"))
    return line.fail("--output: '" + options.output + "' does not end with .npz, the format it is written in");
  bool isModel = StringRef(options.folder).ends_with(".onnx");
  if (isModel && (!options.isReference || options.bench || !options.compare.empty() || !options.trace.empty()))
    return line.fail("'" + options.folder + "' is a model: quant-run MODEL.onnx takes --reference, --input, --output, --dim and --seed; compile it for the rest");
  if (isModel && !options.reference.empty())
    return line.fail("--reference: '" + options.reference + "' is a second model");
  if (Error error = isModel ? runModel(options) : runAsTold(options))
    return line.fail(toString(std::move(error)));
  return 0;
}
