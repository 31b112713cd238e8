// The reference runs every stage of small networks: what each stage may change, and nothing more.
#include "Stages.h"

using namespace mlir;
using namespace tern;
using namespace tern::test;

namespace {

struct Case {
  const char *name;
  std::string (*text)();
  const char *scheme;
  bool isStatic;
  double sqnr; ///< dB
};

class StagesTest : public testing::TestWithParam<Case> {};

TEST_P(StagesTest, EachStageChangesWhatItMay) {
  const Case &net = GetParam();
  Stages stages;
  stages.read(net.text());
  Numbers imported = stages.run();
  stages.prepare();
  Numbers prepared = stages.run();
  EXPECT_LE(distance(imported, prepared), 1e-5 * largest(imported)) << "preparation";

  if (net.isStatic)
    stages.calibrate();
  Plan plan = stages.plan(net.scheme);
  stages.passes([](OpPassManager &pm) { pm.addPass(nn::createNNQuantize()); });
  Numbers qdq = stages.run();
  std::vector<reference::Tensor> roundings = stages.codes;
  EXPECT_GE(sqnr(imported, qdq), net.sqnr) << "quantization";
  EXPECT_EQ(!roundings.empty(), StringRef(net.scheme).contains("a8"));

  // T-4
  stages.tidy();
  EXPECT_EQ(stages.run(), qdq) << "canonicalize, cse";
  EXPECT_EQ(stages.codes.size(), roundings.size());

  stages.passes([](OpPassManager &pm) { pm.addNestedPass<func::FuncOp>(createTernSinkDequantize()); });
  EXPECT_EQ(stages.run(), qdq) << "moves on codes";
  stages.passes([](OpPassManager &pm) { pm.addNestedPass<func::FuncOp>(createTernFuse()); });
  Numbers fused = stages.run();
  ASSERT_EQ(stages.codes.size(), roundings.size()) << "a rounding came or went";
  // L1: one code, and what that does to the next ones.
  int64_t codes = 0, differing = 0;
  for (auto [before, after] : llvm::zip(roundings, stages.codes))
    for (auto [x, y] : llvm::zip(before.data<uint8_t>(), after.data<uint8_t>())) {
      EXPECT_LE(std::abs(int(x) - int(y)), 1);
      ++codes, differing += x != y;
    }
  EXPECT_LE(differing, codes / 200);

  stages.passes([](OpPassManager &pm) { pm.addPass(createTernEncodeWeights()); });
  EXPECT_EQ(stages.run(), fused) << "weights as planes";
  stages.tidy();
  stages.passes([](OpPassManager &pm) { pm.addPass(createTernOutline()); });
  EXPECT_EQ(stages.run(), fused) << "kernels as functions";
  // Nothing but calls, reshapes, constants and return is left.
  for (Operation &op : nn::mainFunction(*stages.module).getBody().front())
    EXPECT_TRUE((isa<CallOp, nn::ReshapeOp, arith::ConstantOp, ml_program::GlobalLoadConstOp, func::ReturnOp>(op)))
        << op.getName().getStringRef().str();
}

INSTANTIATE_TEST_SUITE_P(
    Networks, StagesTest,
    testing::Values(
        Case{"residual_w8a8", residual, "w8a8", true, 30}, Case{"se_w8a8", squeezeExcite, "w8a8", true, 28},
        Case{"inception_w8a8", inception, "w8a8", true, 30}, Case{"residual_dynamic", residual, "w8a8", false, 30},
        Case{"se_dynamic", squeezeExcite, "w8a8", false, 28}, Case{"residual_w4a8", residual, "w4a8", true, 14},
        Case{"inception_w4a8_channel", inception, "w4a8:channel", true, 14},
        Case{"se_w4a8_dynamic", squeezeExcite, "w4a8", false, 14}, Case{"residual_w8a16", residual, "w8a16", false, 38},
        Case{"inception_w4a16", inception, "w4a16", false, 14}, Case{"residual_float", residual, "float", false, 100},
        Case{"mish_w8a8", mish, "w8a8", true, 28}, Case{"pyramid_w8a8", pyramid, "w8a8", true, 28},
        Case{"pyramid_dynamic", pyramid, "w8a8", false, 28}, Case{"pyramid_w4a8", pyramid, "w4a8", true, 14},
        Case{"sequence_w8a8", sequence, "w8a8", true, 28}, Case{"sequence_dynamic", sequence, "w8a8", false, 28},
        Case{"sequence_w4a16", sequence, "w4a16", false, 12}),
    [](const auto &info) { return std::string(info.param.name); });

TEST(PlanTest, WhatIsPrintedReadsBack) {
  Stages stages;
  stages.read(residual());
  stages.prepare();
  stages.calibrate();
  Plan plan = stages.plan("w4a8:64");
  plan.modelSha256 = "ab";
  plan.samples = 3;
  plan.ranges = "mse";
  std::string text = printPlan(plan);
  llvm::Expected<Plan> read = parsePlan(text, "plan.json");
  ASSERT_TRUE(bool(read)) << toString(read.takeError());
  for (PlanOp &op : read->ops)
    op.weightBytes = plan.ops[&op - read->ops.data()].weightBytes; // predictions are not read
  EXPECT_EQ(printPlan(*read), text);

  // The plan gives the same module without ranges.
  std::string before, after;
  llvm::raw_string_ostream(before) << *stages.module;
  ASSERT_TRUE(succeeded(nn::applyPlan(nn::mainFunction(*stages.module), *read, "ab")));
  llvm::raw_string_ostream(after) << *stages.module;
  EXPECT_EQ(before, after);
}

} // namespace
