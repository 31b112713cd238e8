//===- Pipelines.cpp - the stages of a compilation as passes -----------------===//
#include "lib/Pipelines/Pipelines.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace tern {

void buildPrepare(OpPassManager &pm) {
  OpPassManager &functions = pm.nest<func::FuncOp>();
  functions.addPass(nn::createNNInferShapes());
  functions.addPass(nn::createNNWidenHalves());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(nn::createNNRaise());
  functions.addPass(nn::createNNRecognizeWeights());
  functions.addPass(nn::createNNSinkTransposes());
  functions.addPass(nn::createNNFoldPads());
  functions.addPass(nn::createNNFoldBatchNorm());
  functions.addPass(nn::createNNNormalizeWeights());
  functions.addPass(nn::createNNFoldConstants());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
}

void buildQuantize(OpPassManager &pm) {
  pm.addPass(nn::createNNQuantize());
  pm.addNestedPass<func::FuncOp>(createTernNormalizeWeights());
  pm.addNestedPass<func::FuncOp>(createTernSinkDequantize());
}

void buildFuse(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createTernMergeProducts());
  pm.addNestedPass<func::FuncOp>(createTernFuse());
}

void buildEncode(OpPassManager &pm, bool keepSources) {
  TernEncodeWeightsOptions options;
  options.keepSources = keepSources;
  pm.addPass(createTernEncodeWeights(options));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void buildOutline(OpPassManager &pm) { pm.addPass(createTernOutline()); }

} // namespace tern
