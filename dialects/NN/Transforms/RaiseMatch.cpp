//===- RaiseMatch.cpp - what several raises look at -----------------------===//
#include "dialects/NN/Transforms/Raise.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace tern::nn {

//===-- remarks -------------------------------------------------------------===//
void remarkRaised(Operation *op, StringRef what) {
  remark::passed(op->getLoc(), remark::RemarkOpts::name("Raised").category("nn-raise").function(nameOf(op)))
      << remark::reason("{0} recognised", what);
}
void remarkMissed(Operation *op, StringRef what, StringRef why) {
  remark::missed(op->getLoc(), remark::RemarkOpts::name("NearMiss").category("nn-raise").function(nameOf(op)))
      << remark::reason("no {0}: {1}", what, why);
}

//===-- numbers -------------------------------------------------------------===//
std::optional<double> splatOf(Value value) {
  if (std::optional<double> number = scalarOf(value))
    return number;
  ElementsAttr attr = constantOf(value);
  auto splat = dyn_cast_or_null<SplatElementsAttr>(attr);
  if (!splat || !isa<FloatType>(splat.getElementType()))
    return std::nullopt;
  APFloat number = splat.getSplatValue<APFloat>();
  bool lossy;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return number.convertToDouble();
}

std::optional<WithScalar> withScalar(BinaryOp op) {
  for (bool right : {true, false}) {
    Value scalar = right ? op.getRhs() : op.getLhs(), other = right ? op.getLhs() : op.getRhs();
    std::optional<double> number = splatOf(scalar);
    // A scalar of no more dimensions changes no size, known or not.
    if (number && (other.getType() == op.getType() && (tensorOf(scalar).getNumElements() == 1 || tensorOf(other).hasStaticShape())))
      return WithScalar{other, *number, right};
  }
  return std::nullopt;
}

Affine affineOf(Value value, Value stop) {
  Affine result{value};
  // y = a * x + b with x = (op): the op is substituted.
  while (auto op = result.x == stop ? BinaryOp() : result.x.getDefiningOp<BinaryOp>()) {
    auto parts = withScalar(op);
    if (!parts)
      break;
    double c = parts->number;
    if (op.getKind() == BinaryKind::add)
      result.b += result.a * c;
    else if (op.getKind() == BinaryKind::sub && parts->scalarIsRight)
      result.b -= result.a * c;
    else if (op.getKind() == BinaryKind::sub)
      result.b += result.a * c, result.a = -result.a;
    else if (op.getKind() == BinaryKind::mul)
      result.a *= c;
    else if (op.getKind() == BinaryKind::div && parts->scalarIsRight && c != 0)
      result.a /= c;
    else
      break;
    result.x = parts->other;
  }
  return result;
}

using Polynomial = SmallVector<double, 4>;

static std::optional<Polynomial> multiply(const Polynomial &a, const Polynomial &b) {
  Polynomial product(4, 0);
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < 4; ++j) {
      double term = a[i] * b[j];
      if (term != 0 && i + j > 3)
        return std::nullopt;
      if (i + j <= 3)
        product[i + j] += term;
    }
  return product;
}

static std::optional<Polynomial> polynomial(Value value, Value x, int depth) {
  if (value == x)
    return Polynomial{0, 1, 0, 0};
  if (std::optional<double> number = splatOf(value))
    return Polynomial{*number, 0, 0, 0};
  if (depth == 0)
    return std::nullopt;
  if (auto neg = unaryOf(value, UnaryKind::neg)) {
    auto inner = polynomial(neg.getX(), x, depth - 1);
    return inner ? multiply(*inner, {-1, 0, 0, 0}) : std::nullopt;
  }
  auto op = value.getDefiningOp<BinaryOp>();
  if (!op)
    return std::nullopt;
  auto lhs = polynomial(op.getLhs(), x, depth - 1);
  if (!lhs)
    return std::nullopt;
  if (op.getKind() == BinaryKind::pow) {
    std::optional<double> exponent = splatOf(op.getRhs());
    if (!exponent || (*exponent != 1 && *exponent != 2 && *exponent != 3))
      return std::nullopt;
    std::optional<Polynomial> power = lhs;
    for (int i = 1; i < int(*exponent) && power; ++i)
      power = multiply(*power, *lhs);
    return power;
  }
  auto rhs = polynomial(op.getRhs(), x, depth - 1);
  if (!rhs)
    return std::nullopt;
  bool rhsIsNumber = (*rhs)[1] == 0 && (*rhs)[2] == 0 && (*rhs)[3] == 0;
  switch (op.getKind()) {
  case BinaryKind::add:
  case BinaryKind::sub:
    for (int i = 0; i < 4; ++i)
      (*lhs)[i] += op.getKind() == BinaryKind::add ? (*rhs)[i] : -(*rhs)[i];
    return lhs;
  case BinaryKind::mul:
    return multiply(*lhs, *rhs);
  case BinaryKind::div:
    if (!rhsIsNumber || (*rhs)[0] == 0)
      return std::nullopt;
    return multiply(*lhs, {1 / (*rhs)[0], 0, 0, 0});
  default:
    return std::nullopt;
  }
}

std::optional<SmallVector<double, 4>> polynomialOf(Value value, Value x) { return polynomial(value, x, 8); }

//===-- values --------------------------------------------------------------===//
UnaryOp unaryOf(Value value, UnaryKind kind) {
  auto op = value.getDefiningOp<UnaryOp>();
  return op && op.getKind() == kind ? op : UnaryOp();
}
BinaryOp binaryOf(Value value, BinaryKind kind) {
  auto op = value.getDefiningOp<BinaryOp>();
  return op && op.getKind() == kind ? op : BinaryOp();
}

static bool isSame(Value a, Value b, int depth) {
  if (a == b)
    return true;
  Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
  if (depth == 0 || !x || !y || x->getName() != y->getName() || a.getType() != b.getType() ||
      x->getNumOperands() != y->getNumOperands() || x->getNumRegions() || !isPure(x) ||
      cast<OpResult>(a).getResultNumber() != cast<OpResult>(b).getResultNumber())
    return false;
  auto nameless = [](Operation *op) {
    NamedAttrList attrs(op->getAttrDictionary());
    attrs.erase("name");
    return attrs.getDictionary(op->getContext());
  };
  if (nameless(x) != nameless(y))
    return false;
  for (auto [left, right] : llvm::zip(x->getOperands(), y->getOperands()))
    if (!isSame(left, right, depth - 1))
      return false;
  return true;
}
bool isSameValue(Value a, Value b) { return isSame(a, b, 8); }

SmallVector<int64_t> withoutOnes(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> rest;
  llvm::copy_if(shape, std::back_inserter(rest), [](int64_t size) { return size != 1; });
  return rest;
}

bool isUnitReshape(ReshapeOp op) {
  SmallVector<int64_t> from = withoutOnes(tensorOf(op.getX()).getShape()), to = withoutOnes(op.getType().getShape());
  if (from != to || llvm::count(from, ShapedType::kDynamic) <= 1)
    return from == to;
  // Two unknown sizes could have been exchanged.
  auto given = sizeTexts(op.getX()), made = sizeTexts(op.getResult());
  auto isOne = [](const std::string &text) { return text == "1"; };
  if (!given || !made)
    return false;
  llvm::erase_if(*given, isOne);
  llvm::erase_if(*made, isOne);
  return *given == *made;
}

Value withoutExpand(Value value) {
  while (auto expand = value.getDefiningOp<ExpandOp>())
    value = expand.getX();
  return value;
}

Value withoutUnits(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    auto reshape = dyn_cast<ReshapeOp>(op);
    if (!isa<ExpandOp>(op) && !(reshape && isUnitReshape(reshape)))
      break;
    value = op->getOperand(0);
  }
  return value;
}

//===-- reductions ----------------------------------------------------------===//
static int64_t countOf(const Reduced &reduced) {
  int64_t count = 1;
  for (int64_t axis : reduced.axes) {
    int64_t size = tensorOf(reduced.x).getDimSize(axis);
    if (ShapedType::isDynamic(size))
      return -1;
    count *= size;
  }
  return count;
}

static std::optional<Reduced> reducedBy(Value value, ReduceKind kind) {
  auto op = withoutUnits(value).getDefiningOp<ReduceOp>();
  if (!op || op.getKind() != kind || !isFloat(op.getX()))
    return std::nullopt;
  return Reduced{op.getX(), llvm::to_vector(op.getAxes())};
}

std::optional<Reduced> meanOf(Value value) {
  value = withoutUnits(value);
  if (auto mean = reducedBy(value, ReduceKind::mean))
    return mean;
  Affine affine = affineOf(value, {});
  auto sum = reducedBy(affine.x, ReduceKind::sum);
  if (!sum || affine.b != 0)
    return std::nullopt;
  int64_t count = countOf(*sum);
  if (count < 1 || std::abs(affine.a * double(count) - 1) > 1e-4)
    return std::nullopt;
  return sum;
}

bool isAlignedWith(ArrayRef<int64_t> shape, Value x, ArrayRef<int64_t> axes) {
  ArrayRef<int64_t> sizes = tensorOf(x).getShape();
  if (shape.size() > sizes.size())
    return false;
  int64_t skipped = int64_t(sizes.size() - shape.size());
  for (int64_t d = 0, e = sizes.size(); d < e; ++d) {
    int64_t size = d < skipped ? 1 : shape[d - skipped];
    if (size != (llvm::is_contained(axes, d) ? 1 : sizes[d]))
      return false;
  }
  return true;
}

} // namespace tern::nn
