//===- TernSizes.cpp - open sizes of the results of tern ops ---------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/IR/WindowSizes.h"
#include "dialects/Tern/IR/Tern.h"

using namespace mlir;

namespace tern {
namespace {

/// tern.bundle: the sizes of the type, which are not those of the planes (two codes of 4 bits lie in a byte); open ones are those of the codes.
struct BundleSizes : nn::SizesOpInterface::ExternalModel<BundleSizes, BundleOp> {
  void inferSizes(Operation *op, nn::SizeAnalysis &analysis, SmallVectorImpl<nn::Sizes> &results) const {
    auto bundle = cast<BundleOp>(op);
    nn::Sizes codes = analysis.shapeOf(bundle.getPlanes().front()), sizes;
    for (auto [axis, size] : llvm::enumerate(bundle.getResult().getType().getShape()))
      sizes.push_back(!ShapedType::isDynamic(size) ? analysis.table.constant(size) : axis < codes.size() ? codes[axis] : nn::SizeExpr());
    results.push_back(sizes);
  }
};

/// tern.conv: the spatial sizes are those of the windows. All other ops keep the axes of their first operand.
struct ConvSizes : nn::SizesOpInterface::ExternalModel<ConvSizes, ConvOp> {
  void inferSizes(Operation *op, nn::SizeAnalysis &analysis, SmallVectorImpl<nn::Sizes> &results) const {
    auto conv = cast<ConvOp>(op);
    nn::SizeTable &table = analysis.table;
    nn::Sizes sizes = analysis.shapeOf(conv.getX()), kernel = analysis.shapeOf(conv.getW());
    if (sizes.size() != kernel.size() || sizes.size() < 3 || llvm::is_contained(kernel, nn::SizeExpr()))
      return void(results.push_back(nn::Sizes(sizes.size())));
    sizes[1] = conv.getTransposed() ? table.mul(kernel[1], table.constant(conv.getGroup())) : kernel[0];
    for (size_t i = 2; i < sizes.size(); ++i) {
      nn::Window window = nn::windowOf(conv, i - 2, kernel[i].constant().value_or(0));
      int64_t extra = conv.getOutputPadding() ? (*conv.getOutputPadding())[i - 2] : 0;
      sizes[i] = conv.getTransposed() ? nn::transposedSize(table, sizes[i], window, extra) : nn::windowCount(table, sizes[i], window);
    }
    results.push_back(sizes);
  }
};
} // namespace

void attachSizes(MLIRContext *context) {
  BundleOp::attachInterface<BundleSizes>(*context);
  ConvOp::attachInterface<ConvSizes>(*context);
}

} // namespace tern
