//===- EmitKernels.cpp - kernels of all instruction sets, and run functions -===//
#include "dialects/Micro/IR/Micro.h"
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Cpu/Products/EmitGemm.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "lib/Target/Cpu/Lowering/Portable/Portable.h"
#include "lib/Target/Cpu/Lowering/Run/RunFunction.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
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

class Emission {
public:
  Emission(func::FuncOp main, ArrayRef<Isa> levels) : main(main), module(main->getParentOfType<ModuleOp>()), levels(levels) {}

  LogicalResult run() {
    open = hasOpenSizes(module);
    if (failed(RunPlanner(main).run(plan)))
      return failure();
    for (const Isa &isa : levels)
      if (failed(emit(isa)))
        return failure();
    finish();
    return success();
  }

private:
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
          else if constexpr (std::is_same_v<T, StartProblem>)
            return emitStart(module, name, p, isa);
          else if constexpr (std::is_same_v<T, WindowSumProblem>)
            return emitWindowSum(module, name, p, isa);
          else
            return emitPortable(module, name, p, isa);
        },
        problem);
  }

  /// The kernels of all steps at a level, each once.
  FailureOr<SmallVector<const Kernel *>> generateAll(const Isa &isa) {
    SmallVector<const Kernel *> used;
    for (PlannedStep &planned : plan.steps) {
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
    return used;
  }

  LogicalResult emit(const Isa &isa) {
    // Kernels first: their scratch decides how large the buffers of the run function are.
    auto used = generateAll(isa);
    if (failed(used))
      return failure();
    func::FuncOp function = RunFunction(main, plan, sizes, open).emit(isa, *used);
    setFeatures(function, isa);
    generated.insert(function);
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
    for (PlannedStep &planned : plan.steps) {
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
    module->setAttr("cpu.weights", plan.weights.finish(main.getContext()));
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
  ArrayRef<Isa> levels;
  RunPlan plan;
  SizeNumbers sizes;
  bool open = false; ///< some sizes are only known at run time
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
