//===- PictureLowering.cpp - pooling, global reductions, softmax, resize -> problems --===//
#include "lib/Target/Cpu/Lowering/Calls/CallLowering.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {

/// The accumulator is one of the codes, not a sum of them.
static bool accumulatesCodes(const PoolProblem &problem) { return problem.kind == PoolKind::Max; }
static bool accumulatesCodes(const ResizeProblem &problem) { return problem.mode != ResizeMode::Linear; }
static bool accumulatesCodes(const GlobalReduceProblem &) { return false; }
/// How many zero points are in the accumulator.
template <typename Problem> static double pixelsSummed(const Problem &) { return 1; }
static double pixelsSummed(const GlobalReduceProblem &problem) {
  return problem.kind == ReduceKind::Sum ? double(problem.in.h * problem.in.w) : 1;
}
static std::string refusal(const PoolProblem &problem) { return cpu::refuse(onePicture(problem)); }
static std::string refusal(const ResizeProblem &problem) { return cpu::refuse(onePicture(problem)); }
static std::string refusal(const GlobalReduceProblem &problem) { return cpu::refuse(onePicture(problem)); }

/// Accumulators of codes are shifted by a number.
static bool hasComputedZero(Value input) {
  auto dequantize = input.getDefiningOp<DequantizeOp>();
  auto bundle = dequantize ? dequantize.getQ().getDefiningOp<BundleOp>() : BundleOp();
  return bundle && !storedZero(bundle);
}
static constexpr StringLiteral kComputedZero = "codes whose zero point is computed";

template <typename Problem> bool CallLowering::picture(Problem &problem, Value input, StringLiteral row) {
  int index;
  const CallOperand *x = activation(input, index);
  if (!x || !oneResult())
    return false;
  if (x->place.form != Form::Channels || results[0].form != Form::Channels)
    return refuse("its operands are not placed as pictures");
  problem.in = x->place.map;
  problem.out = results[0].map;
  if (hasComputedZero(input))
    return refuse(kComputedZero.str());
  bool dequantized = input.getDefiningOp<DequantizeOp>() != nullptr;
  if (problem.in.elem != (dequantized ? Elem::U8 : Elem::F32) && !isa<nn::ResizeOp>(info.anchor))
    return refuse("arithmetic on plain integers");
  SmallVector<KernelArg> args{operandArg(index, problem.in.elem)};
  if (!epilogue(problem.epilogue, args, [&](ExprBuilder &builder) { startFromCodes(builder, input, problem); }))
    return false;
  args.push_back(resultArg());
  std::string reason = refusal(problem);
  if (!reason.empty())
    return refuse(reason);
  push(problem, args, row);
  return true;
}

template <typename Problem> void CallLowering::startFromCodes(ExprBuilder &builder, Value input, const Problem &problem) {
  int acc = builder.addAccumulator();
  auto dequantize = input.getDefiningOp<DequantizeOp>();
  auto bundle = dequantize ? dequantize.getQ().getDefiningOp<BundleOp>() : BundleOp();
  if (!bundle) {
    builder.remember(info.anchor->getResult(0), acc);
    return;
  }
  double zero = double(storedZero(bundle).value_or(0));
  int scale = builder.valueOf(bundle.getPlanes()[1]);
  if (accumulatesCodes(problem)) {
    if (requantizesAlike(bundle)) {
      builder.forgetInputs();
      builder.remember(result(), acc);
      return;
    }
    builder.remember(info.anchor->getResult(0), builder.node(ExprOp::Dequant, {acc, scale}, zero));
    return;
  }
  int centred = builder.node(ExprOp::Sub, {acc, builder.constantInput({zero * pixelsSummed(problem)})});
  builder.remember(info.anchor->getResult(0), builder.node(ExprOp::Mul, {centred, scale}));
}

bool CallLowering::requantizesAlike(BundleOp bundle) {
  auto unbundle = result().getDefiningOp<UnbundleOp>();
  auto quantize = unbundle ? unbundle.getQ().getDefiningOp<QuantizeOp>() : QuantizeOp();
  if (!quantize || quantize.getX() != info.anchor->getResult(0) || quantize.getPlanes().size() + 1 != bundle.getPlanes().size())
    return false;
  for (auto [from, to] : llvm::zip(bundle.getPlanes().drop_front(), quantize.getPlanes())) {
    std::optional<double> a = scalarConstant(from), b = scalarConstant(to);
    if (!a || !b || *a != *b)
      return false;
  }
  return quantize.getResult().getType().getFormat() == bundle.getResult().getType().getFormat() && !quantize.getByAttr();
}

bool CallLowering::pool() {
  auto op = cast<nn::PoolOp>(info.anchor);
  PoolProblem problem;
  problem.kind = PoolKind(int(op.getKind()));
  bool twoD = op.getKernel().size() == 2;
  auto at = [&](ArrayRef<int64_t> values, unsigned axis) { return values[axis]; };
  problem.kw = op.getKernel().back();
  problem.strideW = op.getStrides().back();
  problem.dilationW = op.getDilations().back();
  problem.padLeft = at(op.getPads(), twoD ? 1 : 0);
  problem.padRight = op.getPads().back();
  if (twoD) {
    problem.kh = op.getKernel()[0];
    problem.strideH = op.getStrides()[0];
    problem.dilationH = op.getDilations()[0];
    problem.padTop = op.getPads()[0];
    problem.padBottom = op.getPads()[2];
  }
  problem.countIncludePad = op.getCountIncludePad();
  auto dequantize = op.getX().getDefiningOp<DequantizeOp>();
  if (auto bundle = dequantize ? dequantize.getQ().getDefiningOp<BundleOp>() : BundleOp(); bundle && problem.countIncludePad)
    problem.padCode = storedZero(bundle).value_or(0);
  problem.lp = op.getP();
  return picture(problem, op.getX(), "cpu.pool");
}

bool CallLowering::globalReduce() {
  auto op = cast<nn::ReduceOp>(info.anchor);
  GlobalReduceProblem problem;
  using K = nn::ReduceKind;
  bool isOpen = operands[0].place.form == Form::Channels && (isDynamic(operands[0].place.map.h) || isDynamic(operands[0].place.map.w));
  if (op.getKind() == K::sum && isOpen && op.getX().getDefiningOp<DequantizeOp>())
    return refuse("a sum of codes over a picture whose size is only known at run time");
  if (hasComputedZero(op.getX()))
    return refuse(kComputedZero.str());
  problem.kind = op.getKind() == K::sum ? ReduceKind::Sum : op.getKind() == K::mean ? ReduceKind::Mean : op.getKind() == K::max ? ReduceKind::Max : ReduceKind::Min;
  if (!op.getKeepdims()) {
    // [N, C]: the same bytes as [N, C, 1, 1].
    if (results[0].form != Form::Plain || !isDense(results[0].map))
      return refuse("padded rows");
    int index;
    const CallOperand *x = activation(op.getX(), index);
    if (!x || !oneResult())
      return false;
    if (x->place.form != Form::Channels)
      return refuse("its operands are not placed as pictures");
    problem.in = x->place.map;
    problem.out = results[0].map;
    problem.out.n = problem.in.n;
    problem.out.c = problem.out.cs = problem.in.c;
    problem.out.h = problem.out.w = 1;
    SmallVector<KernelArg> args{operandArg(index, problem.in.elem)};
    if (!epilogue(problem.epilogue, args, [&](ExprBuilder &builder) { startFromCodes(builder, op.getX(), problem); }))
      return false;
    args.push_back(resultArg());
    push(problem, args, "cpu.reduce");
    return true;
  }
  return picture(problem, op.getX(), "cpu.reduce");
}

bool CallLowering::softmax() {
  auto op = cast<nn::SoftmaxOp>(info.anchor);
  int index;
  const CallOperand *x = activation(op.getX(), index);
  if (!x || !oneResult())
    return false;
  if (result() != info.anchor->getResult(0))
    return refuse("an epilogue");
  int64_t rank = resultType().getRank();
  Form form = op.getAxis() == 1 && rank >= 3 ? Form::Channels : Form::Plain;
  if (x->place.form != form || results[0].form != form)
    return refuse("the axis is not innermost");
  SoftmaxProblem problem;
  problem.in = x->place.map;
  problem.out = results[0].map;
  problem.log = op.getLog();
  push(problem, {operandArg(index, Elem::F32), resultArg()}, "cpu.softmax");
  return true;
}

bool CallLowering::resize() {
  auto op = cast<nn::ResizeOp>(info.anchor);
  ResizeProblem problem;
  if (op.getMode() == nn::ResizeMode::linear)
    problem.mode = ResizeMode::Linear;
  else
    problem.mode = op.getNearest() == nn::NearestMode::floor              ? ResizeMode::NearestFloor
                   : op.getNearest() == nn::NearestMode::ceil             ? ResizeMode::NearestCeil
                   : op.getNearest() == nn::NearestMode::round_prefer_ceil ? ResizeMode::NearestRoundCeil
                                                                           : ResizeMode::NearestRoundFloor;
  problem.coord = ResizeCoord(int(op.getCoord()));
  problem.scaleW = op.getScales().back();
  problem.scaleH = op.getScales().size() == 4 ? op.getScales()[2] : 1;
  return picture(problem, op.getX(), "cpu.resize");
}

} // namespace tern::cpu
