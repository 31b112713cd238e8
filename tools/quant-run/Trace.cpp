//===- Trace.cpp - values of ops by name -------------------------------------===//
#include "tools/quant-run/Run.h"
#include "tools/support/Flags.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;

namespace tern::run {

Expected<Tracer> Tracer::create(Artifact &artifact, const std::vector<std::string> &names) {
  Tracer tracer(artifact);
  ArrayRef<tern_step> steps = artifact.getSteps();
  tracer.wanted.assign(steps.size(), is_contained(names, "all"));
  std::vector<std::string> known;
  for (const tern_step &step : steps)
    known.push_back(step.name);
  for (const std::string &name : names) {
    if (name == "all")
      continue;
    bool isFound = false;
    for (size_t i = 0; i < steps.size(); ++i)
      if (name == steps[i].name)
        tracer.wanted[i] = isFound = true;
    if (isFound)
      continue;
    std::string near = tools::didYouMean(name, known);
    return createStringError("--trace: the program has no kernel named '" + name + "'" +
                             (near.empty() ? "; --trace=all shows all of them." : near) +
                             " An op inside of a kernel has no value of its own");
  }
  return std::move(tracer);
}

Expected<std::vector<calib::Array>> Tracer::run(const Buffers &inputs, Buffers &outputs) {
  std::vector<calib::Array> arrays;
  StringSet<> taken;
  Error failure = Error::success();
  artifact.setHook([&](size_t index, const tern_step &step, double, const void *output) {
    if (!wanted[index] || !output || failure)
      return;
    auto values = stepValues(step, output);
    if (!values) {
      failure = values.takeError();
      return;
    }
    std::string name = step.name;
    for (unsigned i = 1; !taken.insert(name).second; ++i)
      name = std::string(step.name) + "_" + std::to_string(i);
    calib::Array array{name, calib::kFloat32, std::vector<int64_t>(step.dims, step.dims + step.rank), {}};
    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(values->data());
    array.bytes.assign(bytes, bytes + values->size() * sizeof(float));
    arrays.push_back(std::move(array));
  });
  Error error = runOnce(artifact, inputs, outputs);
  artifact.setHook({});
  if (error || failure)
    return joinErrors(std::move(error), std::move(failure));
  return std::move(arrays);
}

} // namespace tern::run
