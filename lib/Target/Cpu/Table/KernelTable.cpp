//===- KernelTable.cpp - which kernels the CPU target has -----------------===//
#include "lib/Target/Cpu/Table/KernelTable.h"
#include "lib/Target/Cpu/Problems/ConvPlan.h"
#include "lib/Target/Cpu/Table/OpRows.h"

using namespace mlir;
using namespace tern::cpu;

namespace {
constexpr uint8_t anyResult = 1 << int(Result::F32) | 1 << int(Result::I32) | 1 << int(Result::Quant);
constexpr uint8_t floatResult = 1 << int(Result::F32) | 1 << int(Result::Quant);

constexpr int64_t scaleGroups[] = {32, 64, 128};

constexpr OperandSpec floats{};
/// Codes of an activation: u8, or s8 kept as code + 128; one scale for the tensor or one for each row.
constexpr OperandSpec u8{false, 8, 8, false, PerTensor | PerRow, true, {}};
constexpr OperandSpec s8{false, 8, 8, true, PerTensor | PerChannel, false, {}};
constexpr OperandSpec s4{false, 4, 4, true, PerTensor | PerChannel | PerBlock, false, scaleGroups};
constexpr OperandSpec s4Channel{false, 4, 4, true, PerTensor | PerChannel, false, {}};
/// Weights of a matrix product.
constexpr OperandSpec s8Blocks{false, 5, 8, true, PerTensor | PerChannel | PerBlock, false, scaleGroups};
constexpr OperandSpec s4Blocks{false, 3, 4, true, PerTensor | PerChannel | PerBlock, true, scaleGroups};
constexpr OperandSpec s2Blocks{false, 2, 2, true, PerTensor | PerChannel | PerBlock, true, scaleGroups};
constexpr OperandSpec u8Rows{false, 8, 8, false, PerTensor | PerRow | PerBlock, true, scaleGroups};
constexpr OperandSpec anything{true, 1, 8, true, NoScale | PerTensor | PerChannel | PerRow | PerBlock, true, {}};

std::string acceptAll(const Problem &) { return ""; }

template <Arith arith> std::string refuseConv(const Problem &problem) {
  const auto *p = std::get_if<ConvProblem>(&problem);
  if (!p || p->arith != arith)
    return otherOperation.str();
  return refuse(*p);
}
template <int64_t bits, bool codes> std::string refuseGemm(const Problem &problem) {
  const auto *p = std::get_if<GemmProblem>(&problem);
  if (!p || p->bits != bits || p->integer() != codes)
    return otherOperation.str();
  return refuse(*p);
}
double gemmUs(const Problem &problem, const Isa &isa) { return estimateUs(std::get<GemmProblem>(problem), isa); }
Kernel emitGemmRow(ModuleOp module, StringRef name, const Problem &problem, const Isa &isa) {
  return emitGemm(module, name, std::get<GemmProblem>(problem), isa);
}
double convUs(const Problem &problem, const Isa &isa) { return estimateUs(std::get<ConvProblem>(problem), isa); }
Kernel emitConvRow(ModuleOp module, StringRef name, const Problem &problem, const Isa &isa) {
  return emitConv(module, name, std::get<ConvProblem>(problem), isa);
}

double portableUs(const Problem &problem, const Isa &isa) {
  // Upstream's vectorizer on plain loops: measured 20 to 60 times slower than a tile.
  if (const auto *p = std::get_if<ConvProblem>(&problem))
    return 40 * estimateUs(*p, isa);
  if (const auto *p = std::get_if<GemmProblem>(&problem))
    return 40 * estimateUs(*p, isa);
  return 1e3;
}

constexpr OperandSpec none{false, 0, 0, false, NoScale, false, {}};
/// A value of an elementwise program: f32, or codes with one scale for the tensor.
constexpr OperandSpec either{true, 8, 8, false, NoScale | PerTensor, true, {}};
/// An embedding table: f32, or codes of 8 or 4 bits with one scale a row or a block of it.
constexpr OperandSpec tables{true, 4, 8, true, NoScale | PerRow | PerBlock, true, scaleGroups};
constexpr OperandSpec codes{false, 8, 8, false, PerTensor, true, {}};

/// A row without weights.
#define OP_ROW(NAME, OP, X, TOLERANCE, REFUSE, PROBLEM, EMIT)                                                          \
  {"cpu." NAME, OP, X, none, floatResult, 1, unbounded, TOLERANCE, "none", "", REFUSE, rowUs<PROBLEM>, emitRow<PROBLEM, EMIT>}

/// The five arithmetics of one family.
#define CONV_ROWS(FAMILY, OP, PANEL, W4)                                                                               \
  {"cpu." FAMILY ".f32",   OP,     floats,     floats, floatResult, 1, unbounded, 2e-6, PANEL ".f32", "",              \
   refuseConv<Arith::F32>, convUs, emitConvRow},                                                                       \
      {"cpu." FAMILY ".u8s8",   OP,     u8,         s8, anyResult, 1, unbounded, 0, PANEL ".s8", "",                   \
       refuseConv<Arith::U8S8>, convUs, emitConvRow},                                                                  \
      {"cpu." FAMILY ".u8s4",   OP,     u8,         W4, anyResult, 1, unbounded, 2e-6, PANEL ".s4", "",                \
       refuseConv<Arith::U8S4>, convUs, emitConvRow},                                                                  \
      {"cpu." FAMILY ".f32s8",   OP,     floats,     s8, floatResult, 1, unbounded, 2e-6, PANEL ".s8row", "",          \
       refuseConv<Arith::F32S8>, convUs, emitConvRow},                                                                 \
  {                                                                                                                    \
    "cpu." FAMILY ".f32s4", OP, floats, W4, floatResult, 1, unbounded, 2e-6, PANEL ".s4row", "",                       \
        refuseConv<Arith::F32S4>, convUs, emitConvRow                                                                  \
  }

#define GEMM_ROW(TYPES, BITS, CODES, X, W, RESULTS, TOLERANCE, PANEL)                                                  \
  {"cpu.gemm." TYPES, OpKind::Gemm, X, W, RESULTS, 1, unbounded, TOLERANCE, PANEL, "", refuseGemm<BITS, CODES>, gemmUs, emitGemmRow}

const KernelRow table[] = {
    CONV_ROWS("conv", OpKind::Conv, "panel32", s4),
    GEMM_ROW("f32", 32, false, floats, floats, floatResult, 2e-6, "dword32.f32"),
    GEMM_ROW("u8s8", 8, true, u8Rows, s8Blocks, anyResult, 0, "dword32.s8"),
    GEMM_ROW("f32s8", 8, false, floats, s8Blocks, floatResult, 2e-6, "dword32.s8"),
    GEMM_ROW("u8s4", 4, true, u8Rows, s4Blocks, anyResult, 0, "dword32.s4"),
    GEMM_ROW("f32s4", 4, false, floats, s4Blocks, floatResult, 2e-6, "dword32.s4"),
    GEMM_ROW("u8s2", 2, true, u8Rows, s2Blocks, anyResult, 0, "dword32.s2"),
    GEMM_ROW("f32s2", 2, false, floats, s2Blocks, floatResult, 2e-6, "dword32.s2"),
    CONV_ROWS("conv_transpose", OpKind::ConvTranspose, "phase32", s4),
    CONV_ROWS("depthwise", OpKind::DepthwiseConv, "channel16", s4Channel),
    OP_ROW("eltwise", OpKind::Elementwise, either, 2e-6, refuseRow<EltwiseProblem>, EltwiseProblem, emitEltwise),
    OP_ROW("pool.f32", OpKind::Pool, floats, 2e-6, refusePoolRow<false>, PoolProblem, emitPool),
    OP_ROW("pool.u8", OpKind::Pool, codes, 0, refusePoolRow<true>, PoolProblem, emitPool),
    OP_ROW("reduce", OpKind::Reduce, either, 2e-6, refuseRow<GlobalReduceProblem>, GlobalReduceProblem, emitGlobalReduce),
    OP_ROW("softmax", OpKind::Softmax, floats, 1e-6, refuseRow<SoftmaxProblem>, SoftmaxProblem, emitSoftmax),
    OP_ROW("resize", OpKind::Resize, either, 1e-5, refuseRow<ResizeProblem>, ResizeProblem, emitResize),
    OP_ROW("relayout", OpKind::Move, either, 2e-6, refuseRow<RelayoutProblem>, RelayoutProblem, emitRelayout),
    OP_ROW("copy", OpKind::Move, either, 0, refuseRow<CopyProblem>, CopyProblem, emitCopy),
    OP_ROW("fill", OpKind::Move, either, 0, refuseRow<FillProblem>, FillProblem, emitFill),
    OP_ROW("dynamic_quant", OpKind::Quantize, floats, 0, refuseRow<DynamicQuantProblem>, DynamicQuantProblem, emitQuantize),
    OP_ROW("norm", OpKind::Norm, either, 2e-6, refuseRow<NormProblem>, NormProblem, emitNorm),
    OP_ROW("group_norm", OpKind::Norm, floats, 2e-6, refuseRow<GroupNormProblem>, GroupNormProblem, emitGroupNorm),
    OP_ROW("attention", OpKind::Attention, floats, 2e-6, refuseRow<AttentionProblem>, AttentionProblem, emitAttention),
    OP_ROW("rope", OpKind::Rope, floats, 2e-6, refuseRow<RopeProblem>, RopeProblem, emitRope),
    OP_ROW("nd", OpKind::Elementwise, either, 2e-6, refuseRow<NdProblem>, NdProblem, emitNd),
    OP_ROW("axes_reduce", OpKind::Reduce, floats, 2e-6, refuseRow<AxesReduceProblem>, AxesReduceProblem, emitAxesReduce),
    OP_ROW("axis", OpKind::Softmax, floats, 1e-6, refuseRow<AxisProblem>, AxisProblem, emitAxis),
    OP_ROW("cumulate", OpKind::Reduce, either, 1e-6, refuseRow<CumulateProblem>, CumulateProblem, emitCumulate),
    OP_ROW("topk", OpKind::Topk, either, 0, refuseRow<TopkProblem>, TopkProblem, emitTopk),
    OP_ROW("gather", OpKind::Gather, tables, 0, refuseRow<GatherProblem>, GatherProblem, emitGather),
    OP_ROW("rnn", OpKind::Rnn, floats, 1e-5, refuseRow<RnnProblem>, RnnProblem, emitRnn),
    OP_ROW("matmul", OpKind::Matmul, floats, 2e-6, refuseRow<MatmulProblem>, MatmulProblem, emitMatmul),
    {"portable.linalg", OpKind::Any, anything, anything, anyResult, 1, unbounded, 2e-6, "plain", "", acceptAll,
     portableUs, nullptr},
};
#undef CONV_ROWS
#undef GEMM_ROW
#undef OP_ROW
} // namespace

ArrayRef<KernelRow> tern::cpu::kernelTable() { return table; }

const KernelRow *tern::cpu::findRow(StringRef name) {
  for (const KernelRow &row : table)
    if (row.name == name)
      return &row;
  return nullptr;
}

OpKind tern::cpu::opKindOf(const Problem &problem) {
  struct Kinds {
    OpKind operator()(const ConvProblem &p) {
      if (p.transposed)
        return OpKind::ConvTranspose;
      if (p.isDepthwise())
        return OpKind::DepthwiseConv;
      return OpKind::Conv;
    }
    OpKind operator()(const GemmProblem &) { return OpKind::Gemm; }
    OpKind operator()(const EltwiseProblem &) { return OpKind::Elementwise; }
    OpKind operator()(const RelayoutProblem &) { return OpKind::Move; }
    OpKind operator()(const PoolProblem &) { return OpKind::Pool; }
    OpKind operator()(const GlobalReduceProblem &) { return OpKind::Reduce; }
    OpKind operator()(const SoftmaxProblem &) { return OpKind::Softmax; }
    OpKind operator()(const ResizeProblem &) { return OpKind::Resize; }
    OpKind operator()(const CopyProblem &) { return OpKind::Move; }
    OpKind operator()(const FillProblem &) { return OpKind::Move; }
    OpKind operator()(const DynamicQuantProblem &) { return OpKind::Quantize; }
    OpKind operator()(const NormProblem &) { return OpKind::Norm; }
    OpKind operator()(const GroupNormProblem &) { return OpKind::Norm; }
    OpKind operator()(const AttentionProblem &) { return OpKind::Attention; }
    OpKind operator()(const RopeProblem &) { return OpKind::Rope; }
    OpKind operator()(const NdProblem &) { return OpKind::Elementwise; }
    OpKind operator()(const AxesReduceProblem &) { return OpKind::Reduce; }
    OpKind operator()(const AxisProblem &) { return OpKind::Softmax; }
    OpKind operator()(const CumulateProblem &) { return OpKind::Reduce; }
    OpKind operator()(const TopkProblem &) { return OpKind::Topk; }
    OpKind operator()(const GatherProblem &) { return OpKind::Gather; }
    OpKind operator()(const RnnProblem &) { return OpKind::Rnn; }
    OpKind operator()(const MatmulProblem &) { return OpKind::Matmul; }
  };
  return std::visit(Kinds(), problem);
}

const KernelRow *tern::cpu::rowFor(const Problem &problem, std::string *why) {
  OpKind op = opKindOf(problem);
  for (const KernelRow &row : table) {
    if (row.op != op && row.op != OpKind::Any)
      continue;
    std::string reason = row.refuse(problem);
    if (reason.empty())
      return &row;
    if (why && reason != otherOperation)
      *why = row.name.str() + ": " + reason;
  }
  llvm_unreachable("portable.linalg accepts everything");
}

std::string tern::cpu::print(const Problem &problem) {
  return std::visit([](const auto &p) { return print(p); }, problem);
}

std::string tern::cpu::kernelKey(const Problem &problem, const Isa &isa) {
  return print(problem) + " isa=" + isa.name.str();
}

void tern::cpu::printKernelTable(raw_ostream &os) {
  static const char *const ops[] = {"conv",    "depthwise",   "conv_transpose", "gemm", "pool",     "reduce",
                                    "softmax", "elementwise", "resize",         "move", "quantize", "norm",
                                    "attention", "rope",      "topk", "gather",         "rnn",  "matmul", "any"};
  static const std::pair<ScalePlace, const char *> places[] = {
      {NoScale, "none"}, {PerTensor, "tensor"}, {PerChannel, "channel"}, {PerRow, "row"}, {PerBlock, "block"}};
  auto operand = [&](const OperandSpec &spec) {
    std::string text = spec.isFloat ? "f32" : "";
    if (spec.maxBits) {
      text += (text.empty() ? "" : " or ") + std::string(spec.isSigned ? "s" : "u") + std::to_string(spec.minBits);
      if (spec.minBits != spec.maxBits)
        text += ".." + std::to_string(spec.maxBits);
      text += ", scale per ";
      const char *separator = "";
      for (auto [bit, name] : places)
        if (spec.scales & bit) {
          text += separator + std::string(name);
          separator = "/";
        }
      for (int64_t block : spec.blocks)
        text += " " + std::to_string(block);
      if (spec.zero)
        text += ", zero point";
    }
    return text.empty() ? std::string("-") : text;
  };
  os << "| kernel | operation | x | w | tolerance | weights | needs |\n|---|---|---|---|---|---|---|\n";
  for (const KernelRow &row : table)
    os << "| `" << row.name << "` | " << ops[int(row.op)] << " | " << operand(row.x) << " | " << operand(row.w) << " | "
       << row.tolerance << " | " << row.layoutFamily << " | "
       << (row.feature.empty() ? StringRef("-") : StringRef(row.feature)) << " |\n";
}
