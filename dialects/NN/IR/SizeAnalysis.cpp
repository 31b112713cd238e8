//===- SizeAnalysis.cpp - the sizes of all values of a function -----------===//
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::nn {

RankedTensorType typeOf(ArrayRef<SizeExpr> sizes, Type element) {
  SmallVector<int64_t> shape;
  for (SizeExpr size : sizes)
    shape.push_back(size && size.constant() ? *size.constant() : ShapedType::kDynamic);
  return RankedTensorType::get(shape, element);
}

std::string print(ArrayRef<SizeExpr> sizes) {
  std::string text = "[";
  for (auto [i, size] : llvm::enumerate(sizes))
    text += (i ? ", " : "") + size.str().str();
  return text + "]";
}

static std::optional<ArrayRef<int64_t>> shapeOfType(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? std::optional(tensor.getShape()) : std::nullopt;
}

void setSizes(Operation *op, ArrayRef<Sizes> sizes) {
  SmallVector<Attribute> texts;
  Builder b(op->getContext());
  for (auto [result, known] : llvm::zip(op->getResults(), sizes)) {
    std::optional<ArrayRef<int64_t>> shape = shapeOfType(result.getType());
    if (!shape || shape->size() != known.size())
      continue;
    for (auto [size, expr] : llvm::zip(*shape, known)) {
      if (!ShapedType::isDynamic(size))
        continue;
      if (!expr) {
        op->removeAttr(kSizesAttr);
        return;
      }
      texts.push_back(b.getStringAttr(expr.str()));
    }
  }
  if (texts.empty())
    op->removeAttr(kSizesAttr);
  else
    op->setAttr(kSizesAttr, b.getArrayAttr(texts));
}

LogicalResult SizeAnalysis::readArguments(FunctionOpInterface function) {
  for (BlockArgument argument : function.getArguments()) {
    std::optional<ArrayRef<int64_t>> shape = shapeOfType(argument.getType());
    if (!shape)
      continue;
    unsigned number = argument.getArgNumber();
    auto texts = function.getArgAttrOfType<ArrayAttr>(number, "tern.dims");
    auto name = function.getArgAttrOfType<StringAttr>(number, "tern.name");
    Sizes sizes;
    for (auto [axis, size] : llvm::enumerate(*shape)) {
      auto text = texts && axis < texts.size() ? dyn_cast<StringAttr>(texts[axis]) : StringAttr();
      if (!ShapedType::isDynamic(size)) {
        sizes.push_back(table.constant(size));
      } else if (text && !text.getValue().empty()) {
        SizeExpr e = table.parse(text.getValue());
        if (!e)
          return function.emitError() << "'tern.dims' of argument " << number << " has " << text << ", which is no size";
        sizes.push_back(e);
      } else {
        sizes.push_back(table.dim((name ? name.getValue() : StringRef("arg" + std::to_string(number))).str() + "." + std::to_string(axis)));
      }
    }
    setShape(argument, sizes);
  }
  return success();
}

SizeExpr SizeAnalysis::resolve(SizeExpr e) {
  if (replaced.empty() || !e || e.constant())
    return e;
  return table.substitute(e, [&](StringRef name) -> SizeExpr {
    auto it = replaced.find(name);
    return it == replaced.end() ? SizeExpr() : it->second;
  });
}

bool SizeAnalysis::unify(SizeExpr a, SizeExpr b) {
  a = resolve(a), b = resolve(b);
  if (!a || !b || a == b)
    return true;
  if (SizeExpr difference = table.sub(a, b); difference) {
    auto [low, high] = table.range(difference);
    if (low > 0 || high < 0)
      return false;
  }
  // The dimension that is not part of the other side goes; of two dimensions the one that is later in the alphabet.
  auto replace = [&](SizeExpr dim, SizeExpr by) {
    StringRef name = dim.dim();
    if (name.empty() || llvm::is_contained(table.dimsOf(by), name))
      return false;
    if (!by.dim().empty() && by.dim() > name)
      return false;
    replaced[name] = by;
    for (auto &entry : replaced)
      entry.second = resolve(entry.second);
    for (auto &entry : equalities)
      entry = {resolve(entry.first), resolve(entry.second)};
    for (auto &entry : shapes)
      for (SizeExpr &size : entry.second)
        size = resolve(size);
    elements.clear();
    return true;
  };
  if (replace(a, b) || replace(b, a) || limit(a, b) || limit(b, a))
    return true;
  if (!llvm::is_contained(equalities, std::make_pair(a, b)))
    equalities.push_back({a, b});
  return true;
}

bool SizeAnalysis::limit(SizeExpr e, SizeExpr smallest) {
  // e == min(e, 512): e is at most 512. Only a dimension has bounds.
  StringRef name = e.dim();
  if (name.empty())
    return false;
  for (SizeExpr c : table.constantsOf(smallest)) {
    if (table.min(e, c) != smallest)
      continue;
    auto [low, high] = table.bounds(name);
    table.setBounds(name, low, std::min(high, *c.constant()));
    limited.insert(name);
    auto again = [&](SizeExpr size) { return size ? table.substitute(size, [](StringRef) { return SizeExpr(); }) : size; };
    for (auto &entry : shapes)
      for (SizeExpr &size : entry.second)
        size = again(size);
    for (auto &entry : replaced)
      entry.second = again(entry.second);
    elements.clear();
    return true;
  }
  return false;
}

/// The answer that holds for all sizes, else the one that holds where dimensions are at least 1.
template <typename Decide> static std::optional<bool> decide(SizeAnalysis &sizes, SizeExpr difference, Decide answer) {
  if (!difference)
    return std::nullopt;
  for (int64_t least : {0, 1}) {
    auto [low, high] = sizes.table.range(difference, least);
    std::optional<bool> known = answer(low, high);
    if (!known)
      continue;
    if (least)
      for (StringRef dim : sizes.table.dimsOf(difference))
        sizes.positive.insert(dim);
    return known;
  }
  return std::nullopt;
}

std::optional<bool> SizeAnalysis::less(SizeExpr a, SizeExpr b) {
  return decide(*this, table.sub(resolve(a), resolve(b)), [](int64_t low, int64_t high) {
    return high < 0 ? std::optional<bool>(true) : low >= 0 ? std::optional<bool>(false) : std::nullopt;
  });
}

std::optional<bool> SizeAnalysis::equal(SizeExpr a, SizeExpr b) {
  return decide(*this, table.sub(resolve(a), resolve(b)), [](int64_t low, int64_t high) {
    return low == 0 && high == 0 ? std::optional<bool>(true)
           : low > 0 || high < 0 ? std::optional<bool>(false)
                                 : std::nullopt;
  });
}

std::optional<Sizes> SizeAnalysis::broadcast(ArrayRef<Sizes> given) {
  size_t rank = 0;
  for (const Sizes &shape : given)
    rank = std::max(rank, shape.size());
  Sizes result(rank, table.constant(1));
  for (const Sizes &shape : given)
    for (size_t i = 0; i < shape.size(); ++i) {
      SizeExpr &size = result[rank - 1 - i], other = shape[shape.size() - 1 - i];
      if (!size || !other) {
        size = SizeExpr();
        continue;
      }
      if (other.isConstant(1) || size == other)
        continue;
      // Two sizes that differ in writing are equal at run time: only a written 1 is repeated.
      if (!size.isConstant(1) && !unify(size, other))
        return std::nullopt;
      // Of two texts for one number the shorter one goes on.
      bool take = size.isConstant(1) || resolve(other).str().size() < resolve(size).str().size();
      size = take ? resolve(other) : resolve(size);
    }
  return result;
}

Sizes SizeAnalysis::fromType(Type type) {
  Sizes sizes;
  if (std::optional<ArrayRef<int64_t>> shape = shapeOfType(type))
    for (int64_t size : *shape)
      sizes.push_back(ShapedType::isDynamic(size) ? SizeExpr() : table.constant(size));
  return sizes;
}

Sizes SizeAnalysis::shapeOf(Value value) {
  if (auto it = shapes.find(value); it != shapes.end())
    return it->second;
  Sizes sizes = fromType(value.getType());
  bool isTensor = isa<RankedTensorType>(value.getType());
  if ((isTensor && !llvm::is_contained(sizes, SizeExpr())) || !value.getDefiningOp())
    return shapes[value] = sizes;
  Operation *op = value.getDefiningOp();
  for (Value result : op->getResults())
    shapes[result] = fromType(result.getType());
  if (auto texts = op->getAttrOfType<ArrayAttr>(kSizesAttr)) {
    size_t next = 0;
    for (Value result : op->getResults())
      for (SizeExpr &size : shapes[result])
        if (!size && next < texts.size())
          if (auto text = dyn_cast<StringAttr>(texts[next++]))
            size = resolve(table.parse(text.getValue()));
  }
  if (!isTensor || llvm::is_contained(shapes[value], SizeExpr()))
    infer(op);
  return shapes[value];
}

//===-- ops without a rule of their own -----------------------------------------===//

/// Runs type inference with numbers in place of the unknown sizes and reads the sizes of the results back: each is a
/// number, a size of an operand, or the same linear function of one in all trials.
bool SizeAnalysis::inferByProbing(Operation *op) {
  auto inference = dyn_cast<InferTypeOpInterface>(op);
  if (!inference)
    return false;
  SmallVector<Sizes> operands;
  SmallVector<SizeExpr> unknown;
  for (Value operand : op->getOperands()) {
    operands.push_back(shapeOf(operand));
    for (SizeExpr size : operands.back()) {
      if (!size)
        return false;
      if (!size.constant() && !llvm::is_contained(unknown, size))
        unknown.push_back(size);
    }
  }
  // Numbers that no model has; each trial has others.
  constexpr int64_t kTrials = 3, kFirst[kTrials] = {10007, 20011, 40009}, kStep[kTrials] = {37 * 4, 61 * 4, 91 * 4};
  SmallVector<SmallVector<Type>, kTrials> answers(kTrials);
  Block holder;
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  for (int64_t trial = 0; trial < kTrials; ++trial) {
    SmallVector<Value> values;
    for (auto [operand, sizes] : llvm::zip(op->getOperands(), operands)) {
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      if (!type || type.hasStaticShape()) {
        values.push_back(operand);
        continue;
      }
      SmallVector<int64_t> shape;
      for (SizeExpr size : sizes) {
        std::optional<int64_t> constant = size.constant();
        // Multiples of 4 that differ: type inference may want divisible sizes.
        shape.push_back(constant ? *constant
                                 : (kFirst[trial] + kStep[trial] * (llvm::find(unknown, size) - unknown.begin())) * 4);
      }
      values.push_back(holder.addArgument(type.clone(shape), operand.getLoc()));
    }
    if (failed(inference.inferReturnTypes(context, std::nullopt, values, op->getRawDictionaryAttrs(),
                                          op->getPropertiesStorage(), op->getRegions(), answers[trial])))
      return false;
  }
  auto numberOf = [&](int64_t trial, size_t i) { return (kFirst[trial] + kStep[trial] * int64_t(i)) * 4; };
  for (auto [index, result] : llvm::enumerate(op->getResults())) {
    Sizes &sizes = shapes[result];
    for (auto [axis, size] : llvm::enumerate(sizes)) {
      if (size)
        continue;
      int64_t seen[kTrials];
      for (int64_t trial = 0; trial < kTrials; ++trial) {
        auto type = dyn_cast<RankedTensorType>(answers[trial][index]);
        if (!type || type.getRank() != int64_t(sizes.size()))
          return false;
        seen[trial] = type.getDimSize(axis);
      }
      if (seen[0] == seen[1] && seen[1] == seen[2]) {
        size = seen[0] >= 0 ? table.constant(seen[0]) : SizeExpr();
        continue;
      }
      for (size_t i = 0; i < unknown.size() && !size; ++i) {
        int64_t x0 = numberOf(0, i), x1 = numberOf(1, i), x2 = numberOf(2, i);
        if ((seen[1] - seen[0]) % (x1 - x0))
          continue;
        int64_t a = (seen[1] - seen[0]) / (x1 - x0), b = seen[0] - a * x0;
        if (a > 0 && a * x2 + b == seen[2])
          size = table.add(table.mul(table.constant(a), unknown[i]), table.constant(b));
      }
      for (size_t i = 0; i < unknown.size() && !size; ++i)
        for (size_t j = i + 1; j < unknown.size() && !size; ++j) {
          bool sum = true, product = true;
          for (int64_t trial = 0; trial < kTrials; ++trial) {
            sum &= numberOf(trial, i) + numberOf(trial, j) == seen[trial];
            product &= numberOf(trial, i) * numberOf(trial, j) == seen[trial];
          }
          size = sum ? table.add(unknown[i], unknown[j]) : product ? table.mul(unknown[i], unknown[j]) : SizeExpr();
        }
    }
  }
  return true;
}

//===-- rules ---------------------------------------------------------------------===//

static SizeExpr windowSize(SizeTable &table, SizeExpr size, const Window &w) {
  // floor((size + pads - extent) / stride) + 1
  std::optional<int64_t> extent = windowExtent(w);
  if (!size || !extent || w.ceilMode)
    return {};
  SizeExpr room = table.add(size, table.constant(w.padLow + w.padHigh - *extent));
  return table.add(table.floorDiv(room, table.constant(w.stride)), table.constant(1));
}

template <typename OpT> static Window windowOf(OpT op, size_t axis, int64_t kernel) {
  size_t rank = op.getStrides().size();
  return {kernel, op.getStrides()[axis], op.getDilations()[axis], op.getPads()[axis], op.getPads()[rank + axis], false};
}

void SizeAnalysis::infer(Operation *op) {
  auto set = [&](const Sizes &sizes) {
    Sizes &known = shapes[op->getResult(0)];
    if (sizes.size() == known.size())
      for (auto [mine, other] : llvm::zip(known, sizes))
        mine = mine ? mine : other;
  };
  if (auto sized = dyn_cast<SizesOpInterface>(op)) {
    SmallVector<Sizes> results;
    sized.inferSizes(*this, results);
    for (auto [result, sizes] : llvm::zip(op->getResults(), results))
      if (!isa<RankedTensorType>(result.getType()) || sizes.size() == shapes[result].size())
        shapes[result] = sizes;
    return;
  }
  // Quantized forms keep the axes of their first operand.
  if (op->getName().getDialectNamespace() == "tern") {
    Sizes first = op->getNumOperands() ? shapeOf(op->getOperand(0)) : Sizes();
    for (Value result : op->getResults()) {
      Sizes &sizes = shapes[result];
      if (!isa<RankedTensorType>(result.getType()))
        sizes = first;
      else if (sizes.size() == first.size())
        for (auto [size, from] : llvm::zip(sizes, first))
          size = size ? size : from;
    }
    return;
  }
  TypeSwitch<Operation *>(op)
      .Case<UnaryOp, ClipOp, CastOp, SoftmaxOp, BatchNormOp, LayerNormOp, RmsNormOp, GroupNormOp, RopeOp>(
          [&](auto) { set(shapeOf(op->getOperand(0))); })
      .Case([&](AttentionOp attention) {
        Sizes q = shapeOf(attention.getQ()), v = shapeOf(attention.getV());
        unify(shapeOf(attention.getK())[2], v[2]);
        q[3] = v[3];
        set(q);
      })
      .Case<BinaryOp, CompareOp, SelectOp>([&](auto) {
        SmallVector<Sizes> given;
        for (Value operand : op->getOperands())
          given.push_back(shapeOf(operand));
        if (std::optional<Sizes> sizes = broadcast(given))
          set(*sizes);
      })
      .Case([&](MatmulOp matmul) {
        Sizes a = shapeOf(matmul.getLhs()), b = shapeOf(matmul.getRhs());
        if (a.size() < 2 || b.size() < 2)
          return;
        SizeExpr m = a[a.size() - (matmul.getTransposeA() ? 1 : 2)], k = a[a.size() - (matmul.getTransposeA() ? 2 : 1)];
        SizeExpr n = b[b.size() - (matmul.getTransposeB() ? 2 : 1)], k2 = b[b.size() - (matmul.getTransposeB() ? 1 : 2)];
        unify(k, k2);
        a.pop_back_n(2), b.pop_back_n(2);
        std::optional<Sizes> sizes = broadcast({a, b});
        if (!sizes)
          return;
        sizes->append({resolve(m), resolve(n)});
        set(*sizes);
      })
      .Case<ConvOp>([&](auto conv) {
        Sizes sizes = shapeOf(conv.getX()), kernel = shapeOf(conv.getW());
        sizes[1] = kernel[0];
        for (size_t i = 2; i < sizes.size(); ++i)
          sizes[i] = kernel[i] && kernel[i].constant() ? windowSize(table, sizes[i], windowOf(conv, i - 2, *kernel[i].constant()))
                                                       : SizeExpr();
        set(sizes);
      })
      .Case([&](PoolOp pool) {
        Sizes sizes = shapeOf(pool.getX());
        for (size_t i = 2; i < sizes.size(); ++i) {
          Window w = windowOf(pool, i - 2, pool.getKernel()[i - 2]);
          w.ceilMode = pool.getCeilMode();
          sizes[i] = windowSize(table, sizes[i], w);
        }
        set(sizes);
      })
      .Case([&](ConvTransposeOp conv) {
        Sizes sizes = shapeOf(conv.getX()), kernel = shapeOf(conv.getW());
        sizes[1] = table.mul(kernel[1], table.constant(conv.getGroup()));
        for (size_t i = 2; i < sizes.size(); ++i) {
          Window w = windowOf(conv, i - 2, kernel[i] && kernel[i].constant() ? *kernel[i].constant() : 1);
          std::optional<int64_t> extent = windowExtent(w);
          sizes[i] = extent ? table.add(table.mul(table.sub(sizes[i], table.constant(1)), table.constant(w.stride)),
                                        table.constant(*extent - w.padLow - w.padHigh + conv.getOutputPadding()[i - 2]))
                            : SizeExpr();
        }
        set(sizes);
      })
      .Case([&](ReduceOp reduce) {
        Sizes sizes = shapeOf(reduce.getX()), kept;
        for (auto [axis, size] : llvm::enumerate(sizes)) {
          if (!llvm::is_contained(reduce.getAxes(), int64_t(axis)))
            kept.push_back(size);
          else if (reduce.getKeepdims())
            kept.push_back(table.constant(1));
        }
        set(kept);
      })
      .Case([&](ReshapeOp reshape) {
        // The one unknown size follows from the number of elements.
        Sizes sizes = shapes[reshape.getResult()];
        SizeExpr known = table.constant(1), all = elementCount(reshape.getX());
        SizeExpr *open = nullptr;
        if (llvm::count(sizes, SizeExpr()) > 1) {
          // A pass has added or dropped dimensions of one element: the others stay in order.
          Sizes from = shapeOf(reshape.getX());
          llvm::erase_if(from, [](SizeExpr size) { return size.isConstant(1); });
          if (size_t(llvm::count_if(sizes, [](SizeExpr size) { return !size.isConstant(1); })) == from.size()) {
            auto next = from.begin();
            for (SizeExpr &size : sizes)
              if (!size.isConstant(1))
                size = size ? (++next, size) : *next++;
            set(sizes);
          }
          return;
        }
        for (SizeExpr &size : sizes) {
          if (!size && open)
            return;
          size ? void(known = table.mul(known, size)) : void(open = &size);
        }
        if (open && all && !known.isConstant(0))
          *open = table.floorDiv(all, known);
        set(sizes);
      })
      .Case([&](TransposeOp transpose) {
        Sizes from = shapeOf(transpose.getX()), sizes;
        for (int64_t axis : transpose.getPerm())
          sizes.push_back(from[size_t(axis)]);
        set(sizes);
      })
      .Case([&](SliceOp slice) {
        Sizes from = shapeOf(slice.getX());
        Sizes sizes;
        for (auto [axis, size] : llvm::enumerate(slice.getSizes()))
          sizes.push_back(size >= 0 ? table.constant(size) : size == -1 ? from[axis] : SizeExpr());
        set(sizes);
      })
      .Case([&](ConcatOp concat) {
        Sizes sizes = shapeOf(concat.getXs().front());
        size_t axis = size_t(concat.getAxis());
        for (Value x : concat.getXs().drop_front()) {
          Sizes other = shapeOf(x);
          for (size_t i = 0; i < sizes.size(); ++i) {
            if (i == axis)
              sizes[i] = table.add(sizes[i], other[i]);
            else if (!sizes[i])
              sizes[i] = other[i];
            else
              unify(sizes[i], other[i]);
          }
        }
        for (SizeExpr &size : sizes)
          size = resolve(size);
        set(sizes);
      })
      .Case([&](PadOp pad) {
        Sizes sizes = shapeOf(pad.getX());
        for (auto [axis, size] : llvm::enumerate(sizes))
          size = table.add(size, table.constant(pad.getLow()[axis] + pad.getHigh()[axis]));
        set(sizes);
      })
      .Case([&](GatherOp gather) {
        Sizes x = shapeOf(gather.getX()), indices = shapeOf(gather.getIndices()), sizes;
        size_t axis = size_t(gather.getAxis());
        sizes.append(x.begin(), x.begin() + axis);
        sizes.append(indices);
        sizes.append(x.begin() + axis + 1, x.end());
        set(sizes);
      })
      .Case([&](ResizeOp resize) {
        Sizes sizes = shapeOf(resize.getX());
        for (auto [axis, size] : llvm::enumerate(sizes)) {
          double scale = resize.getScales()[axis];
          if (size && !size.constant())
            size = scale == std::floor(scale) && scale >= 1 && scale < 1e9 ? table.mul(size, table.constant(int64_t(scale)))
                   : 1 / scale == std::floor(1 / scale) && 1 / scale < 1e9
                       ? table.floorDiv(size, table.constant(int64_t(1 / scale)))
                       : SizeExpr();
        }
        set(sizes);
      })
      .Case([&](RangeOp range) {
        std::optional<Sizes> start = elementsOf(range.getStart()), limit = elementsOf(range.getLimit()),
                             delta = elementsOf(range.getDelta());
        if (start && limit && delta && delta->front().constant() && *delta->front().constant() > 0)
          set({table.max(table.constant(0), table.ceilDiv(table.sub(limit->front(), start->front()), delta->front()))});
      })
      .Default([&](Operation *) { inferByProbing(op); });
}

} // namespace tern::nn
