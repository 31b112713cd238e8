//===- KernelTest.h - builds one kernel, runs it on raw memory ------------===//
#ifndef TERN_TEST_UNIT_CPU_KERNELTEST_H
#define TERN_TEST_UNIT_CPU_KERNELTEST_H

#include "lib/Target/Cpu/Emit.h"
#include "gtest/gtest.h"
#include <functional>
#include <memory>
#include <vector>

namespace llvm::orc {
class LLJIT;
}

namespace tern::cpu::test {

/// Deterministic numbers, the same on every machine.
class Random {
public:
  explicit Random(uint64_t seed = 1) : state(seed * 2654435761u + 88172645463325252u) {}
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  int64_t integer(int64_t lo, int64_t hi) { return lo + int64_t(next() % uint64_t(hi - lo + 1)); } ///< both included
  float real(float lo = -1, float hi = 1) { return lo + (hi - lo) * float(next() >> 40) / float(1 << 24); }

private:
  uint64_t state;
};

/// Memory of a kernel argument: 64-byte aligned, `slack` bytes behind it that may be read, guards on both sides that
/// must not change.
class Buffer {
public:
  explicit Buffer(int64_t bytes, int64_t slack = 128);
  template <typename T> static Buffer of(const std::vector<T> &values, int64_t slack = 128) {
    Buffer b(values.size() * sizeof(T), slack);
    std::copy(values.begin(), values.end(), b.data<T>());
    return b;
  }
  /// Room for a whole activation, filled with the byte 0xA5.
  explicit Buffer(const Map &map) : Buffer((map.base + map.elements()) * bytesOf(map.elem)) {}
  template <typename T> T *data() { return reinterpret_cast<T *>(start()); }
  int64_t size() const { return bytes; }
  bool intact() const;

private:
  unsigned char *start() const;
  int64_t bytes;
  std::unique_ptr<unsigned char[]> memory;
};

/// Element offset of (n, y, x, c), also for halo positions (y, x < 0 or beyond the picture).
int64_t offsetOf(const Map &map, int64_t n, int64_t y, int64_t x, int64_t c);

/// One kernel, compiled as in an artifact and loaded into this process. A failure is a test failure and leaves an
/// object that must not run (`ok()` is false).
class CompiledKernel {
public:
  CompiledKernel(const Isa &isa, llvm::function_ref<Kernel(mlir::ModuleOp, const Isa &)> build);
  ~CompiledKernel();
  bool ok() const { return function != nullptr; }
  int64_t tasks(llvm::ArrayRef<int64_t> sizes = {}) const { return count.count(sizes); }
  int64_t scratchBytes() const { return scratch; }
  /// Runs all tasks; `args` without sizes, scratch and task; `sizes` of the slots of a dynamic problem. Also checks the guards of all buffers.
  void run(llvm::ArrayRef<Buffer *> args, llvm::ArrayRef<int64_t> sizes = {});
  void runTask(llvm::ArrayRef<void *> args, int64_t task) const;

private:
  std::unique_ptr<llvm::orc::LLJIT> jit;
  void *function = nullptr;
  TaskCount count;
  int64_t scratch = 0;
};

/// The functions that an object calls but does not have, without those for memory.
std::vector<std::string> callsOf(llvm::ArrayRef<char> object);

/// The levels that this machine can run.
std::vector<Isa> hostIsas();

/// A context with the dialects of kernels loaded.
mlir::MLIRContext &kernelContext();

} // namespace tern::cpu::test
#endif
