//===- TernExportOnnx.cpp - decisions of the QDQ form into an ONNX file -----===//
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Export/Export.h"
#include "lib/Export/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/Threading.h"

using namespace mlir;

namespace tern::exporter {
#define GEN_PASS_DEF_TERNEXPORTONNX
#include "lib/Export/Passes.h.inc"

namespace {

/// The quantized value behind a dequantized one, through movements of it.
QuantType quantOf(Value value, Value &codes) {
  for (int step = 0; step < 8; ++step) {
    if (auto dequantize = value.getDefiningOp<DequantizeOp>()) {
      codes = dequantize.getQ();
      return cast<QuantType>(codes.getType());
    }
    Operation *op = value.getDefiningOp();
    if (!op || !isa<nn::ReshapeOp, nn::TransposeOp>(op))
      return {};
    value = op->getOperand(0);
  }
  return {};
}

std::optional<double> scalarOf(Value value) {
  DenseElementsAttr attr;
  if (!matchPattern(value, m_Constant(&attr)) || attr.getNumElements() != 1)
    return std::nullopt;
  if (isa<FloatType>(attr.getElementType()))
    return attr.getSplatValue<APFloat>().convertToDouble();
  APInt bits = attr.getSplatValue<APInt>();
  return double(bits.getZExtValue());
}

/// The range of static codes: scale and zero point are constants.
std::optional<ExportRange> rangeOf(Value codes, const Format &format) {
  ValueRange planes;
  if (auto quantize = codes.getDefiningOp<QuantizeOp>())
    planes = quantize.getPlanes();
  if (planes.empty())
    return std::nullopt;
  std::optional<double> scale = scalarOf(planes[0]), zero = planes.size() > 1 ? scalarOf(planes[1]) : 0.0;
  if (!scale || !zero)
    return std::nullopt;
  return ExportRange{(double(format.elem.minCode()) - *zero) * *scale, (double(format.elem.maxCode()) - *zero) * *scale};
}

struct TernExportOnnx : impl::TernExportOnnxBase<TernExportOnnx> {
  using TernExportOnnxBase::TernExportOnnxBase;

  void runOnOperation() override {
    if (failed(run()))
      signalPassFailure();
  }

  LogicalResult run() {
    ModuleOp module = getOperation();
    std::string source = model;
    if (auto loc = dyn_cast<FileLineColLoc>(module.getLoc()); source.empty() && loc)
      source = loc.getFilename().str();
    if (source.empty())
      return module.emitError("tern-export-onnx: the module does not say which file it comes from; add model=FILE.onnx");
    if (out.empty())
      return module.emitError("tern-export-onnx: out=FILE.onnx is missing");
    ExportOptions options;
    options.out = out;
    options.profile = profile;
    options.jobs = llvm::hardware_concurrency().compute_thread_count();
    for (const std::string &what : emit) {
      if (what != "onnx-qdq" && what != "onnx-nbits")
        return module.emitError("tern-export-onnx: emit is onnx-qdq or onnx-nbits, not '") << what << "'";
      (what == "onnx-qdq" ? options.qdq : options.nbits) = true;
    }
    if (!options.nbits)
      options.qdq = true;
    Plan plan;
    plan.scheme = "quant-opt";
    module.walk([&](Operation *op) {
      auto name = op->getAttrOfType<StringAttr>("name");
      if (!isa<nn::MatmulOp, nn::ConvOp, nn::ConvTransposeOp, nn::GatherOp>(op) || !name)
        return;
      bool gathers = isa<nn::GatherOp>(op);
      Value codes, activation;
      QuantType weight = quantOf(op->getOperand(gathers ? 0 : 1), codes);
      if (!weight)
        return;
      PlanOp entry;
      entry.name = name.str();
      entry.w = weight.getFormat().getFormat();
      auto quantize = codes.getDefiningOp<QuantizeOp>();
      entry.method = quantize && quantize.getMethod() ? quantize.getMethod()->str() : "";
      if (QuantType x = gathers ? QuantType() : quantOf(op->getOperand(0), activation)) {
        entry.x = x.getFormat().getFormat();
        if (std::optional<ExportRange> range = rangeOf(activation, *entry.x))
          options.rangesByOp[entry.name] = *range;
      }
      plan.ops.push_back(std::move(entry));
    });
    options.plan = &plan;
    options.partialPlan = true;
    ExportReport report;
    if (failed(exportOnnx(source, getContext(), options, report)))
      return failure();
    for (const ExportRemark &remark : report.remarks)
      emitRemark(module.getLoc()) << remark.op << ": " << remark.text;
    return success();
  }
};
} // namespace
} // namespace tern::exporter
