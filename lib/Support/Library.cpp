#include "lib/Support/Library.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstring>

using namespace llvm;

namespace tern {

std::string damageOfLibrary(StringRef path) {
  uint64_t size = 0;
  if (sys::fs::file_size(path, size))
    return "";
  auto file = MemoryBuffer::getFileSlice(path, std::min<uint64_t>(size, 1 << 16), 0);
  if (!file)
    return "";
  StringRef bytes = (*file)->getBuffer();
  ELF::Elf64_Ehdr header;
  if (bytes.size() < sizeof header)
    return "it has only " + std::to_string(bytes.size()) + " bytes";
  std::memcpy(&header, bytes.data(), sizeof header);
  if (!header.checkMagic() || header.getFileClass() != ELF::ELFCLASS64)
    return "it is no shared library";
  // The linker writes the section headers last; what is loaded lies in front of them.
  auto cut = [&](uint64_t offset, uint64_t length) { return offset > size || length > size - offset; };
  std::string text = "it is cut off: " + std::to_string(size) + " bytes are there";
  if (cut(header.e_shoff, uint64_t(header.e_shnum) * header.e_shentsize))
    return text;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    ELF::Elf64_Phdr segment;
    uint64_t at = header.e_phoff + uint64_t(i) * header.e_phentsize;
    if (at > bytes.size() - sizeof segment)
      return text;
    std::memcpy(&segment, bytes.data() + at, sizeof segment);
    if (segment.p_type == ELF::PT_LOAD && cut(segment.p_offset, segment.p_filesz))
      return text;
  }
  return "";
}

} // namespace tern
