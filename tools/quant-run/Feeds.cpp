//===- Feeds.cpp - inputs of the runs, and where a program comes from --------===//
#include "tools/quant-run/Run.h"
#include "lib/Support/Json.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <random>

using namespace llvm;

namespace tern::run {

/// Values that every type can hold: normal floats, the integers 0 and 1 (any index takes them).
static std::vector<char> randomBytes(const tern_tensor_info &info, uint64_t seed) {
  std::vector<char> bytes(info.bytes);
  std::mt19937_64 generator(seed);
  // The sum of twelve uniform numbers: the same bits in every C++ library, unlike normal_distribution.
  auto normal = [&] {
    double sum = -6;
    for (int i = 0; i < 12; ++i)
      sum += double(generator() >> 11) * 0x1p-53;
    return sum;
  };
  size_t size = dtypeSize(info.dtype);
  for (size_t at = 0; size && at + size <= bytes.size(); at += size) {
    if (info.dtype == TERN_F32) {
      float value = float(normal());
      std::memcpy(&bytes[at], &value, 4);
    } else if (info.dtype == TERN_F64) {
      double value = normal();
      std::memcpy(&bytes[at], &value, 8);
    } else if (info.dtype == TERN_F16) {
      uint16_t value = uint16_t(0x3800 | (generator() & 0x83ff)); // 0.5 to 1, either sign
      std::memcpy(&bytes[at], &value, 2);
    } else if (info.dtype == TERN_BF16) {
      uint16_t value = uint16_t(0x3f00 | (generator() & 0x807f));
      std::memcpy(&bytes[at], &value, 2);
    } else {
      bytes[at] = char(generator() & 1);
    }
  }
  return bytes;
}

Expected<Feeds> Feeds::open(const RunOptions &options, ArrayRef<tern_tensor_info> inputs) {
  Feeds feeds;
  feeds.infos = inputs;
  if (options.inputs.empty()) {
    for (const auto &[index, info] : enumerate(inputs))
      feeds.random.push_back(randomBytes(info, uint64_t(options.seed) * 1000003 + index));
    return std::move(feeds);
  }
  auto reader = calib::SampleReader::open(options.inputs);
  if (!reader)
    return createStringError("--input: " + reader.error());
  std::vector<calib::InputSpec> specs;
  for (const tern_tensor_info &info : inputs)
    specs.push_back({info.name, info.dtype, std::vector<int64_t>(info.dims, info.dims + info.rank)});
  if (auto status = reader->bind(specs); !status)
    return createStringError("--input: " + status.error());
  if (!reader->count())
    return createStringError("--input: the data hold no sample");
  feeds.reader.emplace(std::move(*reader));
  return std::move(feeds);
}

Expected<std::optional<Buffers>> Feeds::next() {
  if (!reader) {
    std::optional<Buffers> once;
    if (!std::exchange(isTaken, true))
      once = random;
    return once;
  }
  auto sample = reader->next();
  if (!sample)
    return createStringError("--input: " + sample.error());
  if (!*sample)
    return std::optional<Buffers>();
  Buffers buffers;
  for (const tern_tensor_info &info : infos) {
    const std::vector<uint8_t> &bytes = (*sample)->at(info.name).bytes;
    buffers.emplace_back(bytes.begin(), bytes.end());
  }
  return std::optional<Buffers>(std::move(buffers));
}

void Feeds::rewind() {
  isTaken = false;
  if (reader)
    reader->rewind();
}

Error runOnce(Artifact &artifact, const Buffers &inputs, Buffers &outputs) {
  std::vector<ArrayRef<char>> views(inputs.begin(), inputs.end());
  return artifact.run(views, outputs);
}

calib::Array arrayOf(const tern_tensor_info &info, const std::vector<char> &bytes) {
  calib::Array array{info.name, info.dtype, std::vector<int64_t>(info.dims, info.dims + info.rank), {}};
  array.bytes.assign(bytes.begin(), bytes.end());
  return array;
}

Expected<Origin> readOrigin(StringRef folder) {
  SmallString<128> path(folder);
  sys::path::append(path, "compile.json");
  auto text = MemoryBuffer::getFile(path);
  if (!text)
    return createStringError(path + ": cannot be read (" + text.getError().message() + "); compile the model again");
  auto damaged = [&](const Twine &why) {
    return createStringError(path + ": damaged (" + why + "); compile the model again");
  };
  Expected<json::Value> value = parseJson((*text)->getBuffer());
  if (!value)
    return damaged(toString(value.takeError()));
  const json::Object *root = value->getAsObject(), *stamp = root ? root->getObject("stamp") : nullptr;
  const json::Value *options = stamp ? stamp->get("options") : nullptr;
  if (!options)
    return damaged("it has no options");
  std::string spelled;
  raw_string_ostream(spelled) << *options;
  Expected<CompileOptions> parsed = CompileOptions::parse(spelled);
  if (!parsed)
    return damaged(toString(parsed.takeError()));
  Origin origin;
  origin.options = std::move(*parsed);
  SmallString<128> model(folder);
  sys::path::append(model, origin.options.model);
  origin.options.model = std::string(model);
  if (const json::Object *dims = root->getObject("dims"))
    for (const auto &[name, size] : *dims)
      origin.dims.emplace_back(name.str(), size.getAsInteger().value_or(0));
  llvm::sort(origin.dims);
  return std::move(origin);
}

} // namespace tern::run
