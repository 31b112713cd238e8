//===- GemmLowering.cpp - matrix products with constant weights -> problem -===//
#include "lib/Target/Cpu/Lowering/Calls/GemmLowering.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Grouping.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {

bool GemmLowering::refuse(const Twine &reason) {
  why = reason.str();
  return false;
}

/// x as f32, or as codes whose scales are one for the tensor, one a row, or one for a group of channels.
bool GemmLowering::readActivation(Value x) {
  if (auto dequantize = x.getDefiningOp<DequantizeOp>())
    return refuse("dequantized codes that the op reads as floats");
  auto bundle = x.getDefiningOp<BundleOp>();
  int index = operandIndex(bundle ? bundle.getPlanes().front() : x);
  if (index < 0 || operands[index].constant)
    return refuse("the input of the op is no operand of the kernel");
  if (operands[index].place.form != Form::Plain || out.form != Form::Plain)
    return refuse("its operands are not placed as rows");
  gemm.in = operands[index].place.map;
  gemm.out = out.map;
  KernelArg in;
  in.index = index;
  in.elem = gemm.in.elem;
  kernelArgs.push_back(in);
  if (!bundle)
    return gemm.in.elem == Elem::F32 || refuse("an input of this type");
  Format format = bundle.getResult().getType().getFormat().getFormat();
  if (!format.elem.isInteger() || format.elem.bits != 8)
    return refuse("codes of " + format.elem.str() + "; generated kernels multiply codes of 8 bits");
  if (!zeros.read(bundle, operands))
    return refuse(zeros.why());
  const Plane *scale = format.find(Role::Scale);
  int64_t k = bundle.getResult().getType().getShape().back();
  if (!scale || llvm::count_if(format.planes, [](const Plane &plane) { return plane.role == Role::Scale; }) != 1)
    return refuse("codes without one plane of scales");
  int64_t block = scale->block.empty() || scale->block.back() == kWhole ? k : scale->block.back();
  xScale = bundle.getPlanes()[1];
  if (block >= k)
    return true;
  gemm.xGroup = block;
  xScales = operandIndex(xScale);
  xScale = {};
  if (zeros.known() != 128)
    return refuse("a zero point of codes with a scale for each group of channels");
  if (xScales < 0 || operands[xScales].constant || operands[xScales].place.form != Form::Plain || !isDense(operands[xScales].place.map) ||
      operands[xScales].place.map.elem != Elem::F32)
    return refuse("scales of groups of channels that are no f32 operand of the kernel");
  return true;
}

Value halvedBehind(Operation *anchor) {
  for (Operation *op = anchor; op; op = op->getNextNode())
    if (op->getNumResults() == 1 && !isa<QuantType>(op->getResult(0).getType()) && !halvesOf(op->getResult(0)).empty())
      return op->getResult(0);
  return {};
}

bool GemmLowering::run() {
  auto result = cast<RankedTensorType>(anchor->getResult(0).getType());
  integerResult = result.getElementType().isInteger(32);
  bool transposed = false;
  if (auto op = dyn_cast<nn::MatmulOp>(anchor)) {
    transposed = !op.getTransposeB();
    if (op.getTransposeA())
      return refuse("a left operand that is [k, m]");
  }
  if (!readActivation(anchor->getOperand(0)) || !weight.read(anchor->getOperand(1), transposed, operands, gemm.in.elem == Elem::U8, gemm))
    return refuse(why.empty() ? weight.error() : StringRef(why));
  gemm.paired = bool(halvedBehind(anchor));
  zeros.setWeight(weight.storedZero());
  if (zeros.isRuntime() && gemm.accElem() != Elem::I32)
    return refuse("a zero point of this run beside weights with group scales");
  if (weight.channels() != gemm.in.c || weight.outputs() != gemm.outputs())
    return refuse("a weight of another size");
  if (anchor->getNumOperands() > 2)
    bias = anchor->getOperand(2);
  if (integerResult && gemm.accElem() != Elem::I32)
    return refuse("an integer result of weights with group scales");
  // The epilogue, which combines pairs, is known later.
  GemmProblem alone = gemm;
  alone.paired = false;
  if (std::string reason = cpu::refuse(alone); !reason.empty())
    return refuse(reason);
  return pack();
}

std::optional<std::vector<double>> GemmLowering::constantBias() const {
  int index = operandIndex(bias);
  ElementsAttr attr = index >= 0 ? operands[index].constant : constantOf(bias);
  return attr ? numbersOf(attr) : std::nullopt;
}

bool GemmLowering::pack() {
  bool integerBias = bias && integerResult;
  std::vector<int32_t> start;
  if (integerBias) {
    std::optional<std::vector<double>> numbers = constantBias();
    if (!numbers || int64_t(numbers->size()) != gemm.out.c)
      return refuse("an integer bias that is not constant");
    start.assign(numbers->begin(), numbers->end());
    bias = {};
  }
  if (!dry) {
    // Packed when it is stored: the weight is read where it lies.
    KernelArg arg;
    arg.kind = KernelArg::Constant;
    arg.elem = gemm.floatWeights() ? Elem::F32 : Elem::U8;
    arg.size = GemmLayout(gemm).bytes();
    arg.write = [reader = reader, gemm = gemm](char *to) {
      packGemm(gemm, reader->plain(gemm), MutableArrayRef<uint8_t>(reinterpret_cast<uint8_t *>(to), GemmLayout(gemm).bytes()));
      reader->release();
    };
    kernelArgs.push_back(std::move(arg));
    if (gemm.hasInit() && gemm.accElem() == Elem::I32)
      kernelArgs.push_back(zeros.start(gemmInit(gemm, weight.plain(gemm), start, int32_t(zeros.known())), gemmInit(gemm, weight.plain(gemm), {}, -1)));
    else if (gemm.hasInit())
      kernelArgs.push_back(arrayArg(Elem::F32, scaledGemmInit(gemm, weight.plain(gemm), int32_t(zeros.known()))));
  }
  if (gemm.xGroup) {
    KernelArg scales;
    scales.index = unsigned(xScales);
    scales.elem = Elem::F32;
    kernelArgs.push_back(scales);
  }
  return true;
}

void GemmLowering::prepareEpilogue(ExprBuilder &builder) {
  Value halved = halvedBehind(anchor);
  SmallVector<Value, 2> halves = halved ? halvesOf(halved) : SmallVector<Value, 2>();
  SmallVector<int, 2> accumulators{builder.addAccumulator()}, numbers;
  if (halved)
    accumulators.push_back(builder.addAccumulator());
  for (auto [part, accumulator] : llvm::enumerate(accumulators)) {
    WindowSumProblem sums;
    sums.in = gemm.in;
    int value = zeros.uncenter(builder, accumulator, sums, kernelArgs.front().index, out);
    auto own = [&, part = int64_t(part)](const std::vector<double> &numbers) {
      return int64_t(numbers.size()) != gemm.outputs() ? numbers
                                                       : std::vector<double>(numbers.begin() + part * gemm.out.c, numbers.begin() + (part + 1) * gemm.out.c);
    };
    // Scales of outputs are left to the epilogue when the op's result is real (not T1).
    if (!integerResult && !weight.outputScales().empty()) {
      if (gemm.accElem() == Elem::I32)
        value = builder.node(ExprOp::IntToF32, {value});
      value = builder.node(ExprOp::Mul, {value, builder.constantInput(own(weight.outputScales()))});
    }
    if (xScale && !integerResult)
      value = builder.node(ExprOp::Mul, {value, builder.valueOf(xScale)});
    if (bias) {
      // One value an output, whatever the rank of the result.
      std::optional<std::vector<double>> numbers = constantBias();
      value = builder.node(ExprOp::Add, {value, numbers ? builder.constantInput(own(*numbers)) : builder.valueOf(bias)});
    }
    if (halved)
      numbers.push_back(builder.halfOf(halved, anchor->getResult(0), value, int(part)));
    else
      builder.remember(anchor->getResult(0), value);
  }
  for (auto [half, number] : llvm::zip(halves, numbers))
    builder.remember(half, number);
}

llvm::StringLiteral GemmLowering::row() const {
  switch (gemm.bits) {
  case 32:
    return "cpu.gemm.f32";
  case 8:
    return gemm.integer() ? llvm::StringLiteral("cpu.gemm.u8s8") : llvm::StringLiteral("cpu.gemm.f32s8");
  case 4:
    return gemm.integer() ? llvm::StringLiteral("cpu.gemm.u8s4") : llvm::StringLiteral("cpu.gemm.f32s4");
  default:
    return gemm.integer() ? llvm::StringLiteral("cpu.gemm.u8s2") : llvm::StringLiteral("cpu.gemm.f32s2");
  }
}

} // namespace tern::cpu
