//===- TernFuse.cpp - QDQ form -> fused form ------------------------------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "dialects/Tern/Transforms/Planes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNFUSE
#include "dialects/Tern/Transforms/Passes.h.inc"
} // namespace tern

using namespace tern;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static Value constant(OpBuilder &builder, Location loc, float number) {
  auto type = RankedTensorType::get({}, builder.getF32Type());
  return arith::ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, number));
}

static Value binary(OpBuilder &builder, Location loc, nn::BinaryKind kind, Value lhs, Value rhs) {
  return nn::BinaryOp::create(builder, loc, kind, lhs, rhs, StringAttr());
}

//===-- products ------------------------------------------------------------===//

/// (T1) integer elements and scales that are constant along the reduction: one a tensor or row of x, one a channel of
/// w.
static bool isIntegerProduct(QuantType x, QuantType w, bool matmul, bool transposed) {
  auto constantAlong = [](QuantType type, ArrayRef<int64_t> axes) {
    Format format = type.getFormat().getFormat();
    return format.elem.isInteger() && llvm::all_of(format.planes, [&](const Plane &plane) {
             return (plane.role == Role::Scale || plane.role == Role::Zero) && llvm::all_of(axes, [&](int64_t axis) {
                      return plane.block.empty() || plane.block[axis] == kWhole ||
                             plane.block[axis] >= type.getShape()[axis];
                    });
           });
  };
  int64_t rank = w.getShape().size();
  if (matmul)
    return constantAlong(x, {int64_t(x.getShape().size()) - 1}) && constantAlong(w, {rank - 1});
  SmallVector<int64_t> xAxes = llvm::to_vector(llvm::seq<int64_t>(1, rank)), wAxes = xAxes;
  if (transposed)
    wAxes[0] = 0;
  return constantAlong(x, xAxes) && constantAlong(w, wAxes);
}

namespace {
/// One conv, conv_transpose or matmul on dequantized operands.
class ProductFuser {
public:
  explicit ProductFuser(Operation *op) : op(op), builder(op), loc(op->getLoc()) {}

  bool run() {
    auto x = op->getOperand(0).getDefiningOp<DequantizeOp>(), w = op->getOperand(1).getDefiningOp<DequantizeOp>();
    if (!x || !w)
      return false;
    xq = x.getQ(), wq = w.getQ();
    auto xType = cast<QuantType>(xq.getType()), wType = cast<QuantType>(wq.getType());
    bool matmul = isa<nn::MatmulOp>(op);
    if (!xType.getFormat().getFormat().elem.isInteger() || (matmul && !cast<nn::MatmulOp>(op).getTransposeB()))
      return false;
    integer = isIntegerProduct(xType, wType, matmul, isa<nn::ConvTransposeOp>(op));
    Value bias = op->getNumOperands() > 2 ? op->getOperand(2) : Value(), added = bias;
    if (integer && bias) {
      // An int32 bias starts the accumulator if it counts in the same unit; any other bias is added as a real number.
      auto dequantize = bias.getDefiningOp<DequantizeOp>();
      bool sameUnit = dequantize && countsAccumulators(dequantize.getQ());
      bias = sameUnit ? codesOf(dequantize.getQ()) : Value();
      added = sameUnit ? Value() : added;
    } else {
      added = {};
    }
    Value result = create(bias);
    if (integer) {
      result = nn::CastOp::create(builder, loc, tensorOf(op->getResult(0)), result, StringAttr());
      result = scaled(result);
    }
    if (added)
      result = binary(builder, loc, nn::BinaryKind::add, result, perChannel(added));
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
    return true;
  }

private:
  /// Codes of 32 bits without zero point, whose scale is s_x * s_w of each channel: as nn-quantize makes it, or as
  /// constants of a model that came quantized.
  bool countsAccumulators(Value bias) {
    Format format = cast<QuantType>(bias.getType()).getFormat().getFormat();
    SmallVector<Value> planes = knownPlanes(bias);
    if (!(format.elem == Element::si(32)) || planes.empty())
      return false;
    for (Value zero : ArrayRef(planes).drop_front())
      if (std::optional<std::vector<double>> numbers = nn::numbersOf(zero);
          !numbers || llvm::any_of(*numbers, [](double z) { return z != 0; }))
        return false;
    if (auto product = planes.front().getDefiningOp<nn::BinaryOp>()) {
      Value scale = product.getLhs();
      while (Operation *view = scale.getDefiningOp()) {
        if (!isa<nn::ReshapeOp, nn::CastOp>(view))
          break;
        scale = view->getOperand(0);
      }
      auto unbundle = scale.getDefiningOp<UnbundleOp>();
      return product.getKind() == nn::BinaryKind::mul && unbundle && unbundle.getQ() == wq;
    }
    SmallVector<Value> weight = knownPlanes(wq);
    std::optional<ScaleZero> x = constantScale(xq);
    std::optional<std::vector<double>> have = nn::numbersOf(planes.front()),
                                       w = weight.empty() ? std::nullopt : nn::numbersOf(weight.front());
    if (!x || !have || !w || have->empty() || w->empty())
      return false;
    size_t channels = std::max(have->size(), w->size());
    if ((have->size() != channels && have->size() != 1) || (w->size() != channels && w->size() != 1))
      return false;
    for (size_t i = 0; i < channels; ++i) {
      double unit = double(x->scale) * (*w)[w->size() == 1 ? 0 : i], scale = (*have)[have->size() == 1 ? 0 : i];
      if (std::abs(unit - scale) > 1e-5 * std::abs(unit))
        return false;
    }
    return true;
  }

  Value codesOf(Value q) {
    SmallVector<Type> types(llvm::map_range(cast<QuantType>(q.getType()).getPlaneTypes(),
                                            [](RankedTensorType type) -> Type { return type; }));
    return UnbundleOp::create(builder, loc, types, q).getPlanes().front();
  }

  Value create(Value bias) {
    RankedTensorType type = tensorOf(op->getResult(0));
    if (integer)
      type = type.clone(builder.getI32Type());
    auto choice = op->getAttrOfType<ChoiceAttr>("tern.choice");
    auto name = op->getAttrOfType<StringAttr>("name");
    if (isa<nn::MatmulOp>(op))
      return MatmulOp::create(builder, loc, type, xq, wq, bias, choice, name);
    auto ints = [&](StringRef attr) { return op->getAttrOfType<DenseI64ArrayAttr>(attr); };
    bool transposed = isa<nn::ConvTransposeOp>(op);
    int64_t group = op->getAttrOfType<IntegerAttr>("group") ? op->getAttrOfType<IntegerAttr>("group").getInt() : 1;
    return ConvOp::create(builder, loc, type, xq, wq, bias, ints("strides"), ints("pads"), ints("dilations"),
                          builder.getI64IntegerAttr(group), transposed ? builder.getUnitAttr() : UnitAttr(),
                          transposed ? ints("output_padding") : DenseI64ArrayAttr(), choice, name);
  }

  /// [O] -> [O, 1, ...] for convolutions: it broadcasts along the channels of the result.
  Value perChannel(Value value) {
    SmallVector<int64_t> shape{tensorOf(value).getNumElements()};
    if (!isa<nn::MatmulOp>(op))
      shape.resize(tensorOf(op->getResult(0)).getRank() - 1, 1);
    return nn::reshapeTo(builder, loc, value, shape);
  }

  /// acc * s_x * s_w; the constant part is one factor.
  Value scaled(Value acc) {
    Value weight = planesOf(builder, wq).front();
    if (!tensorOf(weight).getElementType().isF32())
      weight = nn::CastOp::create(builder, loc, tensorOf(weight).clone(builder.getF32Type()), weight, StringAttr());
    weight = perChannel(weight);
    Value x = planesOf(builder, xq).front();
    if (nn::isConstantExpression(x))
      return binary(builder, loc, nn::BinaryKind::mul, acc, binary(builder, loc, nn::BinaryKind::mul, weight, x));
    return binary(builder, loc, nn::BinaryKind::mul, binary(builder, loc, nn::BinaryKind::mul, acc, weight), x);
  }

  Operation *op;
  OpBuilder builder;
  Location loc;
  Value xq, wq;
  bool integer = false;
};

//===-- requantization ------------------------------------------------------===//

/// One addend of a rounded sum.
struct Term {
  Value value, multiplier;
  bool isCodes = false; ///< an accumulator or a residual: the point of fusing
};

class RequantizeFuser {
public:
  RequantizeFuser(QuantizeOp op, ScaleZero parameters) : op(op), parameters(parameters), builder(op), loc(op.getLoc()) {
    Element element = op.getResult().getType().getFormat().getFormat().elem;
    Encode by = op.getByAttr() ? op.getByAttr().getEncode() : Encode(Rule::Given);
    lo = by.low(element), hi = by.high(element);
  }

  void run() {
    Value x = peelClamps(op.getX());
    SmallVector<Term> terms;
    auto add = x.getDefiningOp<nn::BinaryOp>();
    if (add && add.getKind() == nn::BinaryKind::add && x.hasOneUse() && add.getLhs().getType() == add.getType() &&
        add.getRhs().getType() == add.getType()) {
      terms = {termOf(add.getLhs()), termOf(add.getRhs())};
      // Two real terms: their sum is rounded as it is.
      if (!terms[0].isCodes && !terms[1].isCodes)
        terms = {termOf(x)};
    } else {
      terms = {termOf(x)};
    }
    SmallVector<Value> values, multipliers;
    for (const Term &term : terms) {
      values.push_back(term.value);
      multipliers.push_back(term.multiplier);
    }
    auto name = op.getNameAttr();
    auto fused = RequantizeOp::create(builder, loc, op.getResult().getType(), values, multipliers, op.getPlanes()[0],
                                      op.getPlanes().size() > 1 ? op.getPlanes()[1] : Value(),
                                      builder.getI64IntegerAttr(lo), builder.getI64IntegerAttr(hi), name);
    op.getResult().replaceAllUsesWith(fused.getResult());
    op.erase();
  }

private:
  int64_t codeOf(double real) const {
    return quantizeLinear(float(real), parameters.scale, int32_t(parameters.zero), int32_t(lo), int32_t(hi));
  }

  /// relu and clip become the range of the codes: rounding is monotone.
  Value peelClamps(Value x) {
    while (x.hasOneUse()) {
      double low = -INFINITY, high = INFINITY;
      auto unary = x.getDefiningOp<nn::UnaryOp>();
      auto clip = x.getDefiningOp<nn::ClipOp>();
      if (unary && unary.getKind() == nn::UnaryKind::relu)
        low = 0;
      else if (clip) {
        low = clip.getMin() ? clip.getMin()->convertToDouble() : low;
        high = clip.getMax() ? clip.getMax()->convertToDouble() : high;
      } else {
        break;
      }
      int64_t newLo = std::isinf(low) ? lo : codeOf(low), newHi = std::isinf(high) ? hi : codeOf(high);
      if (low > high || newLo > newHi)
        break;
      lo = newLo, hi = newHi;
      x = x.getDefiningOp()->getOperand(0);
    }
    return x;
  }

  Term termOf(Value x) {
    // (acc as f32) * c
    auto product = x.getDefiningOp<nn::BinaryOp>();
    if (product && product.getKind() == nn::BinaryKind::mul && x.hasOneUse() &&
        nn::isConstantExpression(product.getRhs())) {
      auto cast = product.getLhs().getDefiningOp<nn::CastOp>();
      if (cast && cast.getResult().hasOneUse() && tensorOf(cast.getX()).getElementType().isInteger(32) &&
          cast.getX().getDefiningOp() && isa<ConvOp, MatmulOp>(cast.getX().getDefiningOp()))
        return {cast.getX(),
                binary(builder, loc, nn::BinaryKind::div, product.getRhs(), constant(builder, loc, parameters.scale)),
                true};
    }
    if (auto dequantize = x.getDefiningOp<DequantizeOp>())
      if (std::optional<ScaleZero> residual = constantScale(dequantize.getQ()))
        return {dequantize.getQ(), constant(builder, loc, residual->scale / parameters.scale), true};
    return {x, constant(builder, loc, 1.0f / parameters.scale), false};
  }

  QuantizeOp op;
  ScaleZero parameters;
  OpBuilder builder;
  Location loc;
  int64_t lo, hi;
};

struct TernFuse : tern::impl::TernFuseBase<TernFuse> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<nn::ConvOp, nn::ConvTransposeOp, nn::MatmulOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      products += ProductFuser(op).run();
    SmallVector<QuantizeOp> quantizes;
    getOperation().walk([&](QuantizeOp op) {
      std::optional<ScaleZero> parameters = constantScale(op.getResult());
      if (parameters && isComputed(op) && !op.getMethodAttr())
        quantizes.push_back(op);
    });
    for (QuantizeOp op : quantizes) {
      RequantizeFuser(op, *constantScale(op.getResult())).run();
      ++requantized;
    }
    removeDead();
  }

private:
  /// The value is the result of arithmetic. What the graph is given keeps its division, as ONNX defines it; the
  /// rounding behind a max pool or nearest resize changes nothing and stays recognisable.
  static bool isComputed(QuantizeOp op) {
    Operation *producer = op.getX().getDefiningOp();
    return producer && isa<nn::NNDialect>(producer->getDialect()) && !nn::movesCodes(producer) &&
           !nn::keepsCodes(producer) && tensorOf(op.getX()).getElementType().isF32() &&
           !nn::isConstantExpression(op.getX());
  }

  void removeDead() {
    SmallVector<Operation *> all;
    getOperation().walk([&](Operation *op) { all.push_back(op); });
    for (Operation *op : llvm::reverse(all))
      if (isOpTriviallyDead(op))
        op->erase();
  }
};
} // namespace
