//===- SizeValues.cpp - small integer tensors as size expressions ---------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::nn {

/// More elements than any shape has.
static constexpr int64_t kMostElements = 1024;

static RankedTensorType tensorOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

/// Strides with which an operand of this shape is read for a result shape; 0 where it is repeated.
static SmallVector<int64_t> stridesFor(ArrayRef<int64_t> shape, ArrayRef<int64_t> result) {
  SmallVector<int64_t> strides(result.size(), 0);
  int64_t step = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    size_t axis = result.size() - 1 - i;
    int64_t size = shape[shape.size() - 1 - i];
    strides[axis] = size == 1 ? 0 : step;
    step *= size;
  }
  return strides;
}

/// Calls fn(offsets of the operands) for every element of the result in order.
static void forEach(ArrayRef<int64_t> shape, ArrayRef<SmallVector<int64_t>> strides,
                    llvm::function_ref<void(ArrayRef<int64_t>)> fn) {
  SmallVector<int64_t> at(shape.size(), 0), offsets(strides.size(), 0);
  int64_t count = ShapedType::getNumElements(shape);
  for (int64_t i = 0; i < count; ++i) {
    fn(offsets);
    for (size_t d = shape.size(); d-- > 0;) {
      for (auto [offset, stride] : llvm::zip(offsets, strides))
        offset += stride[d];
      if (++at[d] < shape[d])
        break;
      for (auto [offset, stride] : llvm::zip(offsets, strides))
        offset -= stride[d] * shape[d];
      at[d] = 0;
    }
  }
}

std::optional<Sizes> SizeAnalysis::elementsOf(Value value) {
  if (auto it = elements.find(value); it != elements.end())
    return it->second;
  std::optional<Sizes> found = follow(value);
  if (found && llvm::is_contained(*found, SizeExpr()))
    found = std::nullopt;
  if (!found && !blame)
    blame = value;
  return elements[value] = found;
}

std::optional<Sizes> SizeAnalysis::follow(Value value) {
  RankedTensorType type = tensorOf(value);
  Operation *op = value.getDefiningOp();
  if (!type || !op)
    return std::nullopt;
  Type element = type.getElementType();
  if (!isa<IntegerType, FloatType>(element))
    return std::nullopt;
  ElementsAttr attr;
  if (matchPattern(op, m_Constant(&attr))) {
    auto dense = dyn_cast<DenseElementsAttr>(attr);
    if (!dense || dense.getNumElements() > kMostElements)
      return std::nullopt;
    Sizes values;
    if (isa<IntegerType>(element)) {
      bool isSigned = !element.isUnsignedInteger() && !element.isInteger(1);
      for (const APInt &v : dense.getValues<APInt>())
        values.push_back(table.constant(isSigned ? v.getSExtValue() : int64_t(v.getZExtValue())));
      return values;
    }
    // Floats that are integers: shapes take detours through floats.
    for (const APFloat &v : dense.getValues<APFloat>()) {
      APFloat copy = v;
      bool loses;
      copy.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
      double number = copy.convertToDouble();
      if (!(std::abs(number) < 9e15) || number != std::floor(number))
        return std::nullopt;
      values.push_back(table.constant(int64_t(number)));
    }
    return values;
  }
  if (auto shape = dyn_cast<ShapeOp>(op)) {
    Sizes sizes = shapeOf(shape.getX());
    int64_t rank = int64_t(sizes.size()), end = shape.getEnd().value_or(rank), start = shape.getStart();
    auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
    start = clamp(start), end = clamp(end);
    return end <= start ? Sizes() : Sizes(sizes.begin() + start, sizes.begin() + end);
  }
  if (auto sizes = dyn_cast<SizesOp>(op)) {
    Sizes values;
    for (Attribute text : sizes.getValues())
      values.push_back(resolve(table.parse(cast<StringAttr>(text).getValue())));
    return values;
  }
  if (auto range = dyn_cast<RangeOp>(op)) {
    auto start = elementsOf(range.getStart()), delta = elementsOf(range.getDelta());
    if (!type.hasStaticShape() || type.getNumElements() > kMostElements || !start || !delta)
      return std::nullopt;
    Sizes values;
    for (int64_t i = 0; i < type.getNumElements(); ++i)
      values.push_back(table.add(start->front(), table.mul(delta->front(), table.constant(i))));
    return values;
  }
  if (!isa<NNDialect>(op->getDialect()) || !type.hasStaticShape() || type.getNumElements() > kMostElements)
    return std::nullopt;
  SmallVector<Sizes> in;
  for (Value operand : op->getOperands()) {
    std::optional<Sizes> known = elementsOf(operand);
    if (!known)
      return std::nullopt;
    in.push_back(*known);
  }
  ArrayRef<int64_t> shape = type.getShape();
  // Elementwise on broadcast operands.
  auto elementwise = [&](llvm::function_ref<SizeExpr(ArrayRef<SizeExpr>)> fn) {
    SmallVector<SmallVector<int64_t>> strides;
    for (Value operand : op->getOperands())
      strides.push_back(stridesFor(tensorOf(operand).getShape(), shape));
    Sizes values;
    forEach(shape, strides, [&](ArrayRef<int64_t> at) {
      SmallVector<SizeExpr, 3> args;
      for (auto [known, offset] : llvm::zip(in, at))
        args.push_back(known[size_t(offset)]);
      values.push_back(fn(args));
    });
    return values;
  };
  auto boolean = [&](std::optional<bool> known) { return known ? table.constant(*known) : SizeExpr(); };
  bool isInteger = isa<IntegerType>(element);
  return TypeSwitch<Operation *, std::optional<Sizes>>(op)
      .Case([&](ReshapeOp) { return in[0]; })
      .Case([&](CastOp cast) {
        if (!element.isInteger(1) || tensorOf(cast.getX()).getElementType().isInteger(1))
          return std::optional<Sizes>(in[0]);
        return std::optional<Sizes>(elementwise([&](ArrayRef<SizeExpr> x) {
          std::optional<bool> zero = equal(x[0], table.constant(0));
          return zero ? table.constant(!*zero) : SizeExpr();
        }));
      })
      .Case([&](ExpandOp) { return elementwise([](ArrayRef<SizeExpr> x) { return x[0]; }); })
      .Case([&](UnaryOp unary) -> std::optional<Sizes> {
        switch (unary.getKind()) {
        case UnaryKind::neg:
          return elementwise([&](ArrayRef<SizeExpr> x) { return table.sub(table.constant(0), x[0]); });
        case UnaryKind::abs:
          return elementwise([&](ArrayRef<SizeExpr> x) { return table.range(x[0]).first >= 0 ? x[0] : SizeExpr(); });
        case UnaryKind::floor:
        case UnaryKind::ceil:
        case UnaryKind::round:
          return in[0]; // only integers are followed
        case UnaryKind::logical_not:
          return elementwise([&](ArrayRef<SizeExpr> x) { return x[0].constant() ? table.constant(!*x[0].constant()) : SizeExpr(); });
        default:
          return std::nullopt;
        }
      })
      .Case([&](ClipOp clip) {
        return elementwise([&](ArrayRef<SizeExpr> x) {
          SizeExpr v = x[0];
          if (clip.getMin() && std::abs(clip.getMin()->convertToDouble()) < 9e15)
            v = table.max(v, table.constant(int64_t(std::ceil(clip.getMin()->convertToDouble()))));
          if (clip.getMax() && std::abs(clip.getMax()->convertToDouble()) < 9e15)
            v = table.min(v, table.constant(int64_t(std::floor(clip.getMax()->convertToDouble()))));
          return v;
        });
      })
      .Case([&](BinaryOp binary) {
        return elementwise([&](ArrayRef<SizeExpr> x) -> SizeExpr {
          SizeExpr a = x[0], b = x[1];
          switch (binary.getKind()) {
          case BinaryKind::add:
            return table.add(a, b);
          case BinaryKind::sub:
            return table.sub(a, b);
          case BinaryKind::mul:
            return table.mul(a, b);
          case BinaryKind::div: {
            SizeExpr q = table.floorDiv(a, b);
            // Integer division truncates, that of floats is exact.
            bool exact = q && table.mul(q, b) == a, natural = table.range(a).first >= 0 && table.range(b).first >= 0;
            if (exact || (isInteger && natural))
              return q;
            SizeExpr zero = table.constant(0);
            return isInteger && b.constant().value_or(0) > 0 ? table.add(table.max(q, zero), table.min(table.ceilDiv(a, b), zero)) : SizeExpr();
          }
          case BinaryKind::mod:
            return table.range(b).first > 0 ? table.mod(a, b) : SizeExpr();
          case BinaryKind::fmod:
            return table.range(b).first > 0 && table.range(a).first >= 0 ? table.mod(a, b) : SizeExpr();
          case BinaryKind::min:
            return table.min(a, b);
          case BinaryKind::max:
            return table.max(a, b);
          case BinaryKind::logical_and:
            return a.isConstant(0) || b.isConstant(0) ? table.constant(0) : a.constant() ? b : b.constant() ? a : SizeExpr();
          case BinaryKind::logical_or:
            return a.isConstant(1) || b.isConstant(1) ? table.constant(1) : a.constant() ? b : b.constant() ? a : SizeExpr();
          default:
            return SizeExpr();
          }
        });
      })
      .Case([&](CompareOp compare) {
        return elementwise([&](ArrayRef<SizeExpr> x) -> SizeExpr {
          auto flipped = [](std::optional<bool> v) { return v ? std::optional<bool>(!*v) : v; };
          switch (compare.getKind()) {
          case CompareKind::eq:
            return boolean(equal(x[0], x[1]));
          case CompareKind::lt:
            return boolean(less(x[0], x[1]));
          case CompareKind::ge:
            return boolean(flipped(less(x[0], x[1])));
          case CompareKind::gt:
            return boolean(less(x[1], x[0]));
          case CompareKind::le:
            return boolean(flipped(less(x[1], x[0])));
          }
          return SizeExpr();
        });
      })
      .Case([&](SelectOp) {
        return elementwise([](ArrayRef<SizeExpr> x) {
          return x[1] == x[2] ? x[1] : !x[0].constant() ? SizeExpr() : *x[0].constant() ? x[1] : x[2];
        });
      })
      .Case([&](GatherOp gather) -> std::optional<Sizes> {
        ArrayRef<int64_t> from = tensorOf(gather.getX()).getShape();
        size_t axis = size_t(gather.getAxis());
        int64_t outer = ShapedType::getNumElements(from.take_front(axis)), inner = ShapedType::getNumElements(from.drop_front(axis + 1));
        Sizes values;
        for (int64_t o = 0; o < outer; ++o)
          for (SizeExpr index : in[1]) {
            std::optional<int64_t> i = index.constant();
            if (!i || *i < -from[axis] || *i >= from[axis])
              return std::nullopt;
            int64_t at = *i < 0 ? *i + from[axis] : *i;
            for (int64_t k = 0; k < inner; ++k)
              values.push_back(in[0][size_t((o * from[axis] + at) * inner + k)]);
          }
        return values;
      })
      .Case([&](ConcatOp concat) -> std::optional<Sizes> {
        size_t axis = size_t(concat.getAxis());
        int64_t outer = ShapedType::getNumElements(shape.take_front(axis)), inner = ShapedType::getNumElements(shape.drop_front(axis + 1));
        Sizes values;
        for (int64_t o = 0; o < outer; ++o)
          for (auto [known, operand] : llvm::zip(in, concat.getXs())) {
            int64_t run = tensorOf(operand).getDimSize(axis) * inner;
            values.append(known.begin() + o * run, known.begin() + (o + 1) * run);
          }
        return values;
      })
      .Case([&](SliceOp slice) {
        ArrayRef<int64_t> from = tensorOf(slice.getX()).getShape();
        SmallVector<int64_t> strides = stridesFor(from, from), steps;
        int64_t base = 0;
        for (size_t d = 0; d < from.size(); ++d) {
          // stridesFor gives 0 where a size is 1: such an axis is taken at 0.
          base += slice.getStarts()[d] * strides[d];
          steps.push_back(strides[d] * slice.getSteps()[d]);
        }
        Sizes values;
        forEach(shape, {steps}, [&](ArrayRef<int64_t> at) { values.push_back(in[0][size_t(base + at[0])]); });
        return std::optional<Sizes>(values);
      })
      .Case([&](TransposeOp transpose) {
        ArrayRef<int64_t> from = tensorOf(transpose.getX()).getShape();
        SmallVector<int64_t> strides = stridesFor(from, from), permuted;
        for (int64_t axis : transpose.getPerm())
          permuted.push_back(strides[size_t(axis)]);
        Sizes values;
        forEach(shape, {permuted}, [&](ArrayRef<int64_t> at) { values.push_back(in[0][size_t(at[0])]); });
        return std::optional<Sizes>(values);
      })
      .Case([&](ReduceOp reduce) -> std::optional<Sizes> {
        if (type.getNumElements() != 1 || in[0].empty())
          return std::nullopt;
        SizeExpr value = in[0].front();
        for (SizeExpr next : ArrayRef<SizeExpr>(in[0]).drop_front())
          switch (reduce.getKind()) {
          case ReduceKind::sum:
            value = table.add(value, next);
            break;
          case ReduceKind::prod:
            value = table.mul(value, next);
            break;
          case ReduceKind::max:
            value = table.max(value, next);
            break;
          case ReduceKind::min:
            value = table.min(value, next);
            break;
          default:
            return std::nullopt;
          }
        bool served = llvm::is_contained({ReduceKind::sum, ReduceKind::prod, ReduceKind::max, ReduceKind::min}, reduce.getKind());
        return served ? std::optional<Sizes>(Sizes{value}) : std::nullopt;
      })
      .Default([](Operation *) { return std::nullopt; });
}

} // namespace tern::nn
