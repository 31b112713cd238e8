//===- Rows.cpp - which kernel computes an op with given formats ----------===//
#include "lib/Search/Rows.h"

namespace tern {

static const char *const ops[] = {"conv", "depthwise", "gemm"};
static const char *const types[] = {"f32", "u8s8", "u8s4", "f32s8", "f32s4"};

std::string rowFor(RowOp op, const std::optional<Format> &x, const std::optional<Format> &w) {
  auto isCodes = [](const Format &format, int bits) { return format.elem.isInteger() && format.elem.bits == bits; };
  std::string name = std::string("cpu.") + ops[int(op)] + ".";
  if (!w)
    return x ? "" : name + "f32";
  if (w->elem.kind != ElementKind::Int || (w->elem.bits != 8 && w->elem.bits != 4) || w->planes.size() != 1)
    return "";
  std::string bits = std::to_string(int(w->elem.bits));
  if (!x)
    return name + "f32s" + bits;
  return isCodes(*x, 8) ? name + "u8s" + bits : "";
}

std::vector<std::string> allRows() {
  std::vector<std::string> rows;
  for (const char *op : ops)
    for (const char *type : types)
      rows.push_back(std::string("cpu.") + op + "." + type);
  return rows;
}

} // namespace tern
