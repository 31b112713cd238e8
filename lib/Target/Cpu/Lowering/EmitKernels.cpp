//===- EmitKernels.cpp - kernels of all instruction sets, and run functions -===//
#include "dialects/Micro/IR/Micro.h"
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Cpu/EmitGemm.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "lib/Target/Cpu/Lowering/Portable.h"
#include "lib/Target/Cpu/Lowering/RunPlan.h"
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
    MLIRContext *context = main.getContext();
    OpBuilder b(context);
    Location loc = main.getLoc();
    // Kernels first: their scratch decides how large the buffers of the run function are.
    auto used = generateAll(isa);
    if (failed(used))
      return failure();

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
    types.push_back(bytesType(plan.weights.size()));
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
    for (nn::SizeExpr bytes : plan.buffers)
      allocations.push_back(allocate(loc, bytes));
    nn::SizeTable &table = SizeScope::table();
    for (auto [index, planned] : llvm::enumerate(plan.steps)) {
      const Kernel &kernel = *(*used)[index];
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
  SmallVector<Value> allocations;
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
