// A small network on its way through the stages, and the reference that runs it after each.
#ifndef TERN_TEST_UNIT_TRANSFORMS_STAGES_H
#define TERN_TEST_UNIT_TRANSFORMS_STAGES_H

#include "Nets.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/NN/Transforms/Planning.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "lib/Reference/Reference.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "gtest/gtest.h"

namespace tern::test {
using namespace mlir;

using Numbers = std::vector<double>;

class Stages {
public:
  Stages() {
    context.loadDialect<nn::NNDialect, TernDialect, func::FuncDialect, arith::ArithDialect,
                        ml_program::MLProgramDialect>();
  }

  void read(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    auto type = cast<RankedTensorType>(nn::mainFunction(*module).getArgumentTypes()[0]);
    std::mt19937 random(11);
    std::vector<double> values(type.getNumElements());
    for (double &value : values)
      value = double(random() >> 8) / double(1u << 23) - 0.8;
    input = reference::fromReals(type, values);
  }

  void passes(function_ref<void(OpPassManager &)> build) {
    PassManager pm(&context);
    build(pm);
    ASSERT_TRUE(succeeded(pm.run(*module)));
  }
  void prepare() {
    passes([](OpPassManager &pm) {
      OpPassManager &functions = pm.nest<func::FuncOp>();
      functions.addPass(nn::createNNInferShapes());
      functions.addPass(nn::createNNRaise());
      functions.addPass(nn::createNNSinkTransposes());
      functions.addPass(nn::createNNFoldPads());
      functions.addPass(nn::createNNFoldBatchNorm());
      functions.addPass(nn::createNNNormalizeWeights());
      functions.addPass(nn::createNNFoldConstants());
    });
  }
  void tidy() {
    passes([](OpPassManager &pm) {
      pm.addPass(createCanonicalizerPass());
      pm.addPass(createCSEPass());
    });
  }

  /// Results of @main, all results as one list.
  Numbers run() {
    codes.clear();
    reference::Interpreter interpreter(*module);
    interpreter.setObserver([&](Operation *op, ArrayRef<reference::Value> results) {
      // Roundings of the data path, in program order.
      if (isa<QuantizeOp, RequantizeOp>(op) && !nn::isConstantExpression(op->getOperand(0)))
        codes.push_back(std::get<reference::QuantValue>(results[0]).planes[0]);
      if (auto probe = op->getAttrOfType<StringAttr>(nn::kProbe))
        observe(probe.getValue(), reference::asTensor(results[0]));
    });
    auto results = interpreter.run(nn::mainFunction(*module), {reference::Value(input)});
    EXPECT_TRUE(succeeded(results));
    Numbers numbers;
    if (succeeded(results))
      for (const reference::Value &value : *results)
        llvm::append_range(numbers, reference::toReals(reference::asTensor(value)));
    return numbers;
  }

  /// Ranges of the one input.
  void calibrate() {
    func::FuncOp main = nn::mainFunction(*module);
    nn::insertProbes(main);
    if (auto probe = dyn_cast_or_null<StringAttr>(nn::getValueAttr(main.getArgument(0), nn::kProbe)))
      observe(probe.getValue(), input);
    run();
    nn::attachRanges(main, [&](StringRef name) -> std::optional<nn::ObservedRange> {
      auto range = ranges.find(name);
      return range == ranges.end() ? std::nullopt : std::optional(range->second);
    });
  }

  Plan plan(StringRef scheme) {
    nn::PlanRequest request;
    request.scheme = *parseScheme(scheme);
    Plan plan;
    EXPECT_TRUE(succeeded(nn::makePlan(nn::mainFunction(*module), request, plan)));
    return plan;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  reference::Tensor input;
  std::vector<reference::Tensor> codes;

private:
  void observe(StringRef name, const reference::Tensor &tensor) {
    auto [range, isNew] = ranges.try_emplace(name);
    for (double value : reference::toReals(tensor)) {
      range->second.lo = range->second.min = std::min(range->second.min, value);
      range->second.hi = range->second.max = std::max(range->second.max, value);
    }
  }
  llvm::StringMap<nn::ObservedRange> ranges;
};

inline double largest(const Numbers &a) {
  double most = 0;
  for (double x : a)
    most = std::max(most, std::abs(x));
  return most;
}
inline double distance(const Numbers &a, const Numbers &b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}
inline double sqnr(const Numbers &want, const Numbers &got) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < want.size(); ++i)
    signal += want[i] * want[i], noise += (want[i] - got[i]) * (want[i] - got[i]);
  return 10 * std::log10(signal / std::max(noise, 1e-30));
}

//===-- networks --------------------------------------------------------------===//

inline std::string residual() {
  Net net({1, 3, 12, 12});
  auto stem = net.clip(net.batchNorm(net.conv(net.input, 32, 3, 1, 2, false)));
  auto a = net.unary("relu", net.batchNorm(net.conv(stem, 32, 3)));
  auto b = net.batchNorm(net.conv(a, 32, 1, 1, 1, false));
  auto sum = net.unary("relu", net.binary("add", b, stem));
  auto shortcut = net.conv(sum, 16, 1, 1, 2);
  auto main = net.conv(net.unary("relu", net.conv(sum, 32, 3, 1, 2)), 16, 3);
  return net.finish(net.matmul(net.flatten(net.mean(net.unary("relu", net.binary("add", main, shortcut)))), 10));
}

inline std::string squeezeExcite() {
  Net net({1, 3, 12, 12});
  auto stem = net.unary("hard_swish", net.batchNorm(net.conv(net.input, 32, 3, 1, 2)));
  auto deep = net.unary("hard_swish", net.conv(stem, 32, 3, 32));
  auto gate = net.unary("hard_sigmoid", net.conv(net.unary("relu", net.conv(net.mean(deep), 16, 1)), 32, 1));
  auto out = net.binary("add", net.conv(net.binary("mul", deep, gate), 32, 1), stem);
  return net.finish(net.conv(net.unary("hard_swish", net.conv(out, 32, 1)), 8, 1));
}

inline std::string inception() {
  Net net({1, 16, 9, 9});
  auto a = net.unary("relu", net.conv(net.input, 32, 1)), b = net.unary("sigmoid", net.conv(net.input, 32, 3));
  auto joined = net.concat(a, b);
  auto pooled = net.pool("max", joined), averaged = net.pool("avg", joined);
  return net.finish(net.conv(net.concat(net.conv(pooled, 16, 3), net.conv(averaged, 16, 1)), 8, 1));
}

inline std::string pyramid() {
  Net net({1, 16, 8, 8});
  auto fine = net.unary("relu", net.conv(net.input, 32, 3, 2)); // two groups
  auto coarse = net.unary("silu", net.conv(fine, 32, 3, 1, 2));
  auto up = net.binary("add", net.conv(fine, 32, 1), net.resize(coarse, "nearest"));
  auto mixed = net.conv(net.concat(net.half(up, false), net.resize(net.half(coarse, true), "linear")), 32, 3);
  return net.finish(net.conv(net.pad(net.unary("relu", net.convTranspose(net.unary("relu", mixed), 16))), 4, 3));
}

inline std::string mish() {
  Net net({1, 16, 8, 8});
  auto act = [&](const Net::Value &x) { return net.binary("mul", x, net.unary("tanh", net.unary("softplus", x))); };
  auto a = act(net.conv(net.input, 32, 3)), b = act(net.conv(a, 32, 1));
  return net.finish(net.conv(net.binary("add", b, a), 8, 1));
}

inline std::string sequence() {
  Net net({1, 16, 4, 6});
  auto x = net.unary("relu", net.conv(net.input, 32, 3));
  auto tokens = net.matmul(net.rows(x), 48);
  return net.finish(net.softmax(net.matmul(net.unary("gelu", tokens), 11)));
}

} // namespace tern::test
#endif
