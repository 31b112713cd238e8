//===- LayoutNeeds.cpp - what kernels want of the places of their operands --===//
#include "lib/Target/Cpu/Lowering/Layouts/LayoutNeeds.h"
#include "dialects/Tern/Transforms/Conditions.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Cpu/Lowering/Sizes/SizedType.h"

using namespace mlir;

namespace tern::cpu {

func::FuncOp LayoutNeeds::kernelOf(CallOp call) { return symbols.lookup<func::FuncOp>(call.getCallee()); }

const KernelInfo &LayoutNeeds::infoOf(func::FuncOp kernel) {
  auto [it, isNew] = infos.try_emplace(kernel);
  if (isNew)
    it->second = classify(kernel);
  return it->second;
}

std::optional<Form> LayoutNeeds::strictForm(func::FuncOp kernel, Value operand) {
  const KernelInfo &info = infoOf(kernel);
  switch (info.kind) {
  case KernelClass::Conv:
  case KernelClass::Pool:
  case KernelClass::GlobalReduce:
  case KernelClass::Resize:
    return SizedType(operand).getRank() >= 3 ? Form::Channels : Form::Plain;
  case KernelClass::Softmax:
    return cast<nn::SoftmaxOp>(info.anchor).getAxis() == 1 && SizedType(operand).getRank() >= 3 ? Form::Channels : Form::Plain;
  case KernelClass::Eltwise:
  case KernelClass::DynamicQuant:
  case KernelClass::Copy:
    return std::nullopt;
  default: // Matmul, Portable, Sizes, and the kernels of plain operands
    return Form::Plain;
  }
}

bool LayoutNeeds::takesBothForms(func::FuncOp kernel) {
  const KernelInfo &info = infoOf(kernel);
  auto softmax = dyn_cast_or_null<nn::SoftmaxOp>(info.anchor);
  return info.kind == KernelClass::GlobalReduce || (info.kind == KernelClass::Softmax && softmax.getAxis() == 1 && SizedType(softmax.getX()).getRank() >= 3);
}

bool LayoutNeeds::prefersChannels(Value value) {
  auto known = preference.find(value);
  if (known != preference.end())
    return known->second;
  preference[value] = false;
  bool prefers = false;
  for (Operation *user : value.getUsers()) {
    auto call = dyn_cast<CallOp>(user);
    if (!call)
      continue;
    if (Value result = branchResult(call, value)) {
      prefers |= SizedType(result).getRank() >= 3 && prefersChannels(result);
      continue;
    }
    func::FuncOp kernel = kernelOf(call);
    std::optional<Form> form = strictForm(kernel, value);
    if (form)
      prefers |= *form == Form::Channels;
    else if (infoOf(kernel).kind != KernelClass::Copy || keepsAxes(kernel))
      for (Value result : call.getOuts())
        prefers |= SizedType(result).getRank() >= 3 && prefersChannels(result);
  }
  return preference[value] = prefers;
}

bool LayoutNeeds::keepsAxes(func::FuncOp kernel) { return !isa<nn::TransposeOp, nn::ReshapeOp, nn::ExpandOp>(infoOf(kernel).anchor); }

Value LayoutNeeds::branchResult(CallOp call, Value operand) {
  std::optional<Branch> branch = branchOf(call, &symbols);
  if (!branch || branch->yes < 0 || branch->no < 0 || constantOf(rootOf(call.getIns()[branch->condition])))
    return {};
  Value yes = call.getIns()[branch->yes], no = call.getIns()[branch->no], result = call.getOuts().front();
  return (operand == yes || operand == no) && yes.getType() == result.getType() && no.getType() == result.getType() ? result : Value();
}

static Halo widest(Halo a, Halo b) {
  return {std::max(a.top, b.top), std::max(a.left, b.left), std::max(a.bottom, b.bottom), std::max(a.right, b.right)};
}

Halo LayoutNeeds::haloFor(Value value) {
  Halo halo;
  for (Operation *user : value.getUsers()) {
    auto call = dyn_cast<CallOp>(user);
    if (!call)
      continue;
    if (Value result = branchResult(call, value)) {
      halo = widest(halo, haloFor(result));
      continue;
    }
    const KernelInfo &info = infoOf(kernelOf(call));
    if (info.kind == KernelClass::Conv && call.getIns().front() == value)
      halo = widest(halo, ConvLowering::haloOf(info.anchor));
  }
  return halo;
}

bool LayoutNeeds::readInQuads(Value value) {
  if (plainMap(SizedType(value)).elem != Elem::U8)
    return false;
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    auto call = dyn_cast<CallOp>(user);
    if (!call)
      return false;
    if (Value result = branchResult(call, value))
      return readInQuads(result);
    KernelClass kind = infoOf(kernelOf(call)).kind;
    return kind == KernelClass::Conv || kind == KernelClass::Matmul;
  });
}

bool LayoutNeeds::fits(const Placement &place, const KernelInfo &info, unsigned operand) {
  if (operand != 0 || (info.kind != KernelClass::Conv && info.kind != KernelClass::Matmul))
    return true;
  if (place.map.elem == Elem::U8 && place.map.cs % 4)
    return false;
  if (info.kind == KernelClass::Matmul)
    return true;
  Halo need = ConvLowering::haloOf(info.anchor);
  return place.map.top >= need.top && place.map.left >= need.left && place.map.bottom >= need.bottom && place.map.right >= need.right;
}

Placement LayoutNeeds::withNeeds(Placement place, const KernelInfo &info, unsigned operand) {
  if (operand != 0 || (info.kind != KernelClass::Conv && info.kind != KernelClass::Matmul))
    return place;
  if (place.map.elem == Elem::U8)
    place.map.cs = alignedTo4(place.map.c);
  if (info.kind == KernelClass::Conv) {
    Halo need = ConvLowering::haloOf(info.anchor);
    place.map.top = need.top;
    place.map.left = need.left;
    place.map.bottom = need.bottom;
    place.map.right = need.right;
  }
  return place;
}

} // namespace tern::cpu
