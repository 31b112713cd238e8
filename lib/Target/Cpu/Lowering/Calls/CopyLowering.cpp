//===- CopyLowering.cpp - transposes, slices, concats, pads -> copies of boxes --===//
#include "lib/Target/Cpu/Lowering/Calls/CallLowering.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "lib/Target/Cpu/Emit.h"

using namespace mlir;

namespace tern::cpu {

/// Each operand of a concat along the channels is an elementwise program that writes its part of the result.
bool CallLowering::concatByParts(nn::ConcatOp concat) {
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

bool CallLowering::copy() {
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

} // namespace tern::cpu
