//===- NNPlan.cpp - a scheme or a plan file into attributes ---------------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/NN/Transforms/Planning.h"
#include "dialects/Tern/IR/Tern.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNPLAN
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern;
using namespace tern::nn;

namespace {
struct NNPlan : tern::nn::impl::NNPlanBase<NNPlan> {
  using NNPlanBase::NNPlanBase;

  void runOnOperation() override {
    if (failed(run()))
      signalPassFailure();
  }

private:
  LogicalResult run() {
    func::FuncOp function = mainFunction(getOperation());
    if (!function)
      return success();
    // Plans, overrides and reports know ops by their names.
    if (failed(verifyNames(function)))
      return failure();
    auto fail = [&](llvm::Error error) { return getOperation().emitError() << toString(std::move(error)); };
    Plan result;
    if (!plan.empty()) {
      llvm::Expected<Plan> read = readPlan(plan);
      if (!read)
        return fail(read.takeError());
      result = *read;
      if (failed(applyPlan(function, result, sha256)))
        return failure();
    } else {
      PlanRequest request;
      llvm::Expected<Scheme> parsed = parseScheme(scheme);
      if (!parsed)
        return fail(parsed.takeError());
      request.scheme = *parsed;
      for (const std::string &text : overrides) {
        llvm::Expected<Override> rule = parseOverride(text);
        if (!rule)
          return fail(rule.takeError());
        request.overrides.push_back(*rule);
      }
      request.excludes.assign(excludes.begin(), excludes.end());
      result.scheme = parsed->str();
      result.modelSha256 = sha256;
      if (failed(makePlan(function, request, result)))
        return failure();
    }
    if (attach)
      getOperation()->setAttr("tern.plan", StringAttr::get(&getContext(), printPlan(result)));
    if (write.empty())
      return success();
    std::error_code error;
    llvm::raw_fd_ostream out(write, error);
    if (!error) {
      out << printPlan(result);
      out.close();
      error = out.error();
      out.clear_error();
    }
    if (error)
      return getOperation().emitError() << "cannot write " << write << ": " << error.message();
    return success();
  }
};
} // namespace
