#include "lib/Import/OpenSizes.h"
#include "dialects/Tern/IR/Tern.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tern::importer {

using nn::SizeExpr;
using nn::Sizes;

/// The least value of its one dimension for which the size is at least 1; sizes grow with their dimensions.
static std::optional<int64_t> leastOf(nn::SizeTable &table, SizeExpr size, StringRef dim) {
  auto [low, high] = table.bounds(dim);
  auto fits = [&](int64_t value) { return table.evaluate(size, [&](StringRef) { return value; }) >= 1; };
  int64_t last = std::min<int64_t>(high, int64_t(1) << 31);
  low = std::max<int64_t>(low, 0);
  if (low > last || !fits(last))
    return std::nullopt;
  while (low < last) {
    int64_t middle = low + (last - low) / 2;
    fits(middle) ? last = middle : low = middle + 1;
  }
  return low;
}

LogicalResult requireWindows(Node &node) {
  static const llvm::StringSet<> windows = {"Conv",        "ConvTranspose", "MaxPool",          "AveragePool",
                                            "LpPool",      "QLinearConv",   "ConvInteger",      "QLinearAveragePool", "Resize", "Upsample"};
  const Known *result = node.outputCount() && windows.contains(node.opType()) ? node.importer.find(node.proto.output(0)) : nullptr;
  if (!result)
    return success();
  nn::SizeAnalysis &analysis = node.importer.sizeAnalysis;
  nn::SizeTable &table = analysis.table;
  for (auto [axis, size] : llvm::enumerate(node.importer.sizesOf(*result))) {
    if (axis < 2 || !size || size.constant() || table.range(size).first >= 1)
      continue;
    SmallVector<StringRef> dims = table.dimsOf(size);
    if (dims.size() != 1) {
      analysis.equalities.push_back({size, table.max(size, table.constant(1))});
      continue;
    }
    std::optional<int64_t> least = leastOf(table, size, dims.front());
    auto [low, high] = table.bounds(dims.front());
    if (!least)
      return node.error() << "dimension " << axis << " of its result has " << size.str() << " elements, and none for every " << dims.front()
                          << " in " << low << ".." << high << ": its window does not fit; allow larger ones with --dim " << dims.front() << "=LOW..HIGH";
    table.setBounds(dims.front(), std::max(low, *least), high);
  }
  return success();
}

static Attribute numberAttr(Type element, int64_t value) {
  return IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), uint64_t(value), false, /*implicitTrunc=*/true));
}

DenseElementsAttr foldSizes(nn::SizeAnalysis &sizes, Operation *op) {
  if (!isa<nn::NNDialect>(op->getDialect()) || op->getNumResults() != 1 || isa<nn::SizesOp, nn::OnnxOp>(op))
    return {};
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || !isa<IntegerType>(type.getElementType()) || !type.hasStaticShape() || type.getNumElements() > 1024)
    return {};
  std::optional<Sizes> values = sizes.elementsOf(op->getResult(0));
  sizes.blame = {};
  if (!values)
    return {};
  SmallVector<Attribute> numbers;
  for (SizeExpr value : *values) {
    if (!value.constant())
      return {};
    numbers.push_back(numberAttr(type.getElementType(), *value.constant()));
  }
  return DenseElementsAttr::get(type, numbers);
}

Sizes Importer::sizesOf(const Known &known) {
  if (known.value && !isa<QuantType>(known.value.getType()))
    return sizeAnalysis.shapeOf(known.value);
  if (known.value)
    if (Sizes sizes = sizeAnalysis.shapeOf(known.value); !sizes.empty())
      return sizes;
  Sizes sizes;
  if (RankedTensorType type = typeOf(known))
    for (int64_t size : type.getShape())
      sizes.push_back(ShapedType::isDynamic(size) ? SizeExpr() : sizeAnalysis.table.constant(size));
  return sizes;
}

void Importer::recordSizes(Operation *op) {
  SmallVector<Sizes> all;
  bool open = false;
  for (Value result : op->getResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    open |= type && !type.hasStaticShape();
    all.push_back(type && !type.hasStaticShape() ? sizeAnalysis.shapeOf(result) : Sizes());
  }
  auto isOpen = [](Type type) { return isa<RankedTensorType>(type) && !cast<RankedTensorType>(type).hasStaticShape(); };
  if (!open && op->getNumResults() && isa<nn::NNDialect>(op->getDialect()) && !isa<nn::OnnxOp>(op) && llvm::any_of(op->getOperandTypes(), isOpen))
    sizeAnalysis.relate(op);
  if (!open)
    return;
  if (auto slice = dyn_cast<nn::SliceOp>(op)) { // a size that has become a number
    Ints box(slice.getSizes());
    for (auto [size, known] : llvm::zip(box, all[0]))
      size = ShapedType::isDynamic(size) && known && known.constant() ? *known.constant() : size;
    slice.setSizes(box);
  }
  for (auto [result, sizes] : llvm::zip(op->getResults(), all))
    if (auto type = dyn_cast<RankedTensorType>(result.getType()); type && !type.hasStaticShape())
      result.setType(nn::typeOf(sizes, type.getElementType()));
  nn::setSizes(op, all);
}

void Importer::settleType(const Known &known) {
  auto type = known.value ? dyn_cast<RankedTensorType>(known.value.getType()) : RankedTensorType();
  if (!type || type.hasStaticShape() || sizeAnalysis.replaced.empty())
    return;
  Value value = known.value;
  if (Operation *op = value.getDefiningOp())
    recordSizes(op);
  else
    value.setType(nn::typeOf(sizeAnalysis.shapeOf(value), type.getElementType()));
}

/// Replacements found on the way are written everywhere; numbers that are data become nn.sizes.
void Importer::numbersToSizes(Block &block) {
  for (BlockArgument argument : block.getArguments())
    if (auto type = dyn_cast<RankedTensorType>(argument.getType()); type && !type.hasStaticShape())
      if (Sizes sizes = sizeAnalysis.shapeOf(argument); !llvm::is_contained(sizes, SizeExpr())) // a dimension that has to be a number is one
        argument.setType(nn::typeOf(sizes, type.getElementType()));
  for (Operation &op : block) {
    if (auto loop = dyn_cast<nn::LoopOp>(op)) {
      if (loop.getCount())
        loop.setCount(sizeAnalysis.resolve(sizeAnalysis.table.parse(*loop.getCount())).str());
      numbersToSizes(loop.block());
    }
    recordSizes(&op);
  }
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (isOpTriviallyDead(&op)) {
      for (Value result : op.getResults())
        sizeAnalysis.forget(result); // its address may become that of another value
      op.erase();
      continue;
    }
    if (!isa<nn::NNDialect>(op.getDialect()) || isa<nn::SizesOp>(op) || op.getNumResults() != 1)
      continue;
    Value result = op.getResult(0);
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || !isa<IntegerType>(type.getElementType()) || !type.hasStaticShape() || type.getNumElements() > 1024)
      continue;
    std::optional<Sizes> values = sizeAnalysis.elementsOf(result);
    if (!values)
      continue;
    builder.setInsertionPoint(&op);
    SmallVector<StringRef> texts;
    for (SizeExpr value : *values)
      texts.push_back(value.str());
    if (llvm::all_of(*values, [](SizeExpr value) { return value.constant().has_value(); })) {
      SmallVector<Attribute> numbers;
      for (SizeExpr value : *values)
        numbers.push_back(numberAttr(type.getElementType(), *value.constant()));
      result.replaceAllUsesWith(constant(DenseElementsAttr::get(type, numbers), op.getLoc()));
      sizeAnalysis.forget(result);
      op.erase();
      continue;
    }
    auto flat = type.getRank() <= 1 ? type : RankedTensorType::get(type.getNumElements(), type.getElementType());
    Value made = nn::SizesOp::create(builder, op.getLoc(), flat, builder.getStrArrayAttr(texts));
    if (flat != type)
      made = nn::ReshapeOp::create(builder, op.getLoc(), type, made, StringAttr());
    result.replaceAllUsesWith(made);
    sizeAnalysis.forget(result);
    op.erase();
  }
}

/// What has to hold at run time goes to the module.
LogicalResult Importer::finishSizes() {
  nn::SizeTable &table = sizeAnalysis.table;
  Block &block = function.getBody().front();
  numbersToSizes(block);
  function.setType(builder.getFunctionType(block.getArgumentTypes(), block.getTerminator()->getOperandTypes()));

  // Dimensions in the order of the inputs.
  SmallVector<StringRef> dims;
  for (BlockArgument argument : function.getArguments())
    for (SizeExpr size : sizeAnalysis.shapeOf(argument))
      for (StringRef dim : size ? table.dimsOf(size) : SmallVector<StringRef>())
        if (!llvm::is_contained(dims, dim))
          dims.push_back(dim);
  if (dims.empty())
    return success();
  SmallVector<NamedAttribute> bounds;
  for (StringRef dim : dims) {
    auto [low, high] = table.bounds(dim);
    if (sizeAnalysis.positive.contains(dim))
      low = std::max<int64_t>(low, 1);
    if (low > 0 || high != INT64_MAX)
      bounds.push_back(builder.getNamedAttr(dim, builder.getDenseI64ArrayAttr({low, high})));
  }
  ModuleOp m = *module;
  if (!bounds.empty())
    m->setAttr("tern.bounds", builder.getDictionaryAttr(bounds));
  SmallVector<Attribute> equal;
  for (auto [a, b] : sizeAnalysis.equalities)
    if (a != b)
      equal.push_back(builder.getStrArrayAttr({a.str(), b.str()}));
  if (!equal.empty())
    m->setAttr("tern.equal", builder.getArrayAttr(equal));
  return success();
}

//===-- rules with expressions ------------------------------------------------------===//

static LogicalResult mustKnow(Node &n, int input, const Twine &what) {
  return n.keep(what + " '" + Twine(n.inputName(input)) + "' is computed from data");
}

/// A reshape; the same value where nothing changes.
static LogicalResult reshaped(Node &n, const Sizes &shape) {
  return n.sizes(0) == shape ? n.forward() : n.result(n.reshapeTo(n.operand(0), shape, n.name()));
}

LogicalResult openReshape(Node &n) {
  std::optional<Sizes> wanted = n.symbols(1);
  if (!wanted)
    return mustKnow(n, 1, "its shape");
  nn::SizeAnalysis &a = n.importer.sizeAnalysis;
  Sizes from = n.sizes(0), shape;
  bool allowZero = n.integer("allowzero", 0);
  SizeExpr known = a.table.constant(1), all = a.table.product(from);
  int64_t open = -1;
  for (auto [i, size] : llvm::enumerate(*wanted)) {
    if (size.isConstant(0) && !allowZero) {
      if (i >= from.size())
        return n.error() << "shape copies dimension " << i << " of an input of rank " << from.size();
      size = from[i];
    } else if (size.isConstant(-1)) {
      if (open >= 0)
        return n.error() << "shape has two entries -1";
      open = int64_t(i);
      shape.push_back(SizeExpr());
      continue;
    }
    known = a.table.mul(known, size);
    shape.push_back(size);
  }
  if (!known || !all)
    return n.error() << "shape has more than 2^63 elements";
  if (open >= 0)
    shape[size_t(open)] = a.table.floorDiv(all, known);
  else if (!a.unify(known, all))
    return n.error() << "shape " << nn::print(shape) << " has " << known.str() << " elements, the input " << nn::print(from) << " has " << all.str();
  if (llvm::is_contained(shape, SizeExpr()))
    return n.error() << "the elements of the input do not divide into the shape";
  return reshaped(n, shape);
}

LogicalResult openExpand(Node &n) {
  std::optional<Sizes> wanted = n.symbols(1);
  if (!wanted)
    return mustKnow(n, 1, "its shape");
  nn::SizeAnalysis &a = n.importer.sizeAnalysis;
  Sizes from = n.sizes(0);
  std::optional<Sizes> shape = a.broadcast({from, *wanted});
  if (!shape)
    return n.error() << "input of shape " << nn::print(from) << " does not broadcast to " << nn::print(*wanted);
  if (*shape == from)
    return n.forward();
  return n.result(n.expandTo(n.operand(0), *shape, n.name()));
}

LogicalResult openConstantOfShape(Node &n, DenseElementsAttr value) {
  std::optional<Sizes> shape = n.symbols(0);
  if (!shape)
    return mustKnow(n, 0, "its shape");
  auto type = RankedTensorType::get({}, value.getElementType());
  Value scalar = n.constantValue(DenseElementsAttr::get(type, *value.getValues<Attribute>().begin()));
  return n.result(n.expandTo(scalar, *shape, n.name()));
}

LogicalResult openRange(Node &n) {
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  SizeExpr value[3];
  for (int i = 0; i < 3; i++) {
    std::optional<Sizes> known = n.symbols(i);
    if (!known)
      return mustKnow(n, i, "its length depends on");
    if (known->size() != 1)
      return n.error() << "input " << i << " has " << known->size() << " elements; Range takes scalars";
    value[i] = known->front();
  }
  std::optional<int64_t> delta = value[2].constant();
  if (!delta || *delta == 0)
    return n.keep("its step is not a number");
  SizeExpr span = *delta > 0 ? table.sub(value[1], value[0]) : table.sub(value[0], value[1]);
  SizeExpr count = table.max(table.constant(0), table.ceilDiv(span, table.constant(std::abs(*delta))));
  Value operands[3];
  for (int i = 0; i < 3; i++)
    operands[i] = n.rank(i) == 0 ? n.operand(i) : n.reshape(n.operand(i), {});
  if (n.hasFailed())
    return failure();
  Value range = n.createTyped<nn::RangeOp>(nn::typeOf({count}, n.type(0).getElementType()), operands[0], operands[1], operands[2], n.name());
  return range ? n.result(n.withSizes(range, {count})) : failure();
}

LogicalResult openSlice(Node &n, const Sizes &starts, const Sizes &ends, const Ints &axes, const Ints &steps) {
  nn::SizeAnalysis &a = n.importer.sizeAnalysis;
  nn::SizeTable &t = a.table;
  Sizes from = n.sizes(0), shape = from, begins(from.size(), t.constant(0));
  Ints by(from.size(), 1);
  SizeExpr zero = t.constant(0), one = t.constant(1);
  for (size_t i = 0; i < starts.size(); i++) {
    size_t axis = size_t(n.axis(axes[i], n.rank(0)));
    int64_t step = steps[i];
    if (n.hasFailed())
      return failure();
    if (step == 0)
      return n.error() << "the step of axis " << axis << " is 0";
    step = std::clamp<int64_t>(step, -(int64_t(1) << 48), int64_t(1) << 48);
    SizeExpr dim = from[axis];
    // Numbers that only mean "to the end" or "from the begin" are not compared with a size.
    auto place = [&](SizeExpr v, SizeExpr low, SizeExpr high) -> SizeExpr {
      if (std::optional<int64_t> c = v.constant()) {
        if (*c >= INT32_MAX)
          return high;
        if (*c <= INT32_MIN)
          return low;
        v = *c < 0 ? t.add(v, dim) : v;
      } else if (std::optional<bool> negative = a.less(v, zero)) {
        v = *negative ? t.add(v, dim) : v;
      } else {
        return {};
      }
      return t.max(low, t.min(v, high));
    };
    SizeExpr last = t.sub(dim, one);
    SizeExpr start = step > 0 ? place(starts[i], zero, dim) : place(starts[i], zero, last);
    SizeExpr end = step > 0 ? place(ends[i], zero, dim) : place(ends[i], t.constant(-1), last);
    if (!start || !end)
      return n.keepOpen("whether it starts or ends from the end is only known at run time");
    SizeExpr span = step > 0 ? t.sub(end, start) : t.sub(start, end);
    SizeExpr size = t.ceilDiv(span, t.constant(std::abs(step)));
    size = t.range(size).first >= 0 ? size : t.max(zero, size);
    if (!size)
      return n.error() << "the box of axis " << axis << " exceeds 64 bits";
    begins[axis] = size.isConstant(0) ? zero : start;
    shape[axis] = size;
    by[axis] = size.isConstant(0) || size.isConstant(1) ? 1 : step;
  }
  bool whole = shape == from && llvm::all_of(by, [](int64_t s) { return s == 1; }) && llvm::all_of(begins, [](SizeExpr e) { return e.isConstant(0); });
  return whole ? n.forward() : n.result(n.sliceTo(n.operand(0), begins, shape, by, n.name()));
}

LogicalResult openPad(Node &n, const Sizes &low, const Sizes &high, nn::PadMode mode, double value) {
  if (mode != nn::PadMode::constant)
    return n.keepOpen("how much it repeats is only known at run time");
  return n.result(padTo(n, n.operand(0), low, high, value));
}

Value padTo(Node &n, Value x, const Sizes &low, const Sizes &high, double value) {
  nn::SizeTable &t = n.importer.sizeAnalysis.table;
  SizeExpr zero = t.constant(0);
  Sizes from = x ? n.importer.sizeAnalysis.shapeOf(x) : Sizes(), begins(from.size(), zero), box = from, shape = from;
  bool crops = false;
  for (size_t axis = 0; axis < from.size(); axis++) {
    // What is below 0 is cropped.
    begins[axis] = t.max(zero, t.sub(zero, low[axis]));
    SizeExpr less = t.add(t.min(zero, low[axis]), t.min(zero, high[axis]));
    box[axis] = t.add(from[axis], less);
    crops |= !less.isConstant(0);
    shape[axis] = t.add(from[axis], t.add(low[axis], high[axis]));
  }
  if (crops)
    x = n.sliceTo(x, begins, box, Ints(from.size(), 1), StringAttr());
  Sizes now = box;
  for (size_t axis = 0; axis < from.size() && x && !n.hasFailed(); axis++) {
    SmallVector<Value> parts{x};
    auto fill = [&](SizeExpr count) -> Value {
      Sizes part = now;
      part[axis] = count;
      return n.expandTo(n.scalar(tensorType(x).getElementType(), value), part);
    };
    if (SizeExpr count = t.max(zero, low[axis]); !count.isConstant(0))
      parts.insert(parts.begin(), fill(count));
    if (SizeExpr count = t.max(zero, high[axis]); !count.isConstant(0))
      parts.push_back(fill(count));
    if (parts.size() == 1)
      continue;
    now[axis] = shape[axis];
    x = n.hasFailed() ? Value() : n.withSizes(n.create<nn::ConcatOp>(parts, int64_t(axis), StringAttr()), now);
  }
  return x;
}

LogicalResult openSplit(Node &n, int64_t axis, const Sizes &sizes) {
  nn::SizeTable &t = n.importer.sizeAnalysis.table;
  Sizes from = n.sizes(0), begins(from.size(), t.constant(0));
  for (auto [i, size] : llvm::enumerate(sizes)) {
    Sizes box = from;
    box[size_t(axis)] = size;
    StringAttr name = sizes.size() == 1 ? n.name() : n.importer.uniqueName(n.name().getValue() + "." + Twine(i));
    if (n.isOutputUsed(int(i)) && failed(n.result(n.sliceTo(n.operand(0), begins, box, Ints(from.size(), 1), name), int(i))))
      return failure();
    begins[size_t(axis)] = t.add(begins[size_t(axis)], size);
  }
  return success();
}

} // namespace tern::importer
