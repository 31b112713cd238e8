//===- KernelTable.h - which kernels the CPU target has -------------------===//
// Data: plans, remarks, tests, benchmarks and the documentation read these rows; nothing is chosen by code that is not
// in a row.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_TABLE_KERNELTABLE_H
#define TERN_TARGET_CPU_TABLE_KERNELTABLE_H

#include "lib/Target/Cpu/Products/EmitGemm.h"
#include <variant>

namespace tern::cpu {

/// What a kernel can be asked for.
using Problem = std::variant<ConvProblem, GemmProblem, EltwiseProblem, RelayoutProblem, PoolProblem, GlobalReduceProblem,
                             SoftmaxProblem, ResizeProblem, CopyProblem, FillProblem, DynamicQuantProblem, NormProblem, GroupNormProblem,
                             AttentionProblem, RopeProblem, NdProblem, AxesReduceProblem, AxisProblem, TopkProblem, CumulateProblem, GatherProblem, RnnProblem, MatmulProblem>;

enum class OpKind : uint8_t {
  Conv,
  DepthwiseConv,
  ConvTranspose,
  Gemm,
  Pool,
  Reduce,
  Softmax,
  Elementwise,
  Resize,
  Move,
  Quantize,
  Norm,
  Attention,
  Rope,
  Topk,
  Gather,
  Rnn,
  Matmul,
  Any
};

/// Where the scales of an operand may lie, as bits.
enum ScalePlace : uint8_t { NoScale = 1, PerTensor = 2, PerChannel = 4, PerRow = 8, PerBlock = 16 };

/// The formats an operand may have.
struct OperandSpec {
  bool isFloat = true;              ///< an f32 tensor
  uint8_t minBits = 0, maxBits = 0; ///< of integer codes; 0: none
  bool isSigned = true;             ///< of the codes as the format has them
  uint8_t scales = NoScale;         ///< ScalePlace bits
  bool zero = false;                ///< may have zero points: one for the tensor (x), one for each scale (w)
  llvm::ArrayRef<int64_t> blocks;   ///< input channels that share a scale, for PerBlock
};

enum class Result : uint8_t { F32, I32, Quant };
constexpr int64_t unbounded = -1;

struct KernelRow {
  llvm::StringLiteral name; ///< "cpu.conv.u8s8": also in plans, remarks, benchmarks, tests
  OpKind op;
  OperandSpec x, w;
  uint8_t results;    ///< bits 1 << Result of what an epilogue may make of the accumulators
  int64_t minM, maxM; ///< rows of x (pixels of a convolution)
  double tolerance;   ///< against the QDQ form, relative to the sum of the absolute products; 0: bit-exact before the
                      ///< epilogue (2e-6 where integer sums of scale groups are added in f32)
  llvm::StringLiteral layoutFamily;       ///< rows of one family read the same packed weights
  llvm::StringLiteral feature;            ///< instruction set that is needed; empty: all levels have a clone
  std::string (*refuse)(const Problem &); ///< why not, in words; empty: accepted
  double (*analyticUs)(const Problem &, const Isa &); ///< one core, from arithmetic and bytes
  Kernel (*emit)(mlir::ModuleOp, llvm::StringRef name, const Problem &,
                 const Isa &); ///< null: lowered by upstream passes
};

/// All rows, in the order of their families.
llvm::ArrayRef<KernelRow> kernelTable();
/// The row of that name, or null.
const KernelRow *findRow(llvm::StringRef name);
/// The row that serves a problem; never null, portable.linalg serves what nothing else does. `why`, if given, receives
/// the reason of the row that would have served it.
const KernelRow *rowFor(const Problem &problem, std::string *why = nullptr);

OpKind opKindOf(const Problem &problem);
std::string print(const Problem &problem);
/// The key under which equal kernels are shared: the printed problem and the instruction set.
std::string kernelKey(const Problem &problem, const Isa &isa);
/// The table for the documentation, as Markdown.
void printKernelTable(llvm::raw_ostream &os);

} // namespace tern::cpu
#endif
