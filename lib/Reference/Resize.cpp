//===- Resize.cpp - nn.resize, axis by axis -------------------------------===//
#include "dialects/NN/IR/Sources.h"
#include "lib/Reference/Ops.h"

using namespace mlir;

namespace tern::reference {

/// Nearest copies elements of any type.
static Tensor nearest(nn::ResizeOp op, const Tensor &x) {
  RankedTensorType type = op.getType();
  SmallVector<int64_t> shape(x.getShape());
  Tensor from = x;
  int64_t size = x.elementSize();
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    auto taps = nn::resizeTaps(op, axis, shape[axis], type.getDimSize(axis));
    int64_t outer = ShapedType::getNumElements(ArrayRef(shape).take_front(axis)), in = shape[axis];
    int64_t run = ShapedType::getNumElements(ArrayRef(shape).drop_front(axis + 1)) * size;
    shape[axis] = type.getDimSize(axis);
    Tensor result(type.clone(shape));
    char *to = result.mutableData().data();
    for (int64_t i = 0; i < outer; ++i)
      for (const auto &tap : taps)
        to = std::copy_n(from.bytes().data() + (i * in + tap.front().index) * run, run, to);
    from = result;
  }
  return from;
}

FailureOr<Tensor> evaluateResize(nn::ResizeOp op, Operands in) {
  RankedTensorType type = op.getType();
  if (op.getMode() == nn::ResizeMode::nearest)
    return nearest(op, asTensor(in[0]));
  std::vector<double> from = toReals(asTensor(in[0]));
  SmallVector<int64_t> shape(asTensor(in[0]).getShape());
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    int64_t n = shape[axis];
    auto taps = nn::resizeTaps(op, axis, n, type.getDimSize(axis));
    int64_t outer = ShapedType::getNumElements(ArrayRef(shape).take_front(axis));
    int64_t run = ShapedType::getNumElements(ArrayRef(shape).drop_front(axis + 1));
    shape[axis] = type.getDimSize(axis);
    std::vector<double> to(outer * shape[axis] * run);
    for (int64_t i = 0; i < outer; ++i)
      for (int64_t o = 0; o < shape[axis]; ++o)
        for (const nn::ResizeTap &tap : taps[o])
          for (int64_t k = 0; k < run; ++k)
            to[(i * shape[axis] + o) * run + k] += double(tap.weight) * from[(i * n + tap.index) * run + k];
    from = std::move(to);
  }
  return fromReals(type, from);
}

} // namespace tern::reference
