//===- Movement.cpp - ops that move elements, and shape, range ------------===//
#include "dialects/NN/IR/Sources.h"
#include "lib/Reference/Ops.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;

namespace tern::reference {

/// result element i (row-major) = x element at `start` + strides . index of i.
static Tensor strided(const Tensor &x, RankedTensorType type, int64_t start, const SmallVector<int64_t> &strides) {
  Tensor result(type);
  int64_t size = result.elementSize();
  const char *from = x.bytes().data();
  char *to = result.mutableData().data();
  forElements<1>(type.getShape(), {strides},
                 [&](int64_t i, const auto &at) { std::copy_n(from + (start + at[0]) * size, size, to + i * size); });
  return result;
}

static Tensor transpose(nn::TransposeOp op, const Tensor &x, RankedTensorType type) {
  SmallVector<int64_t> own = stridesOf(x.getShape()), strides;
  for (int64_t axis : op.getPerm())
    strides.push_back(own[axis]);
  return strided(x, type, 0, strides);
}

static Tensor slice(nn::SliceOp op, const Tensor &x, RankedTensorType type) {
  SmallVector<int64_t> strides = stridesOf(x.getShape());
  int64_t start = 0;
  for (auto [axis, stride] : llvm::enumerate(strides)) {
    start += op.getStarts()[axis] * stride;
    stride *= op.getSteps()[axis];
  }
  return strided(x, type, start, strides);
}

static Tensor concat(nn::ConcatOp op, Operands in, RankedTensorType type) {
  Tensor result(type);
  char *to = result.mutableData().data();
  int64_t outer = ShapedType::getNumElements(type.getShape().take_front(op.getAxis()));
  // Everything from the axis on is one run of bytes in each operand.
  for (int64_t i = 0; i < outer; ++i)
    for (const Value &value : in) {
      ArrayRef<char> bytes = asTensor(value).bytes();
      int64_t run = int64_t(bytes.size()) / outer;
      to = std::copy_n(bytes.data() + i * run, run, to);
    }
  return result;
}

static Tensor pad(nn::PadOp op, const Tensor &x, RankedTensorType type) {
  ArrayRef<int64_t> shape = x.getShape();
  // Per axis, the source of each position.
  SmallVector<SmallVector<int64_t>> sources;
  for (auto [axis, size] : llvm::enumerate(shape)) {
    int64_t low = op.getLow()[axis], high = op.getHigh()[axis];
    SmallVector<int64_t> &source = sources.emplace_back();
    for (int64_t i = 0; i < type.getDimSize(axis); ++i)
      source.push_back(
          nn::padSource(op.getMode(), i - low, std::max<int64_t>(0, -low), size + std::min<int64_t>(0, high)));
  }
  RankedTensorType scalar = RankedTensorType::get({}, type.getElementType());
  Tensor value = fromReals(scalar, {op.getValue().convertToDouble()}), result(type);
  int64_t size = result.elementSize();
  char *to = result.mutableData().data();
  SmallVector<int64_t> strides = stridesOf(shape), outStrides = stridesOf(type.getShape());
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    int64_t offset = 0;
    for (size_t d = 0; d < strides.size() && offset >= 0; ++d) {
      int64_t source = sources[d][i / outStrides[d] % type.getDimSize(d)];
      offset = source < 0 ? -1 : offset + source * strides[d];
    }
    std::copy_n(offset < 0 ? value.bytes().data() : x.bytes().data() + offset * size, size, to + i * size);
  }
  return result;
}

static FailureOr<Tensor> gather(nn::GatherOp op, const Tensor &x, const Tensor &indices, RankedTensorType type) {
  Tensor result(type);
  char *to = result.mutableData().data();
  int64_t dim = x.getShape()[op.getAxis()];
  int64_t outer = ShapedType::getNumElements(x.getShape().take_front(op.getAxis()));
  int64_t run = ShapedType::getNumElements(x.getShape().drop_front(op.getAxis() + 1)) * x.elementSize();
  std::vector<int64_t> rows = toIntegers(indices);
  for (int64_t &row : rows) {
    if (row < -dim || row >= dim)
      return op.emitOpError("index ") << row << " is outside " << -dim << ".." << dim - 1 << " of axis "
                                      << op.getAxis();
    row += row < 0 ? dim : 0;
  }
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t row : rows)
      to = std::copy_n(x.bytes().data() + (i * dim + row) * run, run, to);
  return result;
}

static Tensor shape(nn::ShapeOp op, const Tensor &x, RankedTensorType type) {
  int64_t end = op.getEnd().value_or(x.getShape().size());
  return Tensor::of<int64_t>(type, x.getShape().slice(op.getStart(), end - op.getStart()));
}

static FailureOr<Tensor> range(nn::RangeOp op, Operands in) {
  RankedTensorType type = op.getType();
  return withNumber(type.getElementType(), [&](auto zero) -> FailureOr<Tensor> {
    using T = decltype(zero);
    T start = toNumbers<T>(asTensor(in[0]))[0], limit = toNumbers<T>(asTensor(in[1]))[0];
    T delta = toNumbers<T>(asTensor(in[2]))[0];
    if (delta == 0)
      return op.emitOpError("delta is 0; a range needs a step");
    double steps = std::ceil((double(limit) - double(start)) / double(delta));
    int64_t count = steps > 0 ? saturate(steps, 62, false) : 0;
    if (type.isDynamicDim(0) ? count > (int64_t(1) << 40) : count != type.getDimSize(0))
      return op.emitOpError("has ") << count << " elements from these operands; the result type is " << type;
    std::vector<T> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(addWrapping(start, mulWrapping(T(i), delta)));
    return fromNumbers(RankedTensorType::get({count}, type.getElementType()), values);
  });
}

/// The operand's elements in the result's shape; one unknown size follows from the others.
static FailureOr<Tensor> reshape(nn::ReshapeOp op, const Tensor &x) {
  RankedTensorType type = op.getType();
  SmallVector<int64_t> sizes(type.getShape());
  if (type.getNumDynamicDims() == 1) {
    int64_t &unknown = *llvm::find_if(sizes, ShapedType::isDynamic);
    unknown = 1;
    int64_t known = ShapedType::getNumElements(sizes);
    unknown = known ? x.size() / known : 0;
  }
  if (type.getNumDynamicDims() > 1 || ShapedType::getNumElements(sizes) != x.size())
    return op.emitOpError("cannot give ") << x.size() << " elements the shape of " << type;
  return x.as(type.clone(sizes));
}

FailureOr<Tensor> evaluateMovement(Operation *op, Operands in) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  auto x = [&](unsigned i) -> const Tensor & { return asTensor(in[i]); };
  return TypeSwitch<Operation *, FailureOr<Tensor>>(op)
      .Case([&](nn::ReshapeOp op) { return reshape(op, x(0)); })
      .Case([&](nn::TransposeOp op) { return transpose(op, x(0), type); })
      .Case([&](nn::SliceOp op) { return slice(op, x(0), type); })
      .Case([&](nn::ConcatOp op) { return concat(op, in, type); })
      .Case([&](nn::PadOp op) { return pad(op, x(0), type); })
      .Case([&](nn::ExpandOp op) { return strided(x(0), type, 0, broadcastStrides(x(0).getShape(), type.getShape())); })
      .Case([&](nn::GatherOp op) { return gather(op, x(0), x(1), type); })
      .Case([&](nn::ShapeOp op) { return shape(op, x(0), type); })
      .Case([&](nn::RangeOp op) { return range(op, in); })
      .Default([](Operation *) { return failure(); });
}

} // namespace tern::reference
