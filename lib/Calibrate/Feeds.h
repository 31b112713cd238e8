//===- Feeds.h - Which array of which file is which input -------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to lib/Calibrate; the rules are those of SampleReader.
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_FEEDS_H
#define TERN_CALIBRATE_FEEDS_H

#include "lib/Calibrate/Data.h"
#include "lib/Calibrate/Source.h"

namespace tern::calib {

/// Files that give one value to every input.
struct Feed {
  enum Kind {
    Named,  ///< an .npz file: arrays by their names
    Single, ///< one .npy or .pb file
    Test    ///< the input_<i>.pb of an ONNX test data set
  } kind;
  std::string path;
  std::vector<ArrayLocation> arrays;
};

Result<std::vector<Feed>> findFeeds(const std::vector<std::string> &paths);

/// Joins the Single files of a folder that are named as inputs, if the model has several.
std::vector<Feed> joinFeeds(const std::vector<Feed> &feeds, const std::vector<std::string> &inputs);

/// Index of the array of every input. Names of arrays that are no input are added to `ignored`.
Result<std::vector<size_t>> matchNames(const Feed &feed, const std::vector<InputSpec> &inputs,
                                       std::vector<std::string> &ignored);

/// How an array gives samples.
struct Match {
  int64_t samples = 1;
  bool repeated = false;      ///< the one value serves every sample
  std::vector<int64_t> shape; ///< of one sample
};

/// Checks type and shape of an array against its input.
Result<Match> matchArray(const ArrayLocation &array, const InputSpec &input);

/// "'file.npz': array 'x'".
std::string whereIs(const ArrayLocation &array);

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_FEEDS_H
