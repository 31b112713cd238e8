//===- Link.cpp - objects become libmodel.so ---------------------------------===//
#include "lib/Target/Cpu/Lowering/Link.h"
#include "lld/Common/Driver.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

namespace tern::cpu {

static llvm::Error link(std::vector<const char *> args, llvm::ArrayRef<std::string> objects, llvm::StringRef output) {
  // LLD keeps global state: one link at a time.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::string out = output.str(), messages;
  // No build id and no threads: the same input gives the same bytes.
  args.insert(args.begin(), "ld.lld");
  args.insert(args.end(), {"--build-id=none", "--threads=1", "-z", "noexecstack", "-o", out.c_str()});
  for (const std::string &object : objects)
    args.push_back(object.c_str());
  llvm::raw_string_ostream os(messages);
  lld::Result result = lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return llvm::createStringError("linking " + llvm::sys::path::filename(output) + " failed: " + llvm::StringRef(messages).rtrim().str());
  return llvm::Error::success();
}

llvm::Error linkShared(llvm::ArrayRef<std::string> objects, llvm::StringRef output) {
  // -Bsymbolic: see lib/Runtime/RuntimeObject.h.
  return link({"-shared", "-Bsymbolic", "-soname", "libmodel.so", "--gc-sections"}, objects, output);
}

llvm::Error linkRelocatable(llvm::ArrayRef<std::string> objects, llvm::StringRef output) { return link({"-r"}, objects, output); }

} // namespace tern::cpu
