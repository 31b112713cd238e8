//===- RaiseRope.cpp - rotary position embeddings spelled out -------------===//
#include "dialects/NN/IR/Infer.h"
#include "dialects/NN/Transforms/Raise.h"

using namespace mlir;
using namespace tern::nn;

namespace {
/// Something that is rotated: [.., n], or [.., n / 2, 2] where an exporter made pairs of it.
struct Source {
  Value value;
  bool isPairs = false;
  int64_t size() const {
    ArrayRef<int64_t> shape = tensorOf(value).getShape();
    return isPairs ? 2 * shape[shape.size() - 2] : shape.back();
  }
  SmallVector<int64_t> shape() const {
    SmallVector<int64_t> result(tensorOf(value).getShape());
    if (isPairs)
      result.pop_back();
    result.back() = size();
    return result;
  }
};
/// One of the two elements of every pair: the first or second half, or every other element.
struct Part {
  Source x;
  bool isSecond, interleaved;
};
/// (-second, first) of x.
struct Turned {
  Source x;
  bool interleaved;
};
} // namespace

static int64_t lastSize(Value value) { return tensorOf(value).getShape().back(); }

/// Both are the same elements in the same shape.
static bool isSameSource(const Source &a, const Source &b) {
  if (a.isPairs == b.isPairs)
    return isSameValue(a.value, b.value);
  auto base = [](Value value) {
    while (auto reshape = value.getDefiningOp<ReshapeOp>())
      value = reshape.getX();
    return value;
  };
  return a.shape() == b.shape() && isSameValue(base(a.value), base(b.value));
}

/// A slice along the last dimension only.
static bool cutsLast(SliceOp slice) {
  for (int64_t d = 0, e = tensorOf(slice.getX()).getRank(); d + 1 < e; ++d) {
    if (slice.getStarts()[d] != 0 || slice.getSteps()[d] != 1 ||
        slice.getType().getDimSize(d) != tensorOf(slice.getX()).getDimSize(d))
      return false;
    // An unknown size is the whole dimension when it is written as that or recorded to be the same.
    if (slice.getType().isDynamicDim(d) && slice.getSizes()[d] != -1) {
      auto cut = sizeTexts(slice.getResult()), whole = sizeTexts(slice.getX());
      if (!cut || !whole || (*cut)[d] != (*whole)[d])
        return false;
    }
  }
  return !ShapedType::isDynamic(slice.getStarts().back());
}

/// Shapes that differ in dimensions of size 1 only.
static bool sameUpToOnes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) { return a == b || withoutOnes(a) == withoutOnes(b); }

/// reshape from [.., n] to [.., n, 1].
static bool addsColumn(ReshapeOp reshape) {
  ArrayRef<int64_t> from = tensorOf(reshape.getX()).getShape(), to = reshape.getType().getShape();
  return to.size() > 1 && to.back() == 1 && sameUpToOnes(from, to.drop_back());
}

static std::optional<Part> partOf(Value value) {
  // One column of [.., n / 2, 2].
  if (auto reshape = value.getDefiningOp<ReshapeOp>()) {
    auto column = reshape.getX().getDefiningOp<SliceOp>();
    if (!column || !cutsLast(column) || lastSize(column.getX()) != 2 || lastSize(column.getResult()) != 1 ||
        !sameUpToOnes(column.getType().getShape().drop_back(), reshape.getType().getShape()))
      return std::nullopt;
    return Part{{column.getX(), true}, column.getStarts().back() == 1, true};
  }
  auto slice = value.getDefiningOp<SliceOp>();
  if (!slice || !cutsLast(slice) || ShapedType::isDynamic(lastSize(slice.getX())))
    return std::nullopt;
  int64_t size = lastSize(slice.getX()), start = slice.getStarts().back(), step = slice.getSteps().back();
  if (2 * lastSize(value) != size)
    return std::nullopt;
  // Every other element; of one pair that is a half, too.
  if (step == 2 && (start == 0 || start == 1))
    return Part{{slice.getX()}, start == 1, true};
  if (step == 1 && (start == 0 || start == size / 2))
    return Part{{slice.getX()}, start != 0, false};
  return std::nullopt;
}

static Value negatedOf(Value value) {
  if (auto neg = unaryOf(value, UnaryKind::neg))
    return neg.getX();
  auto op = value.getDefiningOp<BinaryOp>();
  auto parts = op ? withScalar(op) : std::nullopt;
  return parts && op.getKind() == BinaryKind::mul && parts->number == -1 ? parts->other : Value();
}

/// What a concat puts into the two elements of every pair: halves, or the columns of [.., n / 2, 2].
static std::optional<std::pair<Value, Value>> pairedBy(ConcatOp concat, bool &interleaved) {
  if (!concat || concat.getXs().size() != 2 || int64_t(concat.getAxis()) != concat.getType().getRank() - 1)
    return std::nullopt;
  Value parts[2] = {concat.getXs()[0], concat.getXs()[1]};
  interleaved = lastSize(parts[0]) == 1 && lastSize(parts[1]) == 1;
  if (interleaved)
    for (Value &part : parts) {
      auto column = part.getDefiningOp<ReshapeOp>();
      if (!column || !addsColumn(column))
        return std::nullopt;
      part = column.getX();
    }
  return std::make_pair(parts[0], parts[1]);
}

/// The same, where columns are merged into one dimension again.
static std::optional<std::pair<Value, Value>> pairedOf(Value value, bool &interleaved) {
  auto concat = value.getDefiningOp<ConcatOp>();
  if (auto reshape = value.getDefiningOp<ReshapeOp>()) {
    concat = reshape.getX().getDefiningOp<ConcatOp>();
    if (!concat || lastSize(concat.getResult()) != 2)
      return std::nullopt;
    SmallVector<int64_t> merged(concat.getType().getShape().drop_back());
    if (merged.empty() || ShapedType::isDynamic(merged.back()))
      return std::nullopt;
    merged.back() *= 2;
    if (!sameUpToOnes(merged, reshape.getType().getShape()))
      return std::nullopt;
  }
  auto pair = pairedBy(concat, interleaved);
  return pair && interleaved == bool(value.getDefiningOp<ReshapeOp>()) ? pair : std::nullopt;
}

static std::optional<Turned> turnedOf(Value value) {
  bool interleaved;
  auto pair = pairedOf(value, interleaved);
  Value second = pair ? negatedOf(pair->first) : Value();
  auto a = second ? partOf(second) : std::nullopt, b = second ? partOf(pair->second) : std::nullopt;
  if (!a || !b || !a->isSecond || b->isSecond || a->interleaved != interleaved || b->interleaved != interleaved ||
      !isSameSource(a->x, b->x))
    return std::nullopt;
  return Turned{a->x, interleaved};
}

//===-- tables --------------------------------------------------------------===//
/// Both elements of every pair along the last dimension are equal in a constant.
static bool hasEqualPairs(Value constant, bool interleaved) {
  std::optional<std::vector<double>> numbers = numbersOf(constant, 1 << 24);
  int64_t size = lastSize(constant), half = size / 2;
  if (!numbers || size % 2 || size == 0)
    return false;
  for (size_t row = 0; row < numbers->size(); row += size)
    for (int64_t i = 0; i < half; ++i) {
      double a = (*numbers)[row + (interleaved ? 2 * i : i)], b = (*numbers)[row + (interleaved ? 2 * i + 1 : half + i)];
      if (a != b)
        return false;
    }
  return true;
}

static Value firstOfPairs(OpBuilder &b, Location loc, Value value, bool interleaved) {
  RankedTensorType type = tensorOf(value);
  SmallVector<int64_t> starts(type.getRank(), 0), sizes, steps(type.getRank(), 1);
  for (int64_t size : type.getShape())
    sizes.push_back(ShapedType::isDynamic(size) ? -1 : size);
  sizes.back() /= 2;
  steps.back() = interleaved ? 2 : 1;
  return SliceOp::create(b, loc, value, starts, sizes, steps, StringAttr());
}

/// A table with one entry for each pair, given one with an entry for each element; null when both entries of a pair are not
/// provably equal.
static Value tableOfPairs(OpBuilder &b, Location loc, Value table, bool interleaved, int depth = 12) {
  RankedTensorType type = tensorOf(table);
  int64_t size = type.getRank() ? lastSize(table) : 0;
  if (depth == 0 || size < 2 || size % 2)
    return {};
  auto again = [&](Value value) { return tableOfPairs(b, loc, value, interleaved, depth - 1); };
  SmallVector<int64_t> half(type.getShape());
  half.back() /= 2;
  if (constantOf(table))
    return hasEqualPairs(table, interleaved) ? firstOfPairs(b, loc, table, interleaved) : Value();
  bool byColumns;
  if (auto pair = pairedOf(table, byColumns); pair && byColumns == interleaved && isSameValue(pair->first, pair->second))
    return reshapeTo(b, loc, pair->first, half);
  Operation *op = table.getDefiningOp();
  if (!op)
    return {};
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    // [.., n, 2] of which both columns are copies.
    auto expand = reshape.getX().getDefiningOp<ExpandOp>();
    if (interleaved && expand && lastSize(expand.getResult()) == 2 && lastSize(expand.getX()) == 1)
      if (auto column = expand.getX().getDefiningOp<ReshapeOp>();
          column && addsColumn(column) && sameUpToOnes(tensorOf(column.getX()).getShape(), half))
        return reshapeTo(b, loc, column.getX(), half);
    if (tensorOf(reshape.getX()).getRank() == 0 || lastSize(reshape.getX()) != size)
      return {};
    Value x = again(reshape.getX());
    if (!x)
      return {};
    auto halved = ReshapeOp::create(b, loc, type.clone(half), x, StringAttr());
    if (Attribute sizes = reshape->getAttr("nn.sizes")) // the last size is known
      halved->setAttr("nn.sizes", sizes);
    return halved;
  }
  if (auto unary = dyn_cast<UnaryOp>(op)) {
    Value x = again(unary.getX());
    return x ? UnaryOp::create(b, loc, unary.getKind(), x, unary.getAlphaAttr(), unary.getBetaAttr(), StringAttr()).getResult() : Value();
  }
  if (auto cast = dyn_cast<CastOp>(op)) {
    Value x = again(cast.getX());
    return x ? CastOp::create(b, loc, type.clone(half), x, StringAttr()).getResult() : Value();
  }
  if (auto binary = dyn_cast<BinaryOp>(op)) {
    Value operands[2];
    for (auto [i, value] : llvm::enumerate(binary->getOperands())) {
      bool isRow = tensorOf(value).getRank() > 0 && lastSize(value) != 1;
      operands[i] = isRow ? again(value) : value;
      if (!operands[i])
        return {};
    }
    return BinaryOp::create(b, loc, binary.getKind(), operands[0], operands[1], StringAttr());
  }
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    if (transpose.getPerm().back() != type.getRank() - 1)
      return {};
    Value x = again(transpose.getX());
    return x ? TransposeOp::create(b, loc, x, transpose.getPerm(), StringAttr()).getResult() : Value();
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    if (slice.getStarts().back() != 0 || lastSize(slice.getX()) != size)
      return {};
    Value x = again(slice.getX());
    SmallVector<int64_t> sizes(slice.getSizes());
    if (sizes.back() > 0)
      sizes.back() /= 2;
    return x ? SliceOp::create(b, loc, x, slice.getStarts(), sizes, slice.getSteps(), StringAttr()).getResult() : Value();
  }
  if (auto gather = dyn_cast<GatherOp>(op)) {
    if (int64_t(gather.getAxis()) == tensorOf(gather.getX()).getRank() - 1)
      return {};
    // Rows of a large constant are cut where they are few.
    if (constantOf(gather.getX()))
      return hasEqualPairs(gather.getX(), interleaved) ? firstOfPairs(b, loc, table, interleaved) : Value();
    Value x = again(gather.getX());
    return x ? GatherOp::create(b, loc, x, gather.getIndices(), gather.getAxis(), StringAttr()).getResult() : Value();
  }
  return {};
}

/// cos and sin broadcast to [.., positions, pairs] of x.
static bool isTableOf(Value table, Value x, int64_t pairs) {
  ArrayRef<int64_t> shape = tensorOf(table).getShape(), sizes = tensorOf(x).getShape();
  if (shape.empty() || shape.size() > sizes.size() || shape.back() != pairs)
    return false;
  for (size_t d = 0; d + 1 < shape.size(); ++d)
    if (shape[d] != 1 && differ(shape[d], sizes[d + sizes.size() - shape.size()]))
      return false;
  return true;
}

static LogicalResult replaceByRope(PatternRewriter &rewriter, Operation *op, Value x, Value cos, Value sin, bool interleaved,
                                   Pass::Statistic &count) {
  int64_t size = lastSize(x);
  if (tensorOf(x).getRank() < 2 || x.getType() != op->getResult(0).getType() || !isTableOf(cos, x, size / 2) ||
      !isTableOf(sin, x, size / 2))
    return rewriter.notifyMatchFailure(op, "tables do not fit");
  remarkRaised(op, "rope");
  rewriter.replaceOpWithNewOp<RopeOp>(op, x, cos, sin, interleaved, op->getAttrOfType<StringAttr>("name"));
  ++count;
  return success();
}

namespace {
/// x * cos + (-second, first) * sin -> rope(x)
struct RaiseTurned : CountedPattern<BinaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    auto lhs = binaryOf(op.getLhs(), BinaryKind::mul), rhs = binaryOf(op.getRhs(), BinaryKind::mul);
    if (op.getKind() != BinaryKind::add || !lhs || !rhs || !isFloat(op.getResult()))
      return rewriter.notifyMatchFailure(op, "no sum of products");
    for (bool swap : {false, true})
      for (bool first : {false, true})
        for (bool second : {false, true}) {
          BinaryOp straight = swap ? rhs : lhs, crossed = swap ? lhs : rhs;
          Value x = first ? straight.getRhs() : straight.getLhs(), cos = first ? straight.getLhs() : straight.getRhs();
          Value y = second ? crossed.getRhs() : crossed.getLhs(), sin = second ? crossed.getLhs() : crossed.getRhs();
          auto turned = turnedOf(y);
          if (!turned || !isSameSource(turned->x, {x}) || x.getType() != op.getType())
            continue;
          cos = tableOfPairs(rewriter, op.getLoc(), cos, turned->interleaved);
          sin = cos ? tableOfPairs(rewriter, op.getLoc(), sin, turned->interleaved) : Value();
          if (!sin)
            return rewriter.notifyMatchFailure(op, "the elements of a pair may turn by different angles");
          return replaceByRope(rewriter, op, x, cos, sin, turned->interleaved, count);
        }
    return rewriter.notifyMatchFailure(op, "nothing is turned");
  }
};

/// a * c of which `a` is a part of something that is rotated.
struct Term {
  Part part;
  Value table;
};
std::optional<std::pair<Term, Term>> termsOf(Value value, BinaryKind kind) {
  auto op = binaryOf(value, kind);
  auto lhs = op ? binaryOf(op.getLhs(), BinaryKind::mul) : BinaryOp(), rhs = op ? binaryOf(op.getRhs(), BinaryKind::mul) : BinaryOp();
  if (!lhs || !rhs)
    return std::nullopt;
  auto term = [](BinaryOp product) -> std::optional<Term> {
    if (auto part = partOf(product.getLhs()))
      return Term{*part, product.getRhs()};
    if (auto part = partOf(product.getRhs()))
      return Term{*part, product.getLhs()};
    return std::nullopt;
  };
  auto a = term(lhs), b = term(rhs);
  if (!a || !b)
    return std::nullopt;
  return std::make_pair(*a, *b);
}

/// (first * cos - second * sin, second * cos + first * sin), side by side or as columns -> rope(x)
struct RaisePairs : CountedPattern<ConcatOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    bool interleaved;
    auto pair = pairedBy(op, interleaved);
    auto real = pair ? termsOf(pair->first, BinaryKind::sub) : std::nullopt;
    auto imaginary = real ? termsOf(pair->second, BinaryKind::add) : std::nullopt;
    if (!imaginary)
      return rewriter.notifyMatchFailure(op, "no pair of products");
    Term a = real->first, b = real->second, c = imaginary->first, d = imaginary->second;
    if (!c.part.isSecond)
      std::swap(c, d);
    for (const Term &term : {a, b, c, d})
      if (term.part.interleaved != interleaved || !isSameSource(term.part.x, a.part.x))
        return rewriter.notifyMatchFailure(op, "parts of different values");
    if (a.part.isSecond || !b.part.isSecond || !c.part.isSecond || d.part.isSecond || !isSameValue(a.table, c.table) ||
        !isSameValue(b.table, d.table))
      return rewriter.notifyMatchFailure(op, "no rotation");
    Source source = a.part.x;
    SmallVector<int64_t> shape = source.shape(), columns(shape);
    if (interleaved) {
      columns.back() /= 2;
      columns.push_back(2);
    }
    if (op.getType().getShape() != ArrayRef(interleaved ? columns : shape) ||
        (interleaved && op.getType().getNumDynamicDims() > 1 && !source.isPairs))
      return rewriter.notifyMatchFailure(op, "pairs in another shape");
    Value x = reshapeTo(rewriter, op.getLoc(), source.value, shape);
    if (!isTableOf(a.table, x, source.size() / 2) || !isTableOf(b.table, x, source.size() / 2))
      return rewriter.notifyMatchFailure(op, "tables do not fit");
    remarkRaised(op, "rope");
    Value y = RopeOp::create(rewriter, op.getLoc(), x, a.table, b.table, interleaved, op.getNameAttr());
    rewriter.replaceOp(op, reshapeTo(rewriter, op.getLoc(), y, op.getType().getShape()));
    ++count;
    return success();
  }
};

/// concat(rope(first elements of x), the others) -> rope(x)
struct ExtendRope : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    if (op.getXs().size() != 2 || int64_t(op.getAxis()) != op.getType().getRank() - 1)
      return rewriter.notifyMatchFailure(op, "not two parts of heads");
    auto rope = op.getXs()[0].getDefiningOp<RopeOp>();
    auto rotated = rope ? rope.getX().getDefiningOp<SliceOp>() : SliceOp();
    auto rest = op.getXs()[1].getDefiningOp<SliceOp>();
    if (!rotated || !rest || !cutsLast(rotated) || !cutsLast(rest) || !isSameValue(rotated.getX(), rest.getX()))
      return rewriter.notifyMatchFailure(op, "no rotated part and rest of one value");
    bool isWhole = rotated.getStarts().back() == 0 && rotated.getSteps().back() == 1 && rest.getSteps().back() == 1 &&
                   rest.getStarts().back() == lastSize(rotated) && rotated.getX().getType() == op.getType();
    if (!isWhole)
      return rewriter.notifyMatchFailure(op, "the parts are not all of it");
    rewriter.replaceOpWithNewOp<RopeOp>(op, rotated.getX(), rope.getCos(), rope.getSin(), rope.getInterleaved(),
                                        rope.getNameAttr());
    return success();
  }
};
} // namespace

namespace tern::nn {
void populateRaiseRope(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  MLIRContext *context = patterns.getContext();
  patterns.add<RaiseTurned, RaisePairs>(context, statistics.ropes);
  patterns.add<ExtendRope>(context);
}
} // namespace tern::nn
