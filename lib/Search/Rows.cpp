//===- Rows.cpp - which kernel computes an op with given formats ----------===//
#include "lib/Search/Rows.h"

namespace tern {

static const char *const ops[] = {"conv", "depthwise", "gemm"};
static const char *const types[] = {"f32", "u8s8", "u8s4", "f32s8", "f32s4"};
/// Matrix products also have 2-bit weights.
static const char *const gemmTypes[] = {"u8s2", "f32s2"};

/// Bits that a weight takes when it is packed; 0: no packed form. A convolution takes si8 and si4 with one plane of scales, a matrix product
/// any integers of 2 to 8 bits, those of at most 4 with any zero points.
static int packedBits(RowOp op, const Format &w) {
  int bits = int(w.elem.bits);
  if (!w.elem.isInteger() || bits < 2 || bits > 8)
    return 0;
  if (op != RowOp::Matmul)
    return w.elem.kind == ElementKind::Int && w.planes.size() == 1 && (bits == 8 || bits == 4) ? bits : 0;
  for (const Plane &plane : w.planes)
    if (plane.role != Role::Scale && plane.role != Role::Zero)
      return 0;
  return bits > 4 ? 8 : bits > 2 ? 4 : 2;
}

std::string rowFor(RowOp op, const std::optional<Format> &x, const std::optional<Format> &w) {
  auto isCodes = [](const Format &format, int bits) { return format.elem.isInteger() && format.elem.bits == bits; };
  if (op == RowOp::Gather) {
    // Rows of a table of floats, or of 8- or 4-bit codes with scales along the rows.
    bool served = !w || (w->elem.isInteger() && (w->elem.bits == 8 || w->elem.bits == 4) && w->planes.size() <= 2);
    return !x && served ? "cpu.gather" : "";
  }
  if (op == RowOp::Rnn) {
    // s8 weights with one scale for each row of a gate.
    auto isRow = [](const Format &format) {
      const std::vector<int64_t> &block = format.planes.size() == 1 ? format.planes[0].block : std::vector<int64_t>();
      return format.elem == Element::si(8) && block.size() == 3 && block[1] == 1 && block[2] == kWhole;
    };
    return !x && (!w || isRow(*w)) ? "cpu.rnn" : "";
  }
  std::string name = std::string("cpu.") + ops[int(op)] + ".";
  if (!w)
    return x ? "" : name + "f32";
  int packed = packedBits(op, *w);
  if (!packed)
    return "";
  std::string bits = std::to_string(packed);
  if (!x)
    return name + "f32s" + bits;
  return isCodes(*x, 8) ? name + "u8s" + bits : "";
}

std::vector<std::string> allRows() {
  std::vector<std::string> rows;
  for (const char *op : ops)
    for (const char *type : types)
      rows.push_back(std::string("cpu.") + op + "." + type);
  for (const char *type : gemmTypes)
    rows.push_back(std::string("cpu.gemm.") + type);
  rows.push_back("cpu.gather");
  rows.push_back("cpu.rnn");
  return rows;
}

} // namespace tern
