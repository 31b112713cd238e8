//===- PlanFile.cpp - a plan that was read into attributes ----------------===//
#include "dialects/NN/Transforms/Equalize.h"
#include "dialects/NN/Transforms/PlanEntry.h"
#include "dialects/NN/Transforms/Planning.h"
#include "lib/Search/Scheme.h"

using namespace mlir;

namespace tern::nn {

static LogicalResult checkEntry(Operation *op, const PlanOp &entry) {
  OpShape shape(op);
  if (entry.x || entry.w)
    if (std::string why = whyNotQuantizable(op); !why.empty())
      return op->emitError("the plan quantizes '") << entry.name << "', but " << why;
  if (entry.w) {
    for (unsigned operand : weightOperands(op)) {
      ArrayRef<int64_t> dims = cast<RankedTensorType>(op->getOperand(operand).getType()).getShape();
      if (std::string error = verify(*entry.w, {dims.data(), dims.size()}); !error.empty())
        return op->emitError("the plan gives '")
               << entry.name << "' weights of format " << entry.w->str() << ": " << error;
    }
    if (!entry.wEncode)
      return op->emitError("the plan gives '") << entry.name << "' a weight format but no w_encode";
  }
  if (entry.x && !entry.w)
    return op->emitError("the plan gives '")
           << entry.name << "' codes as activation but float weights; no kernel has that";
  if (entry.x && !entry.xStatic && !entry.xEncode)
    return op->emitError("the plan gives '") << entry.name << "' a run-time activation format but no x_encode";
  if (isa<ConvTransposeOp>(op) && entry.x && !entry.xStatic)
    return op->emitError("the plan quantizes the activation of '")
           << entry.name << "' at run time; transposed convolutions read codes with zero point 0 only";
  std::string row = rowFor(shape.row, entry.x, entry.w);
  if (row.empty())
    return op->emitError("the plan gives '") << entry.name << "' formats that no kernel has: x "
                                             << (entry.x ? entry.x->str() : "float") << ", w " << entry.w->str();
  if (!entry.row.empty() && entry.row != row) {
    std::vector<std::string> rows = allRows();
    if (!llvm::is_contained(rows, entry.row))
      return op->emitError("the plan gives '")
             << entry.name << "' the kernel row '" << entry.row << "', which does not exist; did you mean '"
             << nearestNames(entry.row, rows, 1).front() << "'?";
    return op->emitError("the plan gives '")
           << entry.name << "' the kernel row '" << entry.row << "', but its formats are those of '" << row << "'";
  }
  return success();
}

LogicalResult applyPlan(func::FuncOp function, const Plan &plan, StringRef modelSha256) {
  if (!modelSha256.empty() && !plan.modelSha256.empty() && plan.modelSha256 != modelSha256)
    return function.emitError("the plan was made for another model (sha256 ")
           << StringRef(plan.modelSha256).take_front(12) << "..., this one has " << modelSha256.take_front(12)
           << "...); make a plan for this model with --plan-only, or remove \"sha256\" from the plan to use it anyway";
  clearDecisions(function);
  if (failed(equalize(function, plan.equalizations)))
    return failure();
  llvm::StringMap<Operation *> byName;
  std::vector<std::string> names;
  for (Operation *op : plannedOps(function)) {
    names.push_back(nameOfValue(op->getResult(0)));
    byName[names.back()] = op;
  }
  llvm::MapVector<Operation *, const PlanOp *> entries;
  for (const PlanOp &entry : plan.ops) {
    Operation *op = byName.lookup(entry.name);
    if (!op) {
      InFlightDiagnostic diag = function.emitError("the plan names '")
                                << entry.name << "', which is no op of this model that can be quantized";
      if (std::vector<std::string> near = nearestNames(entry.name, names, 1); !near.empty())
        diag << "; did you mean '" << near.front() << "'?";
      return diag;
    }
    if (!entries.insert({op, &entry}).second)
      return op->emitError("the plan names '") << entry.name << "' twice";
    if (failed(checkEntry(op, entry)))
      return failure();
  }
  std::vector<ActivationGroup> groups = findActivations(function, [&](Operation *op) {
    auto entry = entries.find(op);
    return entry != entries.end() && entry->second->x && entry->second->xStatic;
  });
  llvm::StringMap<const PlanTensor *> tensors;
  for (const PlanTensor &tensor : plan.tensors)
    tensors[tensor.name] = &tensor;
  std::vector<ActivationGroup> kept;
  std::vector<PlanTensor> ranges;
  for (ActivationGroup &group : groups) {
    const PlanTensor *tensor = tensors.lookup(group.name);
    if (!tensor && group.consumers.empty())
      continue; // only to save traffic: the plan leaves it float
    if (!tensor)
      return function.emitError("the plan has no scale for the tensor '")
             << group.name << "', which '" << nameOfValue(group.consumers.front()->getResult(0))
             << "' reads as codes; add it to \"tensors\"";
    if (tensor->format != staticActivation())
      return function.emitError("the plan stores the tensor '")
             << group.name << "' as " << tensor->format.str() << "; kernels read " << staticActivation().str();
    tensors.erase(group.name);
    kept.push_back(group);
    ranges.push_back(*tensor);
  }
  if (!tensors.empty()) {
    std::vector<std::string> known, unknown;
    for (const ActivationGroup &group : groups)
      known.push_back(group.name);
    for (const auto &entry : tensors)
      unknown.push_back(entry.getKey().str());
    llvm::sort(unknown);
    InFlightDiagnostic diag = function.emitError("the plan names the tensor '")
                              << unknown.front() << "', which is no activation of this model that becomes codes";
    if (std::vector<std::string> near = nearestNames(unknown.front(), known, 1); !near.empty())
      diag << "; did you mean '" << near.front() << "'?";
    return diag;
  }
  llvm::DenseMap<Operation *, const PlanTensor *> xOf;
  writeTensors(kept, ranges, xOf);
  for (auto [op, entry] : entries) {
    PlanOp copy = *entry;
    finishEntry(copy, OpShape(op));
    if (copy.w || copy.x)
      writeChoice(op, copy, copy.xStatic ? xOf.lookup(op) : nullptr);
  }
  return success();
}

} // namespace tern::nn
