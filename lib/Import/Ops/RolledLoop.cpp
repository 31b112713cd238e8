// Loop and Scan whose body is imported once, as nn.loop.
#include "lib/Import/Ops/RolledLoop.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

std::optional<int64_t> numberOf(const Importer &importer, const Known &known) {
  DenseElementsAttr attr = importer.constantOf(known);
  if (!attr || attr.getNumElements() != 1 || !isa<IntegerType>(attr.getElementType()))
    return std::nullopt;
  APInt value = *attr.getValues<APInt>().begin();
  return attr.getElementType().isInteger(1) ? int64_t(value.getZExtValue()) : value.getSExtValue();
}

Value valueOf(Node &n, const Known &known) {
  std::string name = (n.name().getValue() + "/value").str();
  if (known.value && isa<RankedTensorType>(known.value.getType()))
    return known.value;
  n.importer.bind(name, known);
  return n.importer.materialize(name, n.loc());
}

int64_t countNodes(const onnx::GraphProto &body) {
  int64_t count = body.node_size();
  for (const auto &node : body.node())
    for (const auto &a : node.attribute()) {
      count += a.has_g() ? countNodes(a.g()) : 0;
      for (const auto &g : a.graphs())
        count += countNodes(g);
    }
  return count;
}

namespace {

/// Constants, and what is computed of constants alone.
bool isConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op))
    return op != nullptr;
  return op->getNumRegions() == 0 && op->getNumOperands() > 0 && isPure(op) && llvm::all_of(op->getOperands(), isConstant);
}

/// Makes a block independent of what is around it: constants are repeated in it, other values become arguments.
class Isolation {
public:
  explicit Isolation(Block &block) : block(block), builder(OpBuilder::atBlockBegin(&block)) {}

  /// The values outside, one for each new argument; none: one of them is no tensor.
  std::optional<SmallVector<Value>> run() {
    bool tensors = true;
    // Ops of inner loops read nothing but what those are given.
    for (Operation &op : llvm::make_early_inc_range(block))
      for (OpOperand &operand : op.getOpOperands())
        if (operand.get().getParentBlock() != &block) {
          Value inside = bring(operand.get());
          tensors &= bool(inside);
          if (inside)
            operand.set(inside);
        }
    return tensors ? std::optional(captures) : std::nullopt;
  }

private:
  Value bring(Value value) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    if (isConstant(value)) {
      for (Value operand : value.getDefiningOp()->getOperands())
        if (!bring(operand))
          return {};
      Operation *copy = builder.clone(*value.getDefiningOp(), mapping);
      copy->removeAttr("name"); // of the op outside
      return mapping.lookup(value);
    }
    if (!isa<RankedTensorType>(value.getType()))
      return {};
    captures.push_back(value);
    Value argument = block.addArgument(value.getType(), value.getLoc());
    mapping.map(value, argument);
    return argument;
  }

  Block &block;
  OpBuilder builder;
  IRMapping mapping;
  SmallVector<Value> captures;
};

/// One import of a body.
class Body {
public:
  Body(Node &n, const onnx::GraphProto &graph, const RolledLoop &loop, std::string &why)
      : n(n), importer(n.importer), builder(n.builder()), graph(graph), loop(loop), why(why) {}

  std::optional<SmallVector<Value>> run() {
    Importer::Checkpoint before = importer.checkpoint();
    Block *outer = builder.getInsertionBlock();
    LoopOp made;
    {
      ScopedDiagnosticHandler capture(importer.context, [&](Diagnostic &diagnostic) {
        if (why.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
          why = diagnostic.str();
        return success(diagnostic.getSeverity() == DiagnosticSeverity::Error);
      });
      if (importBody())
        made = finish(outer);
    }
    builder.setInsertionPointToEnd(outer);
    if (made)
      return SmallVector<Value>(made.getResults());
    if (why.empty())
      why = "its body has no form that runs step by step";
    importer.rollback(before);
    return std::nullopt;
  }

private:
  bool refuse(const Twine &reason) {
    if (why.empty())
      why = reason.str();
    return false;
  }

  /// A block of an op that stands for the loop until its operands are known.
  void open() {
    OperationState state(n.loc(), LoopOp::getOperationName());
    state.addRegion()->emplaceBlock();
    block = &cast<LoopOp>(builder.create(state)).block();
    builder.setInsertionPointToEnd(block);
  }

  Value argument(RankedTensorType type, const Sizes &sizes) {
    Value value = block->addArgument(type, n.loc());
    importer.sizeAnalysis.setShape(value, sizes);
    return value;
  }

  bool importBody() {
    // Captured values are read from outside until finish().
    for (Value state : loop.states)
      if (!state)
        return refuse("a state is not a tensor of numbers");
    open();
    auto number = RankedTensorType::get({}, builder.getI64Type());
    SmallVector<Known> arguments;
    Value step = argument(number, {});
    if (loop.ownsCounter) {
      arguments.push_back({step, {}, {}});
      // The body only runs while the condition holds.
      arguments.push_back({{}, DenseElementsAttr::get(RankedTensorType::get({}, builder.getI1Type()), true), {}});
    }
    for (Value state : loop.states)
      arguments.push_back({argument(tensorType(state), importer.sizeAnalysis.shapeOf(state)), {}, {}});
    for (Value sequence : loop.sequences) {
      RankedTensorType whole = tensorType(sequence);
      Sizes sizes = importer.sizeAnalysis.shapeOf(sequence);
      sizes.erase(sizes.begin());
      arguments.push_back({argument(RankedTensorType::get(whole.getShape().drop_front(), whole.getElementType()), sizes), {}, {}});
    }
    auto results = importer.importSubgraph(graph, n.name().getValue() + "/body", n.name().getValue(), arguments, n.loc());
    if (failed(results))
      return refuse("its body cannot be imported");
    return yield(*results);
  }

  /// x + a number, looking through what changes no integer.
  struct Sum {
    Value x;
    int64_t more = 0;
  };
  static Value same(Value value) {
    while (Operation *op = value.getDefiningOp()) {
      auto cast = dyn_cast<CastOp>(op);
      if (!isa<ReshapeOp>(op) && !(cast && isa<IntegerType>(tensorType(cast.getX()).getElementType()) && !tensorType(cast.getX()).getElementType().isInteger(1) &&
                                   isa<IntegerType>(tensorType(value).getElementType())))
        break;
      value = op->getOperand(0);
    }
    return value;
  }
  std::optional<int64_t> number(Value value) {
    std::optional<Sizes> known = importer.sizeAnalysis.elementsOf(value);
    importer.sizeAnalysis.blame = {};
    return known && known->size() == 1 ? known->front().constant() : std::nullopt;
  }
  Sum sumOf(Value value) {
    value = same(value);
    auto add = value.getDefiningOp<BinaryOp>();
    if (!add || (add.getKind() != BinaryKind::add && add.getKind() != BinaryKind::sub))
      return {value, 0};
    if (std::optional<int64_t> more = number(add.getRhs()))
      return {same(add.getLhs()), add.getKind() == BinaryKind::add ? *more : -*more};
    std::optional<int64_t> more = add.getKind() == BinaryKind::add ? number(add.getLhs()) : std::nullopt;
    return more ? Sum{same(add.getRhs()), *more} : Sum{value, 0};
  }

  /// The number of steps after which a condition that the body returns is false for the first time, when it only compares
  /// counters with sizes; null otherwise. The first step runs in any case.
  nn::SizeExpr stepsUntil(Value condition, ArrayRef<Known> results) {
    nn::SizeTable &table = importer.sizeAnalysis.table;
    condition = same(condition);
    if (auto both = condition.getDefiningOp<BinaryOp>(); both && both.getKind() == BinaryKind::logical_and) {
      nn::SizeExpr a = stepsUntil(both.getLhs(), results), b = stepsUntil(both.getRhs(), results);
      return a && b ? table.min(a, b) : nn::SizeExpr();
    }
    auto compare = condition.getDefiningOp<CompareOp>();
    if (!compare || !isa<IntegerType>(tensorType(compare.getLhs()).getElementType()))
      return {};
    CompareKind kind = compare.getKind();
    bool turned = kind == CompareKind::gt || kind == CompareKind::ge, isStrict = kind == CompareKind::lt || kind == CompareKind::gt;
    if (!turned && kind != CompareKind::lt && kind != CompareKind::le)
      return {};
    Sum counter = sumOf(turned ? compare.getRhs() : compare.getLhs());
    std::optional<Sizes> limit = importer.sizeAnalysis.elementsOf(turned ? compare.getLhs() : compare.getRhs());
    importer.sizeAnalysis.blame = {};
    auto argument = dyn_cast<BlockArgument>(counter.x);
    if (!limit || limit->size() != 1 || !argument || argument.getOwner() != block)
      return {};
    // In step i the condition compares first + i * by + more.
    nn::SizeExpr first = table.constant(0);
    int64_t by = 1;
    if (unsigned index = argument.getArgNumber()) {
      if (index > loop.states.size())
        return {};
      std::optional<Sizes> initial = importer.sizeAnalysis.elementsOf(loop.states[index - 1]);
      importer.sizeAnalysis.blame = {};
      const Known &next = results[index];
      Sum step = next.value ? sumOf(next.value) : Sum();
      if (!initial || initial->size() != 1 || step.x != argument || step.more <= 0)
        return {};
      first = initial->front();
      by = step.more;
    }
    nn::SizeExpr room = table.sub(limit->front(), table.add(first, table.constant(counter.more - (isStrict ? 0 : 1))));
    nn::SizeExpr more = table.ceilDiv(room, table.constant(by));
    return table.add(table.max(more, table.constant(0)), table.constant(1));
  }

  bool yield(ArrayRef<Known> results) {
    size_t first = loop.ownsCounter ? 1 : 0, needed = first + loop.states.size() + loop.collected.size();
    if (results.size() < needed)
      return refuse("its body returns too few values");
    // The op that is not known comes before what follows from it, which has no shape either.
    OnnxOp unknown;
    block->walk([&](OnnxOp op) {
      if (!unknown || (unknown->hasAttr("tern.follows") && !op->hasAttr("tern.follows")))
        unknown = op;
    });
    if (unknown) {
      auto reason = unknown->getAttrOfType<StringAttr>("tern.reason");
      return refuse(("its body has " + unknown.getOpType()).str() + (reason ? (" because " + reason.getValue()).str() : std::string()));
    }
    SmallVector<Value> values;
    count = loop.count;
    if (loop.ownsCounter) {
      bool always = numberOf(importer, results[0]).value_or(0) && numberOf(importer, loop.condition).value_or(0);
      if (!always) {
        Value next = valueOf(n, results[0]);
        if (!next || !tensorType(next).getElementType().isInteger(1) || !tensorType(next).hasStaticShape() || tensorType(next).getNumElements() != 1)
          return refuse("its condition is not one truth value");
        // A counter that runs up to a size: the number of steps is one, too.
        nn::SizeExpr counted = loop.trips || numberOf(importer, loop.condition) != 1 ? nn::SizeExpr() : stepsUntil(next, results);
        if (counted) {
          count = count ? importer.sizeAnalysis.table.min(count, counted) : counted;
          if (std::optional<int64_t> steps = count.constant(); steps && *steps <= loop.fewNodes && *steps * countNodes(graph) <= loop.fewNodes)
            return refuse("it has a few steps");
        } else {
          values.push_back(Compose{n}.reshape(next, {}));
          hasCondition = true;
        }
      }
    }
    if (!count && !loop.trips && !hasCondition)
      return refuse("it never ends");
    bool wantsElements = llvm::is_contained(loop.collected, true);
    if ((hasCondition || loop.trips) && wantsElements)
      return refuse("it collects one element a step, and the number of its steps is computed from data");
    for (auto [i, state] : llvm::enumerate(loop.states)) {
      Value next = valueOf(n, results[first + i]);
      if (!next)
        return refuse("state " + Twine(i) + " is not a tensor of numbers");
      if (tensorType(next).getElementType() != tensorType(state).getElementType() ||
          importer.sizeAnalysis.shapeOf(next) != importer.sizeAnalysis.shapeOf(state))
        return refuse("state " + Twine(i) + " changes from " + nn::print(importer.sizeAnalysis.shapeOf(state)) + " to " +
                      nn::print(importer.sizeAnalysis.shapeOf(next)) + " in a step");
      values.push_back(next);
    }
    for (auto [i, wanted] : llvm::enumerate(loop.collected)) {
      if (!wanted)
        continue;
      Value element = valueOf(n, results[first + loop.states.size() + i]);
      if (!element || llvm::is_contained(importer.sizeAnalysis.shapeOf(element), SizeExpr()))
        return refuse("what it collects is not a tensor of numbers of known sizes");
      values.push_back(element);
      Sizes sizes{count};
      llvm::append_range(sizes, importer.sizeAnalysis.shapeOf(element));
      collected.push_back(sizes);
      elements.push_back(tensorType(element).getElementType());
    }
    if (llvm::is_contained(values, Value()))
      return refuse("it returns what is not a tensor of numbers");
    YieldOp::create(builder, n.loc(), values);
    return true;
  }

  /// The loop itself; null: the body reads what no loop can be given.
  LoopOp finish(Block *outer) {
    auto placeholder = cast<LoopOp>(block->getParentOp());
    // What nothing reads needs no captures.
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
      if (isOpTriviallyDead(&op)) {
        for (Value result : op.getResults())
          importer.sizeAnalysis.forget(result);
        op.erase();
      }
    std::optional<SmallVector<Value>> captures = Isolation(*block).run();
    if (!captures) {
      refuse("its body reads a quantized value of the graph around it");
      return {};
    }
    builder.setInsertionPointToEnd(outer);
    Value condition;
    if (hasCondition)
      condition = Compose{n}.reshape(valueOf(n, loop.condition), {});
    if (hasCondition && !condition)
      return {};
    SmallVector<Type> types;
    for (Value state : loop.states)
      types.push_back(state.getType());
    for (auto [sizes, element] : llvm::zip(collected, elements))
      types.push_back(nn::typeOf(sizes, element));
    SmallVector<bool> reversed(loop.reversed.begin(), loop.reversed.begin() + loop.sequences.size());
    for (auto [i, wanted] : llvm::enumerate(loop.collected))
      if (wanted)
        reversed.push_back(loop.reversed[loop.sequences.size() + i]);
    bool anyReversed = llvm::is_contained(reversed, true);
    auto made = LoopOp::create(builder, n.loc(), types, count ? builder.getStringAttr(count.str()) : StringAttr(), loop.trips, condition,
                               loop.states, loop.sequences, *captures, anyReversed ? builder.getDenseBoolArrayAttr(reversed) : DenseBoolArrayAttr(), n.name());
    made.getBody().takeBody(placeholder.getBody());
    for (auto [result, state] : llvm::zip(made.stateResults(), loop.states))
      importer.sizeAnalysis.setShape(result, importer.sizeAnalysis.shapeOf(state));
    for (auto [result, sizes] : llvm::zip(made.collectedResults(), collected))
      importer.sizeAnalysis.setShape(result, sizes);
    placeholder.erase();
    return succeeded(mlir::verify(made)) ? made : LoopOp();
  }

  Node &n;
  Importer &importer;
  OpBuilder &builder;
  const onnx::GraphProto &graph;
  const RolledLoop &loop;
  std::string &why;
  Block *block = nullptr;
  bool hasCondition = false;
  nn::SizeExpr count;
  SmallVector<Sizes> collected;
  SmallVector<Type> elements;
};

} // namespace

std::optional<SmallVector<Value>> importRolled(Node &n, const onnx::GraphProto &body, const RolledLoop &loop, std::string &why) {
  return Body(n, body, loop, why).run();
}

} // namespace tern::importer
