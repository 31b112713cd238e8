//===- KernelTest.cpp - builds one kernel, runs it on raw memory ----------===//
#include "KernelTest.h"
#include "CallWith.h"
#include "dialects/Micro/IR/Micro.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include <cstdlib>
#include <cstring>
#include <fstream>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
constexpr int64_t kGuard = 256;
constexpr unsigned char kGuardByte = 0xC3;
} // namespace

Buffer::Buffer(int64_t bytes, int64_t slack)
    : bytes(bytes), memory(new unsigned char[bytes + slack + 2 * kGuard + 64]) {
  std::memset(memory.get(), kGuardByte, bytes + slack + 2 * kGuard + 64);
  std::memset(start(), 0xA5, bytes);
}

unsigned char *Buffer::start() const {
  auto at = reinterpret_cast<uintptr_t>(memory.get()) + kGuard;
  return reinterpret_cast<unsigned char *>((at + 63) / 64 * 64);
}

bool Buffer::intact() const {
  for (int64_t i = 1; i <= kGuard; i++)
    if (start()[-i] != kGuardByte || start()[bytes + i - 1] != kGuardByte)
      return false;
  return true;
}

int64_t tern::cpu::test::offsetOf(const Map &m, int64_t n, int64_t y, int64_t x, int64_t c) {
  if (m.planar)
    return m.base + ((n * m.c + c) * m.h + y) * m.w + x;
  return m.base + n * m.imageStride() + (m.top + y) * m.rowStride() + (m.left + x) * m.cs + c;
}

MLIRContext &tern::cpu::test::kernelContext() {
  static MLIRContext *context = [] {
    auto *c = new MLIRContext(MLIRContext::Threading::DISABLED);
    c->loadDialect<func::FuncDialect, arith::ArithDialect, scf::SCFDialect, vector::VectorDialect,
                   memref::MemRefDialect, math::MathDialect, LLVM::LLVMDialect, tern::micro::MicroDialect>();
    return c;
  }();
  return *context;
}

std::vector<Isa> tern::cpu::test::hostIsas() {
  ArrayRef<Isa> all = isas();
  return std::vector<Isa>(all.begin(), all.begin() + hostIsa().level + 1);
}

std::vector<std::string> tern::cpu::test::callsOf(ArrayRef<char> object) {
  auto file =
      llvm::cantFail(llvm::object::ObjectFile::createObjectFile({StringRef(object.data(), object.size()), "object"}));
  std::vector<std::string> calls;
  for (const llvm::object::SymbolRef &symbol : file->symbols()) {
    StringRef name = llvm::cantFail(symbol.getName());
    if (llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined && !name.empty() &&
        !name.starts_with("mem"))
      calls.push_back(name.str());
  }
  return calls;
}

CompiledKernel::CompiledKernel(const Isa &isa, llvm::function_ref<Kernel(ModuleOp, const Isa &)> build) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&kernelContext()));
  Kernel kernel = build(*module, isa);
  count = kernel.tasks;
  scratch = kernel.scratchBytes;
  kernel.function.setPublic();
  std::string name = kernel.function.getName().str();
  if (const char *folder = std::getenv("TERN_KERNEL_DUMP")) { // for reading the code
    std::string text;
    llvm::raw_string_ostream os(text);
    module->print(os);
    std::ofstream(std::string(folder) + "/" + name + "." + isa.name.str() + ".mlir") << text;
  }
  if (failed(verify(*module))) {
    ADD_FAILURE() << "the kernel does not verify";
    return;
  }
  CompileOptions options;
  std::string assembly;
  if (std::getenv("TERN_KERNEL_DUMP"))
    options.assembly = &assembly;
  auto object = compileToObject(*module, options);
  if (!object) {
    ADD_FAILURE() << llvm::toString(object.takeError());
    return;
  }
  if (const char *folder = std::getenv("TERN_KERNEL_DUMP"))
    std::ofstream(std::string(folder) + "/" + name + "." + isa.name.str() + ".s") << assembly;

  for (const std::string &name : callsOf(*object))
    ADD_FAILURE() << "the kernel calls '" << name << "'";

  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  auto made = llvm::orc::LLJITBuilder().create();
  if (!made) {
    ADD_FAILURE() << llvm::toString(made.takeError());
    return;
  }
  jit = std::move(*made);
  if (llvm::Error e =
          jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy({object->data(), object->size()}, name))) {
    ADD_FAILURE() << llvm::toString(std::move(e));
    return;
  }
  auto address = jit->lookup(name);
  if (!address) {
    ADD_FAILURE() << llvm::toString(address.takeError());
    return;
  }
  function = address->toPtr<void *>();
}

CompiledKernel::~CompiledKernel() = default;

void CompiledKernel::runTask(ArrayRef<void *> args, int64_t task) const {
  SmallVector<uint64_t> words;
  for (void *p : args)
    words.push_back(reinterpret_cast<uint64_t>(p));
  words.push_back(task);
  tern::test::callWith(function, words);
}

void CompiledKernel::run(ArrayRef<Buffer *> args, ArrayRef<int64_t> sizes) {
  ASSERT_TRUE(ok());
  SmallVector<void *> pointers;
  for (Buffer *b : args)
    pointers.push_back(b->data<void>());
  if (!sizes.empty())
    pointers.push_back(const_cast<int64_t *>(sizes.data()));
  int64_t tasks = count.count(sizes);
  std::unique_ptr<Buffer> work;
  if (scratch) {
    work = std::make_unique<Buffer>(scratch * tasks);
    pointers.push_back(work->data<void>());
  }
  // Backwards: a kernel must not need the order.
  for (int64_t task = tasks - 1; task >= 0; task--)
    runTask(pointers, task);
  for (Buffer *b : args)
    EXPECT_TRUE(b->intact()) << "a kernel wrote behind or before a buffer";
  if (work)
    EXPECT_TRUE(work->intact()) << "a kernel wrote behind or before its scratch";
}
