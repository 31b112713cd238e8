//===- Link.cpp - objects become libmodel.so ---------------------------------===//
#include "lib/Target/Cpu/Lowering/Artifact/Link.h"
#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

namespace tern::cpu {

/// Where the disk is full, LLD dies in the middle of the file. What it adds to its inputs, and their pages, have less than 64 KiB.
static llvm::Error checkSpace(llvm::ArrayRef<std::string> inputs, llvm::StringRef output) {
  uint64_t needed = 1 << 16;
  for (const std::string &input : inputs) {
    uint64_t size = 0;
    if (!llvm::sys::fs::file_size(input, size))
      needed += size;
  }
  llvm::ErrorOr<llvm::sys::fs::space_info> space = llvm::sys::fs::disk_space(llvm::sys::path::parent_path(output));
  if (!space || space->available >= needed)
    return llvm::Error::success();
  return llvm::createStringError("cannot write " + output + ": " + std::make_error_code(std::errc::no_space_on_device).message());
}

static llvm::Error link(std::vector<std::string> options, llvm::ArrayRef<std::string> inputs, llvm::StringRef output) {
  if (llvm::Error error = checkSpace(inputs, output))
    return error;
  // LLD keeps global state: one link at a time.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  // No build id and no threads: the same input gives the same bytes.
  options.insert(options.end(), {"--build-id=none", "--threads=1", "-z", "noexecstack", "-o", output.str()});
  std::vector<const char *> args{"ld.lld"};
  for (const std::string &option : options)
    args.push_back(option.c_str());
  for (const std::string &input : inputs)
    args.push_back(input.c_str());
  std::string messages;
  llvm::raw_string_ostream os(messages);
  lld::Result result = lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return llvm::createStringError("linking " + llvm::sys::path::filename(output) +
                                   " failed: " + llvm::StringRef(messages).rtrim().str());
  return llvm::Error::success();
}

llvm::Error linkShared(llvm::ArrayRef<std::string> inputs, llvm::StringRef output, llvm::StringRef soname) {
  // -Bsymbolic: see lib/Runtime/RuntimeObject.h.
  return link({"-shared", "-Bsymbolic", "--as-needed", "--gc-sections", "-soname", soname.str()}, inputs, output);
}

llvm::Error linkRelocatable(llvm::ArrayRef<std::string> inputs, llvm::StringRef output) {
  return link({"-r"}, inputs, output);
}

} // namespace tern::cpu
