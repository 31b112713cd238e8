//===- ConvRefuse.cpp - which convolutions the generators serve -----------===//
#include "lib/Target/Cpu/Problems/ConvPlan.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace tern::cpu;
using llvm::formatv;

static std::string refuseShape(const ConvProblem &p) {
  for (int64_t v : {p.kh, p.kw, p.strideH, p.strideW, p.dilationH, p.dilationW, p.groups, p.in.n, p.in.c, p.out.c})
    if (v < 1)
      return formatv("a size, stride, dilation or group count of {0}; all must be positive", v);
  for (int64_t v : {p.in.h, p.in.w, p.out.h, p.out.w})
    if (v == 0)
      return "a height or width of 0";
  if (hasOpenPictures(p) && p.in.n != 1)
    return formatv("{0} pictures of a height or width that is only known at run time; such a kernel does one", p.in.n);
  if (p.in.n != p.out.n)
    return formatv("{0} pictures become {1}", p.in.n, p.out.n);
  if (p.in.c % p.groups || p.out.c % p.groups)
    return formatv("{0} input and {1} output channels do not divide into {2} groups", p.in.c, p.out.c, p.groups);
  if (p.in.planar || p.out.planar)
    return "a planar activation; a convolution works on NHWC";
  if (p.in.cs < p.in.c || p.out.cs < p.out.c)
    return "a pixel stride below the number of channels";
  Halo halo = requiredHalo(p);
  if (halo.top > p.in.top || halo.left > p.in.left || halo.bottom > p.in.bottom || halo.right > p.in.right)
    return formatv("the input has a halo of {0}, {1}, {2}, {3} pixels (top, left, bottom, right), the convolution "
                   "reads {4}, {5}, {6}, {7}",
                   p.in.top, p.in.left, p.in.bottom, p.in.right, halo.top, halo.left, halo.bottom, halo.right);
  return "";
}

std::string tern::cpu::refuse(const ConvProblem &p) {
  if (std::string why = refuseShape(p); !why.empty())
    return why;
  bool integer = p.arith == Arith::U8S8 || p.arith == Arith::U8S4,
       fourBits = p.arith == Arith::U8S4 || p.arith == Arith::F32S4;
  if (p.in.elem != (integer ? Elem::U8 : Elem::F32))
    return integer ? "an input that is not u8 for integer arithmetic" : "an input that is not f32 for float arithmetic";
  if (p.group && !fourBits)
    return "group scales on weights that do not have 4 bits";
  if (p.group && p.isDepthwise())
    return "group scales on depthwise weights; there is one input channel for each output channel";
  if (p.group % 8 || p.group < 0)
    return formatv("group scales for {0} channels; a group has a multiple of 8", p.group);
  if (p.groupScale != Elem::F16 && p.groupScale != Elem::F32)
    return "group scales that are neither f16 nor f32";
  // 255 * 8 for each product, times 16 because the codes stay in the high half of their bytes.
  if (p.arith == Arith::U8S4 && !p.group && PanelLayout(p).tapChannels * p.kh * p.kw > 65000)
    return "a reduction of more than 65,000 products of 4-bit codes could overflow; use group scales";
  return refuseExpr(p.epilogue, p.out.elem, /*accumulators=*/1);
}
