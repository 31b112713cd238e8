//===- FormatRows.cpp - which kernels have a number format ----------------===//
#include "lib/Target/Cpu/Table/FormatRows.h"
#include "lib/Formats/Catalogue.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace tern::cpu {

/// Where the scales of a plane lie, as ScalePlace bits; 0: nowhere that a kernel knows.
static uint8_t placesOf(const Plane &scale, ArrayRef<int64_t> blocks) {
  if (scale.block.empty())
    return PerTensor;
  if (llvm::any_of(ArrayRef(scale.block).drop_back(), [](int64_t extent) { return extent != 1; }))
    return 0;
  if (scale.block.back() == kWhole)
    return PerChannel | PerRow;
  return llvm::is_contained(blocks, scale.block.back()) ? PerBlock : 0;
}

static bool fits(const OperandSpec &spec, const Format &format) {
  if (!spec.maxBits || !format.elem.isInteger() || format.elem.hasSignedCodes() != spec.isSigned ||
      format.elem.bits < spec.minBits || format.elem.bits > spec.maxBits)
    return false;
  int scales = 0;
  for (const Plane &plane : format.planes) {
    if (plane.role == Role::Scale && ++scales == 1 && plane.type.isFloat() &&
        (placesOf(plane, spec.blocks) & spec.scales))
      continue;
    if (plane.role == Role::Zero && spec.zero && plane.block.empty())
      continue;
    return false;
  }
  return scales == 1;
}

FormatRows rowsWith(const Format &format) {
  FormatRows rows;
  for (const KernelRow &row : kernelTable()) {
    if (row.op == OpKind::Any)
      continue;
    if (fits(row.x, format))
      rows.x.push_back(row.name);
    if (fits(row.w, format))
      rows.w.push_back(row.name);
  }
  return rows;
}

/// Integer codes with float scales and integer zero points: upstream passes lower them, slowly (TernToLinalgQuant.cpp).
static bool isPortable(const Format &format) {
  return format.elem.isInteger() && llvm::all_of(format.planes, [](const Plane &plane) {
           return (plane.role == Role::Scale && plane.type.isFloat()) ||
                  (plane.role == Role::Zero && plane.type.isInteger());
         });
}

void printFormats(raw_ostream &os) {
  os << "| format | `#tern.format` | usual `#tern.encode` | layout | bits | CPU kernels |\n|---|---|---|---|---|---|\n";
  auto names = [](StringRef what, ArrayRef<StringRef> rows) {
    return rows.empty() ? std::string() : (what + " of " + llvm::join(rows, ", ")).str();
  };
  for (const KnownFormat &known : knownFormats()) {
    Format format = *parseFormat(known.format);
    FormatRows rows = rowsWith(format);
    std::string kernels = names("w", rows.w), x = names("x", rows.x);
    kernels += (kernels.empty() || x.empty() ? "" : "; ") + x;
    if (kernels.empty() && isPortable(format))
      kernels = "portable.linalg";
    os << "| " << known.name << " | `" << format.str() << "` | `" << known.encode << "` | "
       << (known.layout[0] ? formatv("`{0}`", known.layout).str() : "-") << " | "
       << llvm::format("%.4g", bitsPerElement(format)) << " | " << (kernels.empty() ? "-" : kernels) << " |\n";
  }
}

} // namespace tern::cpu
