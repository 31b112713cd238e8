//===- EmitKernels.cpp - kernels of all instruction sets, and run functions -===//
#include "dialects/Micro/IR/Micro.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
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
  nn::Sizes sizes; ///< of the slots of the problem
  nn::SizeExpr pictures;              ///< set: the kernel is that of one picture and runs for each
  SmallVector<nn::SizeExpr> strides; ///< of step.args, in bytes from one picture to the next
  SmallVector<Storage> storage; ///< of step.args
  Location loc;
  DictionaryAttr info; ///< cpu.step
};

/// The numbers of a program with open sizes: each once, and lists of them that lie together.
class SizeNumbers {
public:
  int64_t slot(nn::SizeExpr e) {
    auto [it, isNew] = slots.try_emplace(e.node, int64_t(all.size()));
    if (isNew)
      all.push_back(e);
    return it->second;
  }
  /// First slot of the list.
  int64_t list(ArrayRef<nn::SizeExpr> list) {
    auto *at = std::search(all.begin(), all.end(), list.begin(), list.end());
    if (at != all.end())
      return at - all.begin();
    int64_t first = all.size();
    for (nn::SizeExpr e : list) {
      slots.try_emplace(e.node, int64_t(all.size()));
      all.push_back(e);
    }
    return first;
  }
  ArrayRef<nn::SizeExpr> entries() const { return all; }

private:
  SmallVector<nn::SizeExpr> all;
  DenseMap<const nn::SizeNode *, int64_t> slots;
};

/// Static types of buffers whose size is only known at run time: what matters is the pointer.
constexpr int64_t kOpenBytes = int64_t(1) << 40;

class Emission {
public:
  Emission(func::FuncOp main, ArrayRef<Isa> levels)
      : main(main), module(main->getParentOfType<ModuleOp>()), symbols(module), levels(levels) {}

  LogicalResult run() {
    open = hasOpenSizes(module);
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
      SizedType type(value);
      Placement place{Form::Plain, flatMap(type)};
      Step step = relayoutStep(SizedType({type.getNumElements()}, type.getElementType()), place, place);
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

  Storage newBuffer(nn::SizeExpr bytes) {
    buffers.push_back(SizeScope::table().max(bytes, SizeScope::table().constant(1)));
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
    nn::SizeTable &table = SizeScope::table();
    nn::SizeExpr elements = table.add(offsetExpr(map.base), elementsOf(map));
    return storage[source] = newBuffer(table.mul(elements, table.constant(bytesOf(map.elem))));
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

  void push(Step step, SmallVector<Storage> where, Location loc, StringRef name, std::optional<Placement> place, SizedType type,
            int64_t output, std::optional<std::pair<double, int64_t>> codes,
            nn::SizeExpr pictures = {}, SmallVector<nn::SizeExpr> strides = {}) {
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
        b.getNamedAttr("macs", b.getI64IntegerAttr(isDynamic(step.macs) ? 0 : step.macs)), b.getNamedAttr("bytes", b.getI64IntegerAttr(bytes)),
        b.getNamedAttr("output", b.getI64IntegerAttr(output)), b.getNamedAttr("result", b.getI64IntegerAttr(result))};
    if (place) {
      info.push_back(b.getNamedAttr("place", b.getStringAttr(str(*place))));
      info.push_back(b.getNamedAttr("type", TypeAttr::get(type.tensor())));
      if (!type.hasStaticShape())
        info.push_back(b.getNamedAttr("sizes", sizesAttr(type)));
    }
    if (codes) {
      info.push_back(b.getNamedAttr("scale", b.getF64FloatAttr(codes->first)));
      info.push_back(b.getNamedAttr("zero", b.getI64IntegerAttr(codes->second)));
    }
    if (isDynamic(step.macs))
      info.push_back(b.getNamedAttr("dynamic_macs", b.getStringAttr(sizeOf(step.macs).str())));
    nn::Sizes sizes;
    for (int64_t number : slotsOf(step.problem))
      sizes.push_back(SizeScope::table().byNumber(number));
    for (KernelArg &arg : step.args) {
      std::vector<char>().swap(arg.bytes);
      arg.write = nullptr;
    }
    steps.push_back({std::move(step), std::move(sizes), pictures, strides, std::move(where), loc, b.getDictionaryAttr(info)});
  }

  /// Texts of all sizes, "" where one is static.
  static ArrayAttr sizesAttr(SizedType type) {
    Builder b(type.getElementType().getContext());
    SmallVector<StringRef> texts;
    for (SizeCode size : type.getShape())
      texts.push_back(isDynamic(size) ? sizeOf(size).str() : StringRef());
    return b.getStrArrayAttr(texts);
  }

  /// Renumbers the slots of a problem; the numbers of their expressions.
  static SmallVector<int64_t> slotsOf(AnyProblem &problem) {
    return std::visit(
        [](auto &p) -> SmallVector<int64_t> {
          using T = std::decay_t<decltype(p)>;
          if constexpr (std::is_same_v<T, PortableProblem>)
            return {};
          else if constexpr (std::is_same_v<T, AbsmaxProblem>)
            return numberSlots(p.problem);
          else
            return numberSlots(p);
        },
        problem);
  }

  /// Kernels of pictures have a static number of them: where it is only known at run time, the kernel is that of one picture.
  /// Null: the problem is static, no such kernel, or other sizes are open as well.
  static nn::SizeExpr takePictures(AnyProblem &problem) {
    return std::visit(
        [](auto &p) -> nn::SizeExpr {
          using T = std::decay_t<decltype(p)>;
          if constexpr (std::is_same_v<T, ConvProblem> || std::is_same_v<T, PoolProblem> || std::is_same_v<T, GlobalReduceProblem> ||
                        std::is_same_v<T, ResizeProblem> || std::is_same_v<T, RelayoutProblem>) {
            int64_t n = p.in.n;
            bool others = false;
            if (!isDynamic(n))
              return {};
            auto size = [&](int64_t &v) { others |= isDynamic(v) && v != n; };
            auto offset = [&](int64_t &v) { others |= isDynamicOffset(v); };
            visitSizes(p, {size, offset});
            if (others)
              return {};
            p = onePicture(p);
            return sizeOf(n);
          }
          return {};
        },
        problem);
  }

  /// Bytes of activations that a step reads and writes; 0 when they are only known at run time.
  static int64_t touched(const Step &step) {
    return std::visit(
        [](const auto &p) -> int64_t {
          using T = std::decay_t<decltype(p)>;
          if constexpr (std::is_same_v<T, AbsmaxProblem>) {
            if (hasDynamicSizes(p.problem))
              return 0;
          } else if constexpr (!std::is_same_v<T, PortableProblem>) {
            if (hasDynamicSizes(p))
              return 0;
          }
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
          } else if constexpr (std::is_same_v<T, SizesProblem>) {
            return int64_t(p.values.size()) * bytesOf(p.elem);
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
      operand.type = SizedType(value);
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
      nn::SizeExpr pictures = takePictures(step.problem);
      SmallVector<nn::SizeExpr> strides;
      auto strideOf = [&](const Map &map) {
        nn::SizeTable &table = SizeScope::table();
        if (!pictures)
          return nn::SizeExpr();
        nn::SizeExpr all = elementsOf(map), each = table.floorDiv(all, pictures);
        // What does not grow with the pictures is the same for all.
        return table.mul(each, pictures) == all && all != table.constant(0) && llvm::any_of(table.dimsOf(all), [](StringRef) { return true; })
                   ? table.mul(each, table.constant(bytesOf(map.elem)))
                   : table.constant(0);
      };
      for (const KernelArg &arg : step.args) {
        bool isConstant = arg.kind == KernelArg::Constant || (arg.kind == KernelArg::Operand && operands[arg.index].constant);
        strides.push_back(!pictures              ? nn::SizeExpr()
                          : isConstant           ? SizeScope::table().constant(0)
                          : arg.kind == KernelArg::Operand ? strideOf(operands[arg.index].place.map)
                          : arg.kind == KernelArg::Result  ? strideOf(results[arg.index].map)
                                                           : SizeScope::table().constant(0));
      }
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
            temporaries.push_back(newBuffer(sizeOf(arg.size)));
          where.push_back(temporaries[arg.index]);
          break;
        }
      }
      bool last = number + 1 == lowered.size();
      Value result = kernel.getBody().front().getTerminator()->getOperand(0);
      push(std::move(step), std::move(where), call.getLoc(), last ? name : name + "." + std::to_string(number),
           last ? std::optional<Placement>(results[0]) : std::nullopt, SizedType(call.getOuts()[0]), output,
           last ? codesOf(result) : std::nullopt, pictures, strides);
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
          else if constexpr (std::is_same_v<T, SizesProblem>)
            return emitSizes(module, name, p, isa);
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

    // A program with open sizes gets them as its last argument: numbers, that the runtime computes once for a context.
    SmallVector<Type> types{LLVM::LLVMPointerType::get(context)};
    auto bytesType = [&](int64_t bytes) { return MemRefType::get({std::max<int64_t>(bytes, 1)}, b.getI8Type()); };
    auto tensorBytes = [](Type type) -> int64_t {
      auto tensor = cast<RankedTensorType>(type);
      if (!tensor.hasStaticShape())
        return kOpenBytes;
      return tensor.getNumElements() * bytesOf(elemOf(tensor.getElementType()).value_or(Elem::U8));
    };
    for (Type type : main.getArgumentTypes())
      types.push_back(bytesType(tensorBytes(type)));
    for (Type type : main.getResultTypes())
      types.push_back(bytesType(tensorBytes(type)));
    if (open)
      types.push_back(MemRefType::get({kOpenBytes}, b.getI8Type()));
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
    Value numbers = open ? body->getArgument(body->getNumArguments() - 2) : Value();
    auto viewNumbers = [&](Location loc, int64_t slot) -> Value {
      Value shift = arith::ConstantIndexOp::create(b, loc, 8 * slot);
      return memref::ViewOp::create(b, loc, MemRefType::get({int64_t(1) << 30}, b.getIndexType()), numbers, shift, ValueRange());
    };
    Value firstNumber = open ? viewNumbers(loc, 0) : Value();
    auto number = [&](Location loc, nn::SizeExpr e) -> Value {
      if (std::optional<int64_t> constant = e.constant())
        return arith::ConstantIndexOp::create(b, loc, *constant);
      Value at = arith::ConstantIndexOp::create(b, loc, sizes.slot(e));
      return memref::LoadOp::create(b, loc, firstNumber, at);
    };
    auto allocate = [&](Location loc, nn::SizeExpr bytes) -> Value {
      if (std::optional<int64_t> constant = bytes.constant(); constant && !open)
        return memref::AllocOp::create(b, loc, bytesType(*constant));
      auto alloc = memref::AllocOp::create(b, loc, MemRefType::get({kOpenBytes}, b.getI8Type()));
      alloc->setAttr("cpu.bytes", b.getI64IntegerAttr(sizes.slot(bytes)));
      return alloc;
    };
    for (nn::SizeExpr bytes : buffers)
      allocations.push_back(allocate(loc, bytes));
    nn::SizeTable &table = SizeScope::table();
    for (auto [index, planned] : llvm::enumerate(steps)) {
      const Kernel &kernel = *used[index];
      func::FuncOp callee = kernel.function;
      SmallVector<Value> args;
      OpBuilder::InsertionGuard guard(b);
      scf::ForOp loop;
      if (planned.pictures) {
        Value zero = arith::ConstantIndexOp::create(b, planned.loc, 0), one = arith::ConstantIndexOp::create(b, planned.loc, 1);
        loop = scf::ForOp::create(b, planned.loc, zero, number(planned.loc, planned.pictures), one);
        b.setInsertionPoint(loop.getBody()->getTerminator());
      }
      auto pass = [&](Value memref, int64_t offset) {
        Value shift = arith::ConstantIndexOp::create(b, planned.loc, offset);
        nn::SizeExpr stride = loop && args.size() < planned.strides.size() ? planned.strides[args.size()] : nn::SizeExpr();
        if (stride && !stride.isConstant(0)) {
          Value step = arith::MulIOp::create(b, planned.loc, loop.getInductionVar(), number(planned.loc, stride));
          shift = offset ? arith::AddIOp::create(b, planned.loc, shift, step).getResult() : step;
        }
        args.push_back(memref::ViewOp::create(b, planned.loc, cast<MemRefType>(callee.getArgumentTypes()[args.size()]), memref, shift, ValueRange()));
      };
      for (Storage where : planned.storage)
        pass(base(where), where.kind == Storage::Weights ? where.index : 0);
      const nn::Sizes &own = planned.sizes;
      nn::SizeExpr tasks = table.constant(kernel.tasks.constant);
      for (const TaskCount::Factor &factor : kernel.tasks.factors) {
        nn::SizeExpr all = table.constant(1);
        for (int64_t size : factor.sizes)
          all = table.mul(all, isDynamic(size) ? own[size_t(slotOf(size))] : table.constant(size));
        tasks = table.mul(tasks, table.ceilDiv(all, table.constant(factor.chunk)));
      }
      if (!own.empty())
        args.push_back(viewNumbers(planned.loc, sizes.list(own)));
      // The scratch has the same size at every level of a static program, so that all levels share one arena plan.
      if (kernel.scratchBytes)
        pass(allocate(planned.loc, table.mul(table.constant(kernel.scratchBytes), tasks)), 0);
      args.push_back(number(planned.loc, tasks));
      auto call = func::CallOp::create(b, planned.loc, callee, args);
      call->setAttr(parallelAttr, b.getI32IntegerAttr(index));
      call->setAttr("cpu.step", planned.info);
    }
    func::ReturnOp::create(b, loc);
    return success();
  }

  /// The dimensions in the order of the inputs, and every number that the run functions, the steps and the checks need.
  void writeSizes(Builder &b) {
    nn::SizeTable &table = SizeScope::table();
    SmallVector<StringRef> dims;
    auto collect = [&](nn::SizeExpr e) {
      for (StringRef dim : table.dimsOf(e))
        if (!llvm::is_contained(dims, dim))
          dims.push_back(dim);
    };
    for (BlockArgument argument : main.getArguments())
      for (SizeCode size : SizedType(argument).getShape())
        collect(sizeOf(size));
    for (PlannedStep &planned : steps) {
      if (auto texts = planned.info.getAs<ArrayAttr>("sizes"))
        for (Attribute text : texts)
          if (StringRef t = cast<StringAttr>(text).getValue(); !t.empty())
            sizes.slot(table.parse(t));
      if (auto macs = planned.info.getAs<StringAttr>("dynamic_macs"))
        sizes.slot(table.parse(macs.getValue()));
    }
    if (auto equal = module->getAttrOfType<ArrayAttr>("tern.equal"))
      for (Attribute pair : equal)
        for (Attribute text : cast<ArrayAttr>(pair))
          sizes.slot(table.parse(cast<StringAttr>(text).getValue()));
    SmallVector<StringRef> texts;
    for (nn::SizeExpr e : sizes.entries()) {
      collect(e);
      texts.push_back(e.str());
    }
    module->setAttr("cpu.dims", b.getStrArrayAttr(dims));
    module->setAttr("cpu.sizes", b.getStrArrayAttr(texts));
  }

  /// Removes what the run functions replace; the signature stays as attributes, the weights as a resource.
  void finish() {
    Builder b(main.getContext());
    Operation *terminator = main.getBody().front().getTerminator();
    auto signature = [&](ValueRange values, TypeRange types, function_ref<DictionaryAttr(unsigned)> attrs, StringRef prefix) {
      SmallVector<Attribute> entries;
      for (auto [index, type] : llvm::enumerate(types)) {
        auto name = attrs(index) ? attrs(index).getAs<StringAttr>("tern.name") : StringAttr();
        SmallVector<NamedAttribute> entry{b.getNamedAttr("name", name ? name : b.getStringAttr(prefix + Twine(index))), b.getNamedAttr("type", TypeAttr::get(type))};
        if (SizedType sized(values[index]); !sized.hasStaticShape()) {
          entry.push_back(b.getNamedAttr("sizes", sizesAttr(sized)));
          for (SizeCode size : sized.getShape())
            if (isDynamic(size))
              sizes.slot(sizeOf(size));
        }
        entries.push_back(b.getDictionaryAttr(entry));
      }
      return b.getArrayAttr(entries);
    };
    module->setAttr("cpu.inputs", signature(main.getArguments(), main.getArgumentTypes(), [&](unsigned i) { return main.getArgAttrDict(i); }, "input_"));
    module->setAttr("cpu.outputs", signature(terminator->getOperands(), main.getResultTypes(), [&](unsigned i) { return main.getResultAttrDict(i); }, "output_"));
    if (open)
      writeSizes(b);
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
  SmallVector<nn::SizeExpr> buffers; ///< bytes
  SizeNumbers sizes;
  bool open = false; ///< some sizes are only known at run time
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
    SizeScope scope(&getContext());
    if (failed(Emission(main, levels).run()))
      signalPassFailure();
  }
};
} // namespace
} // namespace tern::cpu
