//===- KernelLowering.cpp - a call of a kernel -> problems ------------------===//
#include "lib/Target/Cpu/Lowering/Portable/Portable.h"
#include "lib/Target/Cpu/Lowering/Calls/CallLowering.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Calls/ConvLowering.h"
#include "lib/Target/Cpu/Lowering/Calls/GemmLowering.h"
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"

using namespace mlir;

namespace tern::cpu {

bool CallLowering::run() {
  if (isRowKernel(info.kind))
    return rows();
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
  case KernelClass::Sizes:
    return sizes();
  case KernelClass::Portable:
    return refuse(info.why);
  default:
    return refuse("another kind of kernel");
  }
}

int CallLowering::source(Value value) {
  if (auto dequantize = value.getDefiningOp<DequantizeOp>())
    value = dequantize.getQ();
  if (auto bundle = value.getDefiningOp<BundleOp>())
    value = bundle.getPlanes().front();
  return operandIndex(value);
}

const CallOperand *CallLowering::activation(Value value, int &index) {
  index = source(value);
  if (index < 0 || operands[index].constant) {
    refuse("the input of the op is no operand of the kernel");
    return nullptr;
  }
  return &operands[index];
}

bool CallLowering::epilogue(Expr &expr, SmallVectorImpl<KernelArg> &args,
                            function_ref<void(ExprBuilder &)> prepare) {
  ExprBuilder builder(operands, resultType(), results[0]);
  prepare(builder);
  if (!builder.finish(result()))
    return refuse(builder.error());
  expr = builder.expr();
  args.append(builder.args().begin(), builder.args().end());
  return true;
}

bool CallLowering::rows(bool nest) {
  RowLowering lowering(kernel, info, operands, results);
  if (!(nest ? lowering.nest() : lowering.run()))
    return refuse(lowering.error());
  steps = std::move(lowering.steps);
  return true;
}

bool CallLowering::sizes() {
  SizesProblem problem;
  problem.elem = results[0].map.elem;
  for (Attribute text : cast<nn::SizesOp>(info.anchor).getValues())
    problem.values.push_back(offsetOf(SizeScope::table().parse(cast<StringAttr>(text).getValue())));
  if (!oneResult() || result() != info.anchor->getResult(0))
    return refuse("sizes that change on the way");
  push(problem, {resultArg()}, "cpu.fill");
  return true;
}

bool CallLowering::conv() {
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
  addSteps(lowered.takeSteps());
  push(problem, args, lowered.row(), lowered.macs());
  return true;
}

/// Whether the last panel of 32 outputs would be padding for the most part, more than 1 / 64 of the weight: the panels of convolutions
/// have 16. Only 4-bit weights, which are small for the sake of their size, and rows that are known.
static bool wantsNarrowPanels(Operation *anchor) {
  auto product = dyn_cast<MatmulOp>(anchor);
  if (!product || halvedBehind(anchor) || !cast<RankedTensorType>(product.getResult().getType()).hasStaticShape())
    return false;
  auto weight = cast<QuantType>(product.getW().getType());
  int64_t n = weight.getShape().front(), missing = (32 - n % 32) % 32;
  return weight.getShape().size() == 2 && weight.getFormat().getFormat().elem.bits == 4 && missing >= 16 && missing * 64 > n;
}

bool CallLowering::matmul() {
  if (!oneResult())
    return false;
  if (wantsNarrowPanels(info.anchor)) {
    if (conv())
      return true;
    why.clear();
  }
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
  addSteps(lowered.takeSteps());
  push(problem, args, lowered.row(), times(product({problem.in.n, problem.in.h, problem.in.w}), lowered.macsPerRow()));
  return true;
}

bool CallLowering::dynamicQuant() {
  auto op = cast<QuantizeOp>(info.anchor);
  int index;
  const CallOperand *x = activation(op.getX(), index);
  if (!x)
    return false;
  bool minmax = isMinmaxQuantization(op);
  if (terminator()->getNumOperands() != 2u + minmax)
    return refuse("run-time quantization yields codes, scales and zero points");
  if (x->place.form != results[0].form)
    return refuse("codes in another layout than the values");
  DynamicQuantProblem problem;
  problem.in = x->place.map;
  problem.out = results[0].map;
  // One scale for the tensor or for each row.
  QuantType type = op.getResult().getType();
  Format format = type.getFormat().getFormat();
  const std::vector<int64_t> &block = format.planes.front().block;
  problem.minmax = minmax;
  problem.perTensor = minmax || (block.empty() && product({problem.in.n, problem.in.h, problem.in.w}) != 1);
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
  partial.size = 4 * 1024; // one f32, or two, a task of the first pass
  push(AbsmaxProblem{problem}, {operandArg(index, Elem::F32), partial}, "cpu.dynamic_quant");
  SmallVector<KernelArg> args{operandArg(index, Elem::F32), partial, resultArg(0), resultArg(1)};
  if (minmax)
    args.push_back(resultArg(2));
  push(problem, args, "cpu.dynamic_quant");
  return true;
}

FailureOr<std::vector<Step>> lowerKernel(func::FuncOp kernel, ArrayRef<CallOperand> operands, ArrayRef<Placement> results,
                                         std::string &portable, bool dry) {
  CallLowering lowering(kernel, operands, results, dry);
  portable.clear();
  if (lowering.run())
    return std::move(lowering.steps);
  portable = lowering.error().str();
  for (auto [index, operand] : llvm::enumerate(operands))
    if (!operand.constant && (operand.place.form != Form::Plain || !isDense(operand.place.map)))
      return LogicalResult(kernel.emitError("no generator serves this kernel (") << lowering.error() << "), and operand " << index << " is not plain");
  for (auto [index, place] : llvm::enumerate(results))
    if (place.form != Form::Plain || !isDense(place.map))
      return LogicalResult(kernel.emitError("no generator serves this kernel (") << lowering.error() << "), and result " << index << " is not plain");
  if (dry)
    return std::vector<Step>();
  return lowerPortable(kernel, operands, results);
}

} // namespace tern::cpu
