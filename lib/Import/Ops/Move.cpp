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

static nn::Sizes expressions(Node &n, ArrayRef<int64_t> numbers) {
  return llvm::map_to_vector<6>(numbers, [&](int64_t v) { return n.importer.sizeAnalysis.table.constant(v); });
}

/// One slice an output; all of them carry the node's name with the number of the output. No sizes: equal parts, the last
/// one smaller.
static LogicalResult split(Node &n, nn::Sizes sizes) {
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(0)), parts = n.outputCount();
  if (n.hasFailed())
    return failure();
  if (int64_t count = n.integer("num_outputs", parts); count != parts)
    return n.error() << "num_outputs is " << count << ", the node has " << parts << " outputs";
  nn::SizeAnalysis &a = n.importer.sizeAnalysis;
  nn::SizeTable &t = a.table;
  nn::SizeExpr whole = n.sizes(0)[size_t(axis)], sum = t.constant(0);
  if (sizes.empty()) {
    nn::SizeExpr each = t.ceilDiv(whole, t.constant(parts)), left = whole;
    bool even = t.mul(each, t.constant(parts)) == whole;
    for (int64_t i = 0; i < parts; i++) {
      sizes.push_back(even ? each : i + 1 < parts ? t.min(left, each) : left);
      left = t.sub(left, sizes.back());
    }
  }
  for (nn::SizeExpr size : sizes) {
    if (auto number = size.constant(); number && (*number < 0 || a.less(whole, size) == true))
      return n.error() << "a part of " << *number << " elements cannot be split off a dimension of " << whole.str();
    sum = t.add(sum, size);
  }
  if (int64_t(sizes.size()) != parts || !a.unify(sum, whole))
    return n.error() << "the " << sizes.size() << " parts have " << sum.str() << " elements together; " << parts << " outputs share "
                     << whole.str();
  return openSplit(n, axis, sizes);
}
static LogicalResult importSplitAttrs(Node &n) { return split(n, expressions(n, n.integers("split"))); }
static LogicalResult importSplit(Node &n) {
  if (!n.hasInput(1))
    return split(n, nn::Sizes());
  auto sizes = n.symbols(1);
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
    return n.hasFailed() ? failure() : openSlice(n, expressions(n, starts), expressions(n, ends), *axes, *steps);
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

static LogicalResult pad(Node &n, const nn::Sizes &pads, std::optional<Ints> axes, double value) {
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
  nn::Sizes before(size_t(rank), n.importer.sizeAnalysis.table.constant(0)), behind = before;
  for (size_t i = 0; i < count && !n.hasFailed(); i++) {
    size_t axis = size_t(n.axis((*axes)[i], rank));
    before[axis] = pads[i];
    behind[axis] = pads[count + i];
  }
  if (llvm::all_of(pads, [](nn::SizeExpr p) { return p.isConstant(0); }))
    return n.forward();
  Ints low, high;
  for (auto [l, h] : llvm::zip(before, behind)) {
    if (!l.constant() || !h.constant())
      return openPad(n, before, behind, *mode, value);
    low.push_back(*l.constant());
    high.push_back(*h.constant());
  }
  return n.result(n.create<PadOp>(n.operand(0), low, high, *mode, llvm::APFloat(value), n.name()));
}
static LogicalResult importPadAttrs(Node &n) {
  return pad(n, expressions(n, n.integers("pads")), std::nullopt, n.real("value", 0));
}
static LogicalResult importPad(Node &n) {
  auto pads = n.symbols(1);
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
