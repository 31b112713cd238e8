//===- GemmProblem.cpp - printing, sizes and limits of matrix products ----===//
#include "lib/Target/Cpu/Problems/GemmProblem.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "llvm/Support/FormatVariadic.h"

namespace tern::cpu {

void visitSizes(GemmProblem &q, SizeVisitor visit) {
  visitSizes(q.in, visit);
  visitSizes(q.out, visit);
  visitSizes(q.epilogue, visit);
}

std::string print(const GemmProblem &q) {
  GemmProblem usual;
  std::string text = "gemm in=(" + print(q.in) + ") out=(" + print(q.out) + ")";
  auto field = [&](const char *name, int64_t value, int64_t usual) {
    if (value != usual)
      text += llvm::formatv(" {0}={1}", name, value).str();
  };
  field("bits", q.bits, usual.bits);
  field("group", q.group, usual.group);
  field("group_scale", int64_t(q.groupScale), int64_t(usual.groupScale));
  field("zeros", q.zeros, usual.zeros);
  field("x_group", q.xGroup, usual.xGroup);
  field("paired", q.paired, usual.paired);
  if (!q.epilogue.inputs.empty() || !q.epilogue.nodes.empty())
    text += " epilogue={" + print(q.epilogue) + "}";
  return text;
}

static std::string refuseFormats(const GemmProblem &p) {
  if (p.bits != 32 && p.bits != 8 && p.bits != 4 && p.bits != 2)
    return llvm::formatv("weights of {0} bits; packed weights have 8, 4 or 2", p.bits);
  if (p.in.elem != Elem::F32 && p.in.elem != Elem::U8)
    return "an input that is neither f32 nor u8";
  if (p.integer() && p.floatWeights())
    return "codes times float weights";
  if (p.floatWeights() && (p.group || p.zeros || p.xGroup))
    return "float weights with scales";
  if (p.zeros && p.bits == 8)
    return "zero points of 8-bit weights; weights of 4 and 2 bits may have them";
  if (p.xGroup && !p.integer())
    return "scales of an input that has no codes";
  if (p.groupScale != Elem::F16 && p.groupScale != Elem::F32)
    return "group scales that are neither f16 nor f32";
  int64_t step = p.floatWeights() ? 1 : 32 / p.bits;
  for (int64_t group : {p.group, p.xGroup})
    if (group < 0 || group % step)
      return llvm::formatv("scales for {0} channels; weights of {1} bits are packed in steps of {2}", group, p.bits, step);
  if (p.group && p.xGroup && std::max(p.group, p.xGroup) % std::min(p.group, p.xGroup))
    return llvm::formatv("scales for {0} and {1} channels; one must divide the other", p.group, p.xGroup);
  // 255 * 2^(bits - 1) for each product, times 2^(8 - bits) because the codes stay in the high end of their bytes.
  if (p.integer() && !p.block() && p.in.c > 65000)
    return "a reduction of more than 65,000 products could overflow; use group scales";
  return "";
}

std::string refuse(const GemmProblem &p) {
  if (p.in.planar || p.out.planar || p.in.hasHalo() || p.out.hasHalo())
    return "an activation that is not plain rows";
  if (p.in.c < 1 || p.out.c < 1 || isDynamic(p.in.cs) || isDynamic(p.out.cs) || p.in.cs < p.in.c || p.out.cs < p.out.c)
    return "numbers of channels that are not known and positive";
  if (p.in.n != p.out.n || p.in.h != p.out.h || p.in.w != p.out.w)
    return "the numbers of rows of the two sides differ";
  if (p.integer() && p.in.cs % 4)
    return "rows of codes that do not begin at multiples of four bytes";
  if (std::string why = refuseFormats(p); !why.empty())
    return why;
  for (const ExprInput &input : p.epilogue.inputs) {
    bool mapped = input.kind == ExprInput::Tensor || input.kind == ExprInput::Row;
    if (input.kind == ExprInput::Pixelwise || (mapped && (input.map.hasHalo() || isDynamic(input.map.cs))))
      return "an operand of the epilogue that is not plain rows";
    if (mapped && (input.map.n != p.out.n || input.map.h != p.out.h || input.map.w != p.out.w))
      return "an operand of the epilogue with another number of rows";
  }
  if (p.paired && p.epilogue.nodes.empty())
    return "pairs of outputs that nothing combines";
  return refuseExpr(p.epilogue, p.out.elem, /*accumulators=*/p.paired ? 2 : 1);
}

} // namespace tern::cpu
