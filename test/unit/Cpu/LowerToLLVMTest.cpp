//===- LowerToLLVMTest.cpp - objects, parallel calls, refused code --------===//
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "KernelTest.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
/// out[i] = in[i] + in[i], one vector a task.
Kernel emitTwice(ModuleOp module, const Isa &isa) {
  KernelBuilder k(module, "twice", {Elem::F32, Elem::F32}, isa);
  Index at = k.task() * k.lanes();
  Value x = k.load(k.arg(0), at, k.lanes());
  k.store(k.add(x, x), k.arg(1), at);
  return {k.finish(), 3, 0};
}

TEST(CompiledKernel, RunsOnEveryLevel) {
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, emitTwice);
    std::vector<float> x(3 * isa.lanes);
    for (size_t i = 0; i < x.size(); i++)
      x[i] = float(i);
    Buffer in = Buffer::of(x), out(int64_t(x.size() * 4));
    kernel.run({&in, &out});
    for (size_t i = 0; i < x.size(); i++)
      EXPECT_EQ(out.data<float>()[i], 2 * x[i]) << isa.name.str();
  }
}

struct Seen {
  std::vector<int32_t> steps;
  void *context = nullptr;
};
Seen seen;

void parallelFor(void *context, int32_t step, void (*fn)(void *, int64_t), void *arguments, int64_t tasks) {
  seen.steps.push_back(step);
  seen.context = context;
  for (int64_t t = tasks - 1; t >= 0; t--)
    fn(arguments, t);
}

TEST(ParallelCalls, RunThroughThePool) {
  const Isa &isa = hostIsa();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&kernelContext()));
  Kernel kernel = emitTwice(*module, isa);
  OpBuilder b(&kernelContext());
  b.setInsertionPointToEnd(module->getBody());
  auto pointer = LLVM::LLVMPointerType::get(&kernelContext());
  Type memref = kernel.function.getArgumentTypes()[0];
  Location loc = b.getUnknownLoc();
  auto run = func::FuncOp::create(b, loc, "run", b.getFunctionType({pointer, memref, memref}, {}));
  setFeatures(run, isa);
  b.setInsertionPointToStart(run.addEntryBlock());
  Value tasks = arith::ConstantIndexOp::create(b, loc, 3);
  for (int32_t step : {0, 7}) {
    auto call =
        func::CallOp::create(b, loc, kernel.function, ValueRange{run.getArgument(1), run.getArgument(2), tasks});
    call->setAttr(parallelAttr, b.getI32IntegerAttr(step));
  }
  func::ReturnOp::create(b, loc);
  for (unsigned jobs : {1, 2}) {
    CompileOptions options;
    options.jobs = jobs;
    OwningOpRef<ModuleOp> copy = module->clone();
    auto objects = compileToObjects(*copy, options);
    ASSERT_TRUE(bool(objects)) << llvm::toString(objects.takeError());
    EXPECT_EQ(objects->size(), jobs);
    auto jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
    llvm::orc::SymbolMap pool;
    pool[jit->mangleAndIntern("tern_parallel_for")] = {llvm::orc::ExecutorAddr::fromPtr(&parallelFor),
                                                       llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
    llvm::cantFail(jit->getMainJITDylib().define(llvm::orc::absoluteSymbols(pool)));
    for (auto &object : *objects)
      llvm::cantFail(jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy({object.data(), object.size()}, "part")));
    auto entry = llvm::cantFail(jit->lookup("run")).toPtr<void(void *, float *, float *)>();
    std::vector<float> x(3 * isa.lanes, 4.0f), y(x.size());
    seen = {};
    entry(&seen, x.data(), y.data());
    EXPECT_EQ(seen.steps, (std::vector<int32_t>{0, 7}));
    EXPECT_EQ(seen.context, &seen);
    EXPECT_EQ(y, std::vector<float>(x.size(), 8.0f));
  }
}

TEST(CompileToObject, RefusesCallsOfUnknownFunctions) {
  auto module = parseSourceString<ModuleOp>(R"(
    func.func private @somewhere_else()
    func.func @k() {
      func.call @somewhere_else() : () -> ()
      return
    })",
                                            &kernelContext());
  ASSERT_TRUE(module);
  auto object = compileToObject(*module);
  ASSERT_FALSE(bool(object));
  EXPECT_EQ(llvm::toString(object.takeError()),
            "the generated code calls 'somewhere_else', which the runtime does not have");
}

/// The math library serves portable kernels only; a generator that needs it would be slow without saying so.
TEST(CompiledKernel, SeesCallsOfTheMathLibrary) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&kernelContext()));
  KernelBuilder k(*module, "exp", {Elem::F32}, hostIsa());
  k.store(math::ExpOp::create(k.builder(), k.loc(), k.load(k.arg(0), 0)), k.arg(0), 0);
  k.finish().setPublic();
  auto object = compileToObject(*module);
  ASSERT_TRUE(bool(object)) << llvm::toString(object.takeError());
  EXPECT_EQ(callsOf(*object), std::vector<std::string>{"expf"});
}

TEST(ParallelCalls, NeedTheContext) {
  ScopedDiagnosticHandler handler(&kernelContext(), [](Diagnostic &d) {
    EXPECT_EQ(d.str(), "a parallel call needs a function around it whose first argument is the context, a pointer");
    return success();
  });
  auto module = parseSourceString<ModuleOp>(R"(
    func.func private @k(%t: index) { return }
    func.func @run(%n: index) {
      func.call @k(%n) {tern.parallel = 0 : i32} : (index) -> ()
      return
    })",
                                            &kernelContext());
  ASSERT_TRUE(module);
  auto object = compileToObject(*module);
  ASSERT_FALSE(bool(object));
  llvm::consumeError(object.takeError());
}
} // namespace
