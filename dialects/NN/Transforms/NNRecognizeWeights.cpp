//===- NNRecognizeWeights.cpp - cast(codes) * scale is a quantized weight ---===//
#include "dialects/NN/IR/Shapes.h"
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/Tern/IR/Tern.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNRECOGNIZEWEIGHTS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern;
using namespace tern::nn;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The block of a parameter that broadcasts to a tensor; nothing when it does not.
static std::optional<std::vector<int64_t>> blockOf(ArrayRef<int64_t> parameter, ArrayRef<int64_t> shape) {
  if (ShapedType::getNumElements(parameter) == 1)
    return std::vector<int64_t>();
  if (parameter.size() > shape.size())
    return std::nullopt;
  std::vector<int64_t> block(shape.size(), kWhole);
  for (auto [i, size] : llvm::enumerate(parameter)) {
    size_t at = shape.size() - parameter.size() + i;
    if (size != 1 && size != shape[at])
      return std::nullopt;
    if (size == shape[at])
      block[at] = 1;
  }
  return block;
}

namespace {
/// What an expression on constants says: codes, and what is subtracted from them.
struct Codes {
  Value codes; ///< integers
  Value zero;  ///< null: nothing
};

class Recognizer {
public:
  Recognizer(BinaryOp product, ConstantExpressions &constants) : product(product), constants(constants), builder(product) {}

  /// The dequantized weight, or null.
  Value run() {
    for (auto [x, scale] : {std::pair(product.getLhs(), product.getRhs()), std::pair(product.getRhs(), product.getLhs())}) {
      if (typeOf(x) != product.getType() || !isParameter(scale, x))
        continue;
      if (std::optional<Codes> codes = read(x))
        if (Value weight = build(*codes, scale))
          return weight;
    }
    return {};
  }

private:
  /// A constant that is smaller than the weight.
  bool isParameter(Value value, Value weight) {
    Operation *op = value.getDefiningOp();
    return op && constants.contains(value) && typeOf(value).getNumElements() < typeOf(weight).getNumElements();
  }

  /// Whether every value of the integer type is exact in the float type.
  static bool isExact(Type integer, Type floating) {
    auto from = dyn_cast<IntegerType>(integer);
    auto to = dyn_cast<FloatType>(floating);
    return from && to && from.getWidth() > 1 && from.getWidth() <= to.getFPMantissaWidth();
  }

  /// Integers that are the codes: of 8 or 16 bits, perhaps cast to wider integers and subtracted there.
  std::optional<Codes> readIntegers(Value x) {
    Type element = typeOf(x).getElementType();
    if (!constants.contains(x) || !isa<IntegerType>(element))
      return std::nullopt;
    if (element.isInteger(8) || element.isInteger(16))
      return Codes{x, {}};
    if (auto cast = x.getDefiningOp<CastOp>()) {
      auto from = dyn_cast<IntegerType>(typeOf(cast.getX()).getElementType());
      return from && from.getWidth() < element.getIntOrFloatBitWidth() ? readIntegers(cast.getX()) : std::nullopt;
    }
    auto difference = x.getDefiningOp<BinaryOp>();
    if (!difference || difference.getKind() != BinaryKind::sub || typeOf(difference.getLhs()) != typeOf(x) ||
        element.isUnsignedInteger() || !isParameter(difference.getRhs(), x))
      return std::nullopt;
    std::optional<Codes> codes = readIntegers(difference.getLhs());
    if (!codes || codes->zero)
      return std::nullopt;
    codes->zero = difference.getRhs();
    return codes;
  }

  std::optional<Codes> read(Value x) {
    Operation *op = x.getDefiningOp();
    if (auto cast = dyn_cast_or_null<CastOp>(op)) {
      std::optional<Codes> codes = readIntegers(cast.getX());
      if (!codes || !isExact(typeOf(codes->codes).getElementType(), typeOf(x).getElementType()))
        return std::nullopt;
      return codes;
    }
    if (auto difference = dyn_cast_or_null<BinaryOp>(op)) {
      if (difference.getKind() != BinaryKind::sub || typeOf(difference.getLhs()) != typeOf(x) ||
          !isParameter(difference.getRhs(), x))
        return std::nullopt;
      std::optional<Codes> codes = read(difference.getLhs());
      if (!codes || codes->zero)
        return std::nullopt;
      codes->zero = difference.getRhs();
      return codes;
    }
    // A move of the numbers is one of the codes, when there is nothing else to move.
    if (op && isa<TransposeOp, ReshapeOp>(op)) {
      std::optional<Codes> codes = read(op->getOperand(0));
      if (!codes || (codes->zero && typeOf(codes->zero).getNumElements() != 1))
        return std::nullopt;
      OperationState state(op->getLoc(), op->getName());
      state.addOperands(codes->codes);
      state.addTypes(typeOf(x).clone(typeOf(codes->codes).getElementType()));
      state.addAttributes(op->getAttrs());
      state.attributes.erase("name");
      codes->codes = builder.create(state)->getResult(0);
      return codes;
    }
    return std::nullopt;
  }

  Value plane(Value value, RankedTensorType type) {
    if (typeOf(value).getElementType() != type.getElementType())
      value = CastOp::create(builder, product.getLoc(), typeOf(value).clone(type.getElementType()), value, StringAttr());
    return reshapeTo(builder, product.getLoc(), value, type.getShape());
  }

  Value build(const Codes &codes, Value scale) {
    RankedTensorType type = product.getType();
    Type code = typeOf(codes.codes).getElementType();
    int bits = code.getIntOrFloatBitWidth();
    Element element = code.isUnsignedInteger() ? Element::ui(bits) : Element::si(bits);
    auto scaleBlock = blockOf(typeOf(scale).getShape(), type.getShape());
    std::optional<Element> scaleType = elementOf(typeOf(scale).getElementType());
    if (!scaleBlock || !scaleType || !scaleType->isFloat())
      return {};
    Format format;
    format.elem = element;
    format.planes.push_back({Role::Scale, *scaleType, *scaleBlock});
    bool isZeroFloat = false;
    if (codes.zero) {
      auto block = blockOf(typeOf(codes.zero).getShape(), type.getShape());
      if (!block)
        return {};
      // A zero point that is a code where it is known to be one, else a float.
      std::optional<std::vector<double>> numbers = numbersOf(codes.zero);
      isZeroFloat = !numbers || llvm::any_of(*numbers, [&](double z) {
        return z != std::floor(z) || z < double(element.minCode()) || z > double(element.maxCode());
      });
      format.planes.push_back({Role::Zero, isZeroFloat ? Element::f32() : element, *block});
    }
    if (!verify(format, Span<const int64_t>(type.getShape().data(), type.getShape().size())).empty())
      return {};
    MLIRContext *context = builder.getContext();
    auto quant = QuantType::get(type, FormatAttr::get(context, format));
    SmallVector<RankedTensorType> types = quant.getPlaneTypes();
    SmallVector<Value> planes{plane(codes.codes, types[0]), plane(scale, types[1])};
    if (codes.zero) {
      Value zero = codes.zero;
      // To a signless plane by way of the code's own type.
      if (!isZeroFloat)
        zero = CastOp::create(builder, product.getLoc(), typeOf(zero).clone(code), zero, StringAttr());
      planes.push_back(plane(zero, types[2]));
    }
    Value bundle = BundleOp::create(builder, product.getLoc(), quant, planes);
    return DequantizeOp::create(builder, product.getLoc(), type, bundle, product.getNameAttr());
  }

  BinaryOp product;
  ConstantExpressions &constants;
  OpBuilder builder;
};

struct NNRecognizeWeights : tern::nn::impl::NNRecognizeWeightsBase<NNRecognizeWeights> {
  void runOnOperation() override {
    SmallVector<BinaryOp> products;
    ConstantExpressions constants;
    getOperation().walk([&](BinaryOp op) {
      if (op.getKind() == BinaryKind::mul && constants.contains(op.getResult()) && isa<FloatType>(op.getType().getElementType()))
        products.push_back(op);
    });
    bool found = false;
    for (BinaryOp op : products) {
      Value weight = Recognizer(op, constants).run();
      if (!weight)
        continue;
      auto format = cast<QuantType>(weight.getDefiningOp<DequantizeOp>().getQ().getType()).getFormat().getFormat().str();
      remark::passed(op.getLoc(), remark::RemarkOpts::name("QuantizedWeight").category("nn-recognize-weights").function(nameOf(op)))
          << remark::reason("{0}", format);
      op.getResult().replaceAllUsesWith(weight);
      ++recognized;
      found = true;
    }
    SmallVector<Operation *> all;
    getOperation().walk([&](Operation *op) { all.push_back(op); });
    if (found)
      for (Operation *op : llvm::reverse(all))
        if (isOpTriviallyDead(op))
          op->erase();
  }
};
} // namespace
