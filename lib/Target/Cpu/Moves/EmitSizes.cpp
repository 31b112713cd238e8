#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "lib/Target/Cpu/Problems/SizesProblem.h"

using namespace mlir;

namespace tern::cpu {

void visitSizes(SizesProblem &p, SizeVisitor visit) {
  for (int64_t &value : p.values)
    visit.offset(value);
}

std::string print(const SizesProblem &p) {
  std::string text = "sizes elem=" + std::string(p.elem == Elem::I64 ? "i64" : "i32") + " [";
  for (auto [i, value] : llvm::enumerate(p.values))
    text += (i ? "," : "") + (isDynamicOffset(value) ? "?" + std::to_string(slotOfOffset(value)) : std::to_string(value));
  return text + "]";
}

Kernel emitSizes(ModuleOp module, StringRef name, const SizesProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {p.elem}, isa, std::nullopt, hasDynamicSizes(p));
  for (auto [i, value] : llvm::enumerate(p.values)) {
    Value number = arith::IndexCastOp::create(k.builder(), k.loc(), k.type(p.elem), k.value(k.offset(value)));
    k.store(number, k.arg(0), int64_t(i));
  }
  return {k.finish(), 1};
}

} // namespace tern::cpu
