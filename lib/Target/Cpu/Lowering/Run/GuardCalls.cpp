//===- GuardCalls.cpp - only the taken branch runs --------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Conditions.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Lowering/Run/Guards.h"
#include "lib/Target/Cpu/Lowering/Layouts/Layout.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "llvm/ADT/MapVector.h"
#include <set>

using namespace mlir;

namespace tern::cpu {
#define GEN_PASS_DEF_CPUGUARDCALLS
#include "lib/Target/Cpu/Lowering/Passes.h.inc"

namespace {

/// Of one block: @main or the body of a loop.
class Guarding {
public:
  Guarding(Block &block, SymbolTable &symbols)
      : block(block), b(block.getParentOp()->getContext()), symbols(symbols), conditions(block, &symbols) {}

  void run() {
    for (Operation &op : block)
      if (isa<CallOp, nn::LoopOp>(op))
        if (SmallVector<int64_t> guard = numbersOf(conditions.of(&op)); !guard.empty())
          op.setAttr(kGuardAttr, b.getDenseI64ArrayAttr(guard));
    for (auto call : block.getOps<CallOp>())
      markBranch(call);
    writeNumbers();
    sort();
  }

private:
  /// Numbers of conditions, negated where they have to be false.
  SmallVector<int64_t> numbersOf(ArrayRef<Literal> literals) {
    SmallVector<int64_t> guard;
    for (const Literal &literal : literals) {
      int64_t number = numbers.try_emplace(literal.condition, int64_t(numbers.size()) + 1).first->second;
      guard.push_back(literal.on ? number : -number);
    }
    return guard;
  }

  static StringRef textAt(CallOp call, StringRef attribute, unsigned index) {
    auto places = call->getAttrOfType<ArrayAttr>(attribute);
    return places && index < places.size() ? cast<StringAttr>(places[index]).getValue() : StringRef();
  }

  /// The value has one reader, through reshapes: the operand of the selection.
  static bool isReadOnce(Value value) {
    while (value.hasOneUse()) {
      if (!value.getDefiningOp<nn::ReshapeOp>())
        return true;
      value = value.getDefiningOp()->getOperand(0);
    }
    return false;
  }

  /// A selection of whole tensors is a copy of one of them, or nothing where both are computed at the place of the result.
  void markBranch(CallOp call) {
    std::optional<Branch> branch = branchOf(call, &symbols);
    if (!branch || branch->yes < 0 || branch->no < 0)
      return;
    Value condition = rootOf(call.getIns()[branch->condition]);
    if (constantOf(condition))
      return;
    Value result = call.getOuts().front();
    SmallVector<bool> embedded(call.getIns().size(), false);
    bool any = false;
    for (int side : {branch->yes, branch->no}) {
      Value value = call.getIns()[side], source = rootOf(value);
      if (value.getType() != result.getType())
        return;
      auto producer = source.getDefiningOp<CallOp>();
      StringRef place = textAt(call, "cpu.results", 0);
      std::optional<Placement> parsed = parsePlacement(place);
      bool inside = producer && isReadOnce(value) && parsed && parsed->map.base == 0 && place == textAt(call, "cpu.operands", side);
      // The padding of codes is that of the readers of the result.
      inside = inside && !(parsed->map.hasHalo() && parsed->map.elem == Elem::U8);
      if (inside && source != value) // its bytes are those of the reshape
        inside = parsed->form == Form::Plain && isDense(parsed->map);
      else if (inside)
        inside = place == textAt(producer, "cpu.results", cast<OpResult>(source).getResultNumber());
      embedded[side] = inside;
      any |= inside;
    }
    numbersOf({{condition, true}});
    call->setAttr(kBranchAttr, b.getDenseI64ArrayAttr({branch->condition, branch->yes, branch->no}));
    if (any)
      call->setAttr("cpu.embedded", b.getDenseBoolArrayAttr(embedded));
  }

  void writeNumbers() {
    auto write = [&](Operation *op, StringRef attribute, ValueRange values) {
      SmallVector<int64_t> own;
      for (Value value : values)
        own.push_back(numbers.lookup(value));
      if (llvm::any_of(own, [](int64_t number) { return number != 0; }))
        op->setAttr(attribute, b.getDenseI64ArrayAttr(own));
    };
    write(block.getParentOp(), kArgumentConditionsAttr, block.getArguments());
    for (Operation &op : block)
      write(&op, kConditionAttr, op.getResults());
  }

  /// Guarded ops come behind what computes their conditions; else the order stays.
  void sort() {
    SmallVector<Operation *> order;
    DenseMap<Operation *, unsigned> place;
    for (Operation &op : block.without_terminator()) {
      place[&op] = order.size();
      order.push_back(&op);
    }
    std::vector<SmallVector<unsigned, 2>> readers(order.size());
    SmallVector<unsigned> open(order.size(), 0);
    auto after = [&](unsigned op, Value value) {
      Operation *producer = value.getDefiningOp();
      auto found = producer ? place.find(producer) : place.end();
      if (found == place.end())
        return;
      readers[found->second].push_back(op);
      ++open[op];
    };
    std::set<unsigned> ready;
    for (auto [index, op] : llvm::enumerate(order)) {
      for (Value operand : op->getOperands())
        after(index, operand);
      for (const Literal &literal : conditions.of(op))
        after(index, literal.condition);
      if (!open[index])
        ready.insert(index);
    }
    while (!ready.empty()) {
      unsigned next = *ready.begin();
      ready.erase(ready.begin());
      order[next]->moveBefore(block.getTerminator());
      for (unsigned reader : readers[next])
        if (--open[reader] == 0)
          ready.insert(reader);
    }
  }

  Block &block;
  Builder b;
  SymbolTable &symbols;
  Conditions conditions;
  llvm::MapVector<Value, int64_t> numbers;
};

struct GuardCallsPass : impl::CpuGuardCallsBase<GuardCallsPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal()) {
      getOperation().emitError("cpu-guard-calls needs a function @main of kernel calls (tern-outline makes it)");
      return signalPassFailure();
    }
    SizeScope scope(&getContext());
    SymbolTable symbols(getOperation());
    Guarding(main.getBody().front(), symbols).run();
    main.walk([&](nn::LoopOp loop) { Guarding(loop.block(), symbols).run(); });
  }
};
} // namespace
} // namespace tern::cpu
