//===- Folders.cpp - trivial identities -----------------------------------===//
// A folder changes no bit of a result and never evaluates data: weights stay expressions (W2), constants are folded by
// nn-fold-constants with lib/Reference.
//===----------------------------------------------------------------------===//
#include "dialects/NN/IR/Elementwise.h"
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

static bool isIdempotent(UnaryKind kind) {
  switch (kind) {
  case UnaryKind::relu:
  case UnaryKind::abs:
  case UnaryKind::floor:
  case UnaryKind::ceil:
  case UnaryKind::round:
  case UnaryKind::sign:
    return true;
  default:
    return false;
  }
}
static bool isInvolution(UnaryKind kind) {
  return kind == UnaryKind::neg || kind == UnaryKind::logical_not || kind == UnaryKind::bitwise_not;
}

/// f(f(x)) -> f(x) for relu, abs, ...; f(f(x)) -> x for neg and the nots.
OpFoldResult UnaryOp::fold(FoldAdaptor) {
  auto inner = getX().getDefiningOp<UnaryOp>();
  if (!inner || inner.getKind() != getKind())
    return {};
  if (isIdempotent(getKind()) && inner.getType() == getType())
    return inner.getResult();
  if (isInvolution(getKind()) && inner.getX().getType() == getType())
    return inner.getX();
  return {};
}

static bool isSplatOf(Attribute attr, double value) {
  auto splat = dyn_cast_or_null<SplatElementsAttr>(attr);
  if (!splat)
    return false;
  if (isa<FloatType>(splat.getElementType()))
    return splat.getSplatValue<APFloat>().isExactlyValue(value);
  auto type = dyn_cast<IntegerType>(splat.getElementType());
  return type && splat.getSplatValue<APInt>() == APInt(type.getWidth(), uint64_t(value));
}

/// x * 1, x / 1, x - 0 -> x, and integer x + 0 -> x (a float x + 0 turns -0 into 0), when x has the type of the result.
OpFoldResult BinaryOp::fold(FoldAdaptor adaptor) {
  bool isFloat = isa<FloatType>(getType().getElementType());
  auto identity = [&](Attribute other, bool right) {
    switch (getKind()) {
    case BinaryKind::mul:
      return isSplatOf(other, 1);
    case BinaryKind::div:
      return right && isSplatOf(other, 1);
    case BinaryKind::sub:
      return right && isSplatOf(other, 0.0);
    case BinaryKind::add:
      return isFloat ? isSplatOf(other, -0.0) : isSplatOf(other, 0);
    default:
      return false;
    }
  };
  if (getLhs().getType() == getType() && identity(adaptor.getRhs(), true))
    return getLhs();
  if (getRhs().getType() == getType() && identity(adaptor.getLhs(), false))
    return getRhs();
  return {};
}

/// cast to the same type -> x
OpFoldResult CastOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }

/// reshape to the same shape -> x; reshape(reshape(x)) -> reshape(x)
OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  // Two tensors with an unknown size may differ although their types are equal.
  if (getX().getType() == getType() && getType().getNumDynamicDims() <= 1)
    return getX();
  auto inner = getX().getDefiningOp<ReshapeOp>();
  if (!inner)
    return {};
  getXMutable().assign(inner.getX());
  return getResult();
}

/// transpose by the identity -> x; transpose(transpose(x)) -> one transpose
OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (llvm::equal(getPerm(), llvm::seq<int64_t>(0, getPerm().size())) && getX().getType() == getType())
    return getX();
  auto inner = getX().getDefiningOp<TransposeOp>();
  if (!inner)
    return {};
  SmallVector<int64_t> perm;
  for (int64_t axis : getPerm())
    perm.push_back(inner.getPerm()[axis]);
  setPerm(perm);
  getXMutable().assign(inner.getX());
  return getResult();
}

/// slice of everything -> x
OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getX().getType() != getType())
    return {};
  for (auto [start, size, step, dim] : llvm::zip(getStarts(), getSizes(), getSteps(), getType().getShape()))
    if (start != 0 || step != 1 || (size != -1 && (size != dim || ShapedType::isDynamic(size)))) // two unknown sizes may differ
      return {};
  return getX();
}

/// concat of one -> x
OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getXs().size() == 1 && getXs().front().getType() == getType() ? getXs().front() : Value();
}

/// expand to the same static shape -> x
OpFoldResult ExpandOp::fold(FoldAdaptor) {
  return getX().getType() == getType() && getType().hasStaticShape() ? getX() : Value();
}

/// shape of known sizes -> constant
OpFoldResult ShapeOp::fold(FoldAdaptor) {
  RankedTensorType x = getX().getType();
  int64_t end = getEnd().value_or(x.getRank());
  ArrayRef<int64_t> sizes = x.getShape().slice(getStart(), end - getStart());
  if (llvm::any_of(sizes, ShapedType::isDynamic) || !getType().hasStaticShape())
    return {};
  return DenseIntElementsAttr::get(getType(), sizes);
}
