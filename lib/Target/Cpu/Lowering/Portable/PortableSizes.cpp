//===- PortableSizes.cpp - sizes of buffers as expressions ------------------===//
#include "lib/Target/Cpu/Lowering/Portable/PortableSizes.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using tern::nn::SizeExpr;
using tern::nn::Sizes;

namespace tern::cpu {

SizeExpr BufferSizes::of(AffineExpr e, ArrayRef<SizeExpr> operands, unsigned dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(e))
    return table.constant(constant.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(e))
    return operands[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(e))
    return operands[dims + symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(e);
  SizeExpr a = of(binary.getLHS(), operands, dims), b = of(binary.getRHS(), operands, dims);
  if (!a || !b)
    return {};
  switch (e.getKind()) {
  case AffineExprKind::Add:
    return table.add(a, b);
  case AffineExprKind::Mul:
    return table.mul(a, b);
  case AffineExprKind::FloorDiv:
    return table.floorDiv(a, b);
  case AffineExprKind::CeilDiv:
    return table.ceilDiv(a, b);
  case AffineExprKind::Mod:
    return table.mod(a, b);
  default:
    return {};
  }
}

SizeExpr BufferSizes::of(OpFoldResult size) {
  if (std::optional<int64_t> constant = getConstantIntValue(size))
    return table.constant(*constant);
  return of(cast<Value>(size));
}

SizeExpr BufferSizes::of(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return table.constant(constant.getSExtValue());
  Operation *op = value.getDefiningOp();
  if (!op)
    return {};
  auto operand = [&](unsigned i) { return of(op->getOperand(i)); };
  auto affine = [&](AffineMap map, bool isMin) {
    SmallVector<SizeExpr> operands;
    for (Value v : op->getOperands())
      operands.push_back(of(v));
    SizeExpr best;
    for (AffineExpr e : map.getResults()) {
      SizeExpr size = of(e, operands, map.getNumDims());
      if (!size)
        return SizeExpr();
      best = !best ? size : isMin ? table.min(best, size) : table.max(best, size);
    }
    return best;
  };
  return llvm::TypeSwitch<Operation *, SizeExpr>(op)
      .Case([&](nn::SizeOp size) { return table.parse(size.getValue()); })
      .Case([&](memref::DimOp dim) {
        std::optional<int64_t> axis = dim.getConstantIndex();
        return axis ? this->dim(dim.getSource(), *axis) : SizeExpr();
      })
      .Case([&](arith::AddIOp) { return table.add(operand(0), operand(1)); })
      .Case([&](arith::SubIOp) { return table.sub(operand(0), operand(1)); })
      .Case([&](arith::MulIOp) { return table.mul(operand(0), operand(1)); })
      .Case<arith::DivUIOp, arith::DivSIOp, arith::FloorDivSIOp>([&](auto) { return table.floorDiv(operand(0), operand(1)); })
      .Case<arith::CeilDivSIOp, arith::CeilDivUIOp>([&](auto) { return table.ceilDiv(operand(0), operand(1)); })
      .Case<arith::MinSIOp, arith::MinUIOp>([&](auto) { return table.min(operand(0), operand(1)); })
      .Case<arith::MaxSIOp, arith::MaxUIOp>([&](auto) { return table.max(operand(0), operand(1)); })
      .Case<arith::IndexCastOp>([&](auto) { return operand(0); })
      .Case([&](affine::AffineApplyOp apply) { return affine(apply.getAffineMap(), true); })
      .Case([&](affine::AffineMinOp min) { return affine(min.getAffineMap(), true); })
      .Case([&](affine::AffineMaxOp max) { return affine(max.getAffineMap(), false); })
      .Default([](Operation *) { return SizeExpr(); });
}

SizeExpr BufferSizes::dim(Value buffer, int64_t axis) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(axis))
    return table.constant(type.getDimSize(axis));
  if (auto it = shapes.find(buffer); it != shapes.end())
    return it->second[size_t(axis)];
  Operation *op = buffer.getDefiningOp();
  if (!op)
    return {};
  return llvm::TypeSwitch<Operation *, SizeExpr>(op)
      .Case<memref::AllocOp, memref::AllocaOp>([&](auto alloc) { return of(alloc.getMixedSizes()[axis]); })
      .Case([&](memref::SubViewOp view) {
        // A dimension of size 1 may have been dropped.
        llvm::SmallBitVector dropped = view.getDroppedDims();
        int64_t kept = -1;
        for (auto [i, size] : llvm::enumerate(view.getMixedSizes()))
          if (!dropped[i] && ++kept == axis)
            return of(size);
        return SizeExpr();
      })
      .Case([&](memref::ExpandShapeOp expand) { return of(expand.getMixedOutputShape()[axis]); })
      .Case([&](memref::CollapseShapeOp collapse) {
        SizeExpr all = table.constant(1);
        ReassociationIndices group = collapse.getReassociationIndices()[axis];
        for (int64_t d : group)
          all = table.mul(all, this->dim(collapse.getSrc(), d));
        return all;
      })
      .Case([&](memref::ReinterpretCastOp cast) { return of(cast.getMixedSizes()[axis]); })
      .Case([&](memref::CastOp cast) { return this->dim(cast.getSource(), axis); })
      .Default([](Operation *) { return SizeExpr(); });
}

Sizes BufferSizes::shapeOf(Value buffer) {
  Sizes sizes;
  for (int64_t axis = 0, rank = cast<MemRefType>(buffer.getType()).getRank(); axis < rank; ++axis)
    sizes.push_back(dim(buffer, axis));
  return sizes;
}

} // namespace tern::cpu
