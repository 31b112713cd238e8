//===- KernelClass.cpp - what kind of kernel an outlined function is -------===//
#include "lib/Target/Cpu/Lowering/Calls/KernelClass.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Grouping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::cpu {

bool isRowKernel(KernelClass kind) {
  switch (kind) {
  case KernelClass::Norm:
  case KernelClass::GroupNorm:
  case KernelClass::Attention:
  case KernelClass::Rope:
  case KernelClass::Gather:
  case KernelClass::Product:
  case KernelClass::AxesReduce:
  case KernelClass::Axis:
  case KernelClass::Rnn:
  case KernelClass::Pad:
  case KernelClass::Nest:
    return true;
  case KernelClass::Eltwise:
  case KernelClass::Conv:
  case KernelClass::Matmul:
  case KernelClass::Pool:
  case KernelClass::GlobalReduce:
  case KernelClass::Softmax:
  case KernelClass::Resize:
  case KernelClass::Copy:
  case KernelClass::DynamicQuant:
  case KernelClass::Sizes:
  case KernelClass::Portable:
    return false;
  }
  return false;
}

static bool isF32(Value value) { return cast<RankedTensorType>(value.getType()).getElementType().isF32(); }

bool isElementwise(Operation *op) {
  if (isa<arith::ConstantOp, BundleOp, UnbundleOp, DequantizeOp, RequantizeOp, nn::ClipOp, nn::UnaryOp, nn::BinaryOp>(op))
    return true;
  if (auto quantize = dyn_cast<QuantizeOp>(op))
    return !quantize.getPlanes().empty();
  if (auto cast = dyn_cast<nn::CastOp>(op))
    return isF32(cast.getResult());
  return false;
}

bool isRowQuantization(Operation *op) {
  auto quantize = dyn_cast<QuantizeOp>(op);
  if (!quantize || !quantize.getPlanes().empty() || quantize.getByAttr().getRule() != EncodeRule::absmax)
    return false;
  Format format = quantize.getResult().getType().getFormat().getFormat();
  const Plane *scale = format.find(Role::Scale);
  if (format.planes.size() != 1 || !scale || scale->type != Element::f32() || format.elem != Element::si(8) || scale->block.empty())
    return false;
  return llvm::all_of(ArrayRef<int64_t>(scale->block).drop_back(), [](int64_t extent) { return extent == 1; });
}

/// One of the halves of what the kernel computes, which it combines.
static bool isHalf(Operation *op) {
  return isa<nn::SliceOp>(op) && op->getOperand(0).getDefiningOp() && !halvesOf(op->getOperand(0)).empty();
}

bool isMinmaxQuantization(QuantizeOp quantize) {
  if (!quantize.getPlanes().empty() || !quantize.getByAttr())
    return false;
  Format format = quantize.getResult().getType().getFormat().getFormat();
  Encode by = quantize.getByAttr().getEncode();
  auto isOne = [](const Plane &plane, Role role, Element type) { return plane.role == role && plane.type == type && plane.block.empty(); };
  return format.elem == Element::ui(8) && format.planes.size() == 2 && isOne(format.planes[0], Role::Scale, Element::f32()) &&
         isOne(format.planes[1], Role::Zero, Element::ui(8)) && by.rule == Rule::Minmax && by.low(format.elem) == 0 && by.high(format.elem) == 255 &&
         by.round == Round::Rne && by.order == Order::RoundThenZp && by.sat == Sat::Clamp;
}

/// An elementwise op that only a typed loop nest computes.
static bool isNestOp(Operation *op) { return isa<nn::CompareOp, nn::SelectOp, nn::CastOp, nn::RangeOp>(op); }

/// Reduction over exactly all spatial axes of a picture.
static bool isGlobal(nn::ReduceOp op) {
  int64_t rank = cast<RankedTensorType>(op.getX().getType()).getRank();
  if (rank < 3 || int64_t(op.getAxes().size()) != rank - 2)
    return false;
  for (auto [index, axis] : llvm::enumerate(op.getAxes()))
    if (axis != int64_t(index) + 2)
      return false;
  return llvm::is_contained({nn::ReduceKind::sum, nn::ReduceKind::mean, nn::ReduceKind::max, nn::ReduceKind::min}, op.getKind());
}

static int64_t rankOf(Value value) {
  if (auto quant = dyn_cast<QuantType>(value.getType()))
    return quant.getShape().size();
  return cast<RankedTensorType>(value.getType()).getRank();
}

static bool isPicture(Value value) { return rankOf(value) == 3 || rankOf(value) == 4; }

/// A block argument, possibly bundled and dequantized: an operand of the call carries the data.
static bool isArgument(Value value) {
  if (auto dequantize = value.getDefiningOp<DequantizeOp>())
    value = dequantize.getQ();
  if (auto bundle = value.getDefiningOp<BundleOp>())
    value = bundle.getPlanes().front();
  return isa<BlockArgument>(value);
}

static KernelInfo classifyAnchor(Operation *op) {
  auto portable = [&](const Twine &why) { return KernelInfo{KernelClass::Portable, op, why.str()}; };
  return TypeSwitch<Operation *, KernelInfo>(op)
      .Case<nn::ConvOp, nn::ConvTransposeOp, tern::ConvOp>([&](auto conv) {
        if (!isPicture(conv.getX()))
          return portable("only one and two spatial dimensions have a kernel");
        if (!isArgument(conv.getW()))
          return portable("the weight is not constant");
        return KernelInfo{KernelClass::Conv, op, ""};
      })
      .Case<nn::MatmulOp>([&](auto matmul) {
        if (rankOf(matmul.getRhs()) != 2 || matmul.getTransposeA() || !isArgument(matmul.getRhs()))
          return isF32(matmul.getResult()) ? KernelInfo{KernelClass::Product, op, ""} : portable("a product of other elements than f32");
        return KernelInfo{KernelClass::Matmul, op, ""};
      })
      .Case<MatmulOp>([&](auto matmul) {
        if (rankOf(matmul.getW()) != 2)
          return portable("the right operand is not a constant [N, K] matrix");
        return KernelInfo{KernelClass::Matmul, op, ""};
      })
      .Case<nn::PoolOp>([&](auto pool) {
        return isPicture(pool.getX()) ? KernelInfo{KernelClass::Pool, op, ""} : portable("only one and two spatial dimensions have a kernel");
      })
      .Case<nn::ReduceOp>([&](auto reduce) {
        return KernelInfo{isGlobal(reduce) && isF32(reduce.getResult()) ? KernelClass::GlobalReduce : KernelClass::AxesReduce, op, ""};
      })
      .Case<nn::SoftmaxOp>([&](auto softmax) {
        int64_t rank = rankOf(softmax.getX()), axis = softmax.getAxis();
        if (!isF32(softmax.getX()))
          return portable("only f32 has a kernel");
        bool inner = axis == rank - 1 || (axis == 1 && rank >= 3);
        return KernelInfo{inner ? KernelClass::Softmax : KernelClass::Axis, op, ""};
      })
      .Case<nn::ResizeOp>([&](auto resize) {
        ArrayRef<double> scales = resize.getScales();
        if (!isPicture(resize.getX()) || scales[0] != 1 || scales[1] != 1)
          return portable("only height and width have a kernel");
        if (resize.getMode() == nn::ResizeMode::cubic || resize.getAntialias() || resize.getExcludeOutside())
          return portable("only nearest and linear have a kernel");
        return KernelInfo{KernelClass::Resize, op, ""};
      })
      .Case<nn::TransposeOp, nn::SliceOp, nn::ExpandOp, nn::ConcatOp, nn::ReshapeOp>(
          [&](auto) { return KernelInfo{KernelClass::Copy, op, ""}; })
      .Case<nn::PadOp>([&](auto pad) {
        bool crops = llvm::any_of(pad.getLow(), [](int64_t v) { return v < 0; }) || llvm::any_of(pad.getHigh(), [](int64_t v) { return v < 0; });
        if (crops)
          return portable("padding that crops has no kernel");
        return KernelInfo{pad.getMode() == nn::PadMode::constant ? KernelClass::Copy : KernelClass::Pad, op, ""};
      })
      .Case<QuantizeOp>([&](QuantizeOp quantize) {
        Format format = quantize.getResult().getType().getFormat().getFormat();
        const Plane *scale = format.find(Role::Scale);
        bool plain = format.planes.size() == 1 && scale && scale->type == Element::f32() && format.elem == Element::si(8);
        if (!isMinmaxQuantization(quantize) && (!plain || quantize.getByAttr().getRule() != EncodeRule::absmax))
          return portable("run-time quantization has a kernel for <si8, scale<f32>> with one scale or one a row by absmax, and for <ui8, scale<f32>, "
                          "zero<ui8>> by minmax");
        return KernelInfo{KernelClass::DynamicQuant, op, ""};
      })
      .Case<nn::GroupNormOp>([&](auto) { return KernelInfo{KernelClass::GroupNorm, op, ""}; })
      .Case<nn::ArgReduceOp, nn::TopkOp, nn::CumulateOp>([&](auto) { return KernelInfo{KernelClass::Axis, op, ""}; })
      .Case<nn::RnnOp>([&](auto) { return KernelInfo{KernelClass::Rnn, op, ""}; })
      .Case<nn::GatherOp>([&](auto) { return KernelInfo{KernelClass::Gather, op, ""}; })
      .Case<nn::SizesOp>([&](auto sizes) {
        Type element = sizes.getResult().getType().getElementType();
        return element.isSignlessInteger(64) || element.isSignlessInteger(32) ? KernelInfo{KernelClass::Sizes, op, ""}
                                                                              : portable("sizes that are neither i32 nor i64");
      })
      .Default([&](Operation *) { return portable("no generator"); });
}

/// Kernels of several ops that need loops: heads with the transposes around them, norms with a quantization behind them.
static std::optional<KernelInfo> classifyFused(func::FuncOp kernel) {
  Operation *heads = nullptr, *norm = nullptr, *quantize = nullptr;
  bool moves = false, computes = false;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (isa<nn::AttentionOp, nn::RopeOp>(op)) {
      if (heads)
        return std::nullopt;
      heads = &op;
    } else if (isa<nn::LayerNormOp, nn::RmsNormOp>(op)) {
      if (norm)
        return std::nullopt;
      norm = &op;
    } else if (isRowQuantization(&op)) {
      if (quantize)
        return std::nullopt;
      quantize = &op;
    } else if (isa<nn::TransposeOp, nn::SliceOp>(op)) {
      moves = true;
    } else if (isElementwise(&op)) {
      computes |= !isa<arith::ConstantOp, BundleOp, UnbundleOp>(op);
    } else {
      return std::nullopt;
    }
  }
  if (heads && !norm && !quantize && !computes)
    return KernelInfo{isa<nn::AttentionOp>(heads) ? KernelClass::Attention : KernelClass::Rope, heads, ""};
  if (heads || moves)
    return std::nullopt;
  if (norm)
    return KernelInfo{KernelClass::Norm, norm, ""};
  if (!quantize)
    return std::nullopt;
  // A quantization alone has a kernel of its own; blocks along rows do not.
  Format format = cast<QuantizeOp>(quantize).getResult().getType().getFormat().getFormat();
  if (computes || format.find(Role::Scale)->block.back() != kWhole)
    return KernelInfo{KernelClass::Norm, quantize, ""};
  return std::nullopt;
}

/// Elements whose bytes are not the number itself: only moves may treat them as bytes.
static bool isByteCode(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.getElementType().isIntOrFloat())
    return false;
  unsigned bits = type.getElementType().getIntOrFloatBitWidth();
  return isa<FloatType>(type.getElementType()) ? bits <= 8 : bits < 8 && bits != 1;
}

KernelInfo classify(func::FuncOp kernel) {
  for (Operation &op : kernel.getBody().front().without_terminator())
    if (isa<nn::CastOp>(op) && (isByteCode(op.getOperand(0)) || isByteCode(op.getResult(0))))
      return {KernelClass::Portable, &op, "elements below 8 bits and 8-bit floats are converted by portable code"};
  if (std::optional<KernelInfo> fused = classifyFused(kernel))
    return *fused;
  Operation *anchor = nullptr, *nest = nullptr;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (isElementwise(&op) || isHalf(&op))
      continue;
    if (isNestOp(&op)) {
      nest = &op;
      continue;
    }
    if (anchor)
      return {KernelClass::Portable, anchor, "two ops that need a kernel of their own"};
    anchor = &op;
  }
  if (anchor && nest)
    return {KernelClass::Portable, anchor, "two ops that need a kernel of their own"};
  if (nest)
    return {KernelClass::Nest, nest, ""};
  if (!anchor)
    return {KernelClass::Eltwise, nullptr, ""};
  return classifyAnchor(anchor);
}

} // namespace tern::cpu
