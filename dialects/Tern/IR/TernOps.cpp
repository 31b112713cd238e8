//===- TernOps.cpp - verifiers of the tern ops -----------------------------===//
#include "dialects/NN/IR/Shapes.h"
#include "dialects/Tern/IR/Tern.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace tern;

#define GET_OP_CLASSES
#include "dialects/Tern/IR/TernOps.cpp.inc"

/// The planes of a quantized value are exactly `expected`.
static LogicalResult verifyPlanes(Operation *op, ValueRange planes, ArrayRef<RankedTensorType> expected,
                                  StringRef what) {
  if (planes.size() != expected.size())
    return op->emitOpError() << "has " << planes.size() << " " << what << "; the type has " << expected.size();
  for (auto [index, plane] : llvm::enumerate(planes))
    if (plane.getType() != expected[index])
      return op->emitOpError() << what << " " << index << " is " << plane.getType() << "; the format says "
                               << expected[index];
  return success();
}

LogicalResult QuantizeOp::verify() {
  QuantType type = getResult().getType();
  if (type.getExpressedTensor() != getX().getType())
    return emitOpError() << "quantizes " << getX().getType() << " into a value of " << type.getExpressedTensor();
  if (EncodeAttr by = getByAttr()) {
    std::string error = tern::verify(by.getEncode(), type.getFormat().getFormat());
    if (!error.empty())
      return emitOpError() << error;
  }
  if (!getPlanes().empty()) {
    SmallVector<RankedTensorType> expected = type.getPlaneTypes();
    return verifyPlanes(*this, getPlanes(), ArrayRef(expected).drop_front(), "plane operands");
  }
  if (!getByAttr())
    return emitOpError("has neither planes nor 'by': it must say how its planes are chosen");
  bool hasPlanes = !type.getFormat().getPlanes().empty();
  if (getByAttr().getRule() == EncodeRule::given && !getMethod() && hasPlanes)
    return emitOpError("has rule 'given' but neither planes nor a method that gives them");
  return success();
}

LogicalResult DequantizeOp::verify() {
  if (getQ().getType().getExpressedTensor() != getResult().getType())
    return emitOpError() << "yields " << getResult().getType() << "; the value stands for "
                         << getQ().getType().getExpressedTensor();
  return success();
}

LogicalResult BundleOp::verify() {
  QuantType type = getResult().getType();
  return verifyPlanes(*this, getPlanes(), type.getStoredTypes(), type.getLayout() ? "buffers" : "planes");
}

LogicalResult UnbundleOp::verify() {
  QuantType type = getQ().getType();
  if (type.getLayout())
    return emitOpError("takes a value without layout");
  return verifyPlanes(*this, getPlanes(), type.getPlaneTypes(), "planes");
}

/// The shape of a tensor or quantized operand.
static ArrayRef<int64_t> shapeOf(Value value) {
  if (auto quant = dyn_cast<QuantType>(value.getType()))
    return quant.getShape();
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// Every scale plane of an integer format has one value per row of the reduction: blocks are whole along all axes in
/// `reduced`.
static bool scalesConstantAlong(Value value, ArrayRef<int64_t> reduced) {
  auto quant = dyn_cast<QuantType>(value.getType());
  if (!quant)
    return false;
  Format format = quant.getFormat().getFormat();
  if (!format.elem.isInteger())
    return false;
  for (const Plane &plane : format.planes) {
    if (plane.role != Role::Scale && plane.role != Role::Zero)
      return false;
    for (int64_t axis : plane.block.empty() ? ArrayRef<int64_t>() : reduced)
      if (plane.block[axis] != kWhole && plane.block[axis] < quant.getShape()[axis])
        return false;
  }
  return true;
}

/// (T1) the result is i32 when both elements are integers and all scales are constant along the reduction.
static LogicalResult verifyT1(Operation *op, Value x, ArrayRef<int64_t> xReduced, Value w, ArrayRef<int64_t> wReduced,
                              Value bias) {
  bool integer = scalesConstantAlong(x, xReduced) && scalesConstantAlong(w, wReduced);
  Type element = cast<RankedTensorType>(op->getResult(0).getType()).getElementType();
  if (integer != element.isInteger(32))
    return op->emitOpError() << "(T1) yields " << element << "; with these formats it yields "
                             << (integer ? "i32 (integer elements, scales constant along the reduction)"
                                         : "the expressed type");
  if (bias && cast<RankedTensorType>(bias.getType()).getElementType() != element)
    return op->emitOpError() << "(T1) bias is " << bias.getType() << "; it has the element type of the result, "
                             << element;
  return success();
}

/// (T4) the shapes of operands, attributes and result are those of the nn op; `expected` is the result's, empty when
/// there is none.
static LogicalResult verifyT4(Operation *op, Value bias, int64_t channels,
                              std::optional<SmallVector<int64_t>> expected) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (!expected)
    return op->emitOpError("(T4) has operands whose shapes do not fit each other");
  auto wanted = RankedTensorType::get(*expected, type.getElementType());
  if (!nn::areCompatible({wanted}, {type}))
    return op->emitOpError() << "(T4) yields " << type << "; these operands give " << wanted;
  auto biasType = bias ? cast<RankedTensorType>(bias.getType()) : RankedTensorType();
  if (bias && (biasType.getRank() != 1 || biasType.getDimSize(0) != channels))
    return op->emitOpError() << "(T4) bias is " << biasType << "; it needs one entry for each of the " << channels
                             << " output channels";
  return success();
}

LogicalResult MatmulOp::verify() {
  int64_t xRank = shapeOf(getX()).size(), wRank = shapeOf(getW()).size();
  if (xRank < 2 || wRank < 2)
    return emitOpError() << "has operands of rank " << xRank << " and " << wRank << "; both need at least 2";
  if (shapeOf(getX()).back() != shapeOf(getW()).back())
    return emitOpError() << "reduces " << shapeOf(getX()).back() << " columns of x against " << shapeOf(getW()).back()
                         << " of w (w is [.., N, K])";
  ArrayRef<int64_t> x = shapeOf(getX()), w = shapeOf(getW());
  std::optional<SmallVector<int64_t>> expected = nn::broadcastShapes({x.drop_back(2), w.drop_back(2)});
  int64_t n = w[wRank - 2];
  if (expected)
    expected->append({x[xRank - 2], n});
  if (failed(verifyT4(*this, getBias(), n, expected)))
    return failure();
  return verifyT1(*this, getX(), {xRank - 1}, getW(), {wRank - 1}, getBias());
}

/// The result's shape of a convolution with checked attributes; none when channels, groups or windows do not fit.
static std::optional<SmallVector<int64_t>> convShape(tern::ConvOp op) {
  ArrayRef<int64_t> x = shapeOf(op.getX()), w = shapeOf(op.getW());
  int64_t group = op.getGroup(), spatial = x.size() - 2;
  if (group < 1 || x[1] % group != 0 || (op.getTransposed() ? w[0] != x[1] : w[1] != x[1] / group || w[0] % group != 0))
    return std::nullopt;
  SmallVector<int64_t> shape{x[0], op.getTransposed() ? w[1] * group : w[0]};
  for (int64_t d = 0; d < spatial; ++d) {
    nn::Window window{w[d + 2], op.getStrides()[d], op.getDilations()[d], op.getPads()[d], op.getPads()[spatial + d]};
    int64_t extra = op.getOutputPadding() ? (*op.getOutputPadding())[d] : 0;
    std::optional<int64_t> size =
        op.getTransposed() ? nn::transposedSize(x[d + 2], window, extra) : nn::windowCount(x[d + 2], window);
    if (!size || *size < 1)
      return std::nullopt;
    shape.push_back(*size);
  }
  return shape;
}

LogicalResult tern::ConvOp::verify() {
  int64_t rank = shapeOf(getX()).size();
  if (rank < 3 || static_cast<int64_t>(shapeOf(getW()).size()) != rank)
    return emitOpError() << "has x of rank " << rank << " and w of rank " << shapeOf(getW()).size()
                         << "; both have one batch, one channel and at least one spatial dimension";
  if (static_cast<int64_t>(getStrides().size()) != rank - 2 ||
      static_cast<int64_t>(getPads().size()) != 2 * (rank - 2) ||
      static_cast<int64_t>(getDilations().size()) != rank - 2)
    return emitOpError() << "needs " << rank - 2 << " strides and dilations and " << 2 * (rank - 2) << " pads";
  if (getOutputPadding() && static_cast<int64_t>(getOutputPadding()->size()) != rank - 2)
    return emitOpError() << "needs " << rank - 2 << " entries of output_padding";
  auto below = [](ArrayRef<int64_t> values, int64_t least) {
    return llvm::any_of(values, [&](int64_t v) { return v < least; });
  };
  if (below(getStrides(), 1) || below(getDilations(), 1) || below(getPads(), 0) ||
      below(getOutputPadding().value_or(ArrayRef<int64_t>()), 0))
    return emitOpError("(T4) has strides and dilations below 1 or negative padding");
  bool known = !llvm::is_contained(shapeOf(getX()), ShapedType::kDynamic) &&
               !llvm::is_contained(shapeOf(getW()), ShapedType::kDynamic);
  ArrayRef<int64_t> result = cast<RankedTensorType>(getResult().getType()).getShape();
  if (failed(verifyT4(*this, getBias(), result.size() > 1 ? result[1] : 0,
                      known ? convShape(*this) : std::optional(SmallVector<int64_t>(result)))))
    return failure();
  SmallVector<int64_t> spatial = llvm::to_vector(llvm::seq<int64_t>(2, rank));
  SmallVector<int64_t> xReduced{1}, wReduced{getTransposed() ? 0 : 1};
  xReduced.append(spatial);
  wReduced.append(spatial);
  return verifyT1(*this, getX(), xReduced, getW(), wReduced, getBias());
}

LogicalResult RequantizeOp::verify() {
  if (getTerms().empty() || getTerms().size() > 2 || getTerms().size() != getMultipliers().size())
    return emitOpError() << "(T2) has " << getTerms().size() << " terms and " << getMultipliers().size()
                         << " multipliers; it takes one or two terms, each with its multiplier";
  ArrayRef<int64_t> shape = getResult().getType().getShape();
  for (Value term : getTerms())
    if (shapeOf(term) != shape)
      return emitOpError() << "(T2) term " << term.getType() << " has another shape than the result";
  for (Value multiplier : getMultipliers()) {
    auto broadcast = nn::broadcastShapes({shapeOf(multiplier), shape});
    if (!cast<RankedTensorType>(multiplier.getType()).getElementType().isF32() || !broadcast ||
        ArrayRef(*broadcast) != shape)
      return emitOpError() << "(T2) multiplier " << multiplier.getType()
                           << " is no f32 tensor that broadcasts to the result";
  }
  SmallVector<RankedTensorType> planes = getResult().getType().getPlaneTypes();
  SmallVector<Value> given{getScale()};
  if (getZero())
    given.push_back(getZero());
  if (failed(verifyPlanes(*this, given, ArrayRef(planes).drop_front(), "planes")))
    return failure();
  Element element = getResult().getType().getFormat().getFormat().elem;
  int64_t lo = getLo(), hi = getHi();
  if (lo > hi || lo < element.minCode() || hi > element.maxCode())
    return emitOpError() << "(T2) clamps to [" << lo << ", " << hi << "]; codes of " << element.str() << " are "
                         << element.minCode() << " to " << element.maxCode();
  return success();
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee = symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError() << "calls @" << getCallee() << ", which is no function of this module";
  if (TypeRange(callee.getArgumentTypes()) != TypeRange(getIns()) ||
      TypeRange(callee.getResultTypes()) != TypeRange(getOuts()))
    return emitOpError() << "does not fit the type of @" << getCallee() << ", " << callee.getFunctionType();
  return success();
}
