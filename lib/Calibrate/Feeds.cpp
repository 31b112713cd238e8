//===- Feeds.cpp - Which array of which file is which input ---------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Feeds.h"
#include "lib/Calibrate/Folder.h"
#include <algorithm>

namespace tern::calib {

static bool startsWith(const std::string &text, const char *start) { return text.rfind(start, 0) == 0; }

/// The files input_0.pb, input_1.pb .. of a folder.
static Result<Feed> readTestFolder(const std::string &folder, const std::vector<std::string> &names) {
  Feed feed{Feed::Test, folder, {}};
  for (const std::string &name : names) {
    if (!startsWith(name, "input_") || !isDataFile(name))
      continue;
    std::string path = joinPath(folder, name), expected = "input_" + std::to_string(feed.arrays.size()) + ".pb";
    if (name != expected)
      return fileError(folder, "has '" + name + "' where '" + expected +
                                   "' is expected: the inputs of a test data set are numbered from 0 without gaps");
    Result<std::vector<ArrayLocation>> arrays = locateArrays(path);
    if (!arrays)
      return arrays.takeError();
    feed.arrays.push_back(std::move(arrays->front()));
  }
  return feed;
}

static Status addFile(const std::string &path, std::vector<Feed> &feeds) {
  Result<std::vector<ArrayLocation>> arrays = locateArrays(path);
  if (!arrays)
    return arrays.takeError();
  feeds.push_back({arrays->front().entry.empty() ? Feed::Single : Feed::Named, path, std::move(*arrays)});
  return {};
}

static Status addFolder(const std::string &folder, std::vector<Feed> &feeds) {
  Result<std::vector<std::string>> names = listFolder(folder);
  if (!names)
    return names.takeError();
  auto isTest = [](const std::vector<std::string> &list) {
    return std::find(list.begin(), list.end(), "input_0.pb") != list.end();
  };
  auto addTest = [&](const std::string &path, const std::vector<std::string> &list) -> Status {
    Result<Feed> feed = readTestFolder(path, list);
    if (!feed)
      return feed.takeError();
    feeds.push_back(std::move(*feed));
    return {};
  };
  if (isTest(*names))
    return addTest(folder, *names);
  size_t before = feeds.size();
  for (const std::string &name : *names)
    if (isDataFile(name) && !isFolder(joinPath(folder, name)))
      if (Status s = addFile(joinPath(folder, name), feeds); !s)
        return s;
  if (feeds.size() > before)
    return {};
  for (const std::string &name : *names) {
    std::string path = joinPath(folder, name);
    if (!isFolder(path))
      continue;
    Result<std::vector<std::string>> inner = listFolder(path);
    if (inner && isTest(*inner))
      if (Status s = addTest(path, *inner); !s)
        return s;
  }
  if (feeds.size() == before)
    return fileError(folder, "is a folder without .npz, .npy or .pb files; put one file per sample into it");
  return {};
}

Result<std::vector<Feed>> findFeeds(const std::vector<std::string> &paths) {
  std::vector<Feed> feeds;
  for (const std::string &path : paths)
    if (Status s = isFolder(path) ? addFolder(path, feeds) : addFile(path, feeds); !s)
      return s.takeError();
  if (feeds.empty())
    return Error{"no calibration data are given; name .npz, .npy or .pb files, or a folder of them"};
  return feeds;
}

std::vector<Feed> joinFeeds(const std::vector<Feed> &feeds, const std::vector<std::string> &inputs) {
  if (inputs.size() < 2)
    return feeds;
  std::vector<Feed> joined;
  std::map<std::string, size_t> open; // folder -> its feed in `joined`
  for (const Feed &feed : feeds) {
    std::string stem = stemOf(feed.path);
    if (feed.kind != Feed::Single || std::find(inputs.begin(), inputs.end(), stem) == inputs.end()) {
      joined.push_back(feed);
      continue;
    }
    ArrayLocation array = feed.arrays.front();
    array.info.name = stem;
    auto hasIt = [&](const Feed &other) {
      return std::any_of(other.arrays.begin(), other.arrays.end(),
                         [&](const ArrayLocation &a) { return a.info.name == stem; });
    };
    auto [it, isNew] = open.try_emplace(folderOf(feed.path), joined.size());
    if (isNew || hasIt(joined[it->second])) {
      it->second = joined.size();
      joined.push_back({Feed::Named, feed.path, {}});
    }
    joined[it->second].arrays.push_back(std::move(array));
  }
  return joined;
}

std::string whereIs(const ArrayLocation &array) {
  return "'" + array.path + "': " + (array.entry.empty() ? "the array" : "array '" + array.info.name + "'");
}

static std::string printInputs(const std::vector<InputSpec> &inputs) {
  std::string text = inputs.size() == 1 ? "the input is " : "inputs are ";
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < inputs.size() && i < kShown; ++i) {
    text += (i ? ", '" : "'") + inputs[i].name + "'";
    if (inputs[i].dtype) // else only names are known yet
      text += " " + printShape(inputs[i].shape) + " " + dtypeInfo(inputs[i].dtype).name;
  }
  return inputs.size() > kShown ? text + " and " + std::to_string(inputs.size() - kShown) + " more" : text;
}

/// numpy.savez(file, x, y) without keys.
static bool isPositional(const Feed &feed, const std::vector<InputSpec> &inputs) {
  if (feed.arrays.size() != inputs.size())
    return false;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (feed.arrays[i].info.name != "arr_" + std::to_string(i))
      return false;
  return true;
}

static Error missing(const Feed &feed, const InputSpec &input, const std::vector<InputSpec> &inputs) {
  std::vector<std::string> strangers;
  std::string found;
  for (const ArrayLocation &array : feed.arrays) {
    auto isThis = [&](const InputSpec &spec) { return spec.name == array.info.name; };
    if (std::none_of(inputs.begin(), inputs.end(), isThis))
      strangers.push_back(array.info.name);
  }
  std::string stranger = closestName(input.name, strangers);
  if (!stranger.empty())
    return fileError(feed.path, "array '" + stranger + "' is not an input, did you mean '" + input.name + "'; " +
                                    printInputs(inputs));
  for (size_t i = 0; i < strangers.size() && i < 8; ++i)
    found += (i ? ", '" : "'") + strangers[i] + "'";
  if (found.empty())
    return fileError(feed.path, "has no array for input '" + input.name + "'; " + printInputs(inputs));
  return fileError(feed.path, "array " + found + " is not an input, and input '" + input.name + "' has no array; " +
                                  printInputs(inputs) + ": name the arrays as the inputs");
}

Result<std::vector<size_t>> matchNames(const Feed &feed, const std::vector<InputSpec> &inputs,
                                       std::vector<std::string> &ignored) {
  std::vector<size_t> index(inputs.size());
  if (feed.kind == Feed::Single) {
    if (inputs.size() == 1)
      return index;
    return fileError(
        feed.path,
        "holds one array, but the model has " + std::to_string(inputs.size()) +
            " inputs; use .npz files with their names, or one .npy file per input named as it: " + printInputs(inputs));
  }
  if (feed.kind == Feed::Test && feed.arrays.size() != inputs.size())
    return fileError(feed.path,
                     "has " + std::to_string(feed.arrays.size()) + " input_<i>.pb files; " + printInputs(inputs));
  std::map<std::string, size_t> byName;
  for (size_t i = 0; i < feed.arrays.size(); ++i)
    byName.try_emplace(feed.arrays[i].info.name, i);
  auto isNamed = [&](const InputSpec &input) { return byName.count(input.name) != 0; };
  auto stranger = std::find_if_not(inputs.begin(), inputs.end(), isNamed);
  if (stranger != inputs.end()) {
    if (feed.kind != Feed::Test && !isPositional(feed, inputs))
      return missing(feed, *stranger, inputs);
    for (size_t i = 0; i < index.size(); ++i)
      index[i] = i;
    return index;
  }
  for (size_t i = 0; i < inputs.size(); ++i)
    index[i] = byName[inputs[i].name];
  for (size_t i = 0; i < feed.arrays.size(); ++i)
    if (std::find(index.begin(), index.end(), i) == index.end())
      ignored.push_back(feed.arrays[i].info.name);
  return index;
}

static bool extentsFit(const int64_t *have, const int64_t *want, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (want[i] >= 0 && have[i] != want[i])
      return false;
  return true;
}

static std::optional<Match> matchShape(const std::vector<int64_t> &have, const std::vector<int64_t> &want) {
  size_t rank = want.size();
  if (rank == 0)
    return elementCount(have) == 1 ? std::optional<Match>(Match{1, true, {}}) : std::nullopt;
  if (have.size() + 1 == rank && (want[0] == 1 || want[0] < 0) && extentsFit(have.data(), &want[1], rank - 1)) {
    Match match{1, false, have};
    match.shape.insert(match.shape.begin(), 1);
    return match;
  }
  if (have.size() != rank || !extentsFit(&have[1], &want[1], rank - 1))
    return std::nullopt;
  Match match{1, false, have};
  if (want[0] >= 0) {
    if (want[0] == 0 || have[0] % want[0] != 0)
      return std::nullopt;
    match.samples = have[0] / want[0];
    match.shape[0] = want[0];
  }
  return match;
}

static std::string shapeHelp(const std::vector<int64_t> &have, const std::vector<int64_t> &want) {
  std::vector<int64_t> moved = have;
  if (have.size() == 4) {
    std::rotate(moved.begin() + 1, moved.end() - 1, moved.end());
    if (matchShape(moved, want))
      return ": the channels are last, move them with numpy.transpose(x, (0, 3, 1, 2))";
    moved = have;
    std::rotate(moved.begin() + 1, moved.begin() + 2, moved.end());
    if (matchShape(moved, want))
      return ": the channels are not last, move them with numpy.transpose(x, (0, 2, 3, 1))";
  }
  if (have.size() == want.size() && !want.empty() && want[0] > 1 && extentsFit(&have[1], &want[1], want.size() - 1))
    return ": the first extent must be a multiple of " + std::to_string(want[0]);
  return "";
}

Result<Match> matchArray(const ArrayLocation &array, const InputSpec &input) {
  const std::vector<int64_t> &have = array.info.shape, &want = input.shape;
  std::string where = whereIs(array), need = "input '" + input.name + "' takes ";
  // An open extent may be 0, an empty cache for instance; the first one counts samples.
  for (size_t i = 0; i < have.size(); ++i)
    if (have[i] == 0 && (i == 0 || have.size() != want.size() || want[i] > 0))
      return Error{where + " is empty, its shape is " + printShape(have) + "; give at least one sample"};
  if (!isConvertible(array.info.dtype, input.dtype)) {
    const char *type = dtypeInfo(input.dtype).name;
    return Error{where + " is " + dtypeInfo(array.info.dtype).name + "; " + need + type +
                 ": prepare the data as the model expects them and convert them, in numpy x.astype('" + type + "')"};
  }
  std::optional<Match> match = matchShape(have, want);
  if (!match) {
    std::vector<int64_t> several = want;
    std::string more;
    if (!want.empty() && want[0] > 0) {
      several[0] = -1;
      std::string text = printShape(several);
      std::string factor = want[0] == 1 ? "N" : std::to_string(want[0]) + "*N";
      more = " or, for N samples, " + text.replace(1, 1, factor);
    }
    return Error{where + " has the shape " + printShape(have) + "; " + need + printShape(want) + more +
                 shapeHelp(have, want)};
  }
  int64_t bits = *elementCount(match->shape) * dtypeInfo(array.info.dtype).bits;
  if (match->samples > 1 && bits % 8 != 0)
    return Error{where + " has samples that do not end at a byte; give one sample per file"};
  return std::move(*match);
}

} // namespace tern::calib
