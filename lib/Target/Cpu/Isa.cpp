//===- Isa.cpp - the instruction sets that kernels are generated for ------===//
#include "lib/Target/Cpu/Isa.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace tern::cpu;

static const Isa table[] = {
    {0, "portable", "", 4, 16, false, false},
    {1, "avx2", "+avx2,+fma,+f16c,+bmi,+bmi2", 8, 16, false, false},
    {2, "avx512vnni", "+avx2,+fma,+f16c,+bmi,+bmi2,+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,+avx512vbmi", 16, 32,
     true, true},
};

llvm::ArrayRef<Isa> tern::cpu::isas() { return table; }

const Isa &tern::cpu::hostIsa() {
  static const Isa &host = []() -> const Isa & {
    llvm::StringMap<bool> has = llvm::sys::getHostCPUFeatures();
    for (const Isa &isa : llvm::reverse(isas())) {
      llvm::SmallVector<llvm::StringRef> names;
      isa.features.split(names, ',', -1, false);
      if (llvm::all_of(names, [&](llvm::StringRef f) { return has.lookup(f.drop_front()); }))
        return isa;
    }
    return table[0];
  }();
  return host;
}
