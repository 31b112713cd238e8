// Transpose, Concat, Split, Slice, Pad, Gather.
#include "lib/Import/OpenSizes.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static LogicalResult importTranspose(Node &n) {
  Ints perm = n.integers("perm");
  if (perm.empty())
    for (int64_t i = n.rank(0); i-- > 0;)
      perm.push_back(i);
  if (llvm::equal(perm, llvm::seq<int64_t>(0, n.rank(0))))
    return n.forward();
  return n.result(n.create<TransposeOp>(n.operand(0), perm, n.name()));
}

static LogicalResult importConcat(Node &n) {
  if (!n.hasAttr("axis"))
    return n.error() << "attribute 'axis' is missing";
  SmallVector<Value> xs;
  for (int i = 0; i < n.inputCount(); i++) {
    if (!n.hasInput(i))
      return n.error() << "input " << i << " of Concat is missing";
    xs.push_back(n.operand(i));
  }
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(0));
  return xs.size() == 1 && !n.hasFailed() ? n.forward() : n.result(n.create<ConcatOp>(xs, axis, n.name()));
}

/// One slice an output; all of them carry the node's name with the number of the output.
static LogicalResult split(Node &n, Ints sizes) {
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(0));
  if (n.hasFailed())
    return failure();
  ArrayRef<int64_t> shape = n.type(0).getShape();
  int64_t parts = n.outputCount(), total = shape[size_t(axis)];
  if (ShapedType::isDynamic(total)) {
    nn::SizeAnalysis &a = n.importer.sizeAnalysis;
    nn::SizeExpr whole = n.sizes(0)[size_t(axis)], sum = a.table.constant(0);
    nn::Sizes boxes;
    for (int64_t size : sizes)
      boxes.push_back(a.table.constant(size));
    if (sizes.empty()) {
      nn::SizeExpr each = a.table.ceilDiv(whole, a.table.constant(parts));
      for (int64_t i = 0; i + 1 < parts; i++)
        boxes.push_back(each);
      boxes.push_back(a.table.sub(whole, a.table.mul(each, a.table.constant(parts - 1))));
    }
    for (nn::SizeExpr size : boxes)
      sum = a.table.add(sum, size);
    if (int64_t(boxes.size()) != parts || !a.unify(sum, whole))
      return n.error() << "the " << boxes.size() << " parts have " << sum.str() << " elements together; " << parts << " outputs share "
                       << whole.str();
    return openSplit(n, axis, boxes);
  }
  if (int64_t count = n.integer("num_outputs", parts); count != parts)
    return n.error() << "num_outputs is " << count << ", the node has " << parts << " outputs";
  if (sizes.empty()) {
    int64_t each = llvm::divideCeil(total, parts);
    for (int64_t i = 0; i < parts; i++)
      sizes.push_back(std::clamp<int64_t>(total - i * each, 0, each));
  }
  int64_t sum = 0;
  for (int64_t size : sizes) {
    if (size < 0 || size > total)
      return n.error() << "a part of " << size << " elements cannot be split off a dimension of " << total;
    sum += size;
  }
  if (int64_t(sizes.size()) != parts || sum != total)
    return n.error() << "the " << sizes.size() << " parts have " << sum << " elements together; " << parts
                     << " outputs share " << total;
  if (n.isOpen(0)) {
    nn::Sizes boxes;
    for (int64_t size : sizes)
      boxes.push_back(n.importer.sizeAnalysis.table.constant(size));
    return openSplit(n, axis, boxes);
  }
  Ints starts(shape.size(), 0), steps(shape.size(), 1);
  for (int64_t i = 0; i < parts; i++) {
    Ints box(shape);
    box[size_t(axis)] = sizes[size_t(i)];
    StringAttr name = parts == 1 ? n.name() : n.importer.uniqueName(n.name().getValue() + "." + Twine(i));
    if (n.isOutputUsed(int(i)) && failed(n.result(n.create<SliceOp>(n.operand(0), starts, box, steps, name), int(i))))
      return failure();
    starts[size_t(axis)] += sizes[size_t(i)];
  }
  return success();
}
static LogicalResult importSplitAttrs(Node &n) { return split(n, n.integers("split")); }
static LogicalResult importSplit(Node &n) {
  if (!n.hasInput(1))
    return split(n, {});
  auto sizes = n.constantInts(1);
  return sizes ? split(n, *sizes) : n.keep("its sizes are computed from data");
}

/// Starts and ends count from the end when negative and are clamped to the dimension, as in numpy.
static LogicalResult slice(Node &n, const Ints &starts, const Ints &ends, std::optional<Ints> axes,
                           std::optional<Ints> steps) {
  ArrayRef<int64_t> shape = n.type(0).getShape();
  size_t count = starts.size();
  if (!axes)
    axes = allAxes(int64_t(count));
  if (!steps)
    steps = Ints(count, 1);
  if (ends.size() != count || axes->size() != count || steps->size() != count)
    return n.error() << "starts, ends, axes and steps have " << count << ", " << ends.size() << ", " << axes->size()
                     << " and " << steps->size() << " entries; they must be as many";
  n.axes(*axes, n.rank(0)); // reports duplicates
  if (n.isOpen(0)) {
    auto symbolic = [&](const Ints &numbers) {
      return llvm::map_to_vector<6>(numbers, [&](int64_t v) { return n.importer.sizeAnalysis.table.constant(v); });
    };
    return n.hasFailed() ? failure() : openSlice(n, symbolic(starts), symbolic(ends), *axes, *steps);
  }
  Ints from(shape.size(), 0), sizes(shape), by(shape.size(), 1);
  for (size_t i = 0; i < count; i++) {
    size_t axis = size_t(n.axis((*axes)[i], n.rank(0)));
    int64_t step = (*steps)[i], dim = n.hasFailed() ? 0 : shape[axis];
    if (n.hasFailed())
      return failure();
    if (step == 0)
      return n.error() << "the step of axis " << axis << " is 0";
    step = std::clamp<int64_t>(step, -(int64_t(1) << 48),
                               int64_t(1) << 48); // beyond every dimension, and sums stay in range
    auto clamp = [&](int64_t v, int64_t low, int64_t high) { return std::clamp(v < 0 ? v + dim : v, low, high); };
    int64_t start = step > 0 ? clamp(starts[i], 0, dim) : clamp(starts[i], 0, std::max<int64_t>(dim - 1, 0));
    int64_t end = step > 0 ? clamp(ends[i], 0, dim) : clamp(ends[i], -1, dim - 1);
    int64_t size = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    from[axis] = start;
    sizes[axis] = dim == 0 ? 0 : std::max<int64_t>(size, 0);
    by[axis] = sizes[axis] <= 1 ? 1 : step;
    if (sizes[axis] == 0)
      from[axis] = 0;
  }
  if (ArrayRef(sizes) == shape && llvm::all_of(by, [](int64_t s) { return s == 1; }))
    return n.forward();
  return n.result(n.create<SliceOp>(n.operand(0), from, sizes, by, n.name()));
}

static LogicalResult importSliceAttrs(Node &n) {
  auto axes = n.hasAttr("axes") ? std::optional(n.integers("axes")) : std::nullopt;
  return slice(n, n.integers("starts"), n.integers("ends"), axes, std::nullopt);
}

static LogicalResult importSlice(Node &n) {
  // Starts and ends may be sizes of this run; axes and steps are numbers.
  if (auto starts = n.symbols(1), ends = n.symbols(2); starts && ends && (!n.constantInts(1) || !n.constantInts(2))) {
    Ints axes = allAxes(int64_t(starts->size())), steps(starts->size(), 1);
    for (auto [input, list] : {std::pair<int, Ints *>{3, &axes}, {4, &steps}})
      if (n.hasInput(input)) {
        auto numbers = n.constantInts(input);
        if (!numbers)
          return n.keep("'" + Twine(n.inputName(input)) + "' is computed from data");
        *list = *numbers;
      }
    if (ends->size() != starts->size() || axes.size() != starts->size() || steps.size() != starts->size())
      return n.error() << "starts, ends, axes and steps have " << starts->size() << ", " << ends->size() << ", " << axes.size()
                       << " and " << steps.size() << " entries; they must be as many";
    n.axes(axes, n.rank(0)); // reports duplicates
    return n.hasFailed() ? failure() : openSlice(n, *starts, *ends, axes, steps);
  }
  std::optional<Ints> lists[5];
  for (int i = 1; i < 5; i++)
    if (n.hasInput(i) && !(lists[i] = n.constantInts(i)))
      return n.keep("'" + Twine(n.inputName(i)) + "' is computed from data");
  return slice(n, *lists[1], *lists[2], lists[3], lists[4]);
}

static LogicalResult pad(Node &n, ArrayRef<int64_t> pads, std::optional<Ints> axes, double value) {
  RankedTensorType type = n.type(0);
  int64_t rank = type.getRank();
  std::string name = n.string("mode", "constant");
  std::optional<PadMode> mode = symbolizePadMode(name);
  if (!mode)
    return n.error() << "mode is '" << name << "'; constant, reflect, edge and wrap are defined";
  if (!axes)
    axes = allAxes(rank);
  n.axes(*axes, rank); // reports duplicates
  size_t count = axes->size();
  if (pads.size() != 2 * count)
    return n.error() << "pads has " << pads.size() << " entries, " << 2 * count << " are needed";
  Ints low(size_t(rank), 0), high(size_t(rank), 0);
  for (size_t i = 0; i < count && !n.hasFailed(); i++) {
    size_t axis = size_t(n.axis((*axes)[i], rank));
    low[axis] = pads[i];
    high[axis] = pads[count + i];
  }
  if (llvm::all_of(pads, [](int64_t p) { return p == 0; }))
    return n.forward();
  return n.result(n.create<PadOp>(n.operand(0), low, high, *mode, llvm::APFloat(value), n.name()));
}
static LogicalResult importPadAttrs(Node &n) { return pad(n, n.integers("pads"), std::nullopt, n.real("value", 0)); }
static LogicalResult importPad(Node &n) {
  auto pads = n.constantInts(1);
  std::optional<Ints> axes;
  double value = 0;
  if (!pads || (n.hasInput(3) && !(axes = n.constantInts(3))))
    return n.keep("its pads are computed from data");
  if (n.hasInput(2)) {
    auto constant = n.constantFloats(2);
    if (!constant || constant->size() != 1)
      return n.keep("its constant_value is computed from data");
    value = constant->front();
  }
  return pad(n, *pads, axes, value);
}

static LogicalResult importGather(Node &n) {
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(0));
  return n.result(n.create<GatherOp>(n.operand(0), n.operand(1), axis, n.name()));
}

static constexpr Rule kRules[] = {
    {"Transpose", 1, 1, 1, importTranspose}, {"Concat", 4, 1, -1, importConcat},   {"Split", 2, 1, 1, importSplitAttrs},
    {"Split", 13, 1, 2, importSplit},        {"Slice", 1, 1, 1, importSliceAttrs}, {"Slice", 10, 3, 5, importSlice},
    {"Pad", 2, 1, 1, importPadAttrs},        {"Pad", 11, 2, 4, importPad},         {"Gather", 1, 2, 2, importGather},
};
ArrayRef<Rule> moveRules() { return kRules; }

} // namespace tern::importer
