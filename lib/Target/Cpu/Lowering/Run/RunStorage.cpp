//===- RunStorage.cpp - where the values of the run functions lie -----------===//
#include "lib/Target/Cpu/Lowering/Run/RunPlan.h"
#include "dialects/Tern/Transforms/Conditions.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {

/// A value that @main returns is computed in the caller's memory; one that is an input, a constant or returned before is copied.
void RunPlanner::placeOutputs() {
  for (auto [index, value] : llvm::enumerate(main.getBody().front().getTerminator()->getOperands())) {
    Value source = rootOf(value);
    if (isa_and_nonnull<CallOp, nn::LoopOp>(source.getDefiningOp()) && !storage.count(source))
      storage[source] = {Storage::Output, int64_t(index), {}};
    else
      copied.push_back(index);
  }
  for (BlockArgument argument : main.getArguments())
    storage[argument] = {Storage::Input, argument.getArgNumber(), {}};
}

void RunPlanner::copyOutputs() {
  for (unsigned index : copied) {
    Value value = main.getBody().front().getTerminator()->getOperand(index);
    SizedType type(value);
    Placement place{Form::Plain, flatMap(type)};
    Step step = relayoutStep(SizedType({type.getNumElements()}, type.getElementType()), place, place);
    FailureOr<Storage> from = sourceOf(value);
    push(std::move(step), {from.value_or(Storage()), {Storage::Output, int64_t(index), {}}}, value.getLoc(), "output_" + std::to_string(index), place, type, index, std::nullopt);
  }
}

/// Where a constant operand lies in weights.bin; nullopt: its data is gone.
std::optional<int64_t> RunPlanner::addConstant(ElementsAttr constant) {
  if (std::optional<ArrayRef<char>> bytes = rawBytes(constant))
    return made->weights.add(*bytes);
  std::optional<std::vector<char>> bytes = bytesOfConstant(constant);
  return bytes ? std::optional<int64_t>(made->weights.add(*bytes)) : std::nullopt;
}

Storage RunPlanner::newBuffer(nn::SizeExpr bytes) {
  made->buffers.push_back(SizeScope::table().max(bytes, SizeScope::table().constant(1)));
  return {Storage::Buffer, int64_t(made->buffers.size()) - 1, {}};
}

/// An operand of a concat, or the side of a selection, that is computed in place shares the buffer of the result.
void RunPlanner::findEmbedded() {
  main.walk([&](CallOp call) {
    if (auto embedded = call->getAttrOfType<DenseBoolArrayAttr>("cpu.embedded"))
      for (auto [operand, inside] : llvm::zip(call.getIns(), embedded.asArrayRef()))
        if (inside)
          embeddedIn[rootOf(operand)] = call.getOuts().front();
  });
}

Storage RunPlanner::storageOf(Value value, const Map &map) {
  Value source = rootOf(value);
  if (Value concat = embeddedIn.lookup(source)) {
    Map whole = map; // the strides of the result; its base is 0
    whole.base = 0;
    return storageOf(concat, whole);
  }
  auto found = storage.find(source);
  if (found != storage.end())
    return found->second;
  nn::SizeTable &table = SizeScope::table();
  nn::SizeExpr elements = table.add(offsetExpr(map.base), elementsOf(map));
  return storage[source] = newBuffer(table.mul(elements, table.constant(bytesOf(map.elem))));
}

/// Where a value lies that is plain and dense, or a constant. Failure is reported at its op.
FailureOr<Storage> RunPlanner::sourceOf(Value value) {
  Value source = rootOf(value);
  ElementsAttr constant = constantOf(source);
  if (!constant)
    return storageOf(source, flatMap(SizedType(source)));
  std::optional<int64_t> offset = addConstant(constant);
  if (!offset)
    return emitError(source.getLoc()) << "is a constant whose data is gone";
  return Storage{Storage::Weights, *offset, {}};
}

/// The argument of the kernel that reads `use`; null: no kernel does.
static Value argumentOf(OpOperand &use, const SymbolTable &symbols) {
  auto call = dyn_cast<CallOp>(use.getOwner());
  return call ? symbols.lookup<func::FuncOp>(call.getCallee()).getArgument(use.getOperandNumber()) : Value();
}

/// What the padding around a picture holds: the zero point of its codes, or 0.
double RunPlanner::paddingOf(Value value) {
  for (OpOperand &use : value.getUses()) {
    Value argument = argumentOf(use, symbols);
    if (!argument)
      continue;
    for (Operation *user : argument.getUsers())
      if (auto bundle = dyn_cast<BundleOp>(user))
        if (std::optional<int64_t> zero = storedZero(bundle))
          return double(*zero);
    // Computed in place in the result of a concat: the readers of that one.
    Value whole = cast<CallOp>(use.getOwner()).getOuts().front();
    if (embeddedIn.lookup(value) == whole)
      return paddingOf(whole);
  }
  return 0;
}

/// The same where it is computed in this run: the zero point, a value of @main; null: it is a constant.
Value RunPlanner::loadedPaddingOf(Value value) {
  for (OpOperand &use : value.getUses()) {
    Value argument = argumentOf(use, symbols);
    if (!argument)
      continue;
    for (Operation *user : argument.getUsers())
      if (auto bundle = dyn_cast<BundleOp>(user); bundle && !storedZero(bundle))
        for (auto [index, plane] : llvm::enumerate(bundle.getResult().getType().getFormat().getFormat().planes))
          if (int zero = operandIndex(bundle.getPlanes()[index + 1]); plane.role == Role::Zero && zero >= 0)
            return cast<CallOp>(use.getOwner()).getIns()[zero];
  }
  return {};
}

} // namespace tern::cpu
