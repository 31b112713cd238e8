//===- Link.h - objects become libmodel.so ---------------------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_ARTIFACT_LINK_H
#define TERN_TARGET_CPU_LOWERING_ARTIFACT_LINK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace tern::cpu {
/// Links objects (and shared libraries, of which those that define something needed become dependencies) into a shared library, in process
/// by LLD. Errors are LLD's own words.
llvm::Error linkShared(llvm::ArrayRef<std::string> inputs, llvm::StringRef output, llvm::StringRef soname);
/// The same into one relocatable object, for a linker that makes a program of it.
llvm::Error linkRelocatable(llvm::ArrayRef<std::string> objects, llvm::StringRef output);
} // namespace tern::cpu
#endif
