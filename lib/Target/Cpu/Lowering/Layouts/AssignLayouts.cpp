//===- AssignLayouts.cpp - physical forms of the values of @main ------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/Tern/Transforms/Conditions.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Lowering/Calls/KernelLowering.h"
#include "lib/Target/Cpu/Lowering/Layouts/LayoutNeeds.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "lib/Target/Cpu/Lowering/Weights/StoredCodes.h"

using namespace mlir;

namespace tern::cpu {
#define GEN_PASS_DEF_CPUASSIGNLAYOUTS
#include "lib/Target/Cpu/Lowering/Passes.h.inc"

namespace {

SizedType typeOf(Value value) { return SizedType(value); }

class Assignment : LayoutNeeds {
public:
  explicit Assignment(func::FuncOp main) : LayoutNeeds(main->getParentOfType<ModuleOp>()), main(main), module(main->getParentOfType<ModuleOp>()) {}

  LogicalResult run() {
    WalkResult known = main.walk([](Operation *op) {
      for (Value result : op->getResults())
        if (!isa<RankedTensorType>(result.getType())) {
          op->emitOpError() << "yields " << result.getType() << "; kernels of the CPU target yield tensors";
          return WalkResult::interrupt();
        }
      return WalkResult::advance();
    });
    if (known.wasInterrupted() || failed(bindSizes(module)))
      return failure();
    findEmbeddings();
    return assign(main.getBody().front());
  }

private:
  /// @main or the body of a loop. What enters and leaves them is plain.
  LogicalResult assign(Block &block) {
    for (BlockArgument argument : block.getArguments())
      places[argument] = plainPlace(typeOf(argument));
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto call = dyn_cast<CallOp>(op)) {
        if (failed(assign(call)))
          return failure();
      } else if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
        OpBuilder b(reshape);
        if (!isAlias(reshape.getX()))
          reshape->setOperand(0, moved(b, reshape.getX(), plainPlace(typeOf(reshape.getX()))));
        places[reshape.getResult()] = plainPlace(typeOf(reshape.getResult()));
      } else if (isa<func::ReturnOp, nn::YieldOp, nn::LoopOp>(op)) {
        OpBuilder b(&op);
        for (OpOperand &operand : op.getOpOperands())
          if (!constantOf(operand.get()) && !isAlias(operand.get()))
            operand.set(moved(b, operand.get(), plainPlace(typeOf(operand.get()))));
        for (Value result : op.getResults())
          places[result] = plainPlace(typeOf(result));
        auto loop = dyn_cast<nn::LoopOp>(op);
        if (loop && failed(assign(loop.block())))
          return failure();
      } else if (!isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op)) {
        return op.emitOpError("is left in @main; after tern-outline only calls, reshapes, loops and constants are");
      }
    }
    return success();
  }

  static Placement plainPlace(SizedType type) { return {Form::Plain, plainMap(type)}; }

  /// The bytes of the value are those of its ONNX order.
  bool isAlias(Value value) {
    const Placement &place = places[value];
    return place.form == Form::Plain ? isDense(place.map) : formsCoincide(place.map);
  }

  //===-- concatenated channels -----------------------------------------------===//

  /// A value that is computed in its channels of the result of a concat.
  struct Embedding {
    Value concat;
    int64_t channel = 0;
  };

  /// Operands of concats along the channels whose kernels can write into the result: no copy remains.
  void findEmbeddings() {
    for (auto call : main.getOps<CallOp>()) {
      func::FuncOp kernel = kernelOf(call);
      auto concat = kernel && !kernel.isExternal() ? dyn_cast_or_null<nn::ConcatOp>(infoOf(kernel).anchor) : nn::ConcatOp();
      if (!concat || infoOf(kernel).kind != KernelClass::Copy || concat.getAxis() != 1)
        continue;
      // An operand that appears twice lies in two places: it is copied.
      llvm::SmallDenseSet<Value> distinct(concat.getXs().begin(), concat.getXs().end());
      if (distinct.size() != concat.getXs().size() || concat.getXs().size() != call.getIns().size())
        continue;
      Value result = call.getOuts().front();
      int64_t rank = typeOf(result).getRank();
      bool returned = llvm::any_of(result.getUsers(), [](Operation *user) { return isa<func::ReturnOp, nn::LoopOp>(user); });
      if (rank < 3 || rank > 4 || returned || !prefersChannels(result))
        continue;
      int64_t channel = 0;
      for (auto [index, operand] : llvm::enumerate(call.getIns())) {
        auto producer = operand.getDefiningOp<CallOp>();
        func::FuncOp source = producer ? kernelOf(producer) : func::FuncOp();
        bool isConcat = source && isa_and_nonnull<nn::ConcatOp>(infoOf(source).anchor);
        bool writes = source && infoOf(source).kind != KernelClass::Portable && infoOf(source).kind != KernelClass::DynamicQuant && !isConcat;
        // The kernel's arguments are in the order of the concat: no operand twice, none reordered.
        writes &= concat.getXs()[index] == kernel.getArgument(index) && !embeddings.count(operand);
        writes &= llvm::none_of(operand.getUsers(), [](Operation *user) { return isa<func::ReturnOp, nn::ReshapeOp, nn::LoopOp>(user); });
        if (writes)
          embeddings[operand] = {result, channel};
        channel += typeOf(operand).getDimSize(1);
      }
    }
  }

  /// Where the result of a concat with embedded operands lies: its halo serves the readers of the operands, too.
  Placement concatPlace(Value concat) {
    Placement place{Form::Channels, channelsMap(typeOf(concat))};
    Halo halo = haloFor(concat);
    bool quads = readInQuads(concat);
    for (const auto &[value, embedding] : embeddings) {
      if (embedding.concat != concat)
        continue;
      Halo own = haloFor(value);
      halo = {std::max(halo.top, own.top), std::max(halo.left, own.left), std::max(halo.bottom, own.bottom), std::max(halo.right, own.right)};
      quads |= readInQuads(value);
    }
    if (quads)
      place.map.cs = alignedTo4(place.map.c);
    place.map.top = halo.top;
    place.map.left = halo.left;
    place.map.bottom = halo.bottom;
    place.map.right = halo.right;
    return place;
  }

  bool hasEmbeddedOperands(Value concat) {
    return llvm::any_of(embeddings, [&](const auto &entry) { return entry.second.concat == concat; });
  }

  /// Where a value is put that has this form.
  Placement placeFor(Value value, Form form) {
    SizedType type = typeOf(value);
    Placement place{form, form == Form::Plain ? plainMap(type) : channelsMap(type)};
    bool isOutput = llvm::any_of(value.getUsers(), [](Operation *user) { return isa<func::ReturnOp, nn::YieldOp, nn::LoopOp>(user); });
    bool quads = readInQuads(value) && !isOutput;
    if (form == Form::Channels) {
      if (auto embedded = embeddings.find(value); embedded != embeddings.end()) {
        Placement whole = concatPlace(embedded->second.concat);
        whole.map.base = embedded->second.channel;
        whole.map.c = place.map.c;
        // Quads are read from the first channel on.
        if (!quads || whole.map.base % 4 == 0)
          return whole;
      } else if (hasEmbeddedOperands(value)) {
        return concatPlace(value);
      }
    }
    if (form == Form::Plain) {
      bool padsWork = llvm::all_of(value.getUsers(), [&](Operation *user) {
        auto call = dyn_cast<CallOp>(user);
        return call && infoOf(kernelOf(call)).kind != KernelClass::Portable;
      });
      if (quads && padsWork)
        place.map.cs = alignedTo4(place.map.c);
      return place;
    }
    if (quads)
      place.map.cs = alignedTo4(place.map.c);
    if (!isOutput) {
      Halo halo = haloFor(value);
      place.map.top = halo.top;
      place.map.left = halo.left;
      place.map.bottom = halo.bottom;
      place.map.right = halo.right;
    }
    return place;
  }

  /// The value at another place: the value itself where the bytes agree, else the result of a copy.
  Value moved(OpBuilder &b, Value value, const Placement &to) {
    auto [it, isNew] = copies.try_emplace({value, str(to)});
    if (!isNew)
      return it->second;
    Type type = value.getType();
    std::string name = "k.relayout_" + std::to_string(copies.size());
    OpBuilder::InsertionGuard guard(b);
    Location loc = value.getLoc();
    Operation *point = &*b.getInsertionPoint();
    b.setInsertionPointToEnd(module.getBody());
    auto kernel = func::FuncOp::create(b, loc, name, b.getFunctionType({type}, {type}));
    kernel.setPrivate();
    kernel->setAttr("cpu.relayout", b.getUnitAttr());
    Block *body = kernel.addEntryBlock();
    b.setInsertionPointToEnd(body);
    func::ReturnOp::create(b, loc, body->getArguments());
    symbols.insert(kernel);
    b.setInsertionPoint(point);
    auto call = CallOp::create(b, loc, TypeRange{type}, FlatSymbolRefAttr::get(kernel), ValueRange{value}, StringAttr(),
                               b.getStringAttr(kernel.getName().drop_front(2)), ArrayAttr(), ArrayAttr());
    Value copy = call.getOuts().front();
    copySizes(value, call, kernel);
    places[copy] = to;
    annotate(call, {places[value]}, {to});
    return copies[{value, str(to)}] = copy;
  }

  /// A copy and the argument of its kernel have the sizes of the value.
  static void copySizes(Value value, CallOp call, func::FuncOp kernel) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.hasStaticShape())
      return;
    Builder b(call.getContext());
    SmallVector<StringRef> open, all;
    for (SizeCode size : typeOf(value).getShape()) {
      all.push_back(isDynamic(size) ? sizeOf(size).str() : StringRef());
      if (isDynamic(size))
        open.push_back(all.back());
    }
    call->setAttr(nn::kSizesAttr, b.getStrArrayAttr(open));
    kernel.setArgAttr(0, "tern.dims", b.getStrArrayAttr(all));
  }

  static void annotate(CallOp call, ArrayRef<std::optional<Placement>> operands, ArrayRef<Placement> results) {
    Builder b(call.getContext());
    SmallVector<Attribute> ins, outs;
    for (const std::optional<Placement> &place : operands)
      ins.push_back(b.getStringAttr(place ? str(*place) : ""));
    for (const Placement &place : results)
      outs.push_back(b.getStringAttr(str(place)));
    call->setAttr("cpu.operands", b.getArrayAttr(ins));
    call->setAttr("cpu.results", b.getArrayAttr(outs));
  }

  /// Form of the results of a flexible kernel: that of its operands, else that of its readers.
  Form flexibleForm(CallOp call, func::FuncOp kernel) {
    SizedType type = typeOf(call.getOuts().front());
    if (type.getRank() < 3 || type.getRank() > 4)
      return Form::Plain;
    if (infoOf(kernel).kind == KernelClass::Copy && !keepsAxes(kernel))
      return prefersChannels(call.getOuts().front()) ? Form::Channels : Form::Plain;
    for (Value operand : call.getIns())
      if (!constantOf(operand) && typeOf(operand).getRank() == type.getRank() && places[operand].form == Form::Channels &&
          !formsCoincide(places[operand].map))
        return Form::Channels;
    return prefersChannels(call.getOuts().front()) ? Form::Channels : Form::Plain;
  }

  /// Tries one choice of result form; the operands that must move are moved only when `commit`.
  bool attempt(CallOp call, func::FuncOp kernel, Form form, bool allPlain, bool commit) {
    const KernelInfo &info = infoOf(kernel);
    OpBuilder b(call);
    SmallVector<CallOperand> operands;
    SmallVector<std::optional<Placement>> operandPlaces;
    SizedType resultType = typeOf(call.getOuts().front());
    // One tensor of an elementwise kernel may change its layout on the way.
    int sameShape = 0;
    for (Value operand : call.getIns())
      sameShape += !constantOf(operand) && typeOf(operand).getShape() == resultType.getShape();
    for (auto [index, operand] : llvm::enumerate(call.getIns())) {
      CallOperand described;
      described.type = typeOf(operand);
      described.constant = constantOf(operand);
      if (described.constant) {
        operands.push_back(described);
        operandPlaces.push_back(std::nullopt);
        continue;
      }
      Placement place = places[operand];
      std::optional<Form> wanted = allPlain ? Form::Plain : takesBothForms(kernel) && described.type.getRank() >= 3 ? form : strictForm(kernel, operand);
      bool flexible = !wanted;
      if (!wanted && info.kind != KernelClass::Copy && described.type.getRank() == resultType.getRank() &&
          !(info.kind == KernelClass::Eltwise && sameShape == 1 && described.type.getShape() == resultType.getShape()))
        wanted = form;
      if (wanted) {
        Placement target = place;
        if (place.form != *wanted) {
          Placement other{*wanted, *wanted == Form::Plain ? plainMap(described.type) : channelsMap(described.type)};
          other.map.elem = place.map.elem;
          bool coincide = isAlias(operand) && formsCoincide(channelsMap(described.type));
          if (!coincide && !flexible && *wanted == Form::Channels)
            other = withNeeds(other, info, index);
          else if (!coincide && *wanted == Form::Channels && flexible)
            other = {Form::Channels, channelsMap(described.type)};
          target = other;
          if (coincide && fits(other, info, index)) {
            described.place = other;
            operands.push_back(described);
            operandPlaces.push_back(other);
            continue;
          }
          if (coincide)
            target = withNeeds(other, info, index);
        } else if (!fits(place, info, index) || (allPlain && !isDense(place.map))) {
          target = {place.form, place.form == Form::Plain ? plainMap(described.type) : channelsMap(described.type)};
          if (!allPlain)
            target = withNeeds(target, info, index);
        }
        if (str(target) != str(place)) {
          if (commit)
            call->setOperand(index, moved(b, operand, target));
          place = target;
        }
      }
      described.place = place;
      operands.push_back(described);
      operandPlaces.push_back(place);
    }
    SmallVector<Placement> results;
    for (auto [index, result] : llvm::enumerate(call.getOuts())) {
      // Scales of a run-time quantization are one row; everything else has the kernel's form.
      Form own = typeOf(result).getRank() >= 3 && (index == 0 || info.kind != KernelClass::DynamicQuant) ? form : Form::Plain;
      results.push_back(allPlain ? plainPlace(typeOf(result)) : placeFor(result, own));
    }
    std::string portable;
    if (!commit) {
      ScopedDiagnosticHandler quiet(call.getContext(), [](Diagnostic &) { return success(); });
      bool served = succeeded(lowerKernel(kernel, operands, results, portable, /*dry=*/true)) && portable.empty();
      if (!served && reason.empty())
        reason = portable;
      return served;
    }
    for (auto [result, place] : llvm::zip(call.getOuts(), results))
      places[result] = place;
    annotate(call, operandPlaces, results);
    markEmbedded(call, results.front());
    return true;
  }

  /// Operands of a concat that already lie in its result.
  void markEmbedded(CallOp call, const Placement &result) {
    SmallVector<bool> embedded;
    for (Value operand : call.getIns()) {
      auto found = embeddings.find(operand);
      bool inside = found != embeddings.end() && found->second.concat == call.getOuts().front() && result.form == Form::Channels;
      if (inside) {
        Placement expected = result;
        expected.map.base = found->second.channel;
        expected.map.c = typeOf(operand).getDimSize(1);
        inside = str(places[operand]) == str(expected);
      }
      embedded.push_back(inside);
    }
    if (llvm::is_contained(embedded, true))
      call->setAttr("cpu.embedded", DenseBoolArrayAttr::get(call.getContext(), embedded));
  }

  /// A side is copied from wherever it lies; the result lies as its readers want it, and so do sides that are computed for it.
  void assignBranch(CallOp call) {
    Branch branch = *branchOf(call, &symbols);
    OpBuilder b(call);
    Value result = call.getOuts().front();
    auto isPicture = [&](int side) {
      Value value = call.getIns()[side];
      return !constantOf(value) && places[value].form == Form::Channels && !formsCoincide(places[value].map);
    };
    int64_t rank = typeOf(result).getRank();
    bool channels = rank >= 3 && rank <= 4 && (isPicture(branch.yes) || isPicture(branch.no) || prefersChannels(result));
    SmallVector<std::optional<Placement>> operands;
    for (OpOperand &operand : call->getOpOperands()) {
      Value value = operand.get();
      if (int(operand.getOperandNumber()) == branch.condition && !isAlias(value))
        call->setOperand(operand.getOperandNumber(), moved(b, value, plainPlace(typeOf(value))));
      operands.push_back(constantOf(value) ? std::nullopt : std::optional<Placement>(places[operand.get()]));
    }
    places[result] = placeFor(result, channels ? Form::Channels : Form::Plain);
    Placement place = places[result];
    annotate(call, operands, {place});
  }

  LogicalResult assign(CallOp call) {
    func::FuncOp kernel = kernelOf(call);
    if (!kernel || kernel.isExternal())
      return call.emitOpError("calls a kernel without a body");
    if (kernel->hasAttr("cpu.relayout"))
      return success(); // inserted by this pass
    for (Value value : call->getOperands())
      if (!constantOf(value) && !elemOf(typeOf(value).getElementType()))
        return call.emitOpError() << "has an operand of type " << value.getType() << ", which no CPU kernel reads";
    if (!call.getIns().empty() && llvm::any_of(call.getIns(), [&](Value operand) { return bool(branchResult(call, operand)); })) {
      assignBranch(call);
      return success();
    }
    reason.clear();
    Form form = Form::Plain;
    KernelClass kind = infoOf(kernel).kind;
    if (kind == KernelClass::Eltwise || kind == KernelClass::Copy || kind == KernelClass::DynamicQuant)
      form = flexibleForm(call, kernel);
    else if (kind != KernelClass::Portable && kind != KernelClass::Matmul)
      form = strictForm(kernel, call.getOuts().front()).value_or(Form::Plain);
    // Sequences in ONNX order stay as they are; pictures are more often channels next.
    Value first = call.getIns().empty() ? Value() : call.getIns().front();
    if (first && takesBothForms(kernel) && !constantOf(first) && typeOf(first).getRank() == 3 && places[first].form == Form::Plain)
      form = Form::Plain;
    for (Form choice : {form, form == Form::Plain ? Form::Channels : Form::Plain}) {
      if (choice == Form::Channels && typeOf(call.getOuts().front()).getRank() < 3)
        continue;
      if (kind != KernelClass::Portable && attempt(call, kernel, choice, false, false)) {
        attempt(call, kernel, choice, false, true);
        return success();
      }
    }
    attempt(call, kernel, Form::Plain, true, true);
    call->setAttr("cpu.portable", StringAttr::get(call.getContext(), reason.empty() ? infoOf(kernel).why : reason));
    return success();
  }

  func::FuncOp main;
  ModuleOp module;
  std::string reason; ///< why the first choice of places has no generated kernel
  DenseMap<Value, Placement> places;
  llvm::MapVector<Value, Embedding> embeddings;
  struct ValueLess {
    bool operator()(const std::pair<Value, std::string> &a, const std::pair<Value, std::string> &b) const {
      return std::make_pair(a.first.getAsOpaquePointer(), a.second) < std::make_pair(b.first.getAsOpaquePointer(), b.second);
    }
  };
  std::map<std::pair<Value, std::string>, Value, ValueLess> copies;
};

struct AssignLayoutsPass : impl::CpuAssignLayoutsBase<AssignLayoutsPass> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal()) {
      getOperation().emitError("cpu-assign-layouts needs a function @main of kernel calls (tern-outline makes it)");
      return signalPassFailure();
    }
    matchStoredCodes(main);
    SizeScope scope(&getContext());
    if (failed(Assignment(main).run()))
      signalPassFailure();
  }
};
} // namespace
} // namespace tern::cpu
