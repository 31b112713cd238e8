// Small networks become programs; their results are those of the reference on the outlined module.
#include "Stages.h"
#include "lib/Support/Artifact.h"
#include "lib/Target/Cpu/Lowering/Artifact/Artifact.h"
#include "tern/Register.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace tern;
using namespace tern::test;

namespace {

struct Case {
  const char *name;
  std::string (*text)();
  const char *scheme;
  bool isStatic;
};

class ProgramsTest : public testing::TestWithParam<Case> {};

TEST_P(ProgramsTest, ComputesWhatTheReferenceComputes) {
  Stages stages;
  DialectRegistry registry;
  registerAll(registry);
  stages.context.appendDialectRegistry(registry);
  stages.read(GetParam().text());
  stages.prepare();
  if (GetParam().isStatic)
    stages.calibrate();
  stages.plan(GetParam().scheme);
  stages.passes([](OpPassManager &pm) {
    pm.addPass(nn::createNNQuantize());
    pm.addNestedPass<func::FuncOp>(createTernSinkDequantize());
    pm.addNestedPass<func::FuncOp>(createTernFuse());
    pm.addPass(createTernEncodeWeights());
  });
  stages.tidy();
  stages.passes([](OpPassManager &pm) { pm.addPass(createTernOutline()); });
  Numbers want = stages.run();

  // What falls to portable code is a remark; a network of these ops has none.
  std::vector<std::string> remarks;
  ScopedDiagnosticHandler handler(&stages.context,
                                  [&](Diagnostic &diagnostic) { remarks.push_back(diagnostic.str()); });
  SmallString<128> folder;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("tern-programs", folder));
  cpu::ArtifactOptions options;
  options.out = (folder + "/net.tern").str();
  options.name = GetParam().name;
  ASSERT_TRUE(succeeded(cpu::emitCpuArtifact(*stages.module, options)));
  for (const std::string &remark : remarks)
    ADD_FAILURE() << remark;
  for (int32_t level : {TERN_ISA_PORTABLE, TERN_ISA_AVX2, TERN_ISA_AVX512VNNI}) {
    ArtifactOptions open;
    open.level = level;
    open.threads = 2;
    auto program = Artifact::open(options.out, open);
    if (!program) {
      llvm::consumeError(program.takeError()); // not on this machine
      continue;
    }
    std::vector<std::vector<char>> outputs;
    ArrayRef<char> input = stages.input.bytes();
    llvm::Error error = (*program)->run({input}, outputs);
    ASSERT_FALSE(bool(error)) << toString(std::move(error));
    Numbers got;
    for (const std::vector<char> &output : outputs)
      for (size_t i = 0; i < output.size() / 4; ++i) {
        float number;
        std::memcpy(&number, output.data() + 4 * i, 4);
        got.push_back(number);
      }
    // Integer paths are exact; vector functions differ in the last bits, which may move a code here and there.
    EXPECT_GE(sqnr(want, got), 45) << (*program)->getIsa().str();
  }
  llvm::sys::fs::remove_directories(folder);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, ProgramsTest,
    testing::Values(Case{"residual_float", residual, "float", false}, Case{"residual_w8a8", residual, "w8a8", true},
                    Case{"residual_w4a8", residual, "w4a8", true}, Case{"se_w8a8", squeezeExcite, "w8a8", true},
                    Case{"se_dynamic", squeezeExcite, "w8a8", false}, Case{"inception_w8a8", inception, "w8a8", true},
                    Case{"inception_w4a8_channel", inception, "w4a8:channel", true},
                    Case{"inception_w4a16", inception, "w4a16", false}, Case{"pyramid_float", pyramid, "float", false},
                    Case{"mish_w8a8", mish, "w8a8", true}, Case{"pyramid_w8a8", pyramid, "w8a8", true},
                    Case{"pyramid_dynamic", pyramid, "w8a8", false}, Case{"pyramid_w8a16", pyramid, "w8a16", false},
                    Case{"sequence_float", sequence, "float", false}, Case{"sequence_w8a8", sequence, "w8a8", true},
                    Case{"sequence_dynamic", sequence, "w8a8", false}, Case{"sequence_w4a8", sequence, "w4a8", true}),
    [](const auto &info) { return std::string(info.param.name); });

} // namespace
