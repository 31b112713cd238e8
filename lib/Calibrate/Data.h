//===- Data.h - Arrays from and to files, calibration samples ---*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads .npz (stored or deflated, zip64), .npy (versions 1 to 3, either order of bytes and of axes) and ONNX
// TensorProto .pb files. Every error is one sentence with the file's name; damaged files never crash a reader.
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_DATA_H
#define TERN_CALIBRATE_DATA_H

#include "lib/Calibrate/Array.h"
#include <map>
#include <memory>

namespace tern::calib {

/// One .npy file; the array has no name.
Result<Array> readNpy(const std::string &path);
/// All arrays of an .npz file in its order; entries that are no arrays are left out.
Result<std::vector<Array>> readNpz(const std::string &path);
/// One ONNX TensorProto with its elements inside.
Result<Array> readTensorProto(const std::string &path);
/// Any of the three, by the ending of the name.
Result<std::vector<Array>> readArrays(const std::string &path);

/// Writes arrays under their names, stored. The same arrays give the same bytes. The file appears complete or not at
/// all (temporary file in the same folder, then rename).
Status writeNpz(const std::string &path, const std::vector<Array> &arrays);
/// Writes one array, also complete or not at all.
Status writeNpy(const std::string &path, const Array &array);

/// "an input of the model": its type and shape; -1 is an extent that any data may set, also to 0 behind the first one.
using InputSpec = ArrayInfo;
/// One array per input name, exactly as the input takes it.
using Sample = std::map<std::string, Array>;

/// Calibration samples from files, one at a time: memory does not grow with their number.
///
/// A *feed* is one file, or several that belong together:
/// - an .npz file: its keys are input names. `arr_0`, `arr_1` .. (numpy.savez without keys) are inputs by position.
///   Arrays that are no input are left out (see ignored()), if every input has its array;
/// - an .npy or .pb file: the array of a model with one input;
/// - a folder: one feed per .npz, .npy and .pb file, in the order of their names with numbers by value (x2 before x10).
///   For a model with several inputs, .npy and .pb files named as the inputs (image.npy, mask.npy) are one feed. A
///   folder with `input_0.pb` is an ONNX test data set: `input_<i>.pb` is input i, `output_*.pb` is left out; a folder
///   of such folders (`test_data_set_0` ..) has one feed per folder.
///
/// A feed whose arrays have N times the first extent of their inputs holds N *samples*, split along axis 0; all its
/// arrays then have the same N, but for inputs without axes, which are repeated. An array may leave out a leading
/// extent of 1. Column-order .npy and .pb arrays are held in memory one feed at a time, the others one sample at a
/// time.
class SampleReader {
public:
  /// Finds the feeds and reads every header, but no data.
  static Result<SampleReader> open(const std::vector<std::string> &paths);
  SampleReader(SampleReader &&) noexcept;
  SampleReader &operator=(SampleReader &&) noexcept;
  ~SampleReader();

  /// Types and shapes of the inputs' arrays in the first feed as they are in the file, for instance to give unknown
  /// extents their size; in the order of `inputs`.
  Result<std::vector<ArrayInfo>> peek(const std::vector<std::string> &inputs) const;

  /// The same of a feed, and what messages call it.
  struct FeedInfo {
    std::string where; ///< "'data/0003.npz'"
    std::vector<ArrayInfo> arrays;
  };
  Result<std::vector<FeedInfo>> peekAll(const std::vector<std::string> &inputs) const;

  /// Checks names, types and shapes of every feed against the model's inputs. Types that convert without a change of
  /// meaning are converted (float to float, integer to integer where the values fit), others are refused.
  Status bind(const std::vector<InputSpec> &inputs);

  /// Samples in all feeds; after bind().
  int64_t count() const;

  /// The next sample or, after the last, nothing; after bind(). Refuses NaN and infinite values.
  Result<std::optional<Sample>> next();

  /// Back to the first sample.
  void rewind();

  /// Names of arrays that are no input, over all feeds, sorted; after bind().
  const std::vector<std::string> &ignored() const;

private:
  struct Impl;
  explicit SampleReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_DATA_H
