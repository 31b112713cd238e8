//===- RaiseHeads.cpp - how exporters write q, k, v and masks -------------===//
#include "dialects/NN/Transforms/RaiseHeads.h"
#include "dialects/NN/IR/Elementwise.h"

using namespace mlir;

namespace tern::nn {

bool guardOf(SelectOp select) {
  auto isnan = unaryOf(select.getCondition(), UnaryKind::isnan);
  return isnan && isnan.getX() == select.getOnFalse() && splatOf(select.getOnTrue()) == 0.0;
}

bool isGuarded(Value value) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    if (auto unary = dyn_cast<UnaryOp>(user))
      return unary.getKind() == UnaryKind::isnan;
    auto select = dyn_cast<SelectOp>(user);
    return select && guardOf(select);
  });
}

//===-- masks of numbers ----------------------------------------------------------===//
/// All elements are 0 or 1: truth values as numbers, however they were moved.
static bool isZeroOrOne(Value value, int depth = 8) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (auto cast = dyn_cast<CastOp>(op))
    return tensorOf(cast.getX()).getElementType().isInteger(1) || isZeroOrOne(cast.getX(), depth - 1);
  if (isa<ReshapeOp, ExpandOp, TransposeOp, SliceOp, GatherOp>(op))
    return isZeroOrOne(op->getOperand(0), depth - 1);
  std::optional<std::vector<double>> numbers = numbersOf(value, 1 << 22);
  return numbers && llvm::all_of(*numbers, [](double number) { return number == 0 || number == 1; });
}

/// `fill` of a value that is fill where `keeps` is 0, and 0 where it is 1.
static std::optional<double> fillOf(Value value, Value keeps) {
  // Computed: (1 - keeps) * fill.
  if (auto product = binaryOf(value, BinaryKind::mul))
    if (auto parts = withScalar(product))
      if (auto hidden = binaryOf(parts->other, BinaryKind::sub); hidden && splatOf(hidden.getLhs()) == 1.0 && isSameValue(hidden.getRhs(), keeps))
        return parts->number;
  // Folded.
  if (tensorOf(value).getShape() != tensorOf(keeps).getShape())
    return std::nullopt;
  std::optional<std::vector<double>> fills = numbersOf(value, 1 << 22), kept = fills ? numbersOf(keeps, 1 << 22) : std::nullopt;
  std::optional<double> fill;
  for (size_t i = 0; kept && i < kept->size(); ++i) {
    double expected = (*kept)[i] != 0 ? 0 : fill.value_or((*fills)[i]);
    if ((*fills)[i] != expected)
      return std::nullopt;
    if ((*kept)[i] == 0)
      fill = expected;
  }
  return fill;
}

std::optional<KeptScores> keptScoresOf(BinaryOp op) {
  bool adds = op.getKind() == BinaryKind::add;
  if (!adds && op.getKind() != BinaryKind::sub)
    return std::nullopt;
  for (bool swap : {false, true}) {
    auto product = binaryOf(swap ? op.getRhs() : op.getLhs(), BinaryKind::mul);
    Value fills = swap ? op.getLhs() : op.getRhs();
    if (!product || product.getType() != op.getType() || (swap && !adds))
      continue;
    for (Value keeps : {product.getLhs(), product.getRhs()}) {
      std::optional<double> fill = isZeroOrOne(keeps) ? fillOf(fills, keeps) : std::nullopt;
      Value scores = keeps == product.getLhs() ? product.getRhs() : product.getLhs();
      if (fill && scores.getType() == op.getType())
        return KeptScores{scores, keeps, adds ? *fill : -*fill};
    }
  }
  return std::nullopt;
}

//===-- movement --------------------------------------------------------------===//
bool keepsMatrices(ReshapeOp op) {
  RankedTensorType from = tensorOf(op.getX()), to = op.getType();
  if (from.getRank() < 2 || to.getRank() < 2 || from.getShape().take_back(2) != to.getShape().take_back(2))
    return false;
  int64_t a = from.getRank(), b = to.getRank();
  if (differInTexts(op.getX(), a - 2, op.getResult(), b - 2) || differInTexts(op.getX(), a - 1, op.getResult(), b - 1))
    return false;
  // With more than one unknown size an exporter's reshape could exchange them; none that is about heads does.
  return !ShapedType::isDynamic(from.getShape().back()) || from.getNumDynamicDims() <= 1 || sizeTexts(op.getResult());
}

/// `value` is a reshape of a tensor of `type` that merged its heads: splitting them again gives that tensor.
static bool isSplitOf(Value value, RankedTensorType type) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  return reshape && reshape.getX().getType() == type && keepsMatrices(reshape);
}

Value reshapeFolded(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> shape) {
  RankedTensorType type = tensorOf(value).clone(shape);
  Value start = value;
  for (;;) {
    // Equal types with several unknown sizes may be different shapes.
    if (start.getType() == type && (type.getNumDynamicDims() <= 1 || start == value || isSplitOf(value, type)))
      return start;
    auto reshape = start.getDefiningOp<ReshapeOp>();
    if (!reshape)
      return ReshapeOp::create(builder, loc, type, start, StringAttr());
    start = reshape.getX();
  }
}

static Value transposeFolded(OpBuilder &builder, Location loc, Value value, SmallVector<int64_t> perm) {
  if (auto inner = value.getDefiningOp<TransposeOp>()) {
    for (int64_t &axis : perm)
      axis = inner.getPerm()[axis];
    value = inner.getX();
  }
  if (llvm::equal(perm, llvm::seq<int64_t>(0, perm.size())))
    return value;
  return TransposeOp::create(builder, loc, value, perm, StringAttr());
}

Value swapLast(OpBuilder &builder, Location loc, Value value) {
  SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, tensorOf(value).getRank()));
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  // k^T * scale: the transposition is in front of the factor.
  if (auto op = value.getDefiningOp<BinaryOp>())
    if (auto parts = withScalar(op); parts && (op.getKind() == BinaryKind::mul || (op.getKind() == BinaryKind::div && parts->scalarIsRight))) {
      Value inner = swapLast(builder, loc, parts->other);
      return BinaryOp::create(builder, loc, op.getKind(), inner, parts->scalarIsRight ? op.getRhs() : op.getLhs(), StringAttr());
    }
  if (auto reshape = value.getDefiningOp<ReshapeOp>(); reshape && keepsMatrices(reshape)) {
    SmallVector<int64_t> shape(reshape.getType().getShape());
    std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    return reshapeFolded(builder, loc, swapLast(builder, loc, reshape.getX()), shape);
  }
  return transposeFolded(builder, loc, value, perm);
}

Value withoutScale(OpBuilder &builder, Value value, double &scale) {
  Operation *op = value.getDefiningOp();
  if (auto binary = dyn_cast_or_null<BinaryOp>(op)) {
    auto parts = withScalar(binary);
    bool multiplies = parts && binary.getKind() == BinaryKind::mul,
         divides = parts && binary.getKind() == BinaryKind::div && parts->scalarIsRight && parts->number != 0;
    if (!multiplies && !divides)
      return value;
    scale = multiplies ? scale * parts->number : scale / parts->number;
    return withoutScale(builder, parts->other, scale);
  }
  if (!op || !isa<ReshapeOp, TransposeOp>(op))
    return value;
  // Another reader still needs the factor.
  if (std::distance(value.use_begin(), value.use_end()) > 1)
    return value;
  Value inner = withoutScale(builder, op->getOperand(0), scale);
  if (inner == op->getOperand(0))
    return value;
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return TransposeOp::create(builder, op->getLoc(), inner, transpose.getPerm(), StringAttr());
  return ReshapeOp::create(builder, op->getLoc(), value.getType(), inner, StringAttr());
}

/// x [.., G, ..] of a value [.., G * R, ..] that repeats each entry of `axis` R times; null.
static Value repeatedOf(OpBuilder &builder, Value value, int64_t axis) {
  RankedTensorType type = tensorOf(value);
  if (type.isDynamicDim(axis))
    return {};
  // By indices 0, 0, 0, 1, 1, 1, ...
  if (auto gather = value.getDefiningOp<GatherOp>()) {
    std::optional<std::vector<double>> indices = numbersOf(gather.getIndices());
    int64_t groups = tensorOf(gather.getX()).getDimSize(axis), heads = type.getDimSize(axis);
    if (int64_t(gather.getAxis()) != axis || !indices || tensorOf(gather.getIndices()).getRank() != 1 || groups < 1 || heads % groups)
      return {};
    for (int64_t i = 0; i < heads; ++i)
      if ((*indices)[i] != double(i / (heads / groups)))
        return {};
    return gather.getX();
  }
  auto merge = value.getDefiningOp<ReshapeOp>();
  if (!merge)
    return {};
  RankedTensorType wide = tensorOf(merge.getX());
  if (wide.getRank() != type.getRank() + 1 || wide.isDynamicDim(axis) || wide.isDynamicDim(axis + 1) ||
      wide.getDimSize(axis) * wide.getDimSize(axis + 1) != type.getDimSize(axis))
    return {};
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (d != axis && (type.getDimSize(d) != wide.getDimSize(d < axis ? d : d + 1) ||
                      differInTexts(value, d, merge.getX(), d < axis ? d : d + 1)))
      return {};
  // [.., G, 1, ..] expanded, or put beside itself.
  Value narrow;
  if (auto expand = merge.getX().getDefiningOp<ExpandOp>()) {
    narrow = expand.getX();
  } else if (auto concat = merge.getX().getDefiningOp<ConcatOp>(); concat && int64_t(concat.getAxis()) == axis + 1) {
    narrow = concat.getXs().front();
    for (Value part : concat.getXs())
      if (!isSameValue(part, narrow))
        return {};
  }
  if (!narrow || tensorOf(narrow).getRank() != wide.getRank() || tensorOf(narrow).getDimSize(axis + 1) != 1)
    return {};
  for (int64_t d = 0; d < wide.getRank(); ++d)
    if (d != axis + 1 && (tensorOf(narrow).getDimSize(d) != wide.getDimSize(d) || differInTexts(narrow, d, merge.getX(), d)))
      return {};
  SmallVector<int64_t> shape(tensorOf(narrow).getShape());
  shape.erase(shape.begin() + axis + 1);
  // The dimension of size 1 was added to something of this very shape.
  if (auto unsqueeze = narrow.getDefiningOp<ReshapeOp>(); unsqueeze && tensorOf(unsqueeze.getX()).getShape() == ArrayRef(shape))
    return unsqueeze.getX();
  return ReshapeOp::create(builder, value.getLoc(), type.clone(shape), narrow, StringAttr());
}

Value withoutRepeats(OpBuilder &builder, Value value) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  if (!transpose)
    return repeatedOf(builder, value, 1);
  Value few = repeatedOf(builder, transpose.getX(), transpose.getPerm()[1]);
  return few ? transposeFolded(builder, value.getLoc(), few, llvm::to_vector(transpose.getPerm())) : Value();
}

//===-- causal masks ------------------------------------------------------------===//
/// The elements of a constant as [queries, keys], each dimension either whole or repeated.
namespace {
struct Grid {
  std::vector<double> numbers;
  int64_t rowStep = 0, columnStep = 0;
  double at(int64_t row, int64_t column) const { return numbers[row * rowStep + column * columnStep]; }
};
} // namespace

static std::optional<Grid> gridOf(Value value, int64_t queries, int64_t keys) {
  RankedTensorType type = tensorOf(value);
  if (ShapedType::isDynamic(queries) || ShapedType::isDynamic(keys) || !type.hasStaticShape())
    return std::nullopt;
  int64_t rank = type.getRank(), columns = rank > 0 ? type.getDimSize(rank - 1) : 1, rows = rank > 1 ? type.getDimSize(rank - 2) : 1;
  if ((columns != 1 && columns != keys) || (rows != 1 && rows != queries))
    return std::nullopt;
  // Constants that only change their shape or type are looked through.
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<ReshapeOp, CastOp>(op))
      break;
    value = op->getOperand(0);
  }
  std::optional<std::vector<double>> numbers = numbersOf(value, 1 << 22);
  if (!numbers || numbers->empty() || int64_t(numbers->size()) != type.getNumElements())
    return std::nullopt;
  // One grid, or copies of it for batches and heads.
  for (size_t i = rows * columns; i < numbers->size(); ++i)
    if ((*numbers)[i] != (*numbers)[i - rows * columns])
      return std::nullopt;
  return Grid{std::move(*numbers), rows == 1 ? 0 : columns, columns == 1 ? 0 : 1};
}

template <typename Fn> static bool isTriangle(int64_t queries, int64_t keys, Fn sees) {
  if (ShapedType::isDynamic(queries) || ShapedType::isDynamic(keys) || queries * keys > (int64_t(1) << 24))
    return false;
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j)
      if (sees(i, j) != (j <= i + keys - queries))
        return false;
  return true;
}

static bool isCausal(Value mask, int64_t queries, int64_t keys) {
  if (auto reshape = mask.getDefiningOp<ReshapeOp>(); reshape && isUnitReshape(reshape))
    return isCausal(reshape.getX(), queries, keys);
  if (auto grid = gridOf(mask, queries, keys))
    return isTriangle(queries, keys, [&](int64_t i, int64_t j) { return grid->at(i, j) != 0; });
  auto compare = mask.getDefiningOp<CompareOp>();
  auto lhs = compare ? gridOf(compare.getLhs(), queries, keys) : std::nullopt,
       rhs = compare ? gridOf(compare.getRhs(), queries, keys) : std::nullopt;
  if (!lhs || !rhs)
    return false;
  return isTriangle(queries, keys, [&](int64_t i, int64_t j) {
    return nn::evaluate(compare.getKind(), lhs->at(i, j), rhs->at(i, j));
  });
}

Value withoutCausal(Value mask, int64_t queries, int64_t keys, bool &causal) {
  if (isCausal(mask, queries, keys)) {
    causal = true;
    return {};
  }
  auto both = binaryOf(mask, BinaryKind::logical_and);
  if (!both)
    return mask;
  Value lhs = withoutCausal(both.getLhs(), queries, keys, causal), rhs = withoutCausal(both.getRhs(), queries, keys, causal);
  if (!lhs || !rhs)
    return lhs ? lhs : rhs;
  return mask;
}

bool isCausalBias(Value bias, int64_t queries, int64_t keys) {
  if (auto select = bias.getDefiningOp<SelectOp>()) {
    std::optional<double> low = splatOf(select.getOnFalse());
    return splatOf(select.getOnTrue()) == 0.0 && low && *low <= -1e8 && isCausal(select.getCondition(), queries, keys);
  }
  auto grid = gridOf(bias, queries, keys);
  if (!grid)
    return false;
  for (double number : grid->numbers)
    if (number != 0 && !(number <= -1e8))
      return false;
  return isTriangle(queries, keys, [&](int64_t i, int64_t j) { return grid->at(i, j) == 0; });
}

} // namespace tern::nn
