//===- EmitKernels.cpp - kernels of all instruction sets, and run functions -===//
#include "dialects/Micro/IR/Micro.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/EmitGemm.h"
#include "lib/Target/Cpu/Lowering/Constants.h"
#include "lib/Target/Cpu/Lowering/KernelLowering.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "lib/Target/Cpu/Lowering/Portable.h"
#include "lib/Target/Cpu/Lowering/WeightsFile.h"
#include "lib/Target/Cpu/LowerToLLVM.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace tern::cpu {
#define GEN_PASS_DEF_CPUEMITKERNELS
#include "lib/Target/Cpu/Lowering/Passes.h.inc"

namespace {

/// Where the bytes of an operand lie.
struct Storage {
  enum Kind : uint8_t { Input, Output, Buffer, Weights } kind = Buffer;
  int64_t index = 0; ///< input or output number, buffer number, byte offset in the weights
};

/// One call of a kernel in the run functions.
struct PlannedStep {
  Step step;
  SmallVector<Storage> storage; ///< of step.args
  Location loc;
  DictionaryAttr info; ///< cpu.step
};

class Emission {
public:
  Emission(func::FuncOp main, ArrayRef<Isa> levels)
      : main(main), module(main->getParentOfType<ModuleOp>()), symbols(module), levels(levels) {}

  LogicalResult run() {
    placeOutputs();
    findEmbedded();
    for (Operation &op : main.getBody().front())
      if (auto call = dyn_cast<CallOp>(op))
        if (failed(plan(call)))
          return failure();
    copyOutputs();
    for (const Isa &isa : levels)
      if (failed(emit(isa)))
        return failure();
    finish();
    return success();
  }

private:
  //===-- storage -----------------------------------------------------------===//

  /// A reshape shares the bytes of its operand.
  static Value root(Value value) {
    while (auto reshape = value.getDefiningOp<nn::ReshapeOp>())
      value = reshape.getX();
    return value;
  }

  /// A value that @main returns is computed in the caller's memory; one that is an input, a constant or returned before is copied.
  void placeOutputs() {
    for (auto [index, value] : llvm::enumerate(main.getBody().front().getTerminator()->getOperands())) {
      Value source = root(value);
      if (source.getDefiningOp<CallOp>() && !storage.count(source))
        storage[source] = {Storage::Output, int64_t(index)};
      else
        copied.push_back(index);
    }
    for (BlockArgument argument : main.getArguments())
      storage[argument] = {Storage::Input, argument.getArgNumber()};
  }

  void copyOutputs() {
    for (unsigned index : copied) {
      Value value = main.getBody().front().getTerminator()->getOperand(index), source = root(value);
      auto type = cast<RankedTensorType>(value.getType());
      Placement place{Form::Plain, flatMap(type)};
      Step step = relayoutStep(RankedTensorType::get({type.getNumElements()}, type.getElementType()), place, place);
      Storage from;
      if (ElementsAttr constant = constantOf(source))
        from = {Storage::Weights, addConstant(constant).value_or(0)};
      else
        from = storage[source];
      push(std::move(step), {from, {Storage::Output, int64_t(index)}}, value.getLoc(), "output_" + std::to_string(index), place, type, index, std::nullopt);
    }
  }

  /// Where a constant operand lies in weights.bin; nullopt: its data is gone.
  std::optional<int64_t> addConstant(ElementsAttr constant) {
    if (std::optional<ArrayRef<char>> bytes = rawBytes(constant))
      return weights.add(*bytes);
    std::optional<std::vector<char>> bytes = bytesOfConstant(constant);
    return bytes ? std::optional<int64_t>(weights.add(*bytes)) : std::nullopt;
  }

  Storage newBuffer(int64_t bytes) {
    buffers.push_back(std::max<int64_t>(bytes, 1));
    return {Storage::Buffer, int64_t(buffers.size()) - 1};
  }

  /// An operand of a concat that is computed in place shares the buffer of the result.
  void findEmbedded() {
    for (auto call : main.getOps<CallOp>())
      if (auto embedded = call->getAttrOfType<DenseBoolArrayAttr>("cpu.embedded"))
        for (auto [operand, inside] : llvm::zip(call.getIns(), embedded.asArrayRef()))
          if (inside)
            embeddedIn[operand] = call.getOuts().front();
  }

  Storage storageOf(Value value, const Map &map) {
    Value source = root(value);
    if (Value concat = embeddedIn.lookup(source)) {
      Map whole = map; // the strides of the result; its base is 0
      whole.base = 0;
      return storageOf(concat, whole);
    }
    auto found = storage.find(source);
    if (found != storage.end())
      return found->second;
    return storage[source] = newBuffer((map.base + map.elements()) * bytesOf(map.elem));
  }

  //===-- calls -> steps ------------------------------------------------------===//

  FailureOr<SmallVector<std::optional<Placement>>> placesOf(CallOp call, StringRef name, size_t count) {
    auto attr = call->getAttrOfType<ArrayAttr>(name);
    SmallVector<std::optional<Placement>> places;
    if (!attr || attr.size() != count)
      return call.emitOpError() << "has no '" << name << "' for " << count << " values; run cpu-assign-layouts first";
    for (Attribute text : attr) {
      auto string = dyn_cast<StringAttr>(text);
      std::optional<Placement> place = string ? parsePlacement(string.getValue()) : std::nullopt;
      if (!place && string && !string.getValue().empty())
        return call.emitOpError() << "has an unreadable place " << text;
      places.push_back(place);
    }
    return places;
  }

  /// What the padding around a picture holds: the zero point of its codes, or 0.
  double paddingOf(Value value) {
    for (OpOperand &use : value.getUses()) {
      auto call = dyn_cast<CallOp>(use.getOwner());
      if (!call)
        continue;
      auto kernel = symbols.lookup<func::FuncOp>(call.getCallee());
      for (Operation *user : kernel.getArgument(use.getOperandNumber()).getUsers())
        if (auto bundle = dyn_cast<BundleOp>(user))
          if (std::optional<int64_t> zero = storedZero(bundle))
            return double(*zero);
      // Computed in place in the result of a concat: the readers of that one.
      if (embeddedIn.lookup(value) == call.getOuts().front())
        return paddingOf(call.getOuts().front());
    }
    return 0;
  }

  /// Scale and stored zero point of a quantized result.
  static std::optional<std::pair<double, int64_t>> codesOf(Value result) {
    auto unbundle = result.getDefiningOp<UnbundleOp>();
    if (!unbundle || unbundle.getPlanes().front() != result)
      return std::nullopt;
    bool isSigned = unbundle.getQ().getType().getFormat().getFormat().elem.hasSignedCodes();
    std::optional<double> scale, zero = 0.0;
    if (auto quantize = unbundle.getQ().getDefiningOp<QuantizeOp>()) {
      if (quantize.getPlanes().empty())
        return std::nullopt;
      scale = scalarConstant(quantize.getPlanes().front());
      if (quantize.getPlanes().size() > 1)
        zero = scalarConstant(quantize.getPlanes()[1], !isSigned);
    } else if (auto requantize = unbundle.getQ().getDefiningOp<RequantizeOp>()) {
      scale = scalarConstant(requantize.getScale());
      if (requantize.getZero())
        zero = scalarConstant(requantize.getZero(), !isSigned);
    }
    if (!scale || !zero)
      return std::nullopt;
    return std::make_pair(*scale, int64_t(*zero) + (isSigned ? 128 : 0));
  }

  void push(Step step, SmallVector<Storage> where, Location loc, StringRef name, std::optional<Placement> place, RankedTensorType type,
            int64_t output, std::optional<std::pair<double, int64_t>> codes) {
    Builder b(main.getContext());
    int64_t bytes = 0, result = -1;
    for (auto [index, arg] : llvm::enumerate(step.args)) {
      if (arg.kind == KernelArg::Constant)
        bytes += arg.write ? arg.size : int64_t(arg.bytes.size());
      if (arg.kind == KernelArg::Result && result < 0)
        result = index;
    }
    bytes += touched(step);
    SmallVector<NamedAttribute> info{
        b.getNamedAttr("name", b.getStringAttr(name)),   b.getNamedAttr("row", b.getStringAttr(step.row)),
        b.getNamedAttr("macs", b.getI64IntegerAttr(step.macs)), b.getNamedAttr("bytes", b.getI64IntegerAttr(bytes)),
        b.getNamedAttr("output", b.getI64IntegerAttr(output)), b.getNamedAttr("result", b.getI64IntegerAttr(result))};
    if (place) {
      info.push_back(b.getNamedAttr("place", b.getStringAttr(str(*place))));
      info.push_back(b.getNamedAttr("type", TypeAttr::get(type)));
    }
    if (codes) {
      info.push_back(b.getNamedAttr("scale", b.getF64FloatAttr(codes->first)));
      info.push_back(b.getNamedAttr("zero", b.getI64IntegerAttr(codes->second)));
    }
    for (KernelArg &arg : step.args) {
      std::vector<char>().swap(arg.bytes);
      arg.write = nullptr;
    }
    steps.push_back({std::move(step), std::move(where), loc, b.getDictionaryAttr(info)});
  }

  /// Bytes of activations that a step reads and writes.
  static int64_t touched(const Step &step) {
    return std::visit(
        [](const auto &p) -> int64_t {
          using T = std::decay_t<decltype(p)>;
          auto size = [](const Map &map) { return map.pixels() * map.c * bytesOf(map.elem); };
          if constexpr (std::is_same_v<T, EltwiseProblem>) {
            int64_t bytes = size(p.out);
            for (const ExprInput &input : p.expr.inputs)
              if (input.kind == ExprInput::Tensor)
                bytes += size(input.map);
            return bytes;
          } else if constexpr (std::is_same_v<T, CopyProblem>) {
            int64_t count = 1;
            for (int64_t extent : p.sizes)
              count *= extent;
            return 2 * count * bytesOf(p.elem);
          } else if constexpr (std::is_same_v<T, FillProblem>) {
            return size(p.out);
          } else if constexpr (std::is_same_v<T, AbsmaxProblem>) {
            return size(p.problem.in);
          } else if constexpr (std::is_same_v<T, PortableProblem>) {
            return 0;
          } else if constexpr (isRowProblem<T>) {
            return bytesTouched(p);
          } else {
            return size(p.in) + size(p.out);
          }
        },
        step.problem);
  }

  LogicalResult plan(CallOp call) {
    auto kernel = symbols.lookup<func::FuncOp>(call.getCallee());
    auto operandPlaces = placesOf(call, "cpu.operands", call.getIns().size());
    auto resultPlaces = placesOf(call, "cpu.results", call.getOuts().size());
    if (failed(operandPlaces) || failed(resultPlaces))
      return failure();
    SmallVector<CallOperand> operands;
    for (auto [value, place] : llvm::zip(call.getIns(), *operandPlaces)) {
      CallOperand operand;
      operand.type = cast<RankedTensorType>(value.getType());
      operand.constant = constantOf(value);
      if (place)
        operand.place = *place;
      else if (!operand.constant)
        return call.emitOpError("has an operand without a place");
      operands.push_back(operand);
    }
    SmallVector<Placement> results;
    for (const std::optional<Placement> &place : *resultPlaces) {
      if (!place)
        return call.emitOpError("has a result without a place");
      results.push_back(*place);
    }
    std::string name = call.getName().value_or(call.getCallee()).str();
    // The operands of a concat that are computed in place have filled their part of the halo.
    bool filled = call->hasAttr("cpu.embedded") && llvm::all_of(call->getAttrOfType<DenseBoolArrayAttr>("cpu.embedded").asArrayRef(), [](bool b) { return b; });
    auto fillHalos = [&] {
      for (auto [value, place] : llvm::zip(call.getOuts(), results))
        if (place.map.hasHalo() && !filled) {
          FillProblem fill;
          fill.out = place.map;
          fill.value = place.map.elem == Elem::U8 ? paddingOf(value) : 0;
          Step step;
          step.problem = fill;
          step.row = "cpu.fill";
          KernelArg arg;
          arg.kind = KernelArg::Result;
          arg.elem = place.map.elem;
          step.args.push_back(arg);
          push(std::move(step), {storageOf(value, place.map)}, call.getLoc(), name + ".halo", std::nullopt, {}, -1, std::nullopt);
        }
    };
    std::vector<Step> lowered;
    if (kernel->hasAttr("cpu.relayout")) {
      lowered.push_back(relayoutStep(operands[0].type, operands[0].place, results[0]));
    } else {
      std::string portable;
      auto answer = lowerKernel(kernel, operands, results, portable);
      if (failed(answer))
        return failure();
      lowered = std::move(*answer);
      if (!portable.empty()) {
        if (auto reason = call->getAttrOfType<StringAttr>("cpu.portable"))
          portable = reason.getValue().str();
        call.emitRemark() << "'" << name << "' has no generated kernel and runs through portable.linalg: " << portable;
        SmallVector<int32_t> constants;
        for (auto [index, operand] : llvm::enumerate(operands))
          if (operand.constant)
            constants.push_back(index);
        kernel->setAttr("cpu.constants", DenseI32ArrayAttr::get(call.getContext(), constants));
      }
    }
    if (auto embedded = call->getAttrOfType<DenseBoolArrayAttr>("cpu.embedded"))
      llvm::erase_if(lowered, [&](const Step &step) { return step.args.front().kind == KernelArg::Operand && embedded[step.args.front().index]; });
    // A pad writes its value over the whole buffer first; the halo has another one.
    auto fillsAll = [](const Step &step) {
      auto *fill = std::get_if<FillProblem>(&step.problem);
      return fill && fill->interior;
    };
    bool late = llvm::any_of(lowered, fillsAll);
    if (!late)
      fillHalos();
    SmallVector<Storage> temporaries;
    for (auto [number, step] : llvm::enumerate(lowered)) {
      bool restore = late && fillsAll(step);
      SmallVector<Storage> where;
      int64_t output = -1;
      for (KernelArg &arg : step.args) {
        switch (arg.kind) {
        case KernelArg::Operand:
          if (ElementsAttr constant = operands[arg.index].constant) {
            std::optional<int64_t> offset = addConstant(constant);
            if (!offset)
              return call.emitOpError() << "operand " << arg.index << " is a constant whose data is gone";
            where.push_back({Storage::Weights, *offset});
          } else {
            where.push_back(storageOf(call.getIns()[arg.index], operands[arg.index].place.map));
          }
          break;
        case KernelArg::Result:
          where.push_back(storageOf(call.getOuts()[arg.index], results[arg.index].map));
          if (arg.index == 0 && where.back().kind == Storage::Output)
            output = where.back().index;
          break;
        case KernelArg::Constant:
          where.push_back({Storage::Weights, arg.write ? weights.add(arg.size, arg.write) : weights.add(arg.bytes)});
          if (where.back().index < 0)
            return call.emitOpError("has a weight for which there is neither disk space nor memory");
          break;
        case KernelArg::Temporary:
          if (arg.index >= temporaries.size())
            temporaries.push_back(newBuffer(arg.size));
          where.push_back(temporaries[arg.index]);
          break;
        }
      }
      bool last = number + 1 == lowered.size();
      Value result = kernel.getBody().front().getTerminator()->getOperand(0);
      push(std::move(step), std::move(where), call.getLoc(), last ? name : name + "." + std::to_string(number),
           last ? std::optional<Placement>(results[0]) : std::nullopt, cast<RankedTensorType>(call.getOuts()[0].getType()), output,
           last ? codesOf(result) : std::nullopt);
      if (restore)
        fillHalos();
    }
    return success();
  }

  //===-- one instruction set -------------------------------------------------===//

  FailureOr<Kernel> generate(const AnyProblem &problem, StringRef name, const Isa &isa) {
    return std::visit(
        [&](const auto &p) -> FailureOr<Kernel> {
          using T = std::decay_t<decltype(p)>;
          if constexpr (std::is_same_v<T, ConvProblem>)
            return emitConv(module, name, p, isa);
          else if constexpr (std::is_same_v<T, GemmProblem>)
            return emitGemm(module, name, p, isa);
          else if constexpr (std::is_same_v<T, EltwiseProblem>)
            return emitEltwise(module, name, p, isa);
          else if constexpr (std::is_same_v<T, RelayoutProblem>)
            return emitRelayout(module, name, p, isa);
          else if constexpr (std::is_same_v<T, PoolProblem>)
            return emitPool(module, name, p, isa);
          else if constexpr (std::is_same_v<T, GlobalReduceProblem>)
            return emitGlobalReduce(module, name, p, isa);
          else if constexpr (std::is_same_v<T, SoftmaxProblem>)
            return emitSoftmax(module, name, p, isa);
          else if constexpr (std::is_same_v<T, ResizeProblem>)
            return emitResize(module, name, p, isa);
          else if constexpr (std::is_same_v<T, CopyProblem>)
            return emitCopy(module, name, p, isa);
          else if constexpr (std::is_same_v<T, FillProblem>)
            return emitFill(module, name, p, isa);
          else if constexpr (std::is_same_v<T, DynamicQuantProblem>)
            return emitDynamicQuant(module, name, p, isa, /*quantize=*/true);
          else if constexpr (std::is_same_v<T, AbsmaxProblem>)
            return emitDynamicQuant(module, name, p.problem, isa, /*quantize=*/false);
          else if constexpr (isRowProblem<T>)
            return emitRows(module, name, p, isa);
          else
            return emitPortable(module, name, p.function, isa);
        },
        problem);
  }

  LogicalResult emit(const Isa &isa) {
    MLIRContext *context = main.getContext();
    OpBuilder b(context);
    Location loc = main.getLoc();
    // Kernels first: their scratch decides how large the buffers of the run function are.
    SmallVector<const Kernel *> used;
    for (PlannedStep &planned : steps) {
      std::string key = keyOf(planned.step.problem);
      unsigned id = kernelIds.try_emplace(key, unsigned(kernelIds.size())).first->second;
      std::string name = ("k" + Twine(id) + "_" + stemOf(planned.step.problem) + "." + isa.name).str();
      auto [it, isNew] = kernels.try_emplace(name);
      if (isNew) {
        auto kernel = generate(planned.step.problem, name, isa);
        if (failed(kernel))
          return failure();
        setFeatures(kernel->function, isa);
        generated.insert(kernel->function);
        it->second = *kernel;
      }
      used.push_back(&it->second);
    }

    SmallVector<Type> types{LLVM::LLVMPointerType::get(context)};
    auto bytesType = [&](int64_t bytes) { return MemRefType::get({std::max<int64_t>(bytes, 1)}, b.getI8Type()); };
    auto tensorBytes = [](Type type) {
      auto tensor = cast<RankedTensorType>(type);
      return tensor.getNumElements() * bytesOf(elemOf(tensor.getElementType()).value_or(Elem::U8));
    };
    for (Type type : main.getArgumentTypes())
      types.push_back(bytesType(tensorBytes(type)));
    for (Type type : main.getResultTypes())
      types.push_back(bytesType(tensorBytes(type)));
    types.push_back(bytesType(weights.size()));
    b.setInsertionPointToEnd(module.getBody());
    auto function = func::FuncOp::create(b, loc, ("run_" + isa.name).str(), b.getFunctionType(types, {}));
    setFeatures(function, isa);
    generated.insert(function);
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    unsigned inputs = main.getNumArguments();
    auto base = [&](Storage where) -> Value {
      switch (where.kind) {
      case Storage::Input:
        return body->getArgument(1 + where.index);
      case Storage::Output:
        return body->getArgument(1 + inputs + where.index);
      case Storage::Weights:
        return body->getArguments().back();
      case Storage::Buffer:
        break;
      }
      return allocations[where.index];
    };
    allocations.clear();
    for (int64_t bytes : buffers)
      allocations.push_back(memref::AllocOp::create(b, loc, bytesType(bytes)));
    for (auto [number, planned] : llvm::enumerate(steps)) {
      const Kernel &kernel = *used[number];
      func::FuncOp callee = kernel.function;
      SmallVector<Value> args;
      for (auto [index, where] : llvm::enumerate(planned.storage)) {
        int64_t offset = where.kind == Storage::Weights ? where.index : 0;
        Value shift = arith::ConstantIndexOp::create(b, planned.loc, offset);
        args.push_back(memref::ViewOp::create(b, planned.loc, cast<MemRefType>(callee.getArgumentTypes()[index]), base(where), shift, ValueRange()));
      }
      if (kernel.scratchBytes) {
        // The same size at every level, so that all levels share one arena plan.
        int64_t bytes = kernel.scratchBytes * kernel.tasks.constant;
        Value scratch = memref::AllocOp::create(b, planned.loc, bytesType(bytes));
        Value shift = arith::ConstantIndexOp::create(b, planned.loc, 0);
        args.push_back(memref::ViewOp::create(b, planned.loc, cast<MemRefType>(callee.getArgumentTypes()[args.size()]), scratch, shift, ValueRange()));
      }
      args.push_back(arith::ConstantIndexOp::create(b, planned.loc, kernel.tasks.constant));
      auto call = func::CallOp::create(b, planned.loc, callee, args);
      call->setAttr(parallelAttr, b.getI32IntegerAttr(number));
      call->setAttr("cpu.step", planned.info);
    }
    func::ReturnOp::create(b, loc);
    return success();
  }

  /// Removes what the run functions replace; the signature stays as attributes, the weights as a resource.
  void finish() {
    Builder b(main.getContext());
    auto signature = [&](TypeRange types, function_ref<DictionaryAttr(unsigned)> attrs, StringRef prefix) {
      SmallVector<Attribute> entries;
      for (auto [index, type] : llvm::enumerate(types)) {
        auto name = attrs(index) ? attrs(index).getAs<StringAttr>("tern.name") : StringAttr();
        SmallVector<NamedAttribute> entry{b.getNamedAttr("name", name ? name : b.getStringAttr(prefix + Twine(index))), b.getNamedAttr("type", TypeAttr::get(type))};
        entries.push_back(b.getDictionaryAttr(entry));
      }
      return b.getArrayAttr(entries);
    };
    module->setAttr("cpu.inputs", signature(main.getArgumentTypes(), [&](unsigned i) { return main.getArgAttrDict(i); }, "input_"));
    module->setAttr("cpu.outputs", signature(main.getResultTypes(), [&](unsigned i) { return main.getResultAttrDict(i); }, "output_"));
    module->setAttr("cpu.weights", weights.finish(main.getContext()));
    SmallVector<Operation *> old;
    for (Operation &op : *module.getBody()) {
      auto function = dyn_cast<func::FuncOp>(op);
      if (isa<ml_program::GlobalOp>(op) || (function && !function.isExternal() && !generated.contains(function)))
        old.push_back(&op);
    }
    for (Operation *op : old)
      op->erase();
  }

  func::FuncOp main;
  ModuleOp module;
  SymbolTable symbols;
  ArrayRef<Isa> levels;
  WeightsFile weights;
  DenseMap<Value, Storage> storage;
  DenseMap<Value, Value> embeddedIn; ///< operand -> result of a concat
  SmallVector<unsigned> copied; ///< outputs that need a copy
  SmallVector<int64_t> buffers; ///< bytes
  SmallVector<Value> allocations;
  std::vector<PlannedStep> steps;
  llvm::StringMap<unsigned> kernelIds;
  llvm::StringMap<Kernel> kernels;
  DenseSet<Operation *> generated; ///< kernels and run functions
};

struct EmitKernelsPass : impl::CpuEmitKernelsBase<EmitKernelsPass> {
  using CpuEmitKernelsBase::CpuEmitKernelsBase;
  void runOnOperation() override {
    SmallVector<Isa> levels;
    SmallVector<StringRef> names;
    StringRef(isas).split(names, ',', -1, false);
    for (StringRef name : names) {
      auto found = llvm::find_if(cpu::isas(), [&](const Isa &isa) { return isa.name == name; });
      if (found == cpu::isas().end()) {
        getOperation().emitError() << "unknown instruction set '" << name << "'; allowed: portable, avx2, avx512vnni";
        return signalPassFailure();
      }
      levels.push_back(*found);
    }
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal()) {
      getOperation().emitError("cpu-emit-kernels needs a function @main of kernel calls (tern-outline makes it)");
      return signalPassFailure();
    }
    if (failed(Emission(main, levels).run()))
      signalPassFailure();
  }
};
} // namespace
} // namespace tern::cpu
