//===- InferAttention.cpp - attention, rope -------------------------------===//
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

/// nn_n4: `type` broadcasts to `shape` (and not the other way).
static LogicalResult verifyBroadcasts(const Check &check, RankedTensorType type, StringRef name,
                                      ArrayRef<int64_t> shape, StringRef what) {
  int64_t skipped = int64_t(shape.size()) - type.getRank();
  bool fits = skipped >= 0;
  for (int64_t i = 0; fits && i < type.getRank(); ++i)
    fits = type.getDimSize(i) == 1 || !differ(type.getDimSize(i), shape[skipped + i]);
  if (!fits)
    return check.fail(name, " has shape ", shapeString(type.getShape()), "; it must broadcast to ", shapeString(shape),
                      ", ", what);
  return success();
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                            SmallVectorImpl<Type> &types) {
  Check check = Check::of<AttentionOp>(loc);
  RankedTensorType q = typeOf(op.getQ()), k = typeOf(op.getK()), v = typeOf(op.getV());
  if (failed(check.floats(q.getElementType(), "q")) ||
      failed(check.same(q.getElementType(), k.getElementType(), "q and k")) ||
      failed(check.same(q.getElementType(), v.getElementType(), "q and v")))
    return failure();
  // nn_n27
  if (q.getRank() != 4 || k.getRank() != 4 || v.getRank() != 4)
    return check.fail("q, k, v have ranks ", q.getRank(), ", ", k.getRank(), ", ", v.getRank(),
                      "; attention takes [batch, heads, positions, size of a head]");
  auto agree = [&](RankedTensorType a, RankedTensorType b, int64_t axis, StringRef what) -> LogicalResult {
    if (!differ(a.getDimSize(axis), b.getDimSize(axis)))
      return success();
    return check.fail(what, " are ", a.getDimSize(axis), " and ", b.getDimSize(axis), "; they must be equal");
  };
  if (failed(agree(q, k, 0, "batches of q and k")) || failed(agree(q, v, 0, "batches of q and v")) ||
      failed(agree(k, v, 1, "heads of k and v")) || failed(agree(k, v, 2, "positions of k and v")) ||
      failed(agree(q, k, 3, "sizes of a head of q and k")))
    return failure();
  int64_t heads = q.getDimSize(1), groups = k.getDimSize(1);
  if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(groups) && (groups == 0 || heads % groups != 0))
    return check.fail("q has ", heads, " heads, k and v have ", groups, "; the former must be a multiple of the latter");
  SmallVector<int64_t> scores{q.getDimSize(0), heads, q.getDimSize(2), k.getDimSize(2)};
  if (ShapedType::isDynamic(scores[0]))
    scores[0] = ShapedType::isDynamic(k.getDimSize(0)) ? v.getDimSize(0) : k.getDimSize(0);
  if (ShapedType::isDynamic(scores[3]))
    scores[3] = v.getDimSize(2);
  if (Value mask = op.getMask()) {
    RankedTensorType type = typeOf(mask);
    if (!type.getElementType().isInteger(1) &&
        failed(check.same(q.getElementType(), type.getElementType(), "q and a mask that is not i1")))
      return failure();
    if (failed(verifyBroadcasts(check, type, "mask", scores, "[batch, heads, queries, keys]")))
      return failure();
  }
  if (!op.getScale().isFinite())
    return check.fail("scale is not finite");
  if (auto cap = op.getSoftcap(); cap && (cap->isNegative() || cap->isZero() || !cap->isFinite()))
    return check.fail("softcap is ", cap->convertToFloat(), "; it is a positive number (leave it out for none)");
  if (auto window = op.getWindow(); window && int64_t(*window) < 1)
    return check.fail("window is ", int64_t(*window), "; a query sees at least the key of its own position");
  return check.result({scores[0], heads, q.getDimSize(2), v.getDimSize(3)}, q.getElementType(), types);
}

LogicalResult RopeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                       SmallVectorImpl<Type> &types) {
  Check check = Check::of<RopeOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  if (failed(check.floats(x.getElementType(), "x")))
    return failure();
  if (x.getRank() < 2) // nn_n28
    return check.fail("x has rank ", x.getRank(), "; a rotary embedding takes [.., positions, size of a head]");
  RankedTensorType cos = typeOf(op.getCos()), sin = typeOf(op.getSin());
  std::pair<RankedTensorType, StringRef> tables[] = {{cos, "cos"}, {sin, "sin"}};
  for (auto [type, name] : tables) {
    if (failed(check.floats(type.getElementType(), name)))
      return failure();
    if (type.getRank() < 1) // nn_n28
      return check.fail(name, " is a scalar; it needs one entry for each rotated pair");
    int64_t pairs = type.getShape().back(), size = x.getShape().back();
    if (!ShapedType::isDynamic(pairs) && (pairs < 1 || (!ShapedType::isDynamic(size) && pairs > size / 2))) // nn_n28
      return check.fail(name, " rotates ", pairs, " pairs; a head of ", shapeString(size), " elements has ",
                        shapeString(ShapedType::isDynamic(size) ? size : size / 2));
    SmallVector<int64_t> shape(x.getShape());
    shape.back() = pairs;
    if (failed(verifyBroadcasts(check, type, name, shape, "the shape of x with one entry for each pair")))
      return failure();
  }
  if (differ(cos.getShape().back(), sin.getShape().back())) // nn_n28
    return check.fail("cos and sin rotate ", cos.getShape().back(), " and ", sin.getShape().back(),
                      " pairs; they must be equal");
  return check.result(x.getShape(), x.getElementType(), types);
}
