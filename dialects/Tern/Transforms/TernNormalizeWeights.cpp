//===- TernNormalizeWeights.cpp - quantized weights as kernels read them ---===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/CountedPattern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "dialects/Tern/Transforms/Planes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNNORMALIZEWEIGHTS
#include "dialects/Tern/Transforms/Passes.h.inc"
} // namespace tern

using namespace tern;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// A plane of entries as a tensor with one entry an element, transposed, and packed again.
static Value transposePlane(OpBuilder &b, Location loc, Value plane, const Element &element, ArrayRef<int64_t> shape,
                            ArrayRef<int64_t> perm) {
  if (element.bits >= 8) {
    Value moved = nn::TransposeOp::create(b, loc, plane, perm, StringAttr());
    return moved;
  }
  // Below 8 bits rows are packed: the entries become numbers and codes again, which is exact.
  Format plain;
  plain.elem = element;
  auto format = FormatAttr::get(b.getContext(), plain);
  auto numbers = RankedTensorType::get(shape, b.getF32Type());
  Value q = BundleOp::create(b, loc, QuantType::get(numbers, format), plane);
  Value real = DequantizeOp::create(b, loc, numbers, q, StringAttr());
  Value moved = nn::TransposeOp::create(b, loc, real, perm, StringAttr());
  auto by = EncodeAttr::get(b.getContext(), Encode(Rule::Given));
  QuantType type = QuantType::get(tensorOf(moved), format);
  Value codes = QuantizeOp::create(b, loc, type, moved, ValueRange(), by, StringAttr(), StringAttr());
  return UnbundleOp::create(b, loc, TypeRange(type.getPlaneTypes()[0]), codes).getPlanes().front();
}

/// Codes that can be moved by numbers: integers, and small floats without special codes (an infinity would saturate).
static bool canMove(const Element &element) {
  return element.bits >= 8 || element.hasIntegerCodes() || element.kind == ElementKind::Bipolar ||
         (element.kind == ElementKind::Minifloat && element.special == Special::Finite);
}

namespace {
/// transpose(dequantize(bundle(planes))) -> dequantize(bundle(transposed planes)), of constants
struct TransposeCodes : nn::CountedPattern<nn::TransposeOp> {
  using CountedPattern::CountedPattern;

  LogicalResult matchAndRewrite(nn::TransposeOp op, PatternRewriter &rewriter) const override {
    auto dequantize = op.getX().getDefiningOp<DequantizeOp>();
    auto bundle = dequantize ? dequantize.getQ().getDefiningOp<BundleOp>() : BundleOp();
    if (!bundle || bundle.getType().getLayout() || !nn::isConstantExpression(bundle.getResult()))
      return rewriter.notifyMatchFailure(op, "no dequantized constant");
    QuantType type = bundle.getType();
    Format format = type.getFormat().getFormat(), moved = format;
    ArrayRef<int64_t> perm = op.getPerm();
    if (format.planes.empty()) // the numbers of transposePlane themselves
      return rewriter.notifyMatchFailure(op, "codes without parameters");
    if (!canMove(format.elem))
      return rewriter.notifyMatchFailure(op, "packed codes that are no numbers");
    for (Plane &plane : moved.planes) {
      bool isPlain = plane.role == Role::Scale || plane.role == Role::Zero || plane.role == Role::Min;
      if (!plane.block.empty() && (!isPlain || !canMove(plane.type)))
        return rewriter.notifyMatchFailure(op, "a plane that cannot be transposed");
      if (!plane.block.empty())
        for (auto [to, from] : llvm::enumerate(perm))
          plane.block[to] = format.planes[&plane - moved.planes.data()].block[from];
    }
    Location loc = op.getLoc();
    std::vector<PlaneShape> shapes = planeShapes({type.getShape().data(), type.getShape().size()}, format);
    SmallVector<Value> planes;
    for (auto [index, plane] : llvm::enumerate(bundle.getPlanes())) {
      bool whole = index > 0 && format.planes[index - 1].block.empty();
      const Element &element = index == 0 ? format.elem : format.planes[index - 1].type;
      planes.push_back(whole ? plane : transposePlane(rewriter, loc, plane, element, shapes[index].shape, perm));
    }
    auto result = QuantType::get(op.getType(), FormatAttr::get(getContext(), moved));
    Value q = BundleOp::create(rewriter, loc, result, planes);
    rewriter.replaceOpWithNewOp<DequantizeOp>(op, op.getType(), q, dequantize.getNameAttr());
    ++count;
    return success();
  }
};

/// Whether all entries of a constant plane are the middle of unsigned codes.
bool isMiddle(Value plane, const Element &element, const PlaneShape &shape) {
  ElementsAttr attr = nn::constantOf(plane);
  if (!attr)
    return false;
  std::vector<char> bytes;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return false;
    bytes.assign(blob->getData().begin(), blob->getData().end());
  } else if (auto dense = dyn_cast<DenseElementsAttr>(attr)) {
    ArrayRef<char> raw = dense.getRawData();
    for (int64_t i = 0, n = dense.isSplat() ? dense.getNumElements() : 1; i < n; ++i)
      bytes.insert(bytes.end(), raw.begin(), raw.end());
  }
  int64_t width = shape.shape.empty() ? 1 : shape.shape.back(), row = packedBytes(width, element.bits);
  if (row == 0 || bytes.empty() || int64_t(bytes.size()) % row != 0)
    return false;
  std::vector<int32_t> codes(width);
  for (size_t at = 0; at < bytes.size(); at += row) {
    unpackCodes(element.bits, false, width, reinterpret_cast<const uint8_t *>(bytes.data()) + at, codes.data());
    if (llvm::any_of(codes, [&](int32_t code) { return code != 1 << (element.bits - 1); }))
      return false;
  }
  return true;
}

/// bundle(ui, scale, zero = middle) -> bundle(ui ^ middle, scale) as si, of constants
struct SignCodes : nn::CountedPattern<BundleOp> {
  using CountedPattern::CountedPattern;

  LogicalResult matchAndRewrite(BundleOp op, PatternRewriter &rewriter) const override {
    QuantType type = op.getType();
    Format format = type.getFormat().getFormat();
    const Plane *zero = format.find(Role::Zero);
    int bits = format.elem.bits;
    if (type.getLayout() || format.elem.kind != ElementKind::UInt || (bits != 2 && bits != 4 && bits != 8) || !zero ||
        zero->type != format.elem)
      return rewriter.notifyMatchFailure(op, "no unsigned codes with a zero point of their type");
    if (!nn::isConstantExpression(op.getResult()) ||
        !llvm::all_of(op->getUsers(), [](Operation *user) { return isa<DequantizeOp, MatmulOp, tern::ConvOp>(user); }))
      return rewriter.notifyMatchFailure(op, "codes that are computed or taken apart");
    size_t index = size_t(zero - format.planes.data()) + 1;
    std::vector<PlaneShape> shapes = planeShapes({type.getShape().data(), type.getShape().size()}, format);
    if (!isMiddle(op.getPlanes()[index], zero->type, shapes[index]))
      return rewriter.notifyMatchFailure(op, "another zero point than the middle");
    Location loc = op.getLoc();
    auto byte = RankedTensorType::get({}, rewriter.getI8Type());
    int8_t mask = bits == 8 ? int8_t(0x80) : bits == 4 ? int8_t(0x88) : int8_t(0xaa);
    Value tops = arith::ConstantOp::create(rewriter, loc, byte, DenseElementsAttr::get(byte, mask));
    SmallVector<Value> planes(op.getPlanes());
    planes[0] = nn::BinaryOp::create(rewriter, loc, nn::BinaryKind::bitwise_xor, planes[0], tops, StringAttr());
    planes.erase(planes.begin() + index);
    format.planes.erase(format.planes.begin() + (index - 1));
    format.elem = Element::si(bits);
    auto result = QuantType::get(type.getExpressedTensor(), FormatAttr::get(getContext(), format));
    rewriter.replaceOpWithNewOp<BundleOp>(op, result, planes);
    ++count;
    return success();
  }
};

struct TernNormalizeWeights : tern::impl::TernNormalizeWeightsBase<TernNormalizeWeights> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<TransposeCodes>(&getContext(), transposed);
    patterns.add<SignCodes>(&getContext(), signedCodes);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
