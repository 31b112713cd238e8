//===- CompileData.cpp - calibration data and the sizes they bind -------------===//
// What the shapes of the data say about open dimensions:
// - `--dim NAME=N` binds one, whatever the data have;
// - with a `--dim NAME=LOW..HIGH` all others stay open too, as without data;
// - else a dimension that has one size in all the data is bound to it, and one whose size differs stays open. The batch is 1, or
//   open when another one is: files hold one sample after the other along it.
#include "lib/Pipelines/Compilation.h"
#include <map>

using namespace mlir;

namespace tern {

namespace {
/// An open dimension of the model in the data.
struct SeenDim {
  int64_t first = 0;
  bool differs = false, isBatch = false;
};

/// A shape as the input has it: arrays may leave out a leading 1. Empty: it does not fit, bind() says why.
std::vector<int64_t> shapeAs(const ModelInput &input, std::vector<int64_t> shape) {
  if (shape.size() + 1 == input.shape.size())
    shape.insert(shape.begin(), 1);
  return shape.size() == input.shape.size() ? shape : std::vector<int64_t>();
}

std::string flagOf(const ModelInput &input, size_t axis) {
  return input.symbols[axis].empty() ? input.name + "." + std::to_string(axis) : input.symbols[axis];
}
} // namespace

/// The leading dimension is a batch when every input has an open one, and it is no other dimension's size.
static bool leadsBatch(ArrayRef<ModelInput> inputs) {
  for (const ModelInput &input : inputs) {
    if (input.shape.empty())
      continue;
    if (input.shape.front() != -1)
      return false;
    for (const ModelInput &other : inputs)
      if (llvm::is_contained(ArrayRef(other.symbols).drop_front(other.symbols.empty() ? 0 : 1), input.symbols.front()) &&
          !input.symbols.front().empty())
        return false;
  }
  return true;
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
  return bindToData();
}

LogicalResult Compilation::bindToData() {
  std::vector<std::string> names;
  for (const ModelInput &input : signature.inputs)
    names.push_back(input.name);
  auto feeds = data->peekAll(names);
  if (!feeds)
    return fail("--calib: " + feeds.error());

  bool batched = leadsBatch(signature.inputs);
  std::map<std::string, SeenDim> seen;
  for (const calib::SampleReader::FeedInfo &feed : *feeds)
    for (auto [input, array] : llvm::zip(signature.inputs, feed.arrays)) {
      std::vector<int64_t> shape = shapeAs(input, array.shape);
      for (size_t axis = 0; axis < shape.size(); ++axis) {
        std::string flag = flagOf(input, axis), place = input.name + "." + std::to_string(axis);
        if (input.shape[axis] != -1 || importOptions.dims.count(flag) || importOptions.dims.count(place))
          continue;
        bool isBatch = axis == 0 && batched;
        // A size of 0, that of an empty cache, is none that a program should have for good.
        auto [it, fresh] = seen.insert({flag, {shape[axis], shape[axis] == 0, isBatch}});
        it->second.differs |= it->second.first != shape[axis];
        auto bounds = importOptions.bounds.find(importOptions.bounds.count(flag) ? flag : place);
        if (bounds == importOptions.bounds.end())
          continue;
        auto [low, high] = bounds->second;
        if (isBatch && shape[axis] > high)
          batchRows = std::max<int64_t>(low, 1);
        else if (shape[axis] < low || shape[axis] > high)
          return fail("--calib: " + feed.where + ": array '" + array.name + "' has " + std::to_string(shape[axis]) + " at axis " +
                      std::to_string(axis) + ", but --dim " + bounds->first() + "=" + std::to_string(low) + ".." +
                      std::to_string(high) + "; give data within the range, or a wider one");
      }
    }

  if (!importOptions.bounds.empty())
    return success();
  std::string differing;
  for (const auto &[flag, dim] : seen)
    if (dim.differs && !dim.isBatch) {
      importOptions.bounds[flag] = {0, INT64_MAX};
      differing += (differing.empty() ? "" : ", ") + flag;
    }
  for (const ModelInput &input : signature.inputs) {
    SmallVector<int64_t> hint(input.shape.size(), -1);
    for (size_t axis = 0; axis < hint.size(); ++axis)
      if (auto it = seen.find(flagOf(input, axis)); input.shape[axis] == -1 && it != seen.end())
        hint[axis] = it->second.isBatch ? (differing.empty() ? 1 : -1) : it->second.differs ? -1 : it->second.first;
      else if (input.shape[axis] >= 0)
        hint[axis] = input.shape[axis];
    if (llvm::is_contained(input.shape, -1))
      importOptions.hints[input.name] = std::move(hint);
  }
  if (!differing.empty())
    note("the calibration samples have several sizes: " + differing + (differing.find(',') == std::string::npos ? " stays" : " stay") +
         " open; --dim NAME=N or NAME=LOW..HIGH says otherwise");
  return success();
}

calib::InputSpec Compilation::specOf(const tern_tensor_info &input) const {
  calib::InputSpec spec{input.name, input.dtype, std::vector<int64_t>(input.dims, input.dims + input.rank)};
  if (batchRows && input.rank && input.dims[0] < 0)
    spec.shape[0] = batchRows;
  return spec;
}

llvm::Error Compilation::bindTo(Artifact &program, const calib::Sample &sample) {
  if (program.getDims().empty())
    return llvm::Error::success();
  std::vector<std::vector<int64_t>> shapes;
  for (const tern_tensor_info &info : program.getInputs())
    shapes.push_back(sample.at(info.name).shape);
  return program.bind({}, shapes);
}

} // namespace tern
