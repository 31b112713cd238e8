//===- SampleReader.cpp - Calibration samples one at a time ---------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Feeds.h"
#include <algorithm>
#include <cassert>

namespace tern::calib {

namespace {
struct BoundArray {
  ArrayLocation location;
  Match match;
};

struct BoundFeed {
  std::vector<BoundArray> arrays; ///< one per input
  int64_t samples = 1;
};
} // namespace

struct SampleReader::Impl {
  std::vector<Feed> feeds;
  std::vector<InputSpec> inputs;
  std::vector<BoundFeed> bound;
  std::vector<std::string> ignored;
  int64_t total = 0;

  // Where next() is: the feed, the sample in it, its open arrays, and the values that are repeated.
  size_t feed = 0;
  int64_t sample = 0;
  std::vector<ArrayStream> streams;
  Sample repeated;

  Result<BoundFeed> bindFeed(const Feed &feed);
  Result<Array> readOne(size_t input);
};

SampleReader::SampleReader(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
SampleReader::SampleReader(SampleReader &&) noexcept = default;
SampleReader &SampleReader::operator=(SampleReader &&) noexcept = default;
SampleReader::~SampleReader() = default;

Result<SampleReader> SampleReader::open(const std::vector<std::string> &paths) {
  Result<std::vector<Feed>> feeds = findFeeds(paths);
  if (!feeds)
    return feeds.takeError();
  auto impl = std::make_unique<Impl>();
  impl->feeds = std::move(*feeds);
  return SampleReader(std::move(impl));
}

/// The arrays of a feed in the order of the inputs.
static Result<std::vector<ArrayInfo>> infosOf(const Feed &feed, const std::vector<std::string> &inputs) {
  std::vector<InputSpec> specs;
  for (const std::string &name : inputs)
    specs.push_back({name, kUndefined, {}});
  std::vector<std::string> ignored;
  Result<std::vector<size_t>> index = matchNames(feed, specs, ignored);
  if (!index)
    return index.takeError();
  std::vector<ArrayInfo> infos;
  for (size_t i = 0; i < inputs.size(); ++i) {
    infos.push_back(feed.arrays[(*index)[i]].info);
    infos.back().name = inputs[i];
  }
  return infos;
}

Result<std::vector<ArrayInfo>> SampleReader::peek(const std::vector<std::string> &inputs) const {
  return infosOf(joinFeeds(impl->feeds, inputs).front(), inputs);
}

Result<std::vector<SampleReader::FeedInfo>> SampleReader::peekAll(const std::vector<std::string> &inputs) const {
  std::vector<FeedInfo> all;
  for (const Feed &feed : joinFeeds(impl->feeds, inputs)) {
    Result<std::vector<ArrayInfo>> infos = infosOf(feed, inputs);
    if (!infos)
      return infos.takeError();
    all.push_back({"'" + feed.path + "'", std::move(*infos)});
  }
  return all;
}

Result<BoundFeed> SampleReader::Impl::bindFeed(const Feed &feed) {
  Result<std::vector<size_t>> index = matchNames(feed, inputs, ignored);
  if (!index)
    return index.takeError();
  BoundFeed result;
  std::optional<size_t> first; // the array that says how many samples there are
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ArrayLocation &location = feed.arrays[(*index)[i]];
    Result<Match> match = matchArray(location, inputs[i]);
    if (!match)
      return match.takeError();
    if (!match->repeated && first && match->samples != result.samples)
      return Error{whereIs(location) + " holds " + std::to_string(match->samples) + " samples, but '" +
                   inputs[*first].name + "' holds " + std::to_string(result.samples) +
                   "; all inputs need the same number"};
    if (!match->repeated && !first) {
      first = i;
      result.samples = match->samples;
    }
    result.arrays.push_back({location, std::move(*match)});
  }
  return result;
}

Status SampleReader::bind(const std::vector<InputSpec> &inputs) {
  if (inputs.empty())
    return Error{"the model has no input, so there is nothing that data could be given to"};
  impl->inputs = inputs;
  impl->bound.clear();
  impl->ignored.clear();
  impl->total = 0;
  std::vector<std::string> names;
  for (const InputSpec &input : inputs)
    names.push_back(input.name);
  for (const Feed &feed : joinFeeds(impl->feeds, names)) {
    Result<BoundFeed> bound = impl->bindFeed(feed);
    if (!bound)
      return bound.takeError();
    impl->total += bound->samples;
    impl->bound.push_back(std::move(*bound));
  }
  std::vector<std::string> &ignored = impl->ignored;
  std::sort(ignored.begin(), ignored.end());
  ignored.erase(std::unique(ignored.begin(), ignored.end()), ignored.end());
  rewind();
  return {};
}

int64_t SampleReader::count() const { return impl->total; }

const std::vector<std::string> &SampleReader::ignored() const { return impl->ignored; }

void SampleReader::rewind() {
  impl->feed = 0;
  impl->sample = 0;
  impl->streams.clear();
  impl->repeated.clear();
}

/// The current sample's array of an input, as the input takes it.
Result<Array> SampleReader::Impl::readOne(size_t input) {
  const BoundArray &bound = this->bound[feed].arrays[input];
  const InputSpec &spec = inputs[input];
  ArrayStream &stream = streams[input];
  Array array{spec.name, bound.location.info.dtype, bound.match.shape, {}};
  int64_t count = array.size(), base = count * sample;
  array.bytes.resize(*byteSize(array.dtype, count));
  if (Status s = stream.read(array.bytes); !s)
    return s.takeError();
  std::string where = whereIs(bound.location);
  if (std::optional<int64_t> bad = findNonFinite(array))
    return Error{where + " has the value " + printElement(array, *bad) + " at flat index " +
                 std::to_string(base + *bad) + "; only finite values are allowed, look at how the data are prepared"};
  if (Status s = convert(array, spec.dtype, base); !s)
    return Error{where + " " + s.error() + ", the type of input '" + spec.name + "'"};
  return array;
}

Result<std::optional<Sample>> SampleReader::next() {
  assert(!impl->inputs.empty() && "bind() comes before next()");
  Impl &im = *impl;
  if (im.feed == im.bound.size())
    return std::optional<Sample>();
  const BoundFeed &bound = im.bound[im.feed];
  if (im.sample == 0) {
    im.streams.clear();
    im.repeated.clear();
    for (const BoundArray &array : bound.arrays) {
      Result<ArrayStream> stream = openArray(array.location);
      if (!stream)
        return stream.takeError();
      im.streams.push_back(std::move(*stream));
    }
  }
  Sample sample;
  for (size_t i = 0; i < im.inputs.size(); ++i) {
    const std::string &name = im.inputs[i].name;
    bool repeated = bound.arrays[i].match.repeated;
    if (auto it = im.repeated.find(name); repeated && it != im.repeated.end()) {
      sample[name] = it->second;
      continue;
    }
    Result<Array> array = im.readOne(i);
    if (!array)
      return array.takeError();
    if (repeated)
      im.repeated[name] = *array;
    sample[name] = std::move(*array);
  }
  if (++im.sample == bound.samples) {
    im.sample = 0;
    ++im.feed;
    im.streams.clear();
  }
  return std::optional<Sample>(std::move(sample));
}

} // namespace tern::calib
