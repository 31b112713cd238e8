//===- CallWith.h - calls a kernel with any number of arguments -----------===//
#ifndef TERN_TEST_UNIT_CPU_CALLWITH_H
#define TERN_TEST_UNIT_CPU_CALLWITH_H

#include "llvm/ADT/ArrayRef.h"
#include <gtest/gtest.h>
#include <utility>

namespace tern::test {

template <size_t... I> void callWithEach(void *function, const uint64_t *args, std::index_sequence<I...>) {
  reinterpret_cast<void (*)(decltype(uint64_t(I))...)>(function)(args[I]...);
}

/// Bare pointers and the task are all integer registers or stack words, so the number of arguments is all that matters.
template <size_t N = 1> void callWith(void *function, llvm::ArrayRef<uint64_t> args) {
  if constexpr (N <= 16) {
    if (args.size() == N)
      return callWithEach(function, args.data(), std::make_index_sequence<N>());
    callWith<N + 1>(function, args);
  } else {
    ADD_FAILURE() << "a kernel with " << args.size() << " arguments";
  }
}

} // namespace tern::test
#endif
