//===- RowLowering.cpp - kernels of plain operands -> problems; their strides --===//
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Programs/NestBuilder.h"

using namespace mlir;

namespace tern::cpu {

bool RowLowering::run() {
  if (!plain())
    return false;
  switch (info.kind) {
  case KernelClass::Norm:
    return norm();
  case KernelClass::GroupNorm:
    return groupNorm();
  case KernelClass::Attention:
    return attention();
  case KernelClass::Rope:
    return rope();
  case KernelClass::Product:
    return matmul();
  case KernelClass::Gather:
    return gather();
  case KernelClass::AxesReduce:
  case KernelClass::GlobalReduce:
    return reduce();
  case KernelClass::Axis:
  case KernelClass::Softmax:
    return axis();
  case KernelClass::Rnn:
    return rnn();
  case KernelClass::Pad:
    return pad();
  case KernelClass::Nest:
    return nest();
  default:
    return refuse("another kind of kernel");
  }
}


bool RowLowering::plain() {
  for (const CallOperand &operand : operands)
    if (!operand.constant && operand.place.form != Form::Plain)
      return refuse("an operand that is placed as a picture");
  for (const Placement &place : results)
    if (place.form != Form::Plain)
      return refuse("a result that is placed as a picture");
  return true;
}

//===- Strides ----------------------------------------------------------------===//

bool RowLowering::strided(Value value, Strided &view) {
  if (auto transpose = value.getDefiningOp<nn::TransposeOp>()) {
    Strided from;
    if (!strided(transpose.getX(), from))
      return false;
    view = from;
    for (auto [to, axis] : llvm::enumerate(transpose.getPerm())) {
      view.sizes[to] = from.sizes[axis];
      view.strides[to] = from.strides[axis];
    }
    return true;
  }
  if (auto slice = value.getDefiningOp<nn::SliceOp>()) {
    if (!strided(slice.getX(), view))
      return false;
    SmallVector<SizeCode> sizes = llvm::to_vector(sizesOf(value));
    for (size_t d = 0; d < sizes.size(); d++) {
      if (slice.getStarts()[d] == 0 && slice.getSteps()[d] == 1)
        continue;
      if (isDynamic(view.strides[d]) || ShapedType::isDynamic(slice.getStarts()[d]))
        return refuse("a slice whose place is only known at run time");
      view.base += slice.getStarts()[d] * view.strides[d];
      view.strides[d] *= slice.getSteps()[d];
    }
    view.sizes.assign(sizes.begin(), sizes.end());
    return true;
  }
  int index = operandIndex(value);
  if (index < 0)
    return refuse("an operand that is computed inside the kernel");
  const CallOperand &operand = operands[index];
  std::optional<Elem> elem = elemOf(operand.type.getElementType());
  if (!elem)
    return refuse("an operand of an element type that no kernel reads");
  Placement place = operand.place;
  if (operand.constant)
    place = {Form::Plain, plainMap(operand.type)};
  view.operand = index;
  view.elem = operand.constant ? *elem : place.map.elem;
  view.sizes = sizesOf(value);
  view.strides = plainStrides(view.sizes, place.map);
  view.base = place.map.base;
  return true;
}

bool RowLowering::broadcast(Value value, ArrayRef<SizeCode> shape, Strided &view) {
  Strided own;
  if (!strided(value, own))
    return false;
  if (own.sizes.size() > shape.size())
    return refuse("an operand of more dimensions than the result");
  view = own;
  size_t missing = shape.size() - own.sizes.size();
  view.sizes.assign(shape.begin(), shape.end());
  view.strides.assign(shape.size(), 0);
  for (auto [index, size] : llvm::enumerate(own.sizes)) {
    if (size == shape[missing + index] && size != 1)
      view.strides[missing + index] = own.strides[index];
    else if (size != 1)
      return refuse("an operand that does not broadcast to the result");
  }
  return true;
}

RowLowering::Strided RowLowering::resultView(unsigned index) {
  Strided view;
  view.elem = results[index].map.elem;
  view.base = results[index].map.base;
  view.sizes = sizesOf(terminator()->getOperand(index));
  view.strides = plainStrides(view.sizes, results[index].map);
  return view;
}

bool RowLowering::stridedResult(Value value, Strided &view) {
  Value result = terminator()->getOperand(0);
  view = resultView(0);
  if (result == value)
    return true;
  SmallVector<SizeCode, 4> strides = view.strides;
  view.sizes = sizesOf(value);
  auto transpose = result.getDefiningOp<nn::TransposeOp>();
  if (!transpose || transpose.getX() != value)
    return refuse("an epilogue");
  for (auto [to, axis] : llvm::enumerate(transpose.getPerm()))
    view.strides[axis] = strides[to];
  return true;
}

View RowLowering::viewOf(const Strided &view, ArrayRef<unsigned> dims) {
  View result;
  result.elem = view.elem;
  result.base = view.base;
  for (unsigned dim : dims)
    result.strides.push_back(dim == kOne ? 0 : asOffset(view.strides[dim]));
  return result;
}

//===- Loop nests ----------------------------------------------------------------------===//

bool RowLowering::nest() {
  if (!plain())
    return false;
  if (terminator()->getNumOperands() != 1)
    return refuse("more than one result");
  Value result = terminator()->getOperand(0);
  SmallVector<SizeCode, 4> shape = sizesOf(result);
  if (!programElem(SizedType(result).getElementType()))
    return refuse("a result of an element type that a loop nest does not know");
  NdProblem problem;
  problem.sizes.assign(shape.begin(), shape.end());
  Strided out = resultView(0);
  problem.out.elem = out.elem;
  problem.out.base = out.base;
  problem.out.strides.assign(out.strides.begin(), out.strides.end());
  auto input = [&](Value value, NestBuilder::Bytes bytes) -> std::optional<View> {
    Strided view;
    if (!broadcast(value, shape, view))
      return std::nullopt;
    View made;
    made.elem = view.elem;
    // An int8 is an integer, a constant code is one in two's complement, the code of an activation is not (Problem.h).
    bool isInteger = bytes == NestBuilder::Bytes::Number || (bytes == NestBuilder::Bytes::SignedCode && operands[view.operand].constant);
    if (isInteger && SizedType(value).getElementType().isSignlessInteger(8))
      made.elem = Elem::S8;
    made.base = view.base;
    made.strides.assign(view.strides.begin(), view.strides.end());
    return made;
  };
  NestBuilder builder(problem, input);
  if (!builder.finish(result))
    return refuse(builder.error());
  if (problem.sizes.empty()) { // one number
    problem.sizes.push_back(1);
    problem.out.strides.push_back(1);
    for (View &view : problem.inputs)
      view.strides.push_back(0);
  }
  mergeDimensions(problem);
  // Strides were codes of sizes up to here.
  for (int64_t &stride : problem.out.strides)
    stride = asOffset(stride);
  for (View &view : problem.inputs)
    for (int64_t &stride : view.strides)
      stride = asOffset(stride);
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SmallVector<KernelArg> args;
  for (auto [value, view] : llvm::zip(builder.inputs(), problem.inputs)) {
    KernelArg arg;
    arg.index = operandIndex(value);
    arg.elem = view.elem;
    args.push_back(arg);
  }
  args.push_back(resultArg(0));
  push(problem, args, "cpu.nd");
  return true;
}

} // namespace tern::cpu
