//===- Quant.cpp - tern ops on lib/Formats --------------------------------===//
#include "lib/Quantize/Method.h"
#include "lib/Reference/Ops.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;

namespace tern::reference {

static Span<const int64_t> span(ArrayRef<int64_t> shape) { return {shape.data(), shape.size()}; }

static ConstBytes bytesOf(const Tensor &tensor) {
  return {reinterpret_cast<const uint8_t *>(tensor.bytes().data()), tensor.bytes().size()};
}

static RankedTensorType f32Like(RankedTensorType type) { return type.clone(Float32Type::get(type.getContext())); }

/// Elements as f32, rounded once.
static Tensor toFloats(const Tensor &tensor) {
  return tensor.getElementType().isF32() ? tensor : fromReals(f32Like(tensor.getType()), toReals(tensor));
}

/// The f32 values of a quantized tensor in another format over a subset of its planes.
static FailureOr<Tensor> decodeAs(Operation *op, const QuantValue &value, const Format &format,
                                  ArrayRef<ConstBytes> planes) {
  Tensor result(f32Like(value.type.getExpressedTensor()));
  std::string error = decode(format, span(value.type.getShape()), Span<const ConstBytes>(planes.data(), planes.size()),
                             result.mutableData<float>().data());
  if (!error.empty())
    return op->emitOpError() << error;
  return result;
}

static FailureOr<Tensor> decodeAll(Operation *op, const QuantValue &value) {
  return decodeAs(op, value, value.type.getFormat().getFormat(), llvm::map_to_vector(value.planes, bytesOf));
}

/// code - zero, exact in f32.
static FailureOr<Tensor> decodeUnscaled(Operation *op, const QuantValue &value) {
  Format all = value.type.getFormat().getFormat(), unscaled{all.elem, {}};
  SmallVector<ConstBytes> planes{bytesOf(value.planes[0])};
  for (auto [plane, tensor] : llvm::zip(all.planes, ArrayRef(value.planes).drop_front())) {
    if (plane.role == Role::Scale)
      continue;
    unscaled.planes.push_back(plane);
    planes.push_back(bytesOf(tensor));
  }
  return decodeAs(op, value, unscaled, planes);
}

static Results quantize(QuantizeOp op, Operands in) {
  QuantType type = op.getType();
  Format format = type.getFormat().getFormat();
  Encode encode = op.getByAttr() ? op.getByAttr().getEncode() : Encode(Rule::Given);
  Tensor x = toFloats(asTensor(in[0]));
  QuantValue result{type, {}};
  SmallVector<Bytes> planes;
  for (auto [i, planeType] : llvm::enumerate(type.getPlaneTypes())) {
    Tensor plane(planeType);
    if (i > 0 && in.size() > 1)
      plane = Tensor::of<char>(planeType, asTensor(in[i]).bytes());
    MutableArrayRef<uint8_t> bytes = plane.mutableData<uint8_t>();
    planes.push_back({bytes.data(), bytes.size()});
    result.planes.push_back(plane);
  }
  const float *values = x.data<float>().data();
  Span<const Bytes> views(planes.data(), planes.size());
  std::string error = in.size() > 1 ? encodeCodes(format, encode, span(type.getShape()), values, views)
                      : op.getMethod()
                          ? quantizeWeight(op.getMethod()->str(), values, span(type.getShape()), format, encode, views)
                          : encodeTensor(format, encode, span(type.getShape()), values, views);
  if (!error.empty())
    return op.emitOpError() << error;
  return SmallVector<Value>{result};
}

static Results dequantize(DequantizeOp op, const QuantValue &q) {
  FailureOr<Tensor> values = decodeAll(op, q);
  if (failed(values))
    return failure();
  return SmallVector<Value>{op.getType().getElementType().isF32() ? *values
                                                                  : fromReals(op.getType(), toReals(*values))};
}

/// A value holds plain planes, whatever its layout: buffers are unpacked here.
static Results bundle(BundleOp op, Operands in) {
  QuantValue result{op.getType(), {}};
  if (!op.getType().getLayout()) {
    for (const Value &plane : in)
      result.planes.push_back(asTensor(plane));
    return SmallVector<Value>{result};
  }
  SmallVector<ConstBytes> buffers;
  SmallVector<Bytes> planes;
  for (const Value &buffer : in)
    buffers.push_back(bytesOf(asTensor(buffer)));
  for (RankedTensorType type : op.getType().getPlaneTypes()) {
    Tensor plane(type);
    MutableArrayRef<uint8_t> bytes = plane.mutableData<uint8_t>();
    planes.push_back({bytes.data(), bytes.size()});
    result.planes.push_back(plane);
  }
  std::string error = cast<LayoutInterface>(op.getType().getLayout())
                          .getLayout()
                          ->unpack(op.getType().getFormat().getFormat(), span(op.getType().getShape()),
                                   Span<const ConstBytes>(buffers.data(), buffers.size()),
                                   Span<const Bytes>(planes.data(), planes.size()));
  if (!error.empty())
    return op.emitOpError() << error;
  return SmallVector<Value>{result};
}

/// x and w of a fused product as doubles: integers without scales (T1), else the real numbers.
static FailureOr<std::vector<double>> factor(Operation *op, const Value &value, bool integer) {
  auto *quant = std::get_if<QuantValue>(&value);
  if (!quant)
    return toReals(asTensor(value));
  FailureOr<Tensor> values = integer ? decodeUnscaled(op, *quant) : decodeAll(op, *quant);
  if (failed(values))
    return failure();
  return toReals(*values);
}

static ArrayRef<int64_t> shapeOf(const Value &value) {
  if (auto *quant = std::get_if<QuantValue>(&value))
    return quant->type.getShape();
  return asTensor(value).getShape();
}

/// Adds the bias of each channel and rounds once; integer sums (exact in double below 2^53) wrap to i32.
static Results finishProduct(RankedTensorType type, std::vector<double> &sums, Operands in, int64_t channels,
                             int64_t inner) {
  if (in.size() > 2) {
    std::vector<double> bias = toReals(asTensor(in[2]));
    for (size_t i = 0; i < sums.size(); ++i)
      sums[i] += bias[int64_t(i) / inner % channels];
  }
  if (!type.getElementType().isInteger(32))
    return SmallVector<Value>{fromReals(type, sums)};
  std::vector<int64_t> integers(sums.begin(), sums.end());
  return SmallVector<Value>{fromIntegers(type, integers)};
}

static Results matmul(MatmulOp op, Operands in) {
  RankedTensorType type = op.getType();
  bool integer = type.getElementType().isInteger(32);
  FailureOr<std::vector<double>> x = factor(op, in[0], integer), w = factor(op, in[1], integer);
  if (failed(x) || failed(w))
    return failure();
  ArrayRef<int64_t> xShape = shapeOf(in[0]), wShape = shapeOf(in[1]), batch = type.getShape().drop_back(2);
  int64_t m = type.getShape()[batch.size()], n = type.getShape().back(), k = xShape.back();
  std::vector<double> sums(type.getNumElements());
  std::array<SmallVector<int64_t>, 2> strides = {broadcastStrides(xShape.drop_back(2), batch),
                                                 broadcastStrides(wShape.drop_back(2), batch)};
  forElements<2>(batch, strides, [&](int64_t i, const auto &at) {
    std::vector<double> weights = transposed(w->data() + at[1] * n * k, n, k);
    multiply(m, n, k, x->data() + at[0] * m * k, weights.data(), sums.data() + i * m * n);
  });
  return finishProduct(type, sums, in, n, 1);
}

static Results conv(ConvOp op, Operands in) {
  RankedTensorType type = op.getType();
  bool integer = type.getElementType().isInteger(32);
  FailureOr<std::vector<double>> x = factor(op, in[0], integer), w = factor(op, in[1], integer);
  if (failed(x) || failed(w))
    return failure();
  ConvShape shape = convShape(shapeOf(in[0]), shapeOf(in[1]), type.getShape(), op.getStrides(), op.getPads(),
                              op.getDilations(), op.getGroup());
  std::vector<double> sums(type.getNumElements());
  if (op.getTransposed())
    convolveTransposed<double>(shape, x->data(), w->data(), sums.data());
  else
    convolve<double>(shape, x->data(), w->data(), sums.data());
  return finishProduct(type, sums, in, type.getDimSize(1), ShapedType::getNumElements(type.getShape().drop_front(2)));
}

/// (T2) Every operation is f32 and rounds; nothing is fused.
static Results requantize(RequantizeOp op, Operands in) {
  QuantType type = op.getType();
  RankedTensorType floats = f32Like(type.getExpressedTensor());
  unsigned terms = op.getTerms().size();
  std::vector<float> sums(floats.getNumElements());
  for (unsigned t = 0; t < terms; ++t) {
    auto *quant = std::get_if<QuantValue>(&in[t]);
    FailureOr<Tensor> term = quant ? decodeUnscaled(op, *quant)
                             : isa<IntegerType>(asTensor(in[t]).getElementType())
                                 ? fromIntegers(floats, toIntegers(asTensor(in[t])))
                                 : toFloats(asTensor(in[t]));
    if (failed(term))
      return failure();
    Tensor multiplier = toFloats(asTensor(in[terms + t]));
    ArrayRef<float> x = term->data<float>(), m = multiplier.data<float>();
    forElements<1>(floats.getShape(), {broadcastStrides(multiplier.getShape(), floats.getShape())},
                   [&](int64_t i, const auto &at) {
                     volatile float product = x[i] * m[at[0]];
                     sums[i] = t == 0 ? float(product) : sums[i] + product;
                   });
  }
  // -zero, as the value of code 0.
  QuantValue result{type, {}};
  for (RankedTensorType plane : type.getPlaneTypes())
    result.planes.push_back(Tensor(plane));
  for (unsigned i = 2 * terms; i < in.size(); ++i)
    result.planes[i - 2 * terms + 1] = asTensor(in[i]);
  FailureOr<Tensor> zeros = decodeUnscaled(op, result);
  if (failed(zeros))
    return failure();
  std::vector<int32_t> codes;
  for (auto [sum, minusZero] : llvm::zip(sums, zeros->data<float>())) {
    double code = (std::isnan(sum) ? 0 : std::nearbyint(double(sum))) - double(minusZero);
    codes.push_back(std::clamp<double>(code, int64_t(op.getLo()), int64_t(op.getHi())));
  }
  int bits = type.getFormat().getFormat().elem.bits;
  int64_t row = type.getShape().empty() ? 1 : type.getShape().back(), packed = packedBytes(row, bits);
  uint8_t *to = result.planes[0].mutableData<uint8_t>().data();
  for (int64_t i = 0, rows = row ? int64_t(codes.size()) / row : 0; i < rows; ++i)
    packCodes(bits, row, codes.data() + i * row, to + i * packed);
  return SmallVector<Value>{result};
}

Results evaluateTern(Operation *op, Operands in) {
  return TypeSwitch<Operation *, Results>(op)
      .Case([&](QuantizeOp op) { return quantize(op, in); })
      .Case([&](DequantizeOp op) { return dequantize(op, std::get<QuantValue>(in[0])); })
      .Case([&](BundleOp op) { return bundle(op, in); })
      .Case([&](UnbundleOp op) -> Results {
        ArrayRef<Tensor> planes = std::get<QuantValue>(in[0]).planes;
        return SmallVector<Value>(planes.begin(), planes.end());
      })
      .Case([&](MatmulOp op) { return matmul(op, in); })
      .Case([&](ConvOp op) { return conv(op, in); })
      .Case([&](RequantizeOp op) { return requantize(op, in); })
      .Default([](Operation *op) -> Results { return op->emitOpError("cannot be evaluated"); });
}

} // namespace tern::reference
