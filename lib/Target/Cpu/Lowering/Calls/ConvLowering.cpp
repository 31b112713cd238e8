//===- ConvLowering.cpp - convolutions and matrix products -> ConvProblem ---===//
#include "lib/Target/Cpu/Lowering/Calls/ConvLowering.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Problems/Pack.h"

using namespace mlir;

namespace tern::cpu {

bool ConvLowering::refuse(const Twine &reason) {
  why = reason.str();
  return false;
}

/// Pixels that are read behind the last one of an axis, at most, and whether every phase of a transposed convolution has as
/// many positions, whatever the size.
static std::pair<int64_t, bool> reachOf(int64_t kernel, int64_t stride, int64_t dilation, int64_t padLow, int64_t padHigh, int64_t extra,
                                        bool transposed) {
  if (!transposed)
    return {padHigh, true};
  int64_t more = (kernel - 1) * dilation + extra - padHigh;
  return {more > 0 ? more / stride : 0, (more + 1 - padLow) % stride == 0};
}

/// Strides, pads, dilations of the spatial dimensions; one dimension is the width.
template <typename Op> static void readWindow(Op op, ArrayRef<int64_t> kernel, ConvProblem &conv) {
  bool twoD = kernel.size() == 2;
  conv.kw = kernel.back();
  conv.strideW = op.getStrides().back();
  conv.dilationW = op.getDilations().back();
  conv.padLeft = op.getPads()[twoD ? 1 : 0];
  if (twoD) {
    conv.kh = kernel[0];
    conv.strideH = op.getStrides()[0];
    conv.dilationH = op.getDilations()[0];
    conv.padTop = op.getPads()[0];
  }
  conv.groups = op.getGroup();
  if constexpr (std::is_same_v<Op, nn::ConvTransposeOp>)
    conv.transposed = true;
  else if constexpr (std::is_same_v<Op, ConvOp>)
    conv.transposed = op.getTransposed();
  ArrayRef<int64_t> extra;
  if constexpr (std::is_same_v<Op, nn::ConvTransposeOp>)
    extra = op.getOutputPadding();
  else if constexpr (std::is_same_v<Op, ConvOp>)
    extra = op.getOutputPadding().value_or(ArrayRef<int64_t>());
  auto reach = [&](unsigned i, unsigned rank) {
    return reachOf(kernel[i], op.getStrides()[i], op.getDilations()[i], op.getPads()[i], op.getPads()[rank + i], extra.empty() ? 0 : extra[i],
                   conv.transposed);
  };
  auto [width, wholeWidth] = reach(twoD ? 1 : 0, twoD ? 2 : 1);
  auto [height, wholeHeight] = twoD ? reach(0, 2) : std::pair<int64_t, bool>(0, true);
  conv.behindH = height, conv.behindW = width;
  conv.wholePhases = wholeHeight && wholeWidth;
}

bool ConvLowering::readWeight(Value weight) {
  BundleOp bundle;
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>()) {
    weight = dequantize.getQ();
    conv.arith = Arith::F32S8;
  }
  if ((bundle = weight.getDefiningOp<BundleOp>())) {
    QuantType type = bundle.getResult().getType();
    Format format = type.getFormat().getFormat();
    weightType = type.getExpressedTensor();
    weightBits = format.elem.bits;
    const Plane *scale = format.planes.size() == 1 || readWeightZero(bundle) ? format.find(Role::Scale) : nullptr;
    shifted = integer && format.elem.kind == ElementKind::UInt && weightBits == 8 && scale;
    if (!scale || (format.elem.kind != ElementKind::Int && !shifted) || (weightBits != 8 && weightBits != 4))
      return refuse("weights of format " + format.str() + "; generated kernels read si8 and si4 with one scale plane, and 8 bits with one zero point "
                    "where activations are codes");
    if (shifted && format.planes.size() == 1)
      zeros.setWeight(-128);
    int scaleIndex = operandIndex(bundle.getPlanes()[1]);
    ElementsAttr scales = scaleIndex >= 0 ? operands[scaleIndex].constant : constantOf(bundle.getPlanes()[1]);
    std::optional<std::vector<double>> numbers = scales ? numbersOf(scales) : std::nullopt;
    if (!numbers)
      return refuse("weight scales that are not constant");
    weightScales = std::move(*numbers);
    // A group of input channels shares a scale when a block is shorter than the axis of the input channels.
    int64_t inAxis = conv.transposed ? 0 : 1;
    if (!scale->block.empty()) {
      int64_t block = scale->block[inAxis];
      // One group may hold all channels; its scales are still one a tap where the block does not span the window.
      bool perTap = false;
      for (auto [axis, extent] : llvm::enumerate(scale->block))
        perTap |= axis >= 2 && extent != kWhole && extent < weightType.getDimSize(axis);
      if (block != kWhole && (block < weightType.getDimSize(inAxis) || perTap)) {
        conv.group = block;
        conv.groupScale = scale->type == Element::f16() ? Elem::F16 : Elem::F32;
        if (scale->type != Element::f16() && scale->type != Element::f32())
          return refuse("group scales of type " + scale->type.str() + "; generated kernels read f16 and f32");
        for (auto [axis, extent] : llvm::enumerate(scale->block))
          if (int64_t(axis) >= 2 && extent != 1 && extent != weightType.getDimSize(axis) && extent != kWhole)
            return refuse("blocks that split the window");
      }
    }
    weight = bundle.getPlanes().front();
  } else {
    weightType = cast<RankedTensorType>(weight.getType());
  }
  int index = operandIndex(weight);
  ElementsAttr data = index >= 0 ? operands[index].constant : ElementsAttr();
  std::optional<std::vector<char>> bytes = data ? bytesOfConstant(data) : std::nullopt;
  if (!bytes)
    return refuse("a weight that is not constant");
  if (weightBits == 32 && !weightType.getElementType().isF32())
    return refuse("a weight that is not f32");
  weightBytes = std::move(*bytes);
  for (char &code : weightBytes)
    code = shifted ? char(uint8_t(code) - 128) : code;
  if (weightBits == 4) {
    // One code a byte for the packer.
    int64_t row = weightType.getShape().back(), rows = weightType.getNumElements() / std::max<int64_t>(row, 1);
    std::vector<char> codes(weightType.getNumElements());
    int64_t packed = ::tern::packedBytes(row, 4);
    for (int64_t r = 0; r < rows; ++r)
      unpackCodes(4, /*isSigned=*/true, row, reinterpret_cast<const uint8_t *>(weightBytes.data()) + r * packed,
                  reinterpret_cast<int8_t *>(codes.data()) + r * row);
    weightBytes = std::move(codes);
  }
  return true;
}

static RankedTensorType tensorOf(Value value) {
  if (auto quant = dyn_cast<QuantType>(value.getType()))
    return quant.getExpressedTensor();
  return cast<RankedTensorType>(value.getType());
}

/// The sizes of an activation, which may be a bundle of planes.
static SizedType sizesOfInput(Value value) {
  auto bundle = value.getDefiningOp<BundleOp>();
  return SizedType(bundle ? bundle.getPlanes().front() : value);
}

/// One zero point for all weights of 8 bits: a constant.
bool ConvLowering::readWeightZero(BundleOp bundle) {
  Format format = bundle.getResult().getType().getFormat().getFormat();
  if (!integer || format.elem.bits != 8 || format.planes.size() != 2 || format.planes[0].role != Role::Scale || format.planes[1].role != Role::Zero)
    return false;
  bool isSigned = format.elem.hasSignedCodes();
  int index = operandIndex(bundle.getPlanes()[2]);
  ElementsAttr attr = index >= 0 ? operands[index].constant : constantOf(bundle.getPlanes()[2]);
  std::optional<std::vector<double>> numbers = attr ? numbersOf(attr, !isSigned) : std::nullopt;
  if (!numbers || numbers->empty() || llvm::any_of(*numbers, [&](double zero) { return zero != numbers->front(); }))
    return false;
  zeros.setWeight(int64_t(numbers->front()) - (isSigned ? 0 : 128));
  return true;
}

void ConvLowering::readShape() {
  auto window = [](Value w) { return tensorOf(w).getShape().drop_front(2); };
  if (auto op = dyn_cast<nn::ConvOp>(anchor)) {
    readWindow(op, window(op.getW()), conv);
    x = op.getX(), weight = op.getW(), biasValue = op.getBias();
  } else if (auto op = dyn_cast<nn::ConvTransposeOp>(anchor)) {
    readWindow(op, window(op.getW()), conv);
    x = op.getX(), weight = op.getW(), biasValue = op.getBias();
  } else if (auto op = dyn_cast<ConvOp>(anchor)) {
    readWindow(op, window(op.getW()), conv);
    x = op.getX(), weight = op.getW(), biasValue = op.getBias();
    integer = true;
  } else if (auto op = dyn_cast<nn::MatmulOp>(anchor)) {
    matrix = true;
    x = op.getLhs(), weight = op.getRhs(), biasValue = op.getBias();
  } else if (auto op = dyn_cast<MatmulOp>(anchor)) {
    matrix = integer = true;
    x = op.getX(), weight = op.getW(), biasValue = op.getBias();
  }
}

Halo ConvLowering::haloOf(Operation *anchor) {
  ConvLowering lowering(anchor, {}, {}, true);
  lowering.readShape();
  if (lowering.matrix)
    return {};
  lowering.conv.in = channelsMap(sizesOfInput(lowering.x));
  lowering.conv.out = channelsMap(SizedType(anchor->getResult(0)));
  return requiredHalo(lowering.conv);
}

bool ConvLowering::run() {
  RankedTensorType result = cast<RankedTensorType>(anchor->getResult(0).getType());
  readShape();
  auto bundle = x.getDefiningOp<BundleOp>();
  if (integer != bool(bundle))
    return refuse("an integer op on values that are not codes");
  int index = operandIndex(bundle ? bundle.getPlanes().front() : x);
  if (index < 0 || operands[index].constant)
    return refuse("the input of the op is no operand of the kernel");
  Form form = matrix ? Form::Plain : Form::Channels;
  if (operands[index].place.form != form || out.form != form)
    return refuse("its operands are not placed for it");
  conv.in = operands[index].place.map;
  conv.out = out.map;
  conv.wholePhases &= conv.transposed && hasOpenPictures(conv);
  if (conv.in.elem != (integer ? Elem::U8 : Elem::F32))
    return refuse("an input of this type");
  if (integer)
    conv.arith = Arith::U8S8;
  if (!readWeight(weight))
    return false;
  if (integer && weightBits == 4)
    conv.arith = Arith::U8S4;
  if (!integer && weightBits == 4)
    conv.arith = Arith::F32S4;
  if (integer && weightBits == 32)
    return refuse("codes times float weights");
  SizedType sized(anchor->getResult(0));
  multiplyAccumulates = times(sized.getNumElements(), weightType.getNumElements() / std::max<int64_t>(1, conv.transposed ? weightType.getDimSize(1) * conv.groups : weightType.getDimSize(0)));
  if (conv.transposed)
    multiplyAccumulates = times(operands[index].type.getNumElements(), weightType.getNumElements() / weightType.getDimSize(0));

  // The generators are asked before anything is packed.
  if (std::string reason = cpu::refuse(onePicture(conv)); !reason.empty())
    return refuse(reason);
  KernelArg in;
  in.index = index;
  in.elem = conv.in.elem;
  kernelArgs.push_back(in);
  if (!integer) {
    bias = biasValue;
    return packFloat();
  }
  if (!zeros.read(bundle, operands))
    return refuse(zeros.why());
  bool centred = !zeros.isRuntime() && zeros.known() == 0;
  // Each phase of the output adds up other taps, so one start value a channel cannot hold zero * sum(w).
  if (conv.transposed && !centred && (conv.strideH > 1 || conv.strideW > 1))
    return refuse("a transposed convolution of codes with a zero point");
  if (zeros.isRuntime() && conv.group)
    return refuse("a zero point of this run beside weights with group scales");
  if (zeros.ofWeights() && (conv.transposed || conv.groups > 1 || conv.group))
    return refuse("weights with a zero point in a convolution that is grouped or transposed");
  if (!result.getElementType().isInteger(32)) {
    bias = biasValue;
    xScale = bundle.getPlanes()[1];
    biasValue = {};
  }
  return packInteger(biasValue);
}

/// Group scales, one for every tap of the window.
std::vector<float> ConvLowering::groupScales() const {
  std::vector<float> scales;
  if (!conv.group)
    return scales;
  int64_t outer = conv.transposed ? llvm::divideCeil(weightType.getDimSize(0), conv.group) : weightType.getDimSize(0);
  int64_t inner = conv.transposed ? weightType.getDimSize(1) : llvm::divideCeil(weightType.getDimSize(1), conv.group);
  int64_t taps = conv.kh * conv.kw, stored = int64_t(weightScales.size()) / std::max<int64_t>(1, outer * inner);
  for (int64_t i = 0; i < outer * inner; ++i)
    for (int64_t tap = 0; tap < taps; ++tap)
      scales.push_back(float(weightScales[i * stored + (stored == taps ? tap : 0)]));
  return scales;
}

KernelArg ConvLowering::packedWeights(const PlainWeights &weights) const {
  std::vector<char> packed(cpu::packedBytes(conv));
  packConvWeights(conv, weights, llvm::MutableArrayRef<uint8_t>(reinterpret_cast<uint8_t *>(packed.data()), packed.size()));
  return constantArg(conv.arith == Arith::F32 ? Elem::F32 : Elem::U8, std::move(packed));
}

bool ConvLowering::packFloat() {
  if (dry)
    return true;
  PlainWeights plain;
  std::vector<float> scales = groupScales();
  if (conv.arith == Arith::F32)
    plain.values = ArrayRef(reinterpret_cast<const float *>(weightBytes.data()), weightBytes.size() / sizeof(float));
  else
    plain.codes = ArrayRef(reinterpret_cast<const int8_t *>(weightBytes.data()), weightBytes.size());
  plain.scales = scales;
  kernelArgs.push_back(packedWeights(plain));
  return true;
}

/// A constant bias of f32 accumulators starts them, in units of the activation's scale: no array and no addition of its own.
void ConvLowering::addBias(std::vector<float> &start) {
  std::optional<double> scale = xScale ? scalarConstant(xScale) : std::nullopt;
  int index = bias ? operandIndex(bias) : -1;
  ElementsAttr attr = index >= 0 ? operands[index].constant : bias ? constantOf(bias) : ElementsAttr();
  std::optional<std::vector<double>> numbers = attr ? numbersOf(attr) : std::nullopt;
  if (!scale || *scale == 0 || !numbers || numbers->size() != start.size())
    return;
  for (auto [to, from] : llvm::zip(start, *numbers))
    to = float(to + from / *scale);
  bias = {};
}

bool ConvLowering::packInteger(Value bias) {
  if (dry)
    return true;
  PlainWeights plain;
  std::vector<float> scales = groupScales();
  plain.codes = ArrayRef(reinterpret_cast<const int8_t *>(weightBytes.data()), weightBytes.size());
  plain.scales = scales;
  kernelArgs.push_back(packedWeights(plain));
  if (conv.group) {
    std::vector<float> start = scaledAccumulatorInit(conv, plain, int32_t(zeros.known()));
    addBias(start);
    kernelArgs.push_back(arrayArg(Elem::F32, start));
    return true;
  }
  std::vector<int32_t> start;
  if (bias) {
    int index = operandIndex(bias);
    ElementsAttr attr = index >= 0 ? operands[index].constant : constantOf(bias);
    std::optional<std::vector<double>> numbers = attr ? numbersOf(attr) : std::nullopt;
    if (!numbers || int64_t(numbers->size()) != conv.out.c)
      return refuse("a bias that is not constant");
    start.assign(numbers->begin(), numbers->end());
  }
  kernelArgs.push_back(zeros.start(accumulatorInit(conv, plain.codes, start, int32_t(zeros.known())), accumulatorInit(conv, plain.codes, {}, -1)));
  return true;
}

void ConvLowering::prepareEpilogue(ExprBuilder &builder) {
  int value = builder.addAccumulator();
  if (zeros.ofWeights()) {
    WindowSumProblem sums;
    sums.in = conv.in;
    sums.kh = conv.kh, sums.kw = conv.kw, sums.strideH = conv.strideH, sums.strideW = conv.strideW;
    sums.dilationH = conv.dilationH, sums.dilationW = conv.dilationW, sums.padTop = conv.padTop, sums.padLeft = conv.padLeft;
    value = zeros.uncenter(builder, value, sums, kernelArgs.front().index, out);
  }
  // Weights without group scales leave them to the epilogue when the op's result is real (not T1).
  bool real = cast<RankedTensorType>(anchor->getResult(0).getType()).getElementType().isF32();
  if (real && weightBits != 32 && !conv.group) {
    if (conv.arith == Arith::U8S4 || conv.arith == Arith::U8S8)
      value = builder.node(ExprOp::IntToF32, {value});
    std::vector<double> scales = weightScales;
    value = builder.node(ExprOp::Mul, {value, builder.constantInput(scales)});
  }
  if (xScale)
    value = builder.node(ExprOp::Mul, {value, builder.valueOf(xScale)});
  if (bias) {
    // One value a channel, whatever the rank of the result.
    int index = operandIndex(bias);
    ElementsAttr attr = index >= 0 ? operands[index].constant : constantOf(bias);
    std::optional<std::vector<double>> numbers = attr ? numbersOf(attr) : std::nullopt;
    value = builder.node(ExprOp::Add, {value, numbers ? builder.constantInput(*numbers) : builder.valueOf(bias)});
  }
  builder.remember(anchor->getResult(0), value);
}

llvm::StringLiteral ConvLowering::row() const {
  bool matrix = isa<nn::MatmulOp, MatmulOp>(anchor), depthwise = conv.isDepthwise();
  switch (conv.arith) {
  case Arith::F32:
    return matrix ? llvm::StringLiteral("cpu.gemm.f32") : depthwise ? llvm::StringLiteral("cpu.depthwise.f32") : llvm::StringLiteral("cpu.conv.f32");
  case Arith::U8S8:
    return matrix ? llvm::StringLiteral("cpu.gemm.u8s8") : depthwise ? llvm::StringLiteral("cpu.depthwise.u8s8") : llvm::StringLiteral("cpu.conv.u8s8");
  case Arith::U8S4:
    return matrix ? llvm::StringLiteral("cpu.gemm.u8s4") : depthwise ? llvm::StringLiteral("cpu.depthwise.u8s4") : llvm::StringLiteral("cpu.conv.u8s4");
  case Arith::F32S8:
    return matrix ? llvm::StringLiteral("cpu.gemm.f32s8") : llvm::StringLiteral("cpu.conv.f32s8");
  case Arith::F32S4:
    return matrix ? llvm::StringLiteral("cpu.gemm.f32s4") : llvm::StringLiteral("cpu.conv.f32s4");
  }
  return llvm::StringLiteral("");
}

} // namespace tern::cpu
