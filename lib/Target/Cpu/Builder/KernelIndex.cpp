//===- KernelIndex.cpp - arithmetic on indices that folds ------------------===//
#include "lib/Target/Cpu/Builder/KernelBuilder.h"

using namespace mlir;

namespace tern::cpu {

Index operator+(const Index &a, const Index &c) {
  if (!a.variable)
    return c.withOffset(a.offset + c.offset);
  if (!c.variable)
    return a.withOffset(a.offset + c.offset);
  KernelBuilder &k = *a.builder;
  Index sum(k, arith::AddIOp::create(k.b, k.location, a.variable, c.variable));
  return sum.withOffset(a.offset + c.offset);
}

Index operator-(const Index &a, const Index &c) {
  if (!c.variable)
    return a.withOffset(a.offset - c.offset);
  if (a.variable == c.variable)
    return a.offset - c.offset;
  KernelBuilder &k = *c.builder;
  Value left = a.variable ? a.variable : k.value(0);
  Index difference(k, arith::SubIOp::create(k.b, k.location, left, c.variable));
  return difference.withOffset(a.offset - c.offset);
}

Index operator*(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return a.offset * c.offset;
  if (!a.variable)
    return c * a;
  KernelBuilder &k = *a.builder;
  if (c.variable)
    return Index(k, arith::MulIOp::create(k.b, k.location, k.value(a), k.value(c)));
  if (c.offset == 0)
    return 0;
  if (c.offset == 1)
    return a;
  Index product(k, arith::MulIOp::create(k.b, k.location, a.variable, k.value(c)));
  return product.withOffset(a.offset * c.offset);
}

Index operator/(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return a.offset / c.offset;
  if (!c.variable && c.offset == 1)
    return a;
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::DivUIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

Index operator%(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return a.offset % c.offset;
  if (!c.variable && c.offset == 1)
    return 0;
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::RemUIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

Index min(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return std::min(a.offset, c.offset);
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::MinSIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

Index max(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return std::max(a.offset, c.offset);
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::MaxSIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

} // namespace tern::cpu
