//===- NormLowering.cpp - norms with what is around them -> problems --------===//
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {

bool RowLowering::norm() {
  Operation *norm = nullptr;
  QuantizeOp quantize;
  for (Operation &op : kernel.getBody().front()) {
    if (isa<nn::LayerNormOp, nn::RmsNormOp>(op))
      norm = &op;
    else if (auto q = dyn_cast<QuantizeOp>(op); q && q.getPlanes().empty())
      quantize = q;
  }
  NormProblem problem;
  problem.kind = NormKind::None;
  Value x = quantize ? quantize.getX() : Value(), y = x, scale, bias;
  if (auto layer = dyn_cast_or_null<nn::LayerNormOp>(norm)) {
    problem.kind = NormKind::Layer;
    problem.epsilon = layer.getEpsilon().convertToDouble();
    x = layer.getX(), scale = layer.getScale(), bias = layer.getBias();
    if (int64_t(layer.getAxis()) != SizedType(x).getRank() - 1)
      return refuse("a norm over several dimensions");
  } else if (auto rms = dyn_cast_or_null<nn::RmsNormOp>(norm)) {
    problem.kind = NormKind::Rms;
    problem.epsilon = rms.getEpsilon().convertToDouble();
    x = rms.getX(), scale = rms.getScale();
    if (int64_t(rms.getAxis()) != SizedType(x).getRank() - 1)
      return refuse("a norm over several dimensions");
  }
  // Results: the sum, the float result, codes and scales.
  int sumResult = -1, outResult = -1, codesResult = -1, scalesResult = -1;
  for (auto [index, value] : llvm::enumerate(terminator()->getOperands())) {
    auto unbundle = value.getDefiningOp<UnbundleOp>();
    if (unbundle && !quantize) { // codes of a known scale
      outResult = index;
      y = value;
    } else if (unbundle) {
      if (unbundle.getQ() != quantize.getResult())
        return refuse("a quantized result of another op");
      (value == unbundle.getPlanes().front() ? codesResult : scalesResult) = index;
    } else if (norm && value == x) {
      sumResult = index;
    } else {
      outResult = index;
      if (!quantize)
        y = value;
      else if (value != y)
        return refuse("a result that is neither the sum nor what is quantized");
    }
  }
  if (!y || (!SizedType(y).getElementType().isF32() && !SizedType(y).getElementType().isInteger(8)) || !SizedType(x).getElementType().isF32() || SizedType(x).getShape() != SizedType(y).getShape())
    return refuse("rows that are not f32");

  Placement place{Form::Plain, plainMap(SizedType(y))};
  problem.storeOut = outResult >= 0;
  if (problem.storeOut)
    place = results[outResult];
  problem.out = place.map;
  if (sumResult >= 0) {
    problem.storeSum = true;
    problem.sum = results[sumResult].map;
  }
  if (quantize) {
    if (codesResult < 0 || scalesResult < 0)
      return refuse("run-time quantization yields codes and scales");
    problem.quantize = true;
    problem.codes = results[codesResult].map;
    Format format = quantize.getResult().getType().getFormat().getFormat();
    const Plane *plane = format.find(Role::Scale);
    ArrayRef<int64_t> block = plane ? ArrayRef<int64_t>(plane->block) : ArrayRef<int64_t>();
    if (!isRowQuantization(quantize))
      return refuse("run-time quantization has a kernel for <si8, scale<f32>> and scales along rows by absmax");
    problem.group = block.back() == kWhole || block.back() >= problem.out.c ? 0 : block.back();
  }

  Placement floats = place; // what the prologue makes
  floats.map.elem = Elem::F32;
  ExprBuilder before(operands, SizedType(x), floats);
  if (!before.finish(x))
    return refuse(before.error());
  problem.prologue = before.expr();
  SmallVector<KernelArg> args(before.args());
  if (norm) {
    ExprBuilder after(operands, SizedType(y), place);
    int value = after.addAccumulator();
    if (scale)
      value = after.node(ExprOp::Mul, {value, after.valueOf(scale)});
    if (bias)
      value = after.node(ExprOp::Add, {value, after.valueOf(bias)});
    after.remember(norm->getResult(0), value);
    if (!after.finish(y))
      return refuse(after.error());
    problem.epilogue = after.expr();
    args.append(after.args().begin(), after.args().end());
  }
  for (int result : {sumResult, outResult, codesResult, scalesResult})
    if (result >= 0)
      args.push_back(resultArg(result));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, args, "cpu.norm");
  return true;
}

bool RowLowering::groupNorm() {
  auto op = cast<nn::GroupNormOp>(info.anchor);
  Strided x;
  if (terminator()->getOperand(0) != op.getResult())
    return refuse("an epilogue");
  if (!strided(op.getX(), x))
    return false;
  if (x.elem != Elem::F32 || x.sizes.size() < 2)
    return refuse("pictures that are not f32");
  GroupNormProblem problem;
  problem.n = x.sizes[0];
  problem.channels = x.sizes[1];
  problem.groups = op.getGroups();
  problem.size = product(ArrayRef<int64_t>(x.sizes).drop_front(2));
  problem.epsilon = op.getEpsilon().convertToDouble();
  problem.scale = bool(op.getScale());
  problem.bias = bool(op.getBias());
  SmallVector<KernelArg> args{operandArg(x)};
  for (Value value : {op.getScale(), op.getBias()}) {
    Strided vector;
    if (!value)
      continue;
    if (!strided(value, vector))
      return false;
    args.push_back(operandArg(vector));
  }
  args.push_back(resultArg(0));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, args, "cpu.group_norm");
  return true;
}

} // namespace tern::cpu
