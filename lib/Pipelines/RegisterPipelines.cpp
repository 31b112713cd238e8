//===- RegisterPipelines.cpp - pipelines of the command line -----------------===//
#include "dialects/NN/Transforms/Passes.h"
#include "lib/Pipelines/Pipelines.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace {
struct QuantizeOptions : PassPipelineOptions<QuantizeOptions> {
  Option<std::string> scheme{*this, "scheme", llvm::cl::desc("float, w8a8, w4a8, w4a16 or w8a16"),
                             llvm::cl::init("w8a8")};
  ListOption<std::string> overrides{*this, "override", llvm::cl::desc("RE=SCHEME for ops by name")};
  ListOption<std::string> excludes{*this, "exclude", llvm::cl::desc("RE of ops that stay float")};
  Option<std::string> plan{*this, "plan", llvm::cl::desc("plan.json to take the decisions from"), llvm::cl::init("")};
  Option<std::string> stats{*this, "stats", llvm::cl::desc("JSON file with the ranges of activations"),
                            llvm::cl::init("")};
};
struct CompileCpuOptions : QuantizeOptions {
  Option<std::string> out{*this, "out", llvm::cl::desc("folder of the program"), llvm::cl::init("model.tern")};
};
} // namespace

static void buildTernQuantize(OpPassManager &pm, const QuantizeOptions &options, bool keepPlan) {
  tern::buildPrepare(pm);
  if (!options.stats.empty()) {
    tern::nn::NNAttachStatsOptions attach;
    attach.stats = options.stats;
    pm.addPass(tern::nn::createNNInsertProbes());
    pm.addPass(tern::nn::createNNAttachStats(attach));
  }
  tern::nn::NNPlanOptions plan;
  plan.scheme = options.scheme;
  plan.overrides.assign(options.overrides.begin(), options.overrides.end());
  plan.excludes.assign(options.excludes.begin(), options.excludes.end());
  plan.plan = options.plan;
  plan.attach = keepPlan;
  pm.addPass(tern::nn::createNNPlan(plan));
  tern::buildQuantize(pm);
}

static void buildTernCompileCpu(OpPassManager &pm, const CompileCpuOptions &options) {
  buildTernQuantize(pm, options, /*keepPlan=*/true);
  tern::buildFuse(pm);
  tern::buildEncode(pm);
  tern::buildOutline(pm);
  tern::cpu::TernEmitOptions emit;
  emit.out = options.out;
  pm.addPass(tern::cpu::createTernEmit(emit));
}

void tern::registerPipelines() {
  PassPipelineRegistration<QuantizeOptions>(
      "tern-quantize", "nn -> QDQ form: prepare, plan, quantize",
      [](OpPassManager &pm, const QuantizeOptions &options) { buildTernQuantize(pm, options, /*keepPlan=*/false); });
  PassPipelineRegistration<CompileCpuOptions>("tern-compile-cpu", "nn -> a program for the CPU in a folder",
                                              buildTernCompileCpu);
}
