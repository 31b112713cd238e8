//===- Planning.cpp - schemes and plans into attributes -------------------===//
#include "dialects/NN/Transforms/Planning.h"
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Search/Rows.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/Regex.h"

using namespace mlir;

namespace tern::nn {

//===-- formats of a scheme -------------------------------------------------===//

static Plane scalePlane(Element type, std::vector<int64_t> block) { return {Role::Scale, type, std::move(block)}; }

/// <ui8, scale<f32>, zero<ui8>>
static Format staticActivation() { return {Element::ui(8), {scalePlane(Element::f32(), {}), {Role::Zero, Element::ui(8), {}}}}; }

/// One scale a row of a matrix, one for a picture.
static Format dynamicActivation(Operation *op) {
  if (!isa<MatmulOp>(op))
    return {Element::si(8), {scalePlane(Element::f32(), {})}};
  std::vector<int64_t> block(cast<RankedTensorType>(op->getOperand(0).getType()).getRank(), 1);
  block.back() = kWhole;
  return {Element::si(8), {scalePlane(Element::f32(), block)}};
}

namespace {
/// What formats depend on.
struct Shape {
  explicit Shape(Operation *op) {
    auto x = cast<RankedTensorType>(op->getOperand(0).getType()), y = cast<RankedTensorType>(op->getResult(0).getType());
    w = cast<RankedTensorType>(op->getOperand(1).getType());
    if (isa<MatmulOp>(op)) {
      outAxis = w.getRank() - 2, inAxis = w.getRank() - 1;
      n = y.getShape().back(), k = x.getShape().back();
      row = RowOp::Matmul;
    } else {
      bool transposed = isa<ConvTransposeOp>(op);
      outAxis = transposed ? 1 : 0, inAxis = transposed ? 0 : 1;
      int64_t group = op->getAttrOfType<IntegerAttr>("group") ? op->getAttrOfType<IntegerAttr>("group").getInt() : 1;
      n = y.getDimSize(1);
      k = w.getNumElements() / std::max<int64_t>(1, w.getDimSize(outAxis));
      grouped = group > 1;
      if (!transposed && group > 1 && group == x.getDimSize(1) && group == n)
        row = RowOp::Depthwise;
    }
    m = n ? y.getNumElements() / n : 0;
  }
  RankedTensorType w;
  int64_t outAxis, inAxis, m, n, k;
  bool grouped = false;
  RowOp row = RowOp::Conv;
};
} // namespace

/// Input channels below which a group of 4-bit weights saves nothing and costs accuracy: stems and depthwise convolutions keep 8 bits.
constexpr int64_t kFewChannels = 16;

static Format weightFormat(Operation *op, const Shape &shape, const Scheme &scheme) {
  std::vector<int64_t> block(shape.w.getRank(), kWhole);
  block[shape.outAxis] = 1;
  int64_t channels = shape.w.getDimSize(shape.inAxis);
  bool fourBits = scheme.weightBits == 4 && channels >= kFewChannels && !shape.grouped && !isa<ConvTransposeOp>(op);
  if (!fourBits)
    return {Element::si(8), {scalePlane(Element::f32(), block)}};
  if (!scheme.group)
    return {Element::si(4), {scalePlane(Element::f32(), block)}};
  std::fill(block.begin(), block.end(), 1);
  block[shape.inAxis] = scheme.group;
  return {Element::si(4), {scalePlane(Element::f16(), block)}};
}

static PlanOp describe(Operation *op, const Shape &shape) {
  PlanOp entry;
  entry.name = nameOfValue(op->getResult(0));
  entry.op = op->getName().stripDialect().str();
  entry.m = shape.m, entry.n = shape.n, entry.k = shape.k;
  return entry;
}

static void finishEntry(PlanOp &entry, const Shape &shape) {
  entry.row = rowFor(shape.row, entry.x, entry.w);
  ArrayRef<int64_t> dims = shape.w.getShape();
  // Packed panels have no gaps at the ends of rows, unlike plain planes.
  double bits = entry.w ? bitsPerElement(*entry.w, {dims.data(), dims.size()}) : 32;
  entry.weightBytes = int64_t(std::ceil(bits * double(shape.w.getNumElements()) / 8));
}

//===-- the decisions in the IR ---------------------------------------------===//

static FormatAttr formatAttr(MLIRContext *context, const std::optional<Format> &format) {
  return format ? FormatAttr::get(context, *format) : FormatAttr();
}
static EncodeAttr encodeAttr(MLIRContext *context, const std::optional<Encode> &encode) {
  return encode ? EncodeAttr::get(context, *encode) : EncodeAttr();
}

static void writeChoice(Operation *op, const PlanOp &entry, const PlanTensor *x) {
  MLIRContext *context = op->getContext();
  Builder builder(context);
  FloatAttr scale = x ? builder.getF32FloatAttr(float(x->scale)) : FloatAttr();
  IntegerAttr zero = x ? builder.getI64IntegerAttr(x->zero) : IntegerAttr();
  SmallVector<KernelUseAttr> kernels;
  if (!entry.row.empty())
    kernels.push_back(KernelUseAttr::get(context, builder.getStringAttr(entry.row), 1, -1));
  op->setAttr("tern.choice", ChoiceAttr::get(context, entry.w ? builder.getStringAttr(entry.method) : StringAttr(), formatAttr(context, entry.x),
                                             encodeAttr(context, entry.xEncode), scale, zero, formatAttr(context, entry.w),
                                             encodeAttr(context, entry.wEncode), FormatAttr(), Attribute(), kernels));
}

static void writeCodes(const ActivationGroup &group, const PlanTensor &tensor) {
  Builder builder(group.roots.front().getContext());
  auto attr = builder.getDictionaryAttr({builder.getNamedAttr("format", FormatAttr::get(builder.getContext(), tensor.format)),
                                         builder.getNamedAttr("group", builder.getStringAttr(group.name)),
                                         builder.getNamedAttr("scale", builder.getF32FloatAttr(float(tensor.scale))),
                                         builder.getNamedAttr("zero", builder.getI64IntegerAttr(tensor.zero))});
  for (Value root : group.roots)
    setValueAttr(root, kCodes, attr);
}

/// The range of a group; nullopt when a root has none.
static std::optional<PlanTensor> tensorOf(const ActivationGroup &group) {
  PlanTensor tensor;
  tensor.name = group.name;
  tensor.format = staticActivation();
  for (Value root : group.roots) {
    if (keepsCodes(root.getDefiningOp()))
      continue; // its values are those of another root
    auto stats = dyn_cast_or_null<DictionaryAttr>(getValueAttr(root, kStats));
    auto lo = stats ? stats.getAs<FloatAttr>("lo") : FloatAttr(), hi = stats ? stats.getAs<FloatAttr>("hi") : FloatAttr();
    if (!lo || !hi)
      return std::nullopt;
    tensor.lo = std::min(tensor.lo, lo.getValueAsDouble());
    tensor.hi = std::max(tensor.hi, hi.getValueAsDouble());
  }
  float scale = float((tensor.hi - tensor.lo) / 255);
  if (!(scale > 0) || !std::isfinite(scale))
    scale = 1;
  tensor.scale = scale;
  tensor.zero = std::clamp<int64_t>(std::llround(-tensor.lo / scale), 0, 255);
  return tensor;
}

static void writeTensors(func::FuncOp function, const std::vector<ActivationGroup> &groups, ArrayRef<PlanTensor> tensors,
                         llvm::DenseMap<Operation *, const PlanTensor *> &xOf) {
  for (auto [group, tensor] : llvm::zip(groups, tensors)) {
    writeCodes(group, tensor);
    for (Operation *consumer : group.consumers)
      xOf[consumer] = &tensor;
  }
}

static std::vector<Operation *> candidates(func::FuncOp function) {
  std::vector<Operation *> ops;
  function.walk([&](Operation *op) {
    if (isa<ConvOp, ConvTransposeOp, MatmulOp>(op))
      ops.push_back(op);
  });
  return ops;
}

static void clearDecisions(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments())
    removeValueAttr(argument, kCodes);
  function.walk([](Operation *op) {
    op->removeAttr("tern.choice");
    op->removeAttr(kCodes);
  });
}

//===-- from a scheme -------------------------------------------------------===//

/// The ops whose whole name the pattern matches. No match, or no regular expression: an error with near names.
static FailureOr<std::vector<size_t>> matchNames(Operation *at, StringRef flag, StringRef pattern, ArrayRef<std::string> names) {
  llvm::Regex regex(("^(" + pattern + ")$").str());
  std::string error;
  if (!regex.isValid(error))
    return at->emitError() << flag << " '" << pattern << "' is not a regular expression: " << error;
  std::vector<size_t> matches;
  for (size_t i = 0; i < names.size(); ++i)
    if (regex.match(names[i]))
      matches.push_back(i);
  if (!matches.empty())
    return matches;
  InFlightDiagnostic diag = at->emitError() << flag << " '" << pattern << "' matches no op that can be quantized";
  std::vector<std::string> near = nearestNames(pattern, names);
  if (!near.empty()) {
    diag << "; near names: ";
    llvm::interleaveComma(near, diag, [&](const std::string &name) { diag << "'" << name << "'"; });
  }
  return diag;
}

LogicalResult makePlan(func::FuncOp function, const PlanRequest &request, Plan &plan) {
  clearDecisions(function);
  std::vector<Operation *> ops = candidates(function);
  std::vector<std::string> names;
  for (Operation *op : ops)
    names.push_back(nameOfValue(op->getResult(0)));
  std::vector<Scheme> schemes(ops.size(), request.scheme);
  for (const Override &rule : request.overrides) {
    auto matches = matchNames(function, "--override", rule.pattern, names);
    if (failed(matches))
      return failure();
    for (size_t index : *matches)
      schemes[index] = rule.scheme;
  }
  for (const std::string &pattern : request.excludes) {
    auto matches = matchNames(function, "--exclude", pattern, names);
    if (failed(matches))
      return failure();
    for (size_t index : *matches)
      schemes[index] = Scheme{};
  }

  llvm::SmallPtrSet<Operation *, 32> isStatic;
  plan.ops.clear();
  plan.tensors.clear();
  for (auto [op, scheme] : llvm::zip(ops, schemes)) {
    Shape shape(op);
    PlanOp entry = describe(op, shape);
    if (!scheme.isFloat())
      entry.why = whyNotQuantizable(op);
    if (!scheme.isFloat() && entry.why.empty()) {
      entry.w = weightFormat(op, shape, scheme);
      bool fourBits = entry.w->elem.bits == 4;
      // With 16 codes the sign of the largest weight decides which end gets the sixteenth: -7 to 7 would lose it.
      entry.wEncode = fourBits ? Encode(Rule::SignedAbsmax, -8, 7) : Encode(Rule::Absmax, -127, 127);
      entry.method = fourBits ? "rtn-mse" : "rtn";
      if (scheme.activationBits == 8)
        isStatic.insert(op);
    }
    plan.ops.push_back(std::move(entry));
  }

  // A group of which one value has no range is dynamic as a whole; that may take values out of other groups.
  std::vector<ActivationGroup> groups;
  llvm::SmallPtrSet<Operation *, 32> wanted(isStatic);
  for (bool changed = true; changed;) {
    changed = false;
    groups = findActivations(function, [&](Operation *op) { return isStatic.contains(op); });
    plan.tensors.clear();
    for (const ActivationGroup &group : groups) {
      std::optional<PlanTensor> tensor = tensorOf(group);
      plan.tensors.push_back(tensor.value_or(PlanTensor()));
      for (Operation *consumer : group.consumers)
        if (!tensor || (isa<ConvTransposeOp>(consumer) && tensor->zero != 0))
          changed |= isStatic.erase(consumer);
    }
  }
  // Values that were only to save traffic stay float when they have no range.
  for (size_t i = groups.size(); i-- > 0;)
    if (plan.tensors[i].name.empty()) {
      groups.erase(groups.begin() + i);
      plan.tensors.erase(plan.tensors.begin() + i);
    }
  llvm::DenseMap<Operation *, const PlanTensor *> xOf;
  writeTensors(function, groups, plan.tensors, xOf);
  for (auto [op, entry] : llvm::zip(ops, plan.ops)) {
    Shape shape(op);
    // A transposed convolution sums another number of products in each position: only with zero point 0 is the correction none.
    if (isa<ConvTransposeOp>(op) && !isStatic.contains(op))
      wanted.erase(op);
    if (wanted.contains(op)) {
      entry.xStatic = isStatic.contains(op);
      entry.x = entry.xStatic ? staticActivation() : dynamicActivation(op);
      if (!entry.xStatic)
        entry.xEncode = Encode(Rule::Absmax, -127, 127);
    }
    finishEntry(entry, shape);
    if (entry.w || entry.x)
      writeChoice(op, entry, entry.xStatic ? xOf.lookup(op) : nullptr);
    if (!entry.why.empty())
      remark::missed(op->getLoc(), remark::RemarkOpts::name("StaysFloat").category("tern-plan").function(entry.name)) << remark::reason("{0}", entry.why);
  }
  return success();
}

//===-- from a file ---------------------------------------------------------===//

static LogicalResult checkEntry(Operation *op, const PlanOp &entry) {
  Shape shape(op);
  if (entry.x || entry.w)
    if (std::string why = whyNotQuantizable(op); !why.empty())
      return op->emitError("the plan quantizes '") << entry.name << "', but " << why;
  if (entry.w) {
    ArrayRef<int64_t> dims = shape.w.getShape();
    if (std::string error = verify(*entry.w, {dims.data(), dims.size()}); !error.empty())
      return op->emitError("the plan gives '") << entry.name << "' weights of format " << entry.w->str() << ": " << error;
    if (!entry.wEncode)
      return op->emitError("the plan gives '") << entry.name << "' a weight format but no w_encode";
  }
  if (entry.x && !entry.w)
    return op->emitError("the plan gives '") << entry.name << "' codes as activation but float weights; no kernel has that";
  if (entry.x && !entry.xStatic && !entry.xEncode)
    return op->emitError("the plan gives '") << entry.name << "' a run-time activation format but no x_encode";
  if (isa<ConvTransposeOp>(op) && entry.x && !entry.xStatic)
    return op->emitError("the plan quantizes the activation of '") << entry.name << "' at run time; transposed convolutions read codes with zero point 0 only";
  std::string row = rowFor(shape.row, entry.x, entry.w);
  if (row.empty())
    return op->emitError("the plan gives '") << entry.name << "' formats that no kernel has: x " << (entry.x ? entry.x->str() : "float") << ", w "
                                             << entry.w->str();
  if (!entry.row.empty() && entry.row != row) {
    std::vector<std::string> rows = allRows();
    if (!llvm::is_contained(rows, entry.row))
      return op->emitError("the plan gives '") << entry.name << "' the kernel row '" << entry.row << "', which does not exist; did you mean '"
                                               << nearestNames(entry.row, rows, 1).front() << "'?";
    return op->emitError("the plan gives '") << entry.name << "' the kernel row '" << entry.row << "', but its formats are those of '" << row << "'";
  }
  return success();
}

LogicalResult applyPlan(func::FuncOp function, const Plan &plan, StringRef modelSha256) {
  if (!modelSha256.empty() && !plan.modelSha256.empty() && plan.modelSha256 != modelSha256)
    return function.emitError("the plan was made for another model (sha256 ")
           << StringRef(plan.modelSha256).take_front(12) << "..., this one has " << modelSha256.take_front(12)
           << "...); make a plan for this model with --plan-only, or remove \"sha256\" from the plan to use it anyway";
  clearDecisions(function);
  llvm::StringMap<Operation *> byName;
  std::vector<std::string> names;
  for (Operation *op : candidates(function)) {
    names.push_back(nameOfValue(op->getResult(0)));
    byName[names.back()] = op;
  }
  llvm::MapVector<Operation *, const PlanOp *> entries;
  for (const PlanOp &entry : plan.ops) {
    Operation *op = byName.lookup(entry.name);
    if (!op) {
      InFlightDiagnostic diag = function.emitError("the plan names '") << entry.name << "', which is no op of this model that can be quantized";
      if (std::vector<std::string> near = nearestNames(entry.name, names, 1); !near.empty())
        diag << "; did you mean '" << near.front() << "'?";
      return diag;
    }
    if (!entries.insert({op, &entry}).second)
      return op->emitError("the plan names '") << entry.name << "' twice";
    if (failed(checkEntry(op, entry)))
      return failure();
  }
  std::vector<ActivationGroup> groups = findActivations(function, [&](Operation *op) {
    auto entry = entries.find(op);
    return entry != entries.end() && entry->second->x && entry->second->xStatic;
  });
  llvm::StringMap<const PlanTensor *> tensors;
  for (const PlanTensor &tensor : plan.tensors)
    tensors[tensor.name] = &tensor;
  std::vector<ActivationGroup> kept;
  std::vector<PlanTensor> ranges;
  for (ActivationGroup &group : groups) {
    const PlanTensor *tensor = tensors.lookup(group.name);
    if (!tensor && group.consumers.empty())
      continue; // only to save traffic: the plan leaves it float
    if (!tensor)
      return function.emitError("the plan has no scale for the tensor '")
             << group.name << "', which '" << nameOfValue(group.consumers.front()->getResult(0)) << "' reads as codes; add it to \"tensors\"";
    if (tensor->format != staticActivation())
      return function.emitError("the plan stores the tensor '") << group.name << "' as " << tensor->format.str() << "; kernels read " << staticActivation().str();
    tensors.erase(group.name);
    kept.push_back(group);
    ranges.push_back(*tensor);
  }
  if (!tensors.empty()) {
    std::vector<std::string> known, unknown;
    for (const ActivationGroup &group : groups)
      known.push_back(group.name);
    for (const auto &entry : tensors)
      unknown.push_back(entry.getKey().str());
    llvm::sort(unknown);
    InFlightDiagnostic diag = function.emitError("the plan names the tensor '") << unknown.front() << "', which is no activation of this model that becomes codes";
    if (std::vector<std::string> near = nearestNames(unknown.front(), known, 1); !near.empty())
      diag << "; did you mean '" << near.front() << "'?";
    return diag;
  }
  llvm::DenseMap<Operation *, const PlanTensor *> xOf;
  writeTensors(function, kept, ranges, xOf);
  for (auto [op, entry] : entries) {
    PlanOp copy = *entry;
    finishEntry(copy, Shape(op));
    if (copy.w || copy.x)
      writeChoice(op, copy, copy.xStatic ? xOf.lookup(op) : nullptr);
  }
  return success();
}

//===-- calibration ---------------------------------------------------------===//

std::vector<std::string> insertProbes(func::FuncOp function) {
  std::vector<std::string> names;
  for (const ActivationGroup &group : findActivations(function, [](Operation *op) { return whyNotQuantizable(op).empty(); })) {
    names.push_back(group.name);
    for (Value root : group.roots)
      if (!keepsCodes(root.getDefiningOp()))
        setValueAttr(root, kProbe, StringAttr::get(function.getContext(), group.name));
  }
  return names;
}

void attachRanges(func::FuncOp function, function_ref<std::optional<ObservedRange>(StringRef)> rangeOf) {
  Builder builder(function.getContext());
  auto attach = [&](Value value) {
    auto probe = dyn_cast_or_null<StringAttr>(getValueAttr(value, kProbe));
    if (!probe)
      return;
    removeValueAttr(value, kProbe);
    std::optional<ObservedRange> range = rangeOf(probe.getValue());
    if (!range)
      return;
    auto number = [&](StringRef key, double number) { return builder.getNamedAttr(key, builder.getF32FloatAttr(float(number))); };
    setValueAttr(value, kStats, builder.getDictionaryAttr({number("hi", range->hi), number("lo", range->lo), number("max", range->max), number("min", range->min)}));
  };
  for (BlockArgument argument : function.getArguments())
    attach(argument);
  function.walk([&](Operation *op) {
    if (op->getNumResults())
      attach(op->getResult(0));
  });
}

} // namespace tern::nn
