#include "dialects/NN/IR/WindowSizes.h"
#include <cmath>

namespace tern::nn {

SizeExpr windowCount(SizeTable &table, SizeExpr size, const Window &w) {
  std::optional<int64_t> extent = windowExtent(w);
  if (!size || !extent || w.kernel < 1)
    return {};
  SizeExpr room = table.add(size, table.constant(w.padLow + w.padHigh - *extent));
  SizeExpr stride = table.constant(w.stride), one = table.constant(1);
  if (!w.ceilMode)
    return table.add(table.floorDiv(room, stride), one);
  // A partial window counts unless it would start in the high padding.
  SizeExpr last = table.floorDiv(table.add(size, table.constant(w.padLow - 1)), stride);
  return table.add(table.min(table.ceilDiv(room, stride), last), one);
}

SizeExpr transposedSize(SizeTable &table, SizeExpr size, const Window &w, int64_t outputPadding) {
  std::optional<int64_t> extent = windowExtent(w);
  if (!size || !extent || w.kernel < 1)
    return {};
  SizeExpr first = table.mul(table.sub(size, table.constant(1)), table.constant(w.stride));
  return table.add(first, table.constant(*extent - w.padLow - w.padHigh + outputPadding));
}

SizeExpr resizedSize(SizeTable &table, SizeExpr size, double scale) {
  if (!size || !(scale > 0))
    return {};
  // A scale is an integer of at most 53 bits over a power of two; a float has 24 of them.
  int exponent;
  double digits = std::frexp(scale, &exponent);
  int64_t shift = 0;
  for (; digits != std::floor(digits) && shift < 53; shift++)
    digits *= 2;
  shift -= exponent;
  if (shift <= 0)
    return -shift > 30 || digits * std::ldexp(1.0, int(-shift)) > double(INT32_MAX)
               ? SizeExpr()
               : table.mul(size, table.constant(int64_t(std::ldexp(digits, int(-shift)))));
  if (digits > double(INT32_MAX) || shift > 60)
    return {};
  return table.floorDiv(table.mul(size, table.constant(int64_t(digits))), table.constant(int64_t(1) << shift));
}

} // namespace tern::nn
