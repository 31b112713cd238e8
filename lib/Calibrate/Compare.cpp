//===- Compare.cpp - How far two results are apart ------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Compare.h"
#include <algorithm>
#include <cmath>

namespace tern::calib {

/// Index of the largest element, the first of equals. NaN is smaller than everything.
static int64_t top1(const double *row, int64_t count) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; ++i)
    if (row[i] > row[best] || (std::isnan(row[best]) && !std::isnan(row[i])))
      best = i;
  return best;
}

static bool sameTop1(const double *a, const double *b, int64_t count) {
  auto hasNan = [count](const double *row) { return std::any_of(row, row + count, [](double x) { return x != x; }); };
  return hasNan(a) == hasNan(b) && top1(a, count) == top1(b, count);
}

void Comparison::add(const double *reference, const double *result, int64_t count, int64_t row) {
  double magnitude = 0, error = 0;
  for (int64_t i = 0; i < count; ++i) {
    double a = reference[i], b = result[i];
    if (std::isfinite(a) && std::isfinite(b)) {
      double difference = a - b;
      signal += a * a;
      noise += difference * difference;
      product += a * b;
      power += b * b;
      magnitude = std::max(magnitude, std::fabs(a));
      error = std::max(error, std::fabs(difference));
    } else if (a != b && !(std::isnan(a) && std::isnan(b))) {
      ++brokenElements;
      error = HUGE_VAL;
    }
  }
  elements += count;
  largest = std::max(largest, error);
  if (error > 0)
    relative = std::max(relative, error / magnitude);
  for (int64_t at = 0; row > 1 && at + row <= count; at += row) {
    ++allRows;
    sameRows += sameTop1(reference + at, result + at, row);
  }
}

Status Comparison::add(const Array &reference, const Array &result) {
  if (reference.shape != result.shape)
    return Error{"'" + result.name + "' has the shape " + printShape(result.shape) + ", its reference '" +
                 reference.name + "' has " + printShape(reference.shape) + "; only equal shapes can be compared"};
  Result<std::vector<double>> a = toDouble(reference);
  if (!a)
    return a.takeError();
  Result<std::vector<double>> b = toDouble(result);
  if (!b)
    return b.takeError();
  add(a->data(), b->data(), reference.size(), reference.shape.empty() ? 1 : reference.shape.back());
  return {};
}

double Comparison::sqnr() const {
  if (brokenElements > 0)
    return -HUGE_VAL;
  return noise == 0 ? HUGE_VAL : 10 * std::log10(signal / noise);
}

double Comparison::cosine() const {
  if (signal == 0 || power == 0)
    return signal == power ? 1 : 0;
  // The product of the sums is exact more often; it overflows for values beyond 1e77.
  double norm = std::sqrt(signal * power);
  if (norm == 0 || !std::isfinite(norm))
    norm = std::sqrt(signal) * std::sqrt(power);
  return std::min(1.0, std::max(-1.0, product / norm));
}

} // namespace tern::calib
