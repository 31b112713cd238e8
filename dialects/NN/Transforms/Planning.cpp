//===- Planning.cpp - a scheme into attributes ----------------------------===//
#include "dialects/NN/Transforms/Planning.h"
#include "dialects/NN/Transforms/PlanEntry.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/Regex.h"

using namespace mlir;

namespace tern::nn {

//===-- formats of a scheme -------------------------------------------------===//

static Plane scalePlane(Element type, std::vector<int64_t> block) { return {Role::Scale, type, std::move(block)}; }

/// Channels of a row that share a scale at run time. A few channels of a transformer are a hundred times larger than the others: one scale a
/// row costs SmolLM2 5 % perplexity, this one 1 %.
constexpr int64_t kActivationGroup = 128;

/// One scale for each group of channels of a row of a matrix, that of the weights where they have one; one for a picture.
static Format dynamicActivation(Operation *op, const Format &w) {
  if (!isa<MatmulOp>(op))
    return {Element::si(8), {scalePlane(Element::f32(), {})}};
  std::vector<int64_t> block(cast<RankedTensorType>(op->getOperand(0).getType()).getRank(), 1);
  const Plane *scale = w.find(Role::Scale);
  int64_t channels = cast<RankedTensorType>(op->getOperand(1).getType()).getShape().back();
  block.back() = scale && !scale->block.empty() ? scale->block.back() : kWhole;
  if (block.back() == kWhole && channels > kActivationGroup)
    block.back() = kActivationGroup;
  return {Element::si(8), {scalePlane(Element::f32(), block)}};
}

/// Input channels below which a group of 4-bit weights saves nothing and costs accuracy: stems and depthwise
/// convolutions keep 8 bits.
constexpr int64_t kFewChannels = 16;

/// Outputs for each channel from which a product is a vocabulary.
constexpr int64_t kVocabulary = 8;

/// The scores of a vocabulary: a product of very many outputs that the program yields. Its errors are those of the result, and the tables of small
/// language models suffer most from 4 bits (SmolLM2: perplexity 72 instead of 65), so a scheme leaves it 8; an override may say otherwise.
static bool scoresVocabulary(Operation *op, const OpShape &shape) {
  if (!isa<MatmulOp>(op) || shape.n < kVocabulary * shape.k)
    return false;
  SmallVector<Value> values{op->getResult(0)};
  llvm::SmallPtrSet<Operation *, 8> seen;
  while (!values.empty())
    for (Operation *user : values.pop_back_val().getUsers()) {
      if (isa<func::ReturnOp>(user))
        return true;
      if (isa<ReshapeOp, SliceOp, TransposeOp, CastOp, SoftmaxOp, ConcatOp, BinaryOp, ClipOp>(user) && seen.insert(user).second)
        values.append(user->result_begin(), user->result_end());
    }
  return false;
}

static Format weightFormat(Operation *op, const OpShape &shape, const Scheme &scheme) {
  std::vector<int64_t> block(shape.w.getRank(), kWhole);
  block[shape.outAxis] = 1;
  // One scale for each row of a gate, of each direction. Fewer than 8 bits have no kernel and would save nothing.
  if (isa<RnnOp>(op)) {
    block[0] = 1;
    return {Element::si(8), {scalePlane(Element::f32(), block)}};
  }
  int64_t channels = shape.w.getDimSize(shape.inAxis);
  bool fourBits = scheme.weightBits == 4 && channels >= kFewChannels && !shape.grouped && !isa<ConvTransposeOp>(op);
  if (!fourBits)
    return {Element::si(8), {scalePlane(Element::f32(), block)}};
  Element scale = Element::f32();
  if (scheme.group) {
    scale = Element::f16();
    std::fill(block.begin(), block.end(), 1);
    block[shape.inAxis] = scheme.group;
  }
  // Zero points are those of a product's kernels; convolutions have none.
  if (scheme.asymmetric && isa<MatmulOp>(op))
    return {Element::ui(4), {scalePlane(scale, block), {Role::Zero, Element::ui(4), block}}};
  return {Element::si(4), {scalePlane(scale, block)}};
}

/// Several scales along the reduction.
static bool isGrouped(const Format &w) {
  return llvm::any_of(w.planes, [](const Plane &plane) {
    return plane.role == Role::Scale && !plane.block.empty() && llvm::any_of(ArrayRef(plane.block).drop_front(), [](int64_t extent) { return extent > 1; });
  });
}

static PlanOp describe(Operation *op, const OpShape &shape) {
  PlanOp entry;
  entry.name = nameOfValue(op->getResult(0));
  entry.op = op->getName().stripDialect().str();
  entry.m = shape.m, entry.n = shape.n, entry.k = shape.k;
  return entry;
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
    auto lo = stats ? stats.getAs<FloatAttr>("lo") : FloatAttr(),
         hi = stats ? stats.getAs<FloatAttr>("hi") : FloatAttr();
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

//===-- from a scheme -------------------------------------------------------===//

/// The ops whose whole name the pattern matches. No match, or no regular expression: an error with near names.
static FailureOr<std::vector<size_t>> matchNames(Operation *at, StringRef flag, StringRef pattern,
                                                 ArrayRef<std::string> names) {
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
  std::vector<Operation *> ops = plannedOps(function);
  std::vector<std::string> names;
  for (Operation *op : ops)
    names.push_back(nameOfValue(op->getResult(0)));
  std::vector<Scheme> schemes(ops.size(), request.scheme);
  // Tables keep 8 bits: each row is read as it is, no sum averages its errors out (MiniLM: 1.5 % MRR). So do the scores of a vocabulary. An
  // override decides otherwise.
  for (auto [op, scheme] : llvm::zip(ops, schemes))
    if (scheme.weightBits == 4 && (isa<GatherOp>(op) || scoresVocabulary(op, OpShape(op))))
      scheme.weightBits = 8, scheme.group = 0, scheme.asymmetric = false;
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
    OpShape shape(op);
    PlanOp entry = describe(op, shape);
    if (!scheme.isFloat())
      entry.why = whyNotQuantizable(op);
    if (!scheme.isFloat() && entry.why.empty()) {
      entry.w = weightFormat(op, shape, scheme);
      bool fourBits = entry.w->elem.bits == 4;
      // With 16 codes the sign of the largest weight decides which end gets the sixteenth: -7 to 7 would lose it.
      entry.wEncode = entry.w->find(Role::Zero) ? Encode(Rule::Minmax) : fourBits ? Encode(Rule::SignedAbsmax, -8, 7) : Encode(Rule::Absmax, -127, 127);
      // In groups of 4 bits a clipped largest weight costs products and tables more than the finer step gains (MiniLM g32: MRR 0.3408, with the
      // search 0.3330, float 0.3414). Convolutions (efficientnet_lite0 g32: nll 1.18, with the search 0.75) and single scales gain by it.
      bool searches = fourBits && (isa<ConvOp, ConvTransposeOp>(op) || !isGrouped(*entry.w));
      entry.method = searches ? "rtn-mse" : "rtn";
      if (scheme.activationBits == 8 && !isa<GatherOp, RnnOp>(op))
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
  writeTensors(groups, plan.tensors, xOf);
  for (auto [op, entry] : llvm::zip(ops, plan.ops)) {
    OpShape shape(op);
    // A transposed convolution sums another number of products in each position: only with zero point 0 is the
    // correction none.
    if (isa<ConvTransposeOp>(op) && !isStatic.contains(op))
      wanted.erase(op);
    if (wanted.contains(op)) {
      entry.xStatic = isStatic.contains(op);
      entry.x = entry.xStatic ? staticActivation() : dynamicActivation(op, *entry.w);
      if (!entry.xStatic)
        entry.xEncode = Encode(Rule::Absmax, -127, 127);
    }
    finishEntry(entry, shape);
    if (entry.w || entry.x)
      writeChoice(op, entry, entry.xStatic ? xOf.lookup(op) : nullptr);
    if (!entry.why.empty())
      remark::missed(op->getLoc(), remark::RemarkOpts::name("StaysFloat").category("tern-plan").function(entry.name))
          << remark::reason("{0}", entry.why);
  }
  return success();
}

} // namespace tern::nn
