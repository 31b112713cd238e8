//===- GatherLowering.cpp - rows of a table, plain or coded -> problems -----===//
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {

bool RowLowering::gather() {
  auto op = cast<nn::GatherOp>(info.anchor);
  if (terminator()->getOperand(0) != op.getResult())
    return refuse("an epilogue");
  GatherProblem problem;
  SmallVector<SizeCode, 4> tableSizes = sizesOf(op.getX());
  ArrayRef<SizeCode> shape = tableSizes;
  int64_t axis = op.getAxis();
  problem.outer = product(shape.take_front(axis));
  problem.rows = shape[axis];
  problem.width = product(shape.drop_front(axis + 1));
  problem.count = product(sizesOf(op.getIndices()));
  Strided codes, scales, indices;
  // A single index is a constant of the body.
  KernelArg indexArg;
  ElementsAttr inside = operandIndex(op.getIndices()) < 0 ? constantOf(op.getIndices()) : ElementsAttr();
  if (inside) {
    std::optional<std::vector<char>> bytes = bytesOfConstant(inside);
    std::optional<Elem> elem = elemOf(inside.getElementType());
    if (!bytes || !elem)
      return refuse("indices whose data is gone");
    indexArg = constantArg(*elem, std::move(*bytes));
  } else {
    if (!strided(op.getIndices(), indices))
      return false;
    indexArg = operandArg(indices);
  }
  problem.index = indexArg.elem;
  SmallVector<KernelArg> args;
  if (auto dequantize = op.getX().getDefiningOp<DequantizeOp>()) {
    auto bundle = dequantize.getQ().getDefiningOp<BundleOp>();
    Format format = cast<QuantType>(dequantize.getQ().getType()).getFormat().getFormat();
    const Plane *scale = format.find(Role::Scale);
    std::optional<int64_t> zero = bundle ? storedZero(bundle) : std::nullopt;
    bool planes = scale && zero && format.planes.size() <= 2 && bundle.getPlanes().size() <= 3 && &format.planes[0] == scale;
    if (!planes || !format.elem.isInteger() || (format.elem.bits != 8 && format.elem.bits != 4) || shape.size() != 2 || axis != 0)
      return refuse("a table whose codes are not 8 or 4 bits with scales along its rows");
    ArrayRef<int64_t> block(scale->block);
    if (block.size() != 2 || block[0] != 1 || (scale->type != Element::f32() && scale->type != Element::f16()))
      return refuse("a table whose scales are not those of a row or of blocks of it");
    if (!strided(bundle.getPlanes()[0], codes) || !strided(bundle.getPlanes()[1], scales))
      return false;
    problem.bits = format.elem.bits;
    problem.isSigned = format.elem.hasSignedCodes();
    problem.zero = *zero - (problem.isSigned ? 128 : 0); // constants lie in two's complement
    problem.group = block[1] == kWhole || block[1] >= problem.width ? 0 : block[1];
    problem.scale = scale->type == Element::f32() ? Elem::F32 : Elem::F16;
    problem.elem = Elem::U8;
    args = {operandArg(codes), operandArg(scales)};
  } else {
    if (!strided(op.getX(), codes))
      return false;
    problem.elem = codes.elem;
    args = {operandArg(codes)};
  }
  args.append({indexArg, resultArg(0)});
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, args, "cpu.gather");
  return true;
}

} // namespace tern::cpu
