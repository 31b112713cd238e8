//===- KernelLowering.cpp - a call of a kernel -> problems ------------------===//
#include "lib/Target/Cpu/Lowering/KernelLowering.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/ConvLowering.h"
#include "lib/Target/Cpu/Lowering/RowLowering.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/GemmLowering.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::cpu {

namespace {
/// Lowers one call; every member answers false and leaves the reason in `why` when no generator serves the kernel.
class Lowering {
public:
  Lowering(func::FuncOp kernel, ArrayRef<CallOperand> operands, ArrayRef<Placement> results, bool dry)
      : dry(dry), kernel(kernel), info(classify(kernel)), operands(operands), results(results),
        terminator(kernel.getBody().front().getTerminator()) {}

  bool run() {
    switch (info.kind) {
    case KernelClass::Eltwise:
      return eltwise() || rows(/*nest=*/true);
    case KernelClass::Conv:
      return conv();
    case KernelClass::Matmul:
      return matmul();
    case KernelClass::Pool:
      return pool();
    case KernelClass::GlobalReduce:
      return operands[0].place.form == Form::Plain ? rows() : globalReduce();
    case KernelClass::Softmax:
      return softmax() || rows();
    case KernelClass::Resize:
      return resize();
    case KernelClass::Copy:
      return copy();
    case KernelClass::DynamicQuant:
      return dynamicQuant();
    case KernelClass::Norm:
    case KernelClass::GroupNorm:
    case KernelClass::Attention:
    case KernelClass::Rope:
    case KernelClass::Gather:
    case KernelClass::Product:
    case KernelClass::AxesReduce:
    case KernelClass::Axis:
    case KernelClass::Rnn:
    case KernelClass::Pad:
    case KernelClass::Nest:
      return rows();
    case KernelClass::Sizes:
      return sizes();
    case KernelClass::Portable:
      return refuse(info.why);
    }
    return false;
  }

  std::vector<Step> steps;
  std::string why;

private:
  bool refuse(const Twine &reason) {
    why = reason.str();
    return false;
  }
  bool oneResult() { return terminator->getNumOperands() == 1 || refuse("more than one result"); }
  Value result() { return terminator->getOperand(0); }
  SizedType resultType() { return SizedType(result()); }
  SizedType anchorType() { return SizedType(info.anchor->getResult(0)); }
  /// The call operand that an operand of the anchor is, looking through a bundle and a dequantize; -1: none.
  int source(Value value) {
    if (auto dequantize = value.getDefiningOp<DequantizeOp>())
      value = dequantize.getQ();
    if (auto bundle = value.getDefiningOp<BundleOp>())
      value = bundle.getPlanes().front();
    return operandIndex(value);
  }
  /// The activation the anchor reads; it must be an operand that is no constant.
  const CallOperand *activation(Value value, int &index) {
    index = source(value);
    if (index < 0 || operands[index].constant) {
      refuse("the input of the op is no operand of the kernel");
      return nullptr;
    }
    return &operands[index];
  }
  static KernelArg operandArg(unsigned index, Elem elem) {
    KernelArg arg;
    arg.index = index;
    arg.elem = elem;
    return arg;
  }
  KernelArg resultArg(unsigned index = 0) {
    KernelArg arg = operandArg(index, results[index].map.elem);
    arg.kind = KernelArg::Result;
    return arg;
  }
  void push(AnyProblem problem, SmallVector<KernelArg> args, StringLiteral row, int64_t macs = 0) {
    Step step;
    step.problem = std::move(problem);
    step.args = std::move(args);
    step.row = row;
    step.macs = macs;
    steps.push_back(std::move(step));
  }
  /// Epilogue of the anchor: the program from its result to the result of the kernel.
  bool epilogue(Expr &expr, SmallVectorImpl<KernelArg> &args, function_ref<void(ExprBuilder &)> prepare = nullptr) {
    ExprBuilder builder(operands, resultType(), results[0]);
    if (prepare)
      prepare(builder);
    else
      builder.setAccumulator(info.anchor->getResult(0));
    if (!builder.finish(result()))
      return refuse(builder.error());
    expr = builder.expr();
    args.append(builder.args().begin(), builder.args().end());
    return true;
  }
  /// An anchor whose input is a picture and whose epilogue may quantize.
  template <typename Problem> bool picture(Problem &problem, Value input, StringLiteral row) {
    int index;
    const CallOperand *x = activation(input, index);
    if (!x || !oneResult())
      return false;
    if (x->place.form != Form::Channels || results[0].form != Form::Channels)
      return refuse("its operands are not placed as pictures");
    problem.in = x->place.map;
    problem.out = results[0].map;
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
  /// The accumulator of an anchor that reads codes of a dequantized operand stands for codes; its real value is (acc - zero) * scale.
  template <typename Problem> void startFromCodes(ExprBuilder &builder, Value input, const Problem &problem) {
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
  /// The kernel ends in a quantization with the scale and zero point of its input: codes pass through unchanged.
  bool requantizesAlike(BundleOp bundle) {
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
  static std::string refusal(const GlobalReduceProblem &) { return ""; }

  /// Kernels of plain operands (RowLowering.h); `nest`: as an elementwise program over a loop nest.
  bool rows(bool nest = false) {
    RowLowering lowering(kernel, info, operands, results);
    if (!(nest ? lowering.nest() : lowering.run()))
      return why.empty() ? refuse(lowering.error()) : false;
    steps = std::move(lowering.steps);
    return true;
  }
  bool sizes() {
    SizesProblem problem;
    problem.elem = results[0].map.elem;
    for (Attribute text : cast<nn::SizesOp>(info.anchor).getValues())
      problem.values.push_back(offsetOf(SizeScope::table().parse(cast<StringAttr>(text).getValue())));
    if (!oneResult() || result() != info.anchor->getResult(0))
      return refuse("sizes that change on the way");
    push(problem, {resultArg()}, "cpu.fill");
    return true;
  }
  bool eltwise();
  bool conv();
  bool matmul();
  bool pool();
  bool globalReduce();
  bool softmax();
  bool resize();
  bool copy();
  bool concatByParts(nn::ConcatOp concat);
  bool dynamicQuant();

  bool dry;
  func::FuncOp kernel;
  KernelInfo info;
  ArrayRef<CallOperand> operands;
  ArrayRef<Placement> results;
  Operation *terminator;
};
} // namespace

bool Lowering::eltwise() {
  if (!oneResult())
    return false;
  Placement out = results[0];
  // A picture in ONNX order that becomes NHWC (or back): one tensor changes its layout on the way.
  int changing = -1, tensors = 0;
  for (auto [index, operand] : llvm::enumerate(operands)) {
    if (operand.constant || operand.type.getShape() != resultType().getShape())
      continue;
    ++tensors;
    if (operand.place.form != out.form)
      changing = index;
  }
  if (changing >= 0) {
    if (tensors != 1)
      return refuse("several tensors in different layouts");
    RelayoutProblem problem;
    SmallVector<CallOperand> seen(operands.begin(), operands.end());
    bool toChannels = out.form == Form::Channels;
    // The plain side is seen as planar pictures; the program's channels are those of dimension 1 either way.
    Placement view{Form::Channels, toChannels ? out.map : planarMap(resultType())};
    view.map.elem = out.map.elem;
    Map &inMap = seen[changing].place.map;
    if ((!toChannels && !isDense(out.map)) || (toChannels && !isDense(inMap)))
      return refuse("rows with padding that become pictures");
    if (toChannels) {
      Elem elem = inMap.elem;
      inMap = planarMap(operands[changing].type);
      inMap.elem = elem;
    }
    seen[changing].place.form = Form::Channels;
    ExprBuilder builder(seen, resultType(), view);
    builder.remember(kernel.getArgument(changing), builder.tensorInput(changing));
    if (!builder.finish(result()))
      return refuse(builder.error());
    problem.in = inMap;
    problem.out = view.map;
    problem.expr = builder.expr();
    if (std::string reason = cpu::refuse(onePicture(problem)); !reason.empty())
      return refuse(reason);
    SmallVector<KernelArg> args(builder.args());
    args.push_back(resultArg());
    push(problem, args, "cpu.relayout");
    return true;
  }
  EltwiseProblem problem;
  SmallVector<CallOperand> seen(operands.begin(), operands.end());
  // Plain and dense tensors without channels are one long row.
  bool flat = out.form == Form::Plain && isDense(out.map);
  for (const CallOperand &operand : operands) {
    if (operand.constant)
      flat &= operand.type.getNumElements() == 1;
    else
      flat &= operand.type.getNumElements() == 1 || (operand.type.getShape() == resultType().getShape() && isDense(operand.place.map));
  }
  auto flatten = [](Map &map) {
    map.c = map.cs = countOf(map);
    map.n = map.h = map.w = 1;
  };
  if (flat) {
    flatten(out.map);
    for (CallOperand &operand : seen)
      if (!operand.constant)
        flatten(operand.place.map);
  }
  ExprBuilder builder(seen, resultType(), out);
  if (!builder.finish(result()))
    return refuse(builder.error());
  problem.out = out.map;
  problem.expr = builder.expr();
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SmallVector<KernelArg> args(builder.args());
  args.push_back(resultArg());
  push(problem, args, "cpu.eltwise");
  return true;
}

bool Lowering::conv() {
  if (!oneResult())
    return false;
  ConvLowering lowered(info.anchor, operands, results[0], dry);
  if (!lowered.run())
    return refuse(lowered.error());
  SmallVector<KernelArg> args = lowered.args();
  ConvProblem problem = lowered.problem();
  if (!epilogue(problem.epilogue, args, [&](ExprBuilder &builder) { lowered.prepareEpilogue(builder); }))
    return false;
  args.push_back(resultArg());
  if (std::string reason = cpu::refuse(onePicture(problem)); !reason.empty())
    return refuse(reason);
  push(problem, args, lowered.row(), lowered.macs());
  return true;
}

/// Whether the last panel of 32 outputs would be padding for the most part, more than 1 / 64 of the weight: the panels of convolutions
/// have 16. Only 4-bit weights, which are small for the sake of their size, and rows that are known.
static bool wantsNarrowPanels(Operation *anchor) {
  auto product = dyn_cast<MatmulOp>(anchor);
  if (!product || !cast<RankedTensorType>(product.getResult().getType()).hasStaticShape())
    return false;
  auto weight = cast<QuantType>(product.getW().getType());
  int64_t n = weight.getShape().front(), missing = (32 - n % 32) % 32;
  return weight.getShape().size() == 2 && weight.getFormat().getFormat().elem.bits == 4 && missing >= 16 && missing * 64 > n;
}

bool Lowering::matmul() {
  if (!oneResult())
    return false;
  if (wantsNarrowPanels(info.anchor) && conv())
    return true;
  GemmLowering lowered(info.anchor, operands, results[0], dry);
  if (!lowered.run()) {
    // Nothing to pack: a product of two activations.
    int index = isa<nn::MatmulOp>(info.anchor) ? operandIndex(info.anchor->getOperand(1)) : -1;
    if (index < 0 || operands[index].constant)
      return refuse(lowered.error());
    info.kind = KernelClass::Product;
    return rows();
  }
  SmallVector<KernelArg> args = lowered.takeArgs();
  GemmProblem problem = lowered.problem();
  if (!epilogue(problem.epilogue, args, [&](ExprBuilder &builder) { lowered.prepareEpilogue(builder); }))
    return false;
  args.push_back(resultArg());
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, args, lowered.row(), times(product({problem.in.n, problem.in.h, problem.in.w}), lowered.macsPerRow()));
  return true;
}

bool Lowering::pool() {
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
  problem.lp = op.getP();
  return picture(problem, op.getX(), "cpu.pool");
}

bool Lowering::globalReduce() {
  auto op = cast<nn::ReduceOp>(info.anchor);
  GlobalReduceProblem problem;
  using K = nn::ReduceKind;
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

bool Lowering::softmax() {
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

bool Lowering::resize() {
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

bool Lowering::dynamicQuant() {
  auto op = cast<QuantizeOp>(info.anchor);
  int index;
  const CallOperand *x = activation(op.getX(), index);
  if (!x)
    return false;
  if (terminator->getNumOperands() != 2)
    return refuse("run-time quantization yields codes and scales");
  if (x->place.form != results[0].form)
    return refuse("codes in another layout than the values");
  DynamicQuantProblem problem;
  problem.in = x->place.map;
  problem.out = results[0].map;
  // One scale for the tensor or for each row.
  QuantType type = op.getResult().getType();
  Format format = type.getFormat().getFormat();
  const std::vector<int64_t> &block = format.planes.front().block;
  problem.perTensor = block.empty() && product({problem.in.n, problem.in.h, problem.in.w}) != 1;
  for (auto [axis, extent] : llvm::enumerate(block)) {
    int64_t size = ShapedType::isDynamic(type.getShape()[axis]) ? INT64_MAX : type.getShape()[axis];
    bool isRow = axis + 1 == block.size() ? x->place.form == Form::Plain && (extent == kWhole || extent >= size) : extent == 1 || size == 1;
    if (!isRow)
      return refuse("scales that are neither one nor one a row");
  }
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  if (!problem.perTensor) {
    push(problem, {operandArg(index, Elem::F32), resultArg(0), resultArg(1)}, "cpu.dynamic_quant");
    return true;
  }
  KernelArg partial;
  partial.kind = KernelArg::Temporary;
  partial.size = 4 * 1024; // one f32 a task of the first pass
  push(AbsmaxProblem{problem}, {operandArg(index, Elem::F32), partial}, "cpu.dynamic_quant");
  push(problem, {operandArg(index, Elem::F32), partial, resultArg(0), resultArg(1)}, "cpu.dynamic_quant");
  return true;
}

/// Each operand of a concat along the channels is an elementwise program that writes its part of the result.
bool Lowering::concatByParts(nn::ConcatOp concat) {
  SizedType whole = resultType();
  if (results[0].form != Form::Channels || concat.getAxis() != 1)
    return refuse("a concat of values that change on the way, not along channels");
  int64_t channel = 0;
  for (Value x : concat.getXs()) {
    int index = source(x);
    if (index < 0 || operands[index].constant || operands[index].place.form != Form::Channels)
      return refuse("a concat of a value that is not placed as a picture");
    SizedType part(SizedType(x).getShape(), whole.getElementType());
    if (isDynamic(part.getDimSize(1)))
      return refuse("a concat of channels whose number is only known at run time");
    Placement view = results[0];
    view.map.base += channel;
    view.map.c = part.getDimSize(1);
    ExprBuilder builder(operands, part, view);
    builder.remember(concat.getResult(), builder.valueOf(x));
    if (!builder.finish(result()))
      return refuse(builder.error());
    EltwiseProblem problem{view.map, builder.expr()};
    if (std::string reason = cpu::refuse(problem); !reason.empty())
      return refuse(reason);
    SmallVector<KernelArg> args(builder.args());
    args.push_back(resultArg());
    push(problem, args, "cpu.eltwise");
    channel += view.map.c;
  }
  return true;
}

bool Lowering::copy() {
  Operation *op = info.anchor;
  if (!oneResult())
    return false;
  // Codes move as they are; a concat may also change its operands on the way.
  bool moves = result() == op->getResult(0) && llvm::none_of(op->getOperands(), [](Value v) { return v.getDefiningOp<DequantizeOp>(); });
  if (auto concat = dyn_cast<nn::ConcatOp>(op); concat && !moves)
    return concatByParts(concat);
  if (!moves)
    return refuse("a move of values that change on the way");
  SizedType type = resultType();
  SmallVector<int64_t> out = stridesOf(type, results[0]);
  auto firstElement = [](const Placement &place) { return place.form == Form::Channels ? firstPixelOf(place.map) : place.map.base; };
  int64_t outBase = firstElement(results[0]);
  auto box = [&](Value input, ArrayRef<int64_t> sizes, function_ref<void(CopyProblem &, ArrayRef<int64_t>)> fill) {
    int index = source(input);
    if (index < 0)
      return refuse("the input of the op is no operand of the kernel");
    // A constant lies in ONNX order.
    CallOperand operand = operands[index];
    if (operand.constant) {
      if (!elemOf(operand.type.getElementType()))
        return refuse("a constant of an element type that no kernel reads");
      operand.place = {Form::Plain, plainMap(operand.type)};
    }
    const CallOperand *x = &operand;
    CopyProblem problem;
    problem.elem = x->place.map.elem;
    problem.sizes.assign(sizes.begin(), sizes.end());
    problem.outStrides.assign(out.begin(), out.end());
    problem.inBase = firstElement(x->place);
    problem.outBase = outBase;
    fill(problem, stridesOf(x->type, x->place));
    push(problem, {operandArg(index, problem.elem), resultArg()}, "cpu.copy");
    return true;
  };
  if (auto transpose = dyn_cast<nn::TransposeOp>(op))
    return box(transpose.getX(), type.getShape(), [&](CopyProblem &problem, ArrayRef<int64_t> strides) {
      for (int64_t axis : transpose.getPerm())
        problem.inStrides.push_back(strides[axis]);
    });
  if (auto slice = dyn_cast<nn::SliceOp>(op))
    return box(slice.getX(), type.getShape(), [&](CopyProblem &problem, ArrayRef<int64_t> strides) {
      // Starts that are only known at run time are texts of the op.
      auto texts = slice->getAttrOfType<ArrayAttr>(nn::kStartsAttr);
      size_t next = 0;
      for (auto [axis, stride] : llvm::enumerate(strides)) {
        int64_t start = slice.getStarts()[axis];
        if (ShapedType::isDynamic(start))
          start = texts && next < texts.size() ? offsetOf(SizeScope::table().parse(cast<StringAttr>(texts[next++]).getValue())) : 0;
        problem.inBase = addOffsets(problem.inBase, mulOffsets(start, stride));
        problem.inStrides.push_back(mulOffsets(slice.getSteps()[axis], stride));
      }
    });
  if (auto expand = dyn_cast<nn::ExpandOp>(op))
    return box(expand.getX(), type.getShape(), [&](CopyProblem &problem, ArrayRef<int64_t> strides) {
      SizedType from(expand.getX());
      problem.inStrides.assign(type.getRank(), 0);
      for (int64_t i = 0; i < from.getRank(); ++i)
        if (from.getDimSize(i) != 1)
          problem.inStrides[type.getRank() - from.getRank() + i] = strides[i];
    });
  if (auto concat = dyn_cast<nn::ConcatOp>(op)) {
    int64_t axis = concat.getAxis();
    SizeCode at = 0;
    for (Value x : concat.getXs()) {
      SizedType part(x);
      if (part.getNumElements() &&
          !box(x, part.getShape(), [&](CopyProblem &problem, ArrayRef<int64_t> strides) {
            problem.outBase = addOffsets(problem.outBase, mulOffsets(offsetOf(sizeOf(at)), out[axis]));
            problem.inStrides.assign(strides.begin(), strides.end());
          }))
        return false;
      at = plus(at, part.getDimSize(axis));
    }
    return true;
  }
  if (auto pad = dyn_cast<nn::PadOp>(op)) {
    FillProblem fill;
    fill.out = results[0].map;
    fill.interior = true;
    fill.value = pad.getValue().convertToDouble();
    if (fill.out.elem == Elem::U8 && fill.value < 0)
      fill.value += 256; // codes are stored unsigned
    push(fill, {resultArg()}, "cpu.fill");
    return box(pad.getX(), SizedType(pad.getX()).getShape(), [&](CopyProblem &problem, ArrayRef<int64_t> strides) {
      problem.inStrides.assign(strides.begin(), strides.end());
      for (auto [axis, low] : llvm::enumerate(pad.getLow()))
        problem.outBase = addOffsets(problem.outBase, mulOffsets(low, out[axis]));
    });
  }
  return refuse("no copy for this op");
}

FailureOr<std::vector<Step>> lowerKernel(func::FuncOp kernel, ArrayRef<CallOperand> operands, ArrayRef<Placement> results,
                                         std::string &portable, bool dry) {
  Lowering lowering(kernel, operands, results, dry);
  portable.clear();
  if (lowering.run())
    return std::move(lowering.steps);
  portable = lowering.why;
  Step step;
  step.problem = PortableProblem{kernel};
  for (auto [index, operand] : llvm::enumerate(operands)) {
    KernelArg arg;
    arg.index = index;
    if (operand.constant) {
      std::optional<Elem> elem = elemOf(operand.type.getElementType());
      arg.elem = elem.value_or(Elem::U8);
    } else {
      arg.elem = operand.place.map.elem;
      if (operand.place.form != Form::Plain || !isDense(operand.place.map))
        return LogicalResult(kernel.emitError("no generator serves this kernel (") << lowering.why << "), and operand " << index << " is not plain");
    }
    step.args.push_back(arg);
  }
  for (auto [index, place] : llvm::enumerate(results)) {
    if (place.form != Form::Plain || !isDense(place.map))
      return LogicalResult(kernel.emitError("no generator serves this kernel (") << lowering.why << "), and result " << index << " is not plain");
    KernelArg arg;
    arg.kind = KernelArg::Result;
    arg.index = index;
    arg.elem = place.map.elem;
    step.args.push_back(arg);
  }
  return std::vector<Step>{step};
}

} // namespace tern::cpu
