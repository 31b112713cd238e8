//===- RunPlan.cpp - calls -> steps of the run functions --------------------===//
#include "lib/Target/Cpu/Lowering/Run/RunPlan.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Lowering/Run/Guards.h"
#include "lib/Target/Cpu/Lowering/Sizes/ProblemQueries.h"

using namespace mlir;

namespace tern::cpu {

LogicalResult RunPlanner::run(RunPlan &into) {
  made = &into;
  placeOutputs();
  findEmbedded();
  if (failed(plan(main.getBody().front())))
    return failure();
  copyOutputs();
  return success();
}

LogicalResult RunPlanner::plan(Block &block) {
  readConditions(block);
  for (Operation &op : block) {
    if (!isa<CallOp, nn::LoopOp>(op))
      continue;
    size_t outer = enterGuards(&op);
    auto call = dyn_cast<CallOp>(op);
    if (failed(call ? plan(call) : plan(cast<nn::LoopOp>(op))))
      return failure();
    open.resize(outer);
  }
  return success();
}

static FailureOr<SmallVector<std::optional<Placement>>> placesOf(CallOp call, StringRef name, size_t count) {
  auto attr = call->getAttrOfType<ArrayAttr>(name);
  SmallVector<std::optional<Placement>> places;
  if (!attr || attr.size() != count)
    return call.emitOpError() << "has no '" << name << "' for " << count << " values; run cpu-assign-layouts first";
  for (Attribute text : attr) {
    auto string = dyn_cast<StringAttr>(text);
    std::optional<Placement> place = string ? parsePlacement(string.getValue()) : std::nullopt;
    if (!place && string && !string.getValue().empty())
      return call.emitOpError() << "has an unreadable place " << text;
    places.push_back(place);
  }
  return places;
}

/// Fills in all but the kernel and the name.
LogicalResult RunPlanner::readPlaces(PlacedCall &placed) {
  CallOp call = placed.call;
  auto operandPlaces = placesOf(call, "cpu.operands", call.getIns().size());
  auto resultPlaces = placesOf(call, "cpu.results", call.getOuts().size());
  if (failed(operandPlaces) || failed(resultPlaces))
    return failure();
  for (auto [value, place] : llvm::zip(call.getIns(), *operandPlaces)) {
    CallOperand operand;
    operand.type = SizedType(value);
    operand.constant = constantOf(value);
    if (place)
      operand.place = *place;
    else if (!operand.constant)
      return call.emitOpError("has an operand without a place");
    placed.operands.push_back(operand);
  }
  for (const std::optional<Placement> &place : *resultPlaces) {
    if (!place)
      return call.emitOpError("has a result without a place");
    placed.results.push_back(*place);
  }
  return success();
}

/// Scale and stored zero point of a quantized result.
static std::optional<std::pair<double, int64_t>> codesOf(Value result) {
  auto unbundle = result.getDefiningOp<UnbundleOp>();
  if (!unbundle || unbundle.getPlanes().front() != result)
    return std::nullopt;
  bool isSigned = unbundle.getQ().getType().getFormat().getFormat().elem.hasSignedCodes();
  std::optional<double> scale, zero = 0.0;
  if (auto quantize = unbundle.getQ().getDefiningOp<QuantizeOp>()) {
    if (quantize.getPlanes().empty())
      return std::nullopt;
    scale = scalarConstant(quantize.getPlanes().front());
    if (quantize.getPlanes().size() > 1)
      zero = scalarConstant(quantize.getPlanes()[1], !isSigned);
  } else if (auto requantize = unbundle.getQ().getDefiningOp<RequantizeOp>()) {
    scale = scalarConstant(requantize.getScale());
    if (requantize.getZero())
      zero = scalarConstant(requantize.getZero(), !isSigned);
  }
  if (!scale || !zero)
    return std::nullopt;
  return std::make_pair(*scale, int64_t(*zero) + (isSigned ? 128 : 0));
}

ArrayAttr sizesAttr(SizedType type) {
  Builder b(type.getElementType().getContext());
  SmallVector<StringRef> texts;
  for (SizeCode size : type.getShape())
    texts.push_back(isDynamic(size) ? sizeOf(size).str() : StringRef());
  return b.getStrArrayAttr(texts);
}

void RunPlanner::push(Step step, SmallVector<Storage> where, Location loc, StringRef name, std::optional<Placement> place, SizedType type,
                      int64_t output, Codes codes, nn::SizeExpr pictures, SmallVector<nn::SizeExpr> strides, unsigned named) {
  Builder b(main.getContext());
  int64_t bytes = 0, result = -1;
  for (auto [index, arg] : llvm::enumerate(step.args)) {
    if (arg.kind == KernelArg::Constant)
      bytes += arg.write ? arg.size : int64_t(arg.bytes.size());
    // What a loop collects has another place in every step.
    if (arg.kind == KernelArg::Result && arg.index == named && result < 0 && where[index].slices.empty())
      result = index;
  }
  bytes += bytesTouched(step);
  SmallVector<NamedAttribute> info{
      b.getNamedAttr("name", b.getStringAttr(name)),   b.getNamedAttr("row", b.getStringAttr(step.row)),
      b.getNamedAttr("macs", b.getI64IntegerAttr(isDynamic(step.macs) ? 0 : step.macs)), b.getNamedAttr("bytes", b.getI64IntegerAttr(bytes)),
      b.getNamedAttr("output", b.getI64IntegerAttr(output)), b.getNamedAttr("result", b.getI64IntegerAttr(result))};
  if (place) {
    info.push_back(b.getNamedAttr("place", b.getStringAttr(str(*place))));
    info.push_back(b.getNamedAttr("type", TypeAttr::get(type.tensor())));
    if (!type.hasStaticShape())
      info.push_back(b.getNamedAttr("sizes", sizesAttr(type)));
  }
  if (codes) {
    info.push_back(b.getNamedAttr("scale", b.getF64FloatAttr(codes->first)));
    info.push_back(b.getNamedAttr("zero", b.getI64IntegerAttr(codes->second)));
  }
  if (isDynamic(step.macs))
    info.push_back(b.getNamedAttr("dynamic_macs", b.getStringAttr(sizeOf(step.macs).str())));
  nn::Sizes sizes;
  for (int64_t number : slotsOf(step.problem))
    sizes.push_back(SizeScope::table().byNumber(number));
  for (KernelArg &arg : step.args) {
    std::vector<char>().swap(arg.bytes);
    arg.write = nullptr;
  }
  made->steps.push_back({std::move(step), std::move(sizes), pictures, strides, std::move(where), open, loc, b.getDictionaryAttr(info)});
}

/// Writes the padding around pictures: constants, or zero points of this run.
void RunPlanner::fillHalos(PlacedCall &placed, bool loaded) {
  // The operands of a concat that are computed in place have filled their part of the halo.
  auto embedded = placed.call->getAttrOfType<DenseBoolArrayAttr>("cpu.embedded");
  if (embedded && llvm::all_of(embedded.asArrayRef(), [](bool b) { return b; }))
    return;
  for (auto [value, place] : llvm::zip(placed.call.getOuts(), placed.results)) {
    if (!place.map.hasHalo())
      continue;
    Value zero = place.map.elem == Elem::U8 ? loadedPaddingOf(value) : Value();
    if (bool(zero) != loaded)
      continue;
    FillProblem fill;
    fill.out = place.map;
    fill.loaded = loaded;
    fill.value = place.map.elem == Elem::U8 && !loaded ? paddingOf(value) : 0;
    Step step;
    step.problem = fill;
    step.row = "cpu.fill";
    KernelArg arg;
    arg.kind = KernelArg::Result;
    arg.elem = place.map.elem;
    step.args.push_back(arg);
    SmallVector<Storage> where{storageOf(value, place.map)};
    if (zero) {
      arg.kind = KernelArg::Temporary;
      step.args.push_back(arg);
      where.push_back(storageOf(zero, plainMap(SizedType(zero))));
    }
    push(std::move(step), where, placed.call.getLoc(), placed.name + ".halo", std::nullopt, {}, -1, std::nullopt);
  }
}

FailureOr<std::vector<Step>> RunPlanner::lower(PlacedCall &placed) {
  CallOp call = placed.call;
  if (placed.kernel->hasAttr("cpu.relayout"))
    return std::vector<Step>{relayoutStep(placed.operands[0].type, placed.operands[0].place, placed.results[0])};
  std::string portable;
  auto lowered = lowerKernel(placed.kernel, placed.operands, placed.results, portable);
  if (failed(lowered))
    return failure();
  if (!portable.empty()) {
    if (auto reason = call->getAttrOfType<StringAttr>("cpu.portable"))
      portable = reason.getValue().str();
    call.emitRemark() << "'" << placed.name << "' has no generated kernel and runs through portable.linalg: " << portable;
  }
  if (auto embedded = call->getAttrOfType<DenseBoolArrayAttr>("cpu.embedded"))
    llvm::erase_if(*lowered, [&](const Step &step) {
      return step.args.front().kind == KernelArg::Operand && embedded[step.args.front().index];
    });
  return lowered;
}

/// The result that a kernel is named after: that of its last op. Others are read outside, too, like the sum in front of a norm.
static unsigned namedResult(func::FuncOp kernel) {
  OperandRange results = kernel.getBody().front().getTerminator()->getOperands();
  unsigned named = 0;
  for (unsigned i = 1; i < results.size(); ++i) {
    Operation *op = results[i].getDefiningOp(), *before = results[named].getDefiningOp();
    if (op && (!before || before->isBeforeInBlock(op)))
      named = i;
  }
  return named;
}

/// Appends the step, with the places of its arguments.
LogicalResult RunPlanner::place(PlacedCall &placed, Step step, StringRef name, bool last) {
  CallOp call = placed.call;
  nn::SizeExpr pictures = takePictures(step.problem);
  SmallVector<nn::SizeExpr> strides;
  nn::SizeTable &table = SizeScope::table();
  // What does not grow with the pictures is the same for all.
  auto share = [&](nn::SizeExpr all, int64_t bytes, bool grows) {
    nn::SizeExpr each = table.floorDiv(all, pictures);
    return grows && table.mul(each, pictures) == all && all != table.constant(0) ? table.mul(each, table.constant(bytes)) : table.constant(0);
  };
  auto strideOf = [&](SizedType type, const Map &map) {
    nn::SizeExpr all = elementsOf(map);
    bool grows = pictures.constant() ? type.getRank() > 1 && sizeOf(type.getDimSize(0)) == pictures : !table.dimsOf(all).empty();
    return share(all, bytesOf(map.elem), grows);
  };
  for (const KernelArg &arg : step.args) {
    bool isConstant = arg.kind == KernelArg::Constant || (arg.kind == KernelArg::Operand && placed.operands[arg.index].constant);
    strides.push_back(!pictures                        ? nn::SizeExpr()
                      : isConstant                     ? table.constant(0)
                      : arg.kind == KernelArg::Operand ? strideOf(placed.operands[arg.index].type, placed.operands[arg.index].place.map)
                      : arg.kind == KernelArg::Result  ? strideOf(SizedType(call.getOuts()[arg.index]), placed.results[arg.index].map)
                                                       : share(sizeOf(arg.size), 1, isDynamic(arg.size)));
  }
  SmallVector<Storage> where;
  int64_t output = -1;
  unsigned named = namedResult(placed.kernel);
  for (KernelArg &arg : step.args) {
    switch (arg.kind) {
    case KernelArg::Operand:
      if (ElementsAttr constant = placed.operands[arg.index].constant) {
        std::optional<int64_t> offset = addConstant(constant);
        if (!offset)
          return call.emitOpError() << "operand " << arg.index << " is a constant whose data is gone";
        where.push_back({Storage::Weights, *offset, {}});
      } else {
        where.push_back(storageOf(call.getIns()[arg.index], placed.operands[arg.index].place.map));
      }
      break;
    case KernelArg::Result:
      where.push_back(storageOf(call.getOuts()[arg.index], placed.results[arg.index].map));
      if (arg.index == named && where.back().kind == Storage::Output && where.back().slices.empty())
        output = where.back().index;
      break;
    case KernelArg::Constant:
      where.push_back({Storage::Weights, arg.write ? made->weights.add(arg.size, arg.write) : made->weights.add(arg.bytes), {}});
      if (where.back().index < 0)
        return call.emitOpError("has a weight for which there is neither disk space nor memory");
      break;
    case KernelArg::Temporary:
      if (arg.index >= placed.temporaries.size())
        placed.temporaries.push_back(newBuffer(sizeOf(arg.size)));
      where.push_back(placed.temporaries[arg.index]);
      break;
    }
  }
  Value result = placed.kernel.getBody().front().getTerminator()->getOperand(named);
  push(std::move(step), std::move(where), call.getLoc(), name,
       last ? std::optional<Placement>(placed.results[named]) : std::nullopt, SizedType(call.getOuts()[named]), output,
       last ? codesOf(result) : std::nullopt, pictures, strides, named);
  return success();
}

LogicalResult RunPlanner::plan(CallOp call) {
  PlacedCall placed;
  placed.call = call;
  placed.kernel = symbols.lookup<func::FuncOp>(call.getCallee());
  placed.name = call.getName().value_or(call.getCallee()).str();
  if (auto parts = call->getAttrOfType<DenseI64ArrayAttr>(kBranchAttr))
    return planBranch(call, parts);
  if (failed(readPlaces(placed)))
    return failure();
  auto lowered = lower(placed);
  if (failed(lowered))
    return failure();
  // A pad writes its value over the whole buffer first; the halo has another one.
  auto fillsAll = [](const Step &step) {
    auto *fill = std::get_if<FillProblem>(&step.problem);
    return fill && fill->interior;
  };
  bool late = llvm::any_of(*lowered, fillsAll);
  if (!late)
    fillHalos(placed, /*loaded=*/false);
  for (auto [number, step] : llvm::enumerate(*lowered)) {
    bool restore = late && fillsAll(step), last = number + 1 == lowered->size();
    if (failed(place(placed, std::move(step), last ? placed.name : placed.name + "." + std::to_string(number), last)))
      return failure();
    if (restore)
      fillHalos(placed, /*loaded=*/false);
  }
  fillHalos(placed, /*loaded=*/true);
  return success();
}

} // namespace tern::cpu
