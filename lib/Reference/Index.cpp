//===- Index.cpp - arg_reduce, topk, cumulate, gathers and scatters -----------------===//
#include "lib/Reference/Ops.h"
#include "llvm/ADT/TypeSwitch.h"
#include <numeric>

using namespace mlir;

namespace tern::reference {

/// Calls fn(start of the row, distance of its elements) for every row along an axis, in row-major order.
template <typename Fn> static void forRows(ArrayRef<int64_t> shape, int64_t axis, Fn fn) {
  int64_t n = shape[axis], step = stridesOf(shape)[axis];
  for (int64_t i = 0, rows = n ? ShapedType::getNumElements(shape) / n : 0; i < rows; ++i)
    fn(i, i / step * step * n + i % step, step);
}

/// Order of numbers of a type; NaN is beyond every number, on the side that is looked for.
template <typename T> static bool isBefore(T a, T b, bool smallest) {
  if (a != a || b != b)
    return a != a && b == b;
  return smallest ? a < b : a > b;
}

/// The elements as numbers that compare as their type does.
template <typename Fn> static auto withOrder(const Tensor &x, Fn fn) {
  if (isa<FloatType>(x.getElementType()))
    return fn(toReals(x));
  std::vector<int64_t> values = toIntegers(x);
  if (!isUnsigned(x.getElementType()))
    return fn(values);
  return fn(std::vector<uint64_t>(values.begin(), values.end()));
}

static Tensor argReduce(nn::ArgReduceOp op, const Tensor &x) {
  Tensor result(op.getType());
  MutableArrayRef<int64_t> to = result.mutableData<int64_t>();
  int64_t n = x.getShape()[op.getAxis()];
  bool smallest = op.getKind() == nn::ArgKind::min;
  withOrder(x, [&](const auto &values) {
    forRows(x.getShape(), op.getAxis(), [&](int64_t row, int64_t start, int64_t step) {
      int64_t best = 0;
      for (int64_t k = 1; k < n; ++k) {
        auto candidate = values[start + k * step], least = values[start + best * step];
        bool wins =
            isBefore(candidate, least, smallest) || (op.getSelectLast() && !isBefore(least, candidate, smallest));
        best = wins ? k : best;
      }
      to[row] = best;
    });
    return 0;
  });
  return result;
}

static SmallVector<Value> topk(nn::TopkOp op, const Tensor &x) {
  auto type = cast<RankedTensorType>(op.getValues().getType());
  Tensor values(type), indices(cast<RankedTensorType>(op.getIndices().getType()));
  int64_t n = x.getShape()[op.getAxis()], k = op.getK(), size = x.elementSize();
  int64_t inner = stridesOf(x.getShape())[op.getAxis()];
  char *to = values.mutableData().data();
  MutableArrayRef<int64_t> places = indices.mutableData<int64_t>();
  withOrder(x, [&](const auto &numbers) {
    std::vector<int64_t> order(n);
    forRows(x.getShape(), op.getAxis(), [&](int64_t row, int64_t start, int64_t step) {
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        auto x = numbers[start + a * step], y = numbers[start + b * step];
        return isBefore(x, y, op.getSmallest()) || (!isBefore(y, x, op.getSmallest()) && a < b);
      });
      for (int64_t i = 0; i < k; ++i) {
        int64_t at = row / inner * inner * k + row % inner + i * inner;
        std::copy_n(x.bytes().data() + (start + order[i] * step) * size, size, to + at * size);
        places[at] = order[i];
      }
    });
    return 0;
  });
  return {values, indices};
}

//===-- gathers and scatters ----------------------------------------------------===//
/// A checked index, counted from the start.
static FailureOr<int64_t> place(Operation *op, int64_t index, int64_t size, int64_t axis) {
  if (index < -size || index >= size)
    return op->emitOpError("index ") << index << " is outside " << -size << ".." << size - 1 << " of axis " << axis;
  return index < 0 ? index + size : index;
}

/// For every element of indices, the element of x at its position with the index along the axis.
static FailureOr<std::vector<int64_t>> elementPlaces(Operation *op, const Tensor &x, const Tensor &indices,
                                                     int64_t axis) {
  std::vector<int64_t> values = toIntegers(indices);
  SmallVector<int64_t> strides = stridesOf(x.getShape()), moved = strides;
  moved[axis] = 0;
  bool failed = false;
  forElements<1>(indices.getShape(), {moved}, [&](int64_t i, const auto &at) {
    FailureOr<int64_t> index = failed ? FailureOr<int64_t>(failure()) : place(op, values[i], x.getShape()[axis], axis);
    failed |= llvm::failed(index);
    values[i] = failed ? 0 : at[0] + *index * strides[axis];
  });
  if (failed)
    return failure();
  return values;
}

/// For every tuple of indices, the first element of the block of x that it names; also the elements of a block.
static FailureOr<std::vector<int64_t>> blockPlaces(Operation *op, const Tensor &x, const Tensor &indices, int64_t batch,
                                                   int64_t &block) {
  std::vector<int64_t> values = toIntegers(indices), places;
  SmallVector<int64_t> strides = stridesOf(x.getShape());
  int64_t k = indices.getShape().back();
  int64_t batches = ShapedType::getNumElements(x.getShape().take_front(batch));
  int64_t tuples = ShapedType::getNumElements(indices.getShape().drop_back());
  block = ShapedType::getNumElements(x.getShape().drop_front(batch + k));
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t offset = batches ? t / (tuples / batches) * (x.size() / batches) : 0;
    for (int64_t d = 0; d < k; ++d) {
      FailureOr<int64_t> index = place(op, values[t * k + d], x.getShape()[batch + d], batch + d);
      if (failed(index))
        return failure();
      offset += *index * strides[batch + d];
    }
    places.push_back(offset);
  }
  return places;
}

static FailureOr<Tensor> gatherBlocks(const Tensor &x, RankedTensorType type, FailureOr<std::vector<int64_t>> places,
                                      int64_t block) {
  if (failed(places))
    return failure();
  Tensor result(type);
  char *to = result.mutableData().data();
  for (int64_t from : *places)
    to = std::copy_n(x.bytes().data() + from * x.elementSize(), block * x.elementSize(), to);
  return result;
}

template <typename T> static T combine(nn::ScatterMode mode, T old, T update) {
  switch (mode) {
  case nn::ScatterMode::replace:
    return update;
  case nn::ScatterMode::add:
    return addWrapping(old, update);
  case nn::ScatterMode::mul:
    return mulWrapping(old, update);
  case nn::ScatterMode::max:
    return old != old || old > update ? old : update;
  case nn::ScatterMode::min:
    return old != old || old < update ? old : update;
  }
  llvm_unreachable("unknown mode");
}

/// Blocks of updates go to their places one after the other; every combination is rounded to the element type.
static FailureOr<Tensor> scatterBlocks(const Tensor &x, const Tensor &updates, nn::ScatterMode mode,
                                       FailureOr<std::vector<int64_t>> places, int64_t block) {
  if (failed(places))
    return failure();
  Tensor result = Tensor::of<char>(x.getType(), x.bytes());
  int64_t size = x.elementSize();
  if (mode == nn::ScatterMode::replace) {
    for (auto [i, to] : llvm::enumerate(*places))
      std::copy_n(updates.bytes().data() + int64_t(i) * block * size, block * size,
                  result.mutableData().data() + to * size);
    return result;
  }
  RankedTensorType one = RankedTensorType::get({1}, x.getElementType());
  return withOrder(x, [&](auto values) {
    using T = typename decltype(values)::value_type;
    std::vector<T> from = withOrder(updates, [](const auto &v) { return std::vector<T>(v.begin(), v.end()); });
    for (auto [i, to] : llvm::enumerate(*places))
      for (int64_t e = 0; e < block; ++e) {
        T value = combine(mode, values[to + e], from[int64_t(i) * block + e]);
        if constexpr (std::is_same_v<T, double>)
          values[to + e] = toReals(fromReals(one, value)).front();
        else
          values[to + e] = T(toIntegers(fromIntegers(one, int64_t(value))).front());
      }
    if constexpr (std::is_same_v<T, double>)
      return fromReals(x.getType(), values);
    else
      return fromIntegers(x.getType(), std::vector<int64_t>(values.begin(), values.end()));
  });
}

static Tensor cumulate(nn::CumulateOp op, const Tensor &x) {
  auto run = [&](auto values, auto neutral) {
    int64_t n = x.getShape()[op.getAxis()];
    forRows(x.getShape(), op.getAxis(), [&](int64_t, int64_t start, int64_t step) {
      auto total = neutral;
      for (int64_t k = 0; k < n; ++k) {
        auto &at = values[start + (op.getReverse() ? n - 1 - k : k) * step], own = at;
        auto next = op.getKind() == nn::CumulateKind::sum ? total + own : total * own;
        at = op.getExclusive() ? total : next;
        total = next;
      }
    });
    return values;
  };
  bool isProduct = op.getKind() == nn::CumulateKind::prod;
  if (isa<FloatType>(x.getElementType()))
    return fromReals(x.getType(), run(toReals(x), double(isProduct)));
  // Without a sign: sums may wrap.
  std::vector<int64_t> integers = toIntegers(x);
  std::vector<uint64_t> totals = run(std::vector<uint64_t>(integers.begin(), integers.end()), uint64_t(isProduct));
  return fromIntegers(x.getType(), std::vector<int64_t>(totals.begin(), totals.end()));
}

Results evaluateIndex(Operation *op, Operands in) {
  const Tensor &x = asTensor(in[0]);
  auto one = [](FailureOr<Tensor> tensor) -> Results {
    if (failed(tensor))
      return failure();
    return SmallVector<Value>{*tensor};
  };
  int64_t block = 1;
  return TypeSwitch<Operation *, Results>(op)
      .Case([&](nn::ArgReduceOp op) { return one(argReduce(op, x)); })
      .Case([&](nn::TopkOp op) -> Results { return topk(op, x); })
      .Case([&](nn::CumulateOp op) { return one(cumulate(op, x)); })
      .Case([&](nn::GatherElementsOp op) {
        return one(gatherBlocks(x, op.getType(), elementPlaces(op, x, asTensor(in[1]), op.getAxis()), 1));
      })
      .Case([&](nn::GatherNdOp op) {
        auto places = blockPlaces(op, x, asTensor(in[1]), op.getBatchDims(), block);
        return one(gatherBlocks(x, op.getType(), places, block));
      })
      .Case([&](nn::ScatterElementsOp op) {
        auto places = elementPlaces(op, x, asTensor(in[1]), op.getAxis());
        return one(scatterBlocks(x, asTensor(in[2]), op.getMode(), places, 1));
      })
      .Case([&](nn::ScatterNdOp op) {
        auto places = blockPlaces(op, x, asTensor(in[1]), 0, block);
        return one(scatterBlocks(x, asTensor(in[2]), op.getMode(), places, block));
      })
      .Default([](Operation *) { return failure(); });
}

} // namespace tern::reference
