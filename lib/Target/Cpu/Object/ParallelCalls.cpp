//===- ParallelCalls.cpp - calls that the thread pool runs ----------------===//
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace tern::cpu;

namespace {
constexpr llvm::StringLiteral poolEntry = "tern_parallel_for";

struct ParallelCalls : PassWrapper<ParallelCalls, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ParallelCalls)
  StringRef getArgument() const override { return "cpu-parallel-calls"; }
  StringRef getDescription() const override { return "run calls with tern.parallel by the runtime's thread pool"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    SmallVector<LLVM::CallOp> calls;
    module.walk([&](LLVM::CallOp call) {
      if (call->hasAttr(parallelAttr))
        calls.push_back(call);
    });
    for (LLVM::CallOp call : calls)
      if (failed(rewrite(call, module, symbols)))
        return signalPassFailure();
  }

  LogicalResult rewrite(LLVM::CallOp call, ModuleOp module, SymbolTable &symbols) {
    auto step = call->getAttrOfType<IntegerAttr>(parallelAttr);
    auto caller = call->getParentOfType<LLVM::LLVMFuncOp>();
    auto callee = call.getCallee() ? symbols.lookup<LLVM::LLVMFuncOp>(*call.getCallee()) : LLVM::LLVMFuncOp();
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    if (!step || !step.getType().isInteger(32))
      return call.emitError(parallelAttr) << " must be the number of the step, an i32";
    if (!callee || call.getNumResults() || call.getArgOperands().empty())
      return call.emitError("a parallel call needs a function of this module without results whose last argument is the task");
    if (caller.getNumArguments() == 0 || caller.getArgument(0).getType() != pointer)
      return call.emitError("a parallel call needs a function around it whose first argument is the context, a pointer");

    Location loc = call.getLoc();
    OpBuilder b(&getContext());
    Type i64 = b.getI64Type(), nothing = LLVM::LLVMVoidType::get(&getContext());
    auto pool = symbols.lookup<LLVM::LLVMFuncOp>(poolEntry);
    if (!pool) {
      b.setInsertionPointToStart(module.getBody());
      auto type = LLVM::LLVMFunctionType::get(nothing, {pointer, b.getI32Type(), pointer, pointer, i64});
      symbols.insert(pool = LLVM::LLVMFuncOp::create(b, loc, poolEntry, type));
    }
    SmallVector<Value> args(call.getArgOperands().drop_back());
    auto arguments = LLVM::LLVMStructType::getLiteral(&getContext(), llvm::to_vector(ValueRange(args).getTypes()));
    LLVM::LLVMFuncOp entry = trampoline(callee, arguments, symbols);

    // One struct a call: the pool reads it only while the call lasts, but LLVM cannot know that and shares nothing.
    b.setInsertionPointToStart(&caller.getBody().front());
    Value one = LLVM::ConstantOp::create(b, loc, i64, 1);
    Value memory = LLVM::AllocaOp::create(b, loc, pointer, arguments, one, 8);
    b.setInsertionPoint(call);
    for (auto [i, value] : llvm::enumerate(args))
      LLVM::StoreOp::create(b, loc, value, field(b, loc, arguments, memory, i));
    Value number = LLVM::ConstantOp::create(b, loc, b.getI32Type(), step);
    Value function = LLVM::AddressOfOp::create(b, loc, entry);
    LLVM::CallOp::create(b, loc, pool, ValueRange{caller.getArgument(0), number, function, memory, call.getArgOperands().back()});
    call.erase();
    return success();
  }

  static Value field(OpBuilder &b, Location loc, Type type, Value memory, size_t i) {
    auto pointer = LLVM::LLVMPointerType::get(b.getContext());
    return LLVM::GEPOp::create(b, loc, pointer, type, memory, ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
  }

  /// void k$task(ptr arguments, i64 task): one a kernel, however often it is called.
  LLVM::LLVMFuncOp trampoline(LLVM::LLVMFuncOp callee, LLVM::LLVMStructType arguments, SymbolTable &symbols) {
    std::string name = (callee.getName() + "$task").str();
    if (auto found = symbols.lookup<LLVM::LLVMFuncOp>(name))
      return found;
    Location loc = callee.getLoc();
    OpBuilder b(&getContext());
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    b.setInsertionPointAfter(callee);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()), {pointer, b.getI64Type()});
    auto entry = LLVM::LLVMFuncOp::create(b, loc, name, type, LLVM::Linkage::Internal);
    entry.setTargetFeaturesAttr(callee.getTargetFeaturesAttr());
    symbols.insert(entry);
    Block *body = entry.addEntryBlock(b);
    b.setInsertionPointToStart(body);
    SmallVector<Value> in;
    for (auto [i, type] : llvm::enumerate(arguments.getBody()))
      in.push_back(LLVM::LoadOp::create(b, loc, type, field(b, loc, arguments, body->getArgument(0), i)));
    in.push_back(body->getArgument(1));
    LLVM::CallOp::create(b, loc, callee, in);
    LLVM::ReturnOp::create(b, loc, ValueRange());
    return entry;
  }
};
} // namespace

std::unique_ptr<Pass> tern::cpu::createParallelCallsPass() { return std::make_unique<ParallelCalls>(); }
