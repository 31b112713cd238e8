//===- FormatRows.h - which kernels have a number format ------------------===//
#ifndef TERN_TARGET_CPU_TABLE_FORMATROWS_H
#define TERN_TARGET_CPU_TABLE_FORMATROWS_H

#include "lib/Formats/Format.h"
#include "lib/Target/Cpu/Table/KernelTable.h"

namespace tern::cpu {

/// Rows of the kernel table, portable.linalg aside, whose operand may have a format.
struct FormatRows {
  std::vector<llvm::StringRef> x, w;
};
FormatRows rowsWith(const Format &format);

/// All formats of the catalogue as a Markdown table: name, spelling, usual encode, layout, bits per element, kernels.
void printFormats(llvm::raw_ostream &os);

} // namespace tern::cpu
#endif
