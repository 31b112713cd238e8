//===- RaiseAttention.cpp - attention spelled out -------------------------===//
// softmax(scores) . v is looked through without creating anything (Attention::match), so that remarks can ask the same
// question; building then moves scales, repeats of k and v, and transpositions into the op where they are in reach.
#include "dialects/NN/Transforms/Raise.h"
#include "dialects/NN/Transforms/RaiseHeads.h"

using namespace mlir;
using namespace tern::nn;

namespace {
/// A mask on the way from the product of q and k to the softmax.
struct Mask {
  Value value;             ///< added floats, or i1 (or numbers 0 and 1) for Kept and Hidden
  enum { Added, Subtracted, Kept, Hidden } kind;
  double fill = 0;         ///< what hidden keys get
  double factor = 1;       ///< scale that is applied after the mask
  SmallVector<int64_t> scores; ///< their shape where it applies
  int64_t rank() const { return int64_t(scores.size()); }
};

class Attention {
public:
  explicit Attention(MatmulOp root) : root(root) {}

  /// Fails with `why`.
  LogicalResult match();
  Value build(OpBuilder &builder);
  std::string why;

private:
  LogicalResult fail(const Twine &text) {
    why = text.str();
    return failure();
  }
  LogicalResult matchWeights(Value value);
  LogicalResult matchScores(Value value);
  bool step(Value &value, LogicalResult &result);
  LogicalResult matchHeads();
  bool isByWindow(const Mask &mask);
  Value buildMask(OpBuilder &builder, bool &causal);
  Value fourDimensional(OpBuilder &builder, Value value, ArrayRef<int64_t> lead);

  MatmulOp root, product;
  SoftmaxOp softmax;
  SmallVector<Mask> masks;
  double scale = 1, softcap = 0;
  SmallVector<int64_t, 2> lead; ///< batch, heads
};
} // namespace

/// A product of matrices lies a few ops behind the value.
static bool leadsToProduct(Value value, int depth = 8) {
  for (; depth; --depth) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return false;
    if (isa<MatmulOp>(op))
      return true;
    if (auto select = dyn_cast<SelectOp>(op))
      return leadsToProduct(select.getOnTrue(), depth - 1) || leadsToProduct(select.getOnFalse(), depth - 1);
    if (auto binary = dyn_cast<BinaryOp>(op))
      return leadsToProduct(binary.getLhs(), depth - 1) || leadsToProduct(binary.getRhs(), depth - 1);
    if (!isa<CastOp, ReshapeOp, UnaryOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

LogicalResult Attention::matchWeights(Value value) {
  for (int i = 0; i < 6; ++i) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return fail("its left operand is no softmax");
    if (auto found = dyn_cast<SoftmaxOp>(op)) {
      softmax = found;
      if (softmax.getLog() || int64_t(softmax.getAxis()) != softmax.getType().getRank() - 1)
        return fail("the softmax is not over the keys");
      return value.hasOneUse() || isGuarded(value) ? success() : fail("the weights have another reader");
    }
    if (!value.hasOneUse())
      return fail("the weights have another reader");
    auto reshape = dyn_cast<ReshapeOp>(op);
    auto select = dyn_cast<SelectOp>(op);
    if (isa<CastOp>(op) && isFloat(op->getOperand(0)))
      value = op->getOperand(0);
    else if (reshape && keepsMatrices(reshape))
      value = reshape.getX();
    else if (select && guardOf(select))
      value = select.getOnFalse();
    else
      return fail("its left operand is no softmax");
  }
  return fail("its left operand is no softmax");
}

/// One op of the chain that makes scores of the product. False: `value` is none.
bool Attention::step(Value &value, LogicalResult &result) {
  Operation *op = value.getDefiningOp();
  result = success();
  SmallVector<int64_t> shape(tensorOf(value).getShape());
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    if (!keepsMatrices(reshape))
      return false;
    value = reshape.getX();
    return true;
  }
  if (isa<CastOp>(op) && isFloat(op->getOperand(0))) {
    value = op->getOperand(0);
    return true;
  }
  if (auto select = dyn_cast<SelectOp>(op)) {
    for (bool kept : {true, false}) {
      Value scores = kept ? select.getOnTrue() : select.getOnFalse();
      std::optional<double> fill = splatOf(kept ? select.getOnFalse() : select.getOnTrue());
      if (!fill || scores.getType() != value.getType())
        continue;
      if (*fill * scale > -9999) {
        result = fail("hidden keys get " + Twine(std::to_string(*fill)) + ", which is not low enough to be nothing");
        return true;
      }
      masks.push_back({select.getCondition(), kept ? Mask::Kept : Mask::Hidden, *fill, scale, shape});
      value = scores;
      return true;
    }
    return false;
  }
  if (auto tanh = dyn_cast<UnaryOp>(op)) {
    if (tanh.getKind() != UnaryKind::tanh || softcap != 0 || scale <= 0)
      return false;
    softcap = scale;
    value = tanh.getX();
    return true;
  }
  auto binary = dyn_cast<BinaryOp>(op);
  if (!binary)
    return false;
  if (auto parts = withScalar(binary)) {
    // One number for all keys changes no softmax.
    bool moves = binary.getKind() == BinaryKind::add || (binary.getKind() == BinaryKind::sub && parts->scalarIsRight);
    if (moves && std::isfinite(parts->number) && softcap == 0 && (parts->number == 0 || masks.empty())) {
      value = parts->other;
      return true;
    }
    if (binary.getKind() != BinaryKind::mul && (binary.getKind() != BinaryKind::div || !parts->scalarIsRight || parts->number == 0))
      return false;
    scale = binary.getKind() == BinaryKind::mul ? scale * parts->number : scale / parts->number;
    value = parts->other;
    return true;
  }
  if (binary.getKind() != BinaryKind::add && binary.getKind() != BinaryKind::sub)
    return false;
  if (std::optional<KeptScores> kept = keptScoresOf(binary); kept && leadsToProduct(kept->scores)) {
    if (kept->fill * scale > -9999 || softcap != 0)
      return false;
    masks.push_back({kept->keeps, Mask::Kept, kept->fill, scale, shape});
    value = kept->scores;
    return true;
  }
  for (bool swap : {false, true}) {
    Value scores = swap ? binary.getRhs() : binary.getLhs(), mask = swap ? binary.getLhs() : binary.getRhs();
    if (scores.getType() != value.getType() || !leadsToProduct(scores) || (swap && binary.getKind() == BinaryKind::sub))
      continue;
    if (softcap != 0) {
      result = fail("a mask is added before the scores are bounded by tanh");
      return true;
    }
    masks.push_back({mask, binary.getKind() == BinaryKind::add ? Mask::Added : Mask::Subtracted, 0, scale, shape});
    value = scores;
    return true;
  }
  return false;
}

LogicalResult Attention::matchScores(Value value) {
  for (int i = 0; i < 16; ++i) {
    if (auto matmul = value.getDefiningOp<MatmulOp>()) {
      product = matmul;
      if (product.getTransposeA() || product.getBias())
        return fail("the product of q and k is transposed or has a bias");
      return success();
    }
    Operation *op = value.getDefiningOp();
    if (!op)
      return fail("the scores are no product of q and k");
    if (!value.hasOneUse())
      return fail("the scores have another reader");
    LogicalResult result = success();
    if (!step(value, result))
      return fail("the scores are computed by " + op->getName().getStringRef() + " ops that attention does not have");
    if (failed(result))
      return failure();
  }
  return fail("the scores are no product of q and k");
}

/// Scores [batch * windows, heads, ..] whose mask is one for each window [batch, windows, heads, ..], as in Swin.
bool Attention::isByWindow(const Mask &mask) {
  RankedTensorType type = tensorOf(mask.value);
  if (product.getType().getRank() != 4 || mask.rank() != 5 || type.getRank() != 5)
    return false;
  ArrayRef<int64_t> scores = mask.scores;
  if (llvm::any_of(scores.take_front(3), ShapedType::isDynamic) || !type.hasStaticShape())
    return false;
  return scores[0] * scores[1] == lead[0] && scores[2] == lead[1];
}

LogicalResult Attention::matchHeads() {
  RankedTensorType scores = product.getType(), out = root.getType(), weights = softmax.getType();
  int64_t rank = scores.getRank();
  RankedTensorType q = tensorOf(product.getLhs()), k = tensorOf(product.getRhs()), v = tensorOf(root.getRhs());
  if (out.getRank() != rank || q.getRank() != rank)
    return fail("the products have different numbers of dimensions");
  if (v.getRank() != rank || k.getRank() != rank)
    return fail("k or v has fewer dimensions than q");
  for (int64_t d = 0; d + 2 < rank; ++d) {
    bool grouped = rank == 5 && d == 2 && k.getDimSize(d) == 1 && v.getDimSize(d) == 1;
    bool oneHead = rank == 4 && d == 1 && k.getDimSize(d) == 1 && v.getDimSize(d) == 1;
    if ((k.getDimSize(d) != q.getDimSize(d) || v.getDimSize(d) != q.getDimSize(d)) && !grouped && !oneHead)
      return fail("q, k and v have different batches or heads");
  }
  ArrayRef<int64_t> shape = scores.getShape();
  switch (rank) {
  case 2:
    lead = {1, 1};
    break;
  case 3: {
    auto split = product.getLhs().getDefiningOp<ReshapeOp>();
    if (weights.getRank() == 4)
      lead = {weights.getDimSize(0), weights.getDimSize(1)};
    else if (split && tensorOf(split.getX()).getRank() == 4 && keepsMatrices(split))
      lead = {tensorOf(split.getX()).getDimSize(0), tensorOf(split.getX()).getDimSize(1)};
    else
      lead = {shape[0], 1};
    break;
  }
  case 4:
    lead = {shape[0], shape[1]};
    break;
  case 5:
    if (ShapedType::isDynamic(shape[1]) || ShapedType::isDynamic(shape[2]))
      return fail("the number of heads is not known");
    lead = {shape[0], shape[1] * shape[2]};
    break;
  default:
    return fail("it has " + Twine(rank) + " dimensions");
  }
  for (const Mask &mask : masks) {
    RankedTensorType type = tensorOf(mask.value);
    int64_t own = type.getRank();
    bool bySlice = mask.rank() == 4 || own <= 2 ||
                   (own == 3 && (type.getDimSize(0) == 1 || (mask.rank() == 3 && !ShapedType::isDynamic(lead[1])))) ||
                   (rank == 5 && own == 5 && type.getDimSize(2) == 1 && (type.getDimSize(1) == 1 || shape[2] == 1)) ||
                   (own == 5 && llvm::all_of(type.getShape().take_front(3), [](int64_t size) { return size == 1; })) ||
                   (rank == 5 && own == 5 && type.getDimSize(1) == shape[1] && type.getDimSize(2) == shape[2]) || isByWindow(mask);
    if (!bySlice)
      return fail("a mask of " + Twine(own) + " dimensions on scores of " + Twine(mask.rank()));
  }
  return success();
}

LogicalResult Attention::match() {
  if (root.getTransposeA() || root.getBias())
    return fail("the product with v is transposed or has a bias");
  if (!isFloat(root.getResult()))
    return fail("it is not of floats");
  if (failed(matchWeights(root.getLhs())) || failed(matchScores(softmax.getX())))
    return failure();
  if (tensorOf(product.getLhs()).getElementType() != tensorOf(root.getRhs()).getElementType())
    return fail("q k and v are computed in different element types");
  if (failed(matchHeads()))
    return failure();
  return success();
}

/// [.., m, n] with one batch and one dimension of heads.
Value Attention::fourDimensional(OpBuilder &builder, Value value, ArrayRef<int64_t> heads) {
  RankedTensorType type = tensorOf(value);
  if (type.getRank() == 4)
    return value;
  SmallVector<int64_t> shape{heads[0], heads[1]};
  llvm::append_range(shape, type.getShape().take_back(2));
  return reshapeFolded(builder, root.getLoc(), value, shape);
}

Value Attention::buildMask(OpBuilder &builder, bool &causal) {
  Location loc = root.getLoc();
  Type element = tensorOf(product.getLhs()).getElementType();
  int64_t queries = product.getType().getShape().take_back(2)[0], keys = product.getType().getShape().back();
  Value bools, hides, floats;
  auto addFloats = [&](Value value) {
    if (tensorOf(value).getElementType() != element)
      value = CastOp::create(builder, loc, tensorOf(value).clone(element), value, StringAttr());
    floats = floats ? BinaryOp::create(builder, loc, BinaryKind::add, floats, value, StringAttr()).getResult() : value;
  };
  auto number = [&](double value) {
    auto type = RankedTensorType::get({}, element);
    return arith::ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, builder.getFloatAttr(element, value)));
  };
  for (const Mask &mask : masks) {
    Value value = mask.value;
    bool isBool = mask.kind == Mask::Kept || mask.kind == Mask::Hidden;
    if (isBool && isFloat(value))
      value = CastOp::create(builder, loc, tensorOf(value).clone(builder.getI1Type()), value, StringAttr());
    bool isNever = isBool && std::isinf(mask.fill);
    // Alone, a causal mask leaves every query a key to see: what it hides is nothing, whatever the fill.
    bool alone = masks.size() == 1 && !ShapedType::isDynamic(queries) && !ShapedType::isDynamic(keys) && keys >= queries;
    if (mask.kind == Mask::Kept && (isNever || alone)) {
      value = withoutCausal(value, queries, keys, causal);
      if (!value)
        continue;
    }
    if (mask.kind == Mask::Added && alone && isCausalBias(value, queries, keys)) {
      causal = true;
      continue;
    }
    RankedTensorType type = tensorOf(value);
    SmallVector<int64_t> shape(type.getShape());
    if (isByWindow(mask)) {
      // Windows of a picture are batches of the product.
      auto lead = ArrayRef(mask.scores).take_front(2), own = ArrayRef(shape).take_front(2);
      if (own != lead && own != ArrayRef<int64_t>{1, 1}) {
        llvm::copy(lead, shape.begin());
        value = ExpandOp::create(builder, loc, type.clone(shape), value, StringAttr());
      }
      shape[1] *= shape[0];
      shape.erase(shape.begin());
    } else if (mask.rank() == 3 && shape.size() == 3 && shape[0] != 1) {
      shape.erase(shape.begin());
      shape.insert(shape.begin(), lead.begin(), lead.end());
    } else if (mask.rank() == 5 && shape.size() == 5) {
      shape[1] *= shape[2];
      shape.erase(shape.begin() + 2);
    }
    value = reshapeFolded(builder, loc, value, shape);
    if (mask.kind == Mask::Hidden)
      value = UnaryOp::create(builder, loc, UnaryKind::logical_not, value, FloatAttr(), FloatAttr(), StringAttr());
    if (isNever) {
      bools = bools ? BinaryOp::create(builder, loc, BinaryKind::logical_and, bools, value, StringAttr()).getResult() : value;
    } else if (isBool) {
      hides = hides ? BinaryOp::create(builder, loc, BinaryKind::logical_and, hides, value, StringAttr()).getResult() : value;
    } else {
      if (mask.kind == Mask::Subtracted)
        value = UnaryOp::create(builder, loc, UnaryKind::neg, value, FloatAttr(), FloatAttr(), StringAttr());
      if (mask.factor != 1) {
        auto type = RankedTensorType::get({}, tensorOf(value).getElementType());
        Value factor = arith::ConstantOp::create(
            builder, loc, type, DenseElementsAttr::get(type, builder.getFloatAttr(type.getElementType(), mask.factor)));
        value = BinaryOp::create(builder, loc, BinaryKind::mul, value, factor, StringAttr());
      }
      addFloats(value);
    }
  }
  // Hidden keys have one finite score. Where a query sees no other keys they are equal; so low a number that added scores
  // make no difference keeps them that.
  if (hides)
    addFloats(SelectOp::create(builder, loc, hides, number(0), number(element.getIntOrFloatBitWidth() < 32 ? -6e4 : -1e38),
                               StringAttr()));
  if (bools && floats)
    addFloats(SelectOp::create(builder, loc, bools, number(0), number(-INFINITY), StringAttr()));
  return floats ? floats : bools;
}

Value Attention::build(OpBuilder &builder) {
  Location loc = root.getLoc();
  SmallVector<int64_t, 2> groups(lead);
  if (product.getType().getRank() == 5)
    groups[1] = tensorOf(product.getRhs()).getDimSize(1) * tensorOf(product.getRhs()).getDimSize(2);
  Value q = fourDimensional(builder, product.getLhs(), lead);
  Value k = product.getTransposeB() ? product.getRhs() : swapLast(builder, loc, product.getRhs());
  Value v = root.getTransposeB() ? swapLast(builder, loc, root.getRhs()) : root.getRhs();
  k = fourDimensional(builder, k, groups);
  v = fourDimensional(builder, v, groups);
  bool causal = false;
  Value mask = buildMask(builder, causal);
  double inner = softcap > 0 ? scale / softcap : scale;
  q = withoutScale(builder, q, inner);
  k = withoutScale(builder, k, inner);
  // Both are repeated for the heads of a group, or none.
  Value fewK = withoutRepeats(builder, k), fewV = fewK ? withoutRepeats(builder, v) : Value();
  if (fewV && tensorOf(fewK).getDimSize(1) == tensorOf(fewV).getDimSize(1)) {
    k = fewK;
    v = fewV;
  }
  double full = softcap > 0 ? inner * softcap : inner;
  Value y = AttentionOp::create(builder, loc, q, k, v, mask, builder.getF32FloatAttr(full),
                                causal ? builder.getUnitAttr() : UnitAttr(),
                                softcap > 0 ? builder.getF32FloatAttr(softcap) : FloatAttr(), IntegerAttr(),
                                root.getNameAttr());
  return reshapeFolded(builder, loc, y, root.getType().getShape());
}

namespace {
/// softmax(scale * q . k + mask) . v -> attention(q, k, v, mask)
struct RaiseAttention : CountedPattern<MatmulOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    Attention attention(op);
    if (failed(attention.match()))
      return rewriter.notifyMatchFailure(op, attention.why);
    Value y = attention.build(rewriter);
    if (y.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "the result has another type");
    remarkRaised(op, "attention");
    rewriter.replaceOp(op, y);
    ++count;
    return success();
  }
};
} // namespace

namespace tern::nn {
void populateRaiseAttention(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  patterns.add<RaiseAttention>(patterns.getContext(), statistics.attentions);
}

void remarkNearAttentions(Operation *root) {
  root->walk([](MatmulOp op) {
    // A softmax in front of a product: what else it may be is said, too.
    Value value = op.getLhs();
    for (int i = 0; i < 4 && value.getDefiningOp() && isa<CastOp, ReshapeOp, SelectOp>(value.getDefiningOp()); ++i)
      value = isa<SelectOp>(value.getDefiningOp()) ? value.getDefiningOp()->getOperand(2) : value.getDefiningOp()->getOperand(0);
    if (!value.getDefiningOp<SoftmaxOp>())
      return;
    Attention attention(op);
    if (failed(attention.match()))
      remarkMissed(op, "attention", attention.why);
  });
}
} // namespace tern::nn
