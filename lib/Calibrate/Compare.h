//===- Compare.h - How far two results are apart ----------------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_COMPARE_H
#define TERN_CALIBRATE_COMPARE_H

#include "lib/Calibrate/Array.h"

namespace tern::calib {

/// Accumulates the difference of results from their references, over any number of array pairs.
///
/// Elements are equal if both are NaN or both are the same infinity; these count as equal and enter no sum. If only one
/// is finite, or the infinities differ, the element is *broken*: errors become infinite and SQNR minus infinity.
class Comparison {
public:
  /// Compares two arrays of the same shape; types may differ. The error is one sentence.
  Status add(const Array &reference, const Array &result);
  /// The same for values; `row` is the length of the last axis and divides the count.
  void add(const double *reference, const double *result, int64_t count, int64_t row);

  int64_t count() const { return elements; }
  int64_t broken() const { return brokenElements; }

  /// Signal to quantization noise, 10 log10(sum ref^2 / sum (ref - result)^2) in dB over all elements: infinite if all
  /// are equal, minus infinity if only the reference is 0 everywhere.
  double sqnr() const;

  /// sum ref * result / sqrt(sum ref^2 * sum result^2); 1 if both are 0 everywhere, 0 if one is.
  double cosine() const;

  /// Largest |ref - result|.
  double maxAbsolute() const { return largest; }

  /// Largest |ref - result| of an array pair divided by the largest |ref| of the same pair; the worst pair. An all-zero
  /// reference gives 0 if the result equals it, else infinity.
  double maxRelative() const { return relative; }

  /// Rows along the last axis, where that has two elements or more, and those of them with the same top-1. The top-1 of
  /// a row is the index of its largest element, the first of equals; a row with a NaN on one side only does not agree,
  /// and NaN is otherwise never the largest.
  int64_t rows() const { return allRows; }
  int64_t agreeing() const { return sameRows; }
  double agreement() const { return allRows ? static_cast<double>(sameRows) / static_cast<double>(allRows) : 1; }

private:
  int64_t elements = 0, brokenElements = 0, allRows = 0, sameRows = 0;
  double signal = 0, noise = 0, product = 0, power = 0; // sums of ref^2, (ref - result)^2, ref * result, result^2
  double largest = 0, relative = 0;
};

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_COMPARE_H
