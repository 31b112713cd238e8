//===- SizeAnalysis.cpp - the sizes of all values of a function -----------===//
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/IR/NN.h"

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
    simplify();
    return true;
  }
  return false;
}

void SizeAnalysis::simplify() {
  auto again = [&](SizeExpr size) { return size ? table.substitute(size, [](StringRef) { return SizeExpr(); }) : size; };
  for (auto &entry : shapes)
    for (SizeExpr &size : entry.second)
      size = again(size);
  for (auto &entry : replaced)
    entry.second = again(entry.second);
  elements.clear();
}

bool SizeAnalysis::isOne(SizeExpr e) {
  if (!e || e.constant())
    return e && e.isConstant(1);
  e = resolve(e);
  if (table.range(e, /*least=*/1) != std::make_pair(int64_t(1), int64_t(1)))
    return false;
  // min(seq,1) is a written 1 from here on.
  for (StringRef dim : table.dimsOf(e)) {
    positive.insert(dim);
    auto [low, high] = table.bounds(dim);
    table.setBounds(dim, std::max<int64_t>(low, 1), high);
  }
  simplify();
  return true;
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
      if (isOne(other))
        continue;
      if (isOne(size)) {
        size = resolve(other);
        continue;
      }
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

void SizeAnalysis::relate(Operation *op) {
  for (Value result : op->getResults())
    shapeOf(result);
  infer(op);
}

Sizes SizeAnalysis::shapeOf(Value value) {
  if (auto it = shapes.find(value); it != shapes.end())
    return it->second;
  Sizes sizes = fromType(value.getType());
  bool isTensor = isa<RankedTensorType>(value.getType());
  if (isTensor && !llvm::is_contained(sizes, SizeExpr()))
    return shapes[value] = sizes;
  if (auto argument = dyn_cast<BlockArgument>(value))
    return shapes[value] = ofArgument(argument, sizes);
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

/// What the body of a loop gets is what the loop was given.
Sizes SizeAnalysis::ofArgument(BlockArgument argument, Sizes sizes) {
  auto loop = dyn_cast_or_null<LoopOp>(argument.getOwner()->getParentOp());
  if (!loop || argument.getArgNumber() == 0)
    return sizes;
  unsigned first = argument.getArgNumber() - 1, states = loop.getStates().size(), sequences = loop.getSequences().size();
  Sizes known;
  if (first < states)
    known = shapeOf(loop.getStates()[first]);
  else if (first < states + sequences)
    known = llvm::to_vector_of<SizeExpr, 6>(llvm::drop_begin(shapeOf(loop.getSequences()[first - states])));
  else if (first - states - sequences < loop.getCaptures().size())
    known = shapeOf(loop.getCaptures()[first - states - sequences]);
  return known.size() == sizes.size() ? known : sizes;
}

} // namespace tern::nn
