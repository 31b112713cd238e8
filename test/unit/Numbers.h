// Random tensors, and comparison with what the reference says.
#ifndef TERN_TEST_UNIT_NUMBERS_H
#define TERN_TEST_UNIT_NUMBERS_H

#include "lib/Reference/Reference.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

namespace tern::test {

/// What random tensors hold: floats of [low, high], integers of 64 bits (indices) of [lowIndex, highIndex], other integers all their codes.
struct RandomTensors {
  std::mt19937 random{1};
  double low = -4, high = 4;
  int64_t lowIndex = -3, highIndex = 2;

  reference::Tensor randomTensor(mlir::RankedTensorType type) {
    std::uniform_real_distribution<double> floats(low, high);
    std::uniform_int_distribution<int> codes(-128, 255);
    std::uniform_int_distribution<int64_t> indices(lowIndex, highIndex);
    mlir::Type element = type.getElementType();
    std::vector<double> values;
    for (int64_t i = 0; i < type.getNumElements(); ++i)
      values.push_back(mlir::isa<mlir::FloatType>(element)             ? floats(random)
                       : element.getIntOrFloatBitWidth() == 64 ? double(indices(random))
                                                               : codes(random) % (element.isInteger(1) ? 2 : 256));
    if (mlir::isa<mlir::IntegerType>(element))
      return reference::fromIntegers(type, std::vector<int64_t>(values.begin(), values.end()));
    return reference::fromReals(type, values);
  }
};

/// Integers agree bit by bit, floats within `tolerance` of the largest magnitude. Reports up to four elements.
inline void expectClose(const reference::Tensor &expected, const reference::Tensor &actual, double tolerance) {
  std::vector<double> want = reference::toReals(expected), have = reference::toReals(actual);
  double largest = 1;
  for (double value : want)
    largest = std::max(largest, std::isfinite(value) ? std::abs(value) : 0);
  if (mlir::isa<mlir::IntegerType>(expected.getElementType()))
    tolerance = 0;
  int reported = 0;
  for (size_t i = 0; i < want.size() && reported < 4; ++i) {
    bool same = want[i] == have[i] || (std::isnan(want[i]) && std::isnan(have[i])) || std::abs(want[i] - have[i]) <= tolerance * largest;
    reported += !same;
    EXPECT_TRUE(same) << "element " << i << " of " << want.size() << ": reference " << want[i] << ", compiled " << have[i];
  }
}

} // namespace tern::test
#endif
