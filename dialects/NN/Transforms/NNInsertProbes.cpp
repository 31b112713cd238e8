//===- NNInsertProbes.cpp - values whose ranges are needed ----------------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/NN/Transforms/Planning.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNINSERTPROBES
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

namespace {
struct NNInsertProbes : tern::nn::impl::NNInsertProbesBase<NNInsertProbes> {
  void runOnOperation() override {
    if (func::FuncOp function = tern::nn::mainFunction(getOperation()))
      tern::nn::insertProbes(function);
  }
};
} // namespace
