//===- Shapes.cpp - shape arithmetic of the nn ops ------------------------===//
#include "dialects/NN/IR/Shapes.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;

namespace tern::nn {

static constexpr int64_t kDynamic = ShapedType::kDynamic;

std::optional<SmallVector<int64_t>> broadcastShapes(ArrayRef<ArrayRef<int64_t>> shapes) {
  size_t rank = 0;
  for (ArrayRef<int64_t> shape : shapes)
    rank = std::max(rank, shape.size());
  SmallVector<int64_t> result(rank, 1);
  for (ArrayRef<int64_t> shape : shapes) {
    for (auto [size, sum] : llvm::zip(shape, MutableArrayRef(result).take_back(shape.size()))) {
      if (size == 1 || size == sum)
        continue;
      if (sum == 1 || (sum == kDynamic && size != kDynamic))
        sum = size;
      else if (size != kDynamic)
        return std::nullopt;
    }
  }
  return result;
}

std::optional<int64_t> countElements(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  // An empty tensor has no elements however large its other sizes are.
  if (llvm::is_contained(shape, 0))
    return 0;
  if (llvm::is_contained(shape, kDynamic))
    return kDynamic;
  for (int64_t size : shape)
    if (llvm::MulOverflow(count, size, count))
      return std::nullopt;
  return count;
}

std::optional<int64_t> windowExtent(const Window &window) {
  int64_t extent;
  if (llvm::MulOverflow(window.kernel - 1, window.dilation, extent) || llvm::AddOverflow(extent, int64_t(1), extent))
    return std::nullopt;
  return extent;
}

std::optional<int64_t> windowCount(int64_t size, const Window &window) {
  if (size == kDynamic || window.kernel == kDynamic)
    return kDynamic;
  std::optional<int64_t> extent = windowExtent(window);
  int64_t padded;
  if (!extent || llvm::AddOverflow(size, window.padLow, padded) || llvm::AddOverflow(padded, window.padHigh, padded))
    return std::nullopt;
  int64_t room = padded - *extent;
  if (room < 0)
    return 0;
  int64_t count = room / window.stride + 1;
  // One more, partial window, unless it would start in the high padding.
  if (window.ceilMode && room % window.stride != 0 && count * window.stride < size + window.padLow)
    ++count;
  return count;
}

std::optional<int64_t> transposedSize(int64_t size, const Window &window, int64_t outputPadding) {
  if (size == kDynamic || window.kernel == kDynamic)
    return kDynamic;
  std::optional<int64_t> extent = windowExtent(window);
  int64_t result;
  if (!extent || llvm::MulOverflow(size - 1, window.stride, result) || llvm::AddOverflow(result, *extent, result) ||
      llvm::AddOverflow(result, outputPadding, result) || llvm::SubOverflow(result, window.padLow, result) ||
      llvm::SubOverflow(result, window.padHigh, result))
    return std::nullopt;
  return result;
}

int64_t resizedSize(int64_t size, double scale) {
  return size == kDynamic ? kDynamic : int64_t(std::floor(double(size) * scale));
}

bool areCompatible(TypeRange inferred, TypeRange actual) {
  return llvm::equal(inferred, actual, [](Type a, Type b) {
    auto x = dyn_cast<RankedTensorType>(a), y = dyn_cast<RankedTensorType>(b);
    return x && y && x.getElementType() == y.getElementType() && x.getRank() == y.getRank() &&
           llvm::all_of(llvm::zip(x.getShape(), y.getShape()), [](auto sizes) {
             auto [m, n] = sizes;
             return m == n || m == kDynamic || n == kDynamic;
           });
  });
}

} // namespace tern::nn
