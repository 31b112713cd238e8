//===- Conditions.cpp - when the ops of a straight-line program matter -----===//
#include "dialects/Tern/Transforms/Conditions.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tern {

Value rootOf(Value value) {
  while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
    value = reshape.getX();
  return value;
}

static bool isOneTruthValue(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && type.getNumElements() == 1 && type.getElementType().isInteger(1);
}

/// The selection that is all of a kernel.
static nn::SelectOp selectionOf(func::FuncOp kernel) {
  nn::SelectOp select;
  if (!kernel || kernel.isExternal() || !kernel.getBody().hasOneBlock())
    return {};
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (isa<arith::ConstantOp>(op))
      continue;
    auto next = dyn_cast<nn::SelectOp>(op);
    if (!next || select)
      return {};
    select = next;
  }
  Operation *end = select ? kernel.getBody().front().getTerminator() : nullptr;
  return end && end->getNumOperands() == 1 && end->getOperand(0) == select.getResult() ? select : nn::SelectOp();
}

std::optional<Branch> branchOf(Operation *op, SymbolTable *symbols) {
  if (auto select = dyn_cast<nn::SelectOp>(op)) {
    if (!isOneTruthValue(select->getOperand(0)))
      return std::nullopt;
    return Branch{0, 1, 2};
  }
  auto call = dyn_cast<CallOp>(op);
  nn::SelectOp select = call && symbols ? selectionOf(symbols->lookup<func::FuncOp>(call.getCallee())) : nn::SelectOp();
  if (!select || !isOneTruthValue(select->getOperand(0)))
    return std::nullopt;
  int parts[3];
  for (int i = 0; i < 3; ++i) {
    auto argument = dyn_cast<BlockArgument>(select->getOperand(i));
    parts[i] = argument ? int(argument.getArgNumber()) : -1;
    for (int j = 0; j < i; ++j)
      if (argument && parts[j] == parts[i])
        return std::nullopt;
  }
  if (parts[0] < 0)
    return std::nullopt;
  return Branch{parts[0], parts[1], parts[2]};
}

/// Keeps what both have, in the order of `all`.
static void intersect(SmallVectorImpl<Literal> &all, ArrayRef<Literal> other) {
  llvm::erase_if(all, [&](const Literal &literal) { return !llvm::is_contained(other, literal); });
}

Conditions::Conditions(Block &block, SymbolTable *symbols) {
  auto read = [&](Value value, ArrayRef<Literal> literals) {
    Operation *producer = value.getDefiningOp();
    if (!producer || producer->getBlock() != &block)
      return;
    auto [it, isNew] = needs.try_emplace(producer, literals);
    if (!isNew)
      intersect(it->second, literals);
  };
  for (Operation &op : llvm::reverse(block)) {
    // An op that nothing reads is left as it is.
    SmallVector<Literal, 2> own;
    if (auto it = needs.find(&op); it != needs.end())
      own = it->second;
    std::optional<Branch> branch = branchOf(&op, symbols);
    Value condition = branch ? rootOf(op.getOperand(branch->condition)) : Value();
    for (OpOperand &operand : op.getOpOperands()) {
      int number = int(operand.getOperandNumber());
      bool isSide = branch && (number == branch->yes || number == branch->no);
      if (!isSide || isa_and_nonnull<arith::ConstantOp>(condition.getDefiningOp())) {
        read(operand.get(), own);
        continue;
      }
      SmallVector<Literal, 2> side = own;
      Literal literal{condition, number == branch->yes};
      if (!llvm::is_contained(side, literal))
        side.push_back(literal);
      read(operand.get(), side);
    }
  }
}

ArrayRef<Literal> Conditions::of(Operation *op) const {
  auto it = needs.find(op);
  return it == needs.end() ? ArrayRef<Literal>() : ArrayRef<Literal>(it->second);
}

} // namespace tern
