#include "lib/Target/Cpu/Problems/TaskCount.h"
#include "llvm/ADT/STLExtras.h"

namespace tern::cpu {

TaskCount TaskCount::of(llvm::ArrayRef<int64_t> sizes, int64_t chunk) {
  int64_t known = 1;
  Factor factor;
  for (int64_t size : sizes)
    if (isDynamic(size))
      factor.sizes.push_back(size);
    else
      known *= size;
  TaskCount tasks;
  if (factor.sizes.empty()) {
    tasks.constant = (known + chunk - 1) / chunk;
    return tasks;
  }
  if (chunk == 1) {
    tasks.constant = known;
  } else {
    if (known != 1)
      factor.sizes.push_back(known);
    factor.chunk = chunk;
  }
  tasks.factors.push_back(std::move(factor));
  return tasks;
}

int64_t TaskCount::count(llvm::ArrayRef<int64_t> sizes) const {
  int64_t all = constant;
  for (const Factor &factor : factors) {
    int64_t product = 1;
    for (int64_t size : factor.sizes)
      product *= isDynamic(size) ? sizes[slotOf(size)] : size;
    all *= (product + factor.chunk - 1) / factor.chunk;
  }
  return all;
}

std::string print(const TaskCount &tasks) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (tasks.constant != 1 || tasks.factors.empty())
    os << tasks.constant;
  for (const TaskCount::Factor &factor : tasks.factors) {
    os << (text.empty() ? "" : "*");
    os << (factor.chunk != 1 ? "ceil(" : "");
    for (auto [index, size] : llvm::enumerate(factor.sizes)) {
      os << (index ? "*" : "");
      if (isDynamic(size))
        os << '?' << slotOf(size);
      else
        os << size;
    }
    if (factor.chunk != 1)
      os << '/' << factor.chunk << ')';
  }
  return text;
}

} // namespace tern::cpu
