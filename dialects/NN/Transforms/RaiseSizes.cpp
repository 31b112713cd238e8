//===- RaiseSizes.cpp - unknown sizes while ops are raised ----------------===//
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/Transforms/Raise.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tern::nn {

/// The texts of all `?` of a value, in order; nullopt: not recorded.
static std::optional<SmallVector<StringRef>> openTexts(Value value) {
  SmallVector<StringRef> texts;
  RankedTensorType type = tensorOf(value);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto dims = function ? function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "tern.dims") : ArrayAttr();
    if (!dims || int64_t(dims.size()) != type.getRank())
      return std::nullopt;
    for (auto [size, text] : llvm::zip(type.getShape(), dims))
      if (ShapedType::isDynamic(size))
        texts.push_back(cast<StringAttr>(text).getValue());
    return texts;
  }
  Operation *op = value.getDefiningOp();
  auto attr = op->getNumResults() == 1 ? op->getAttrOfType<ArrayAttr>(kSizesAttr) : ArrayAttr();
  if (!attr || int64_t(attr.size()) != int64_t(type.getNumDynamicDims()))
    return std::nullopt;
  for (Attribute text : attr)
    texts.push_back(cast<StringAttr>(text).getValue());
  return texts;
}

std::optional<SmallVector<std::string>> sizeTexts(Value value) {
  RankedTensorType type = tensorOf(value);
  std::optional<SmallVector<StringRef>> open = SmallVector<StringRef>();
  if (!type.hasStaticShape())
    open = openTexts(value);
  if (!open)
    return std::nullopt;
  SmallVector<std::string> texts;
  size_t next = 0;
  for (int64_t size : type.getShape())
    texts.push_back(ShapedType::isDynamic(size) ? (*open)[next++].str() : std::to_string(size));
  if (llvm::is_contained(texts, std::string()))
    return std::nullopt;
  return texts;
}

bool differInTexts(Value a, int64_t axisA, Value b, int64_t axisB) {
  auto x = sizeTexts(a), y = sizeTexts(b);
  return x && y && (*x)[axisA] != (*y)[axisB];
}

/// The sizes of a reshape that only merges, splits, adds and drops neighbours: from the right, then from the left, what
/// is left in the middle is one unknown size.
static bool solve(SizeTable &table, const Sizes &from, Sizes &to) {
  size_t lo = 0, fromHi = from.size(), toHi = to.size();
  auto take = [&](SizeExpr source, SizeExpr &target) {
    if (!target)
      target = source;
    return target == source;
  };
  while (fromHi > 0 && toHi > 0 && (!to[toHi - 1] ? !from[fromHi - 1].constant() : to[toHi - 1] == from[fromHi - 1])) {
    take(from[--fromHi], to[--toHi]);
  }
  while (lo + 1 < fromHi && lo + 1 < toHi && (!to[lo] ? !from[lo].constant() : to[lo] == from[lo])) {
    take(from[lo], to[lo]);
    ++lo;
  }
  SizeExpr all = table.constant(1), known = table.constant(1), *open = nullptr;
  for (size_t i = lo; i < fromHi; ++i)
    all = table.mul(all, from[i]);
  for (size_t i = lo; i < toHi; ++i) {
    if (to[i])
      known = table.mul(known, to[i]);
    else if (open)
      return false;
    else
      open = &to[i];
  }
  if (!open)
    return all == known;
  *open = table.floorDiv(all, known);
  return bool(*open) && table.mul(*open, known) == all;
}

void completeSizes(Operation *root) {
  auto function = dyn_cast<FunctionOpInterface>(root);
  if (!function || function.isExternal())
    return;
  SmallVector<ReshapeOp> open;
  root->walk([&](ReshapeOp op) {
    if (!op.getType().hasStaticShape() && !op->hasAttr(kSizesAttr))
      open.push_back(op);
  });
  if (open.empty())
    return;
  SizeAnalysis sizes(root->getContext());
  ScopedDiagnosticHandler silence(root->getContext(), [](Diagnostic &) { return success(); });
  if (failed(sizes.readArguments(function)))
    return;
  for (ReshapeOp op : open) {
    Sizes from = sizes.shapeOf(op.getX()), to;
    if (llvm::is_contained(from, SizeExpr()))
      continue;
    for (int64_t size : op.getType().getShape())
      to.push_back(ShapedType::isDynamic(size) ? SizeExpr() : sizes.table.constant(size));
    if (!solve(sizes.table, from, to))
      continue;
    setSizes(op, {to});
    sizes.forget(op.getResult());
    sizes.setShape(op.getResult(), to);
  }
}

} // namespace tern::nn
