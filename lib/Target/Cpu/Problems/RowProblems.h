//===- RowProblems.h - problems of transformers and recurrent nets --------===//
// The same contract as Problem.h: plain, printable, every field that an emitter reads is
// printed. Sizes are static (>= 0) or slots; strides and bases are static or dynamicOffset (Problem.h).
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_ROWPROBLEMS_H
#define TERN_TARGET_CPU_PROBLEMS_ROWPROBLEMS_H

#include "lib/Target/Cpu/Problems/Problem.h"

namespace tern::cpu {

/// Where an operand lies in a loop nest: element offset base + sum index_d * strides[d]; stride 0 repeats.
struct View {
  Elem elem = Elem::F32;
  llvm::SmallVector<int64_t, 4> strides;
  int64_t base = 0;
};

/// Normalization of rows, and what is fused with it. A row has out.c elements (static); rows are the pixels of plain
/// maps (n = h = 1, w rows).
///   x = prologue(inputs)              Layer: z = (x - mean) / sqrt(variance + epsilon)
///   [sum = x]                         Rms:   z = x / sqrt(mean(x x) + epsilon)
///   y = epilogue(z, inputs)           None:  z = x
///   [out = y: f32, or u8 when the epilogue ends in a quantization]
///   [codes, scales = y quantized: code = 128 + clamp(roundeven(y / s), -127, 127), s = max |y| / 127 of the row (of
///    each `group` elements), 1 where all are 0; scales f32[rows][ceil(c / group)]]
/// Arguments: inputs of the prologue, inputs of the epilogue after Acc, [sum], [out], [codes, scales], task.
enum class NormKind : uint8_t { None, Layer, Rms };
struct NormProblem {
  NormKind kind = NormKind::Layer;
  double epsilon = 1e-5;
  Expr prologue, epilogue;
  Map out; ///< sizes of all; where `storeOut` puts y
  bool storeOut = true;
  bool storeSum = false;
  Map sum; ///< of storeSum
  bool quantize = false;
  int64_t group = 0; ///< elements of a row that share a scale; 0: all
  Map codes;         ///< of quantize
};

/// Normalization of channel groups of planar pictures: x [n, channels, size], statistics over channels / groups * size.
/// Arguments: in, [scale f32[channels]], [bias f32[channels]], out, task.
struct GroupNormProblem {
  int64_t n = 1, channels = 1, groups = 1, size = 1;
  double epsilon = 1e-5;
  bool scale = true, bias = true;
};

/// softmax(softcap(scale q k^T) + mask) v, one kernel. q [b, h, s, depth], k [b, g, t, depth], v [b, g, t, width], out
/// [b, h, s, width]; the last dimension of each is contiguous, the others have strides (b, head, row). The mask has
/// strides (b, h, s, t), the last one 0 or 1. A query without keys gives 0.
/// Arguments: q, k, v, [mask], out, task.
/// Parts: where at most `few` queries meet many keys, the tasks of the heads of a group share out its keys and leave sums in one more argument behind
/// out, f32[partialFloats per batch * batch]; Join adds them up (arguments: partials, out, task). Both are decided by the sizes of the run: with more
/// queries or fewer keys Parts is Whole, and Join does nothing.
struct AttentionProblem {
  int64_t batch = 1, heads = 1, groups = 1; ///< heads, groups static
  int64_t queries = 1, keys = 1;
  int64_t depth = 1, width = 1; ///< static
  View q, k, v, out;
  double scale = 1, softcap = 0; ///< softcap 0: none
  bool causal = false;           ///< query i sees keys j <= i + (keys - queries)
  int64_t window = 0;            ///< and only j > i + (keys - queries) - window; 0: no window
  enum MaskKind : uint8_t { None, Added, Boolean } maskKind = None;
  View mask; ///< f32, or one byte each (0: the key is not seen)
  enum Phase : uint8_t { Whole, Parts, Join } phase = Whole;

  static constexpr int64_t few = 4; ///< up to so many queries, each one is computed along the keys
  /// Heads of a group that such a query has at once, so that they read its keys and values once; as many parts have the keys at most.
  int64_t together() const;
  static constexpr int64_t keysOfPart = 256; ///< at least
  /// Floats of one part of one head and query: the sums, their maximum, the sum of the exponentials.
  int64_t partFloats() const { return (width + 15) / 16 * 16 + 16; }
  int64_t partialFloats() const { return heads * few * together() * partFloats(); }
};

/// Product of two activations: out[.., m, n] = bias[n] + sum over k of x[.., m, k] w[.., k, n], f32. Strides: outer dimensions, then m and
/// k of x, k and n of w (one of them 1), m and n (1) of out. Arguments: x, w, [bias f32[n]], out, task.
struct MatmulProblem {
  llvm::SmallVector<int64_t, 3> outer;
  int64_t m = 1, n = 1, k = 1;
  View x, w, out;
  bool bias = false;
};

/// Rotary embedding of rows [d0, d1, d2, width]: the first `rotated` elements. cos and sin have strides of d0..d2 and
/// rotated / 2 neighbouring elements. Arguments: x, cos, sin, out, task.
struct RopeProblem {
  llvm::SmallVector<int64_t, 3> sizes; ///< three
  int64_t width = 2, rotated = 2;      ///< static, even
  View x, cos, sin, out;
  bool interleaved = false;
};

/// Elementwise program over a loop nest of any rank with operands of any element type and any broadcasting. Values are
/// f32, i32, i64 or i1 (Elem of the node); memory may also hold u8, s8, i16, bf16, which are widened to i32 / f32.
enum class NdOp : uint8_t {
  Float,    ///< `f` of f32 values
  Constant, ///< a of f32, i of integers and i1
  Convert,  ///< to the node's element: C's rules; to i1: not equal to 0
  Eq,
  Lt,
  Le,
  Gt,
  Ge,     ///< of two equal elements, signed; i1
  Select, ///< condition i1, then, else
  And,
  Or,
  Xor,
  Not, ///< integers bitwise; i1
  Add,
  Sub,
  Mul,
  Div, ///< truncated; by 0: 0
  Mod, ///< `i` 0: sign of the divisor (ONNX), 1: sign of the dividend; by 0: 0
  Min,
  Max,
  Neg,
  Abs,
  Sign,
  IsNan,
  IsInf,
  Sin, ///< of f32, as the others up to Atanh
  Cos,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Asinh,
  Acosh,
  Atanh,
  Quantize, ///< (x, scale f32, zero i32): clamp(roundeven(x / scale) + zero, a, b) as i32; NaN gives a
  Position ///< index along dimension i of the nest, i64
};
struct NdNode {
  NdOp op = NdOp::Float;
  ExprOp f = ExprOp::Relu;
  Elem elem = Elem::F32; ///< of the result: F32, I32, I64, I1
  llvm::SmallVector<int, 3> args;
  double a = 0, b = 0;
  int64_t i = 0;
};
/// Arguments: inputs, out, task. The innermost stride of every view is 0 or 1, that of `out` 1.
struct NdProblem {
  llvm::SmallVector<int64_t, 6> sizes;
  llvm::SmallVector<View, 4> inputs;
  llvm::SmallVector<NdNode, 8> nodes; ///< value numbers: inputs first; the last one is stored
  View out;
};

/// Reduction of any axes of a dense tensor; kept and reduced dimensions alternate after merging. Sums of f32 in f32, of
/// integers in their type. Arguments: in, out, task.
enum class AxesKind : uint8_t { Sum, Mean, Max, Min, Prod, L1, L2, LogSum, LogSumExp, SumSquare };
struct AxesReduceProblem {
  llvm::SmallVector<int64_t, 6> sizes;
  llvm::SmallVector<bool, 6> reduced;
  Elem elem = Elem::F32; ///< F32, I32, I64
  AxesKind kind = AxesKind::Sum;
};

/// Along the middle of [outer, count, inner]: softmax, its logarithm, or the position of the largest or smallest element.
/// Arguments: in, out (ArgMax, ArgMin: i64[outer, inner]), task.
enum class AxisKind : uint8_t { Softmax, LogSoftmax, ArgMax, ArgMin };
struct AxisProblem {
  int64_t outer = 1, count = 1, inner = 1;
  AxisKind kind = AxisKind::Softmax;
  Elem elem = Elem::F32; ///< F32; ArgMax, ArgMin: also I32, I64
  bool last = false;     ///< of equal elements the last one
};

/// The k largest (or smallest) of `count` elements along the middle of [outer, count, inner], sorted, and their i64 indices
/// [outer, k, inner]; NaN is before every number, the first of equal elements first. k is at most count.
/// Arguments: x, values, indices, task.
struct TopkProblem {
  int64_t outer = 1, count = 1, inner = 1;
  int64_t k = 1; ///< static
  bool smallest = false;
  Elem elem = Elem::F32; ///< F32, I32
};

/// Sums or products up to each place along the middle of [outer, count, inner]; `exclusive`: of those before it; `reverse`: from the
/// end. Arguments: x, out, task.
struct CumulateProblem {
  int64_t outer = 1, count = 1, inner = 1;
  Elem elem = Elem::F32; ///< F32, I32, I64
  bool product = false, exclusive = false, reverse = false;
};

/// Rows of a table [outer, rows, width]: out[o][i] = table[o][index[i]], negative indices count from the end (others are
/// clamped into the table). Codes are dequantized: value = (code - zero) * scale of the row, or of each `group` elements
/// of it. Arguments: table, [scales (f32 or f16 [rows][ceil(width / group)])], indices, out, task.
struct GatherProblem {
  int64_t outer = 1, rows = 1, count = 1, width = 1;
  Elem elem = Elem::F32;  ///< of the table; with codes the elements of out are f32
  Elem index = Elem::I64; ///< I64 or I32
  int64_t bits = 0;       ///< 0: the elements themselves; 8 or 4: codes (4: two in a byte, the low half first)
  bool isSigned = true;   ///< codes in two's complement
  int64_t zero = 0;       ///< one zero point for all
  int64_t group = 0;      ///< 0: one scale a row
  Elem scale = Elem::F32;
};

/// ONNX LSTM, GRU and RNN, all steps of some sequences of one direction in a task: the input projection of several steps
/// at once, then step by step the recurrent part. G gates (4: i o f c, 3: z r h, 1).
/// Arguments: x, w [directions][inputs][G hidden], r [directions][hidden][G hidden] (f32, or s8 and then f32[directions][G
/// hidden] scales of w and of r), bias f32[directions][G hidden] (what is added to the gates; [+ hidden], of GRU with
/// linearBeforeReset the recurrent bias of h), [peephole f32[directions][3 hidden]], [lens i32[batch]], [h0], [c0], y, y_h,
/// [y_c], task. Without inputs there is no w (and no scale of it): x holds the products [directions][G hidden].
/// `computed`: r is f32 [directions][G hidden][hidden] by strides.
/// `roundState`: r multiplies the u8 codes of h, whose scale and zero point are those of the range of all sequences that ran the step before. Then r is
/// s8[directions][panels of kRnnPanel columns][hidden / 4, rounded up][kRnnPanel][4], behind it follow f32 scales, i32 shifts (sum of the codes of
/// a column around its zero point) and i32 zero points, each [directions][G hidden]; a task runs a direction, the states are y_h and y_c.
enum class RnnKind : uint8_t { Lstm, Gru, Rnn };
struct RnnActivation {
  enum Kind : uint8_t { Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign, Softplus } kind = Tanh;
  double a = 0, b = 0;
};
constexpr int64_t kRnnPanel = 64;
struct RnnProblem {
  RnnKind kind = RnnKind::Lstm;
  int64_t steps = 1, batch = 1, inputs = 1, hidden = 1, directions = 1; ///< inputs, hidden, directions static
  bool reverse = false;        ///< the first direction runs backwards (the second always does)
  View x;                      ///< strides of step, sequence
  View y;                      ///< strides of step, direction, sequence
  View h0, c0, yh, yc;         ///< strides of direction, sequence
  View r;                      ///< computed: strides of direction, output; inputs lie side by side
  bool hasH0 = false, hasC0 = false, lens = false, peephole = false;
  bool linearBeforeReset = false, inputForget = false, roundState = false, computed = false;
  double clip = 0; ///< 0: none
  Elem weight = Elem::F32;
  llvm::SmallVector<RnnActivation, 6> activations; ///< 3, 2 or 1 a direction
  int64_t gates() const { return kind == RnnKind::Lstm ? 4 : kind == RnnKind::Gru ? 3 : 1; }
  int64_t functions() const { return kind == RnnKind::Lstm ? 3 : kind == RnnKind::Gru ? 2 : 1; }
  int64_t biasSize() const { return gates() * hidden + (kind == RnnKind::Gru && linearBeforeReset ? hidden : 0); }
};

void visitSizes(View &, SizeVisitor);
void visitSizes(NormProblem &, SizeVisitor);
void visitSizes(GroupNormProblem &, SizeVisitor);
void visitSizes(AttentionProblem &, SizeVisitor);
void visitSizes(MatmulProblem &, SizeVisitor);
void visitSizes(RopeProblem &, SizeVisitor);
void visitSizes(NdProblem &, SizeVisitor);
void visitSizes(AxesReduceProblem &, SizeVisitor);
void visitSizes(AxisProblem &, SizeVisitor);
void visitSizes(TopkProblem &, SizeVisitor);
void visitSizes(CumulateProblem &, SizeVisitor);
void visitSizes(GatherProblem &, SizeVisitor);
void visitSizes(RnnProblem &, SizeVisitor);

std::string print(const View &);
std::string print(const NormProblem &);
std::string print(const GroupNormProblem &);
std::string print(const AttentionProblem &);
std::string print(const MatmulProblem &);
std::string print(const RopeProblem &);
std::string print(const NdProblem &);
std::string print(const AxesReduceProblem &);
std::string print(const AxisProblem &);
std::string print(const TopkProblem &);
std::string print(const CumulateProblem &);
std::string print(const GatherProblem &);
std::string print(const RnnProblem &);

/// Bytes of activations that a call reads and writes, dynamic sizes at their nominal value.
int64_t bytesTouched(const NormProblem &);
int64_t bytesTouched(const GroupNormProblem &);
int64_t bytesTouched(const AttentionProblem &);
int64_t bytesTouched(const MatmulProblem &);
int64_t bytesTouched(const RopeProblem &);
int64_t bytesTouched(const NdProblem &);
int64_t bytesTouched(const AxesReduceProblem &);
int64_t bytesTouched(const AxisProblem &);
int64_t bytesTouched(const TopkProblem &);
int64_t bytesTouched(const CumulateProblem &);
int64_t bytesTouched(const GatherProblem &);
int64_t bytesTouched(const RnnProblem &);

template <typename P>
constexpr bool isRowProblem = std::is_same_v<P, NormProblem> || std::is_same_v<P, GroupNormProblem> ||
                              std::is_same_v<P, AttentionProblem> || std::is_same_v<P, RopeProblem> ||
                              std::is_same_v<P, NdProblem> || std::is_same_v<P, AxesReduceProblem> ||
                              std::is_same_v<P, AxisProblem> || std::is_same_v<P, TopkProblem> || std::is_same_v<P, GatherProblem> ||
                              std::is_same_v<P, RnnProblem> || std::is_same_v<P, CumulateProblem> || std::is_same_v<P, MatmulProblem>;

} // namespace tern::cpu
#endif
