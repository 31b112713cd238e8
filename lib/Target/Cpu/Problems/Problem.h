//===- Problem.h - what a CPU kernel is generated for ---------------------===//
// Plain structs between the lowering of the graph and the emitters. An emitter reads nothing else, so the printed
// struct (plus the instruction set) is the key under which equal kernels are shared: a constant that is baked into code
// cannot be missing from the key.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_PROBLEM_H
#define TERN_TARGET_CPU_PROBLEMS_PROBLEM_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <string>

namespace tern::cpu {

// Sizes that are only known at run time. A size field >= 0 is static; one below 0 is -(slot + 1): entry `slot` of the
// array of sizes that the kernel is called with. A stride or an offset can be negative, so its dynamic values lie in a
// range of their own. Slots are numbered per problem from 0 in the order of the printed fields and equal sizes share a
// slot (numberSlots), so that equal problems print alike.
inline bool isDynamic(int64_t size) { return size < 0; }
inline int64_t dynamicSize(int64_t slot) { return -slot - 1; }
inline int64_t slotOf(int64_t size) { return -size - 1; }
inline bool isDynamicOffset(int64_t offset) { return offset < INT64_MIN / 2; }
inline int64_t dynamicOffset(int64_t slot) { return INT64_MIN + slot; }
inline int64_t slotOfOffset(int64_t offset) { return offset - INT64_MIN; }

/// Element types as they lie in memory. Codes of a signed 8-bit activation are stored as U8 = code + 128.
enum class Elem : uint8_t { F32, U8, S8, I32, I64, I1, F16, BF16, F64, I16 };
int64_t bytesOf(Elem elem);

/// One activation in memory: n pictures of h x w pixels with c channels. A matrix of M rows and K columns is h = 1,
/// w = M, c = K; a flat array is c = size.
/// NHWC (default): element (n, y, x, ch) at base + ((n * (top + h + bottom) + top + y) * (left + w + right) + left + x)
/// * cs + ch. planar: element at base + ((n * c + ch) * h + y) * w + x; no halo (ONNX order, used at the borders of the
/// graph).
struct Map {
  Elem elem = Elem::F32;
  int64_t n = 1, h = 1, w = 1, c = 1;
  int64_t cs = 1; ///< elements between two pixels; >= c; a multiple of 4 when a u8 GEMM or convolution reads it
  int64_t top = 0, left = 0, bottom = 0, right = 0; ///< halo pixels stored around each picture
  int64_t base = 0; ///< element offset of the view, e.g. the channels of one concat operand
  bool planar = false;

  /// Elements between two rows, two pictures; of the whole buffer without base. Of static sizes only: KernelBuilder has
  /// the same for dynamic ones.
  int64_t rowStride() const { return planar ? w : (left + w + right) * cs; }
  int64_t imageStride() const { return planar ? c * h * w : (top + h + bottom) * rowStride(); }
  int64_t elements() const { return n * imageStride(); }
  int64_t pixels() const { return n * h * w; }
  bool hasHalo() const { return top || left || bottom || right; }
};

/// Operators of an elementwise program. F32 in and out unless said otherwise; every operation that is written here is rounded on
/// its own (no contraction), so that plain arithmetic equals the reference bit by bit. HardSigmoid: max(0, min(1, x * a + b));
/// HardSwish: x * HardSigmoid(1/6, 1/2). A NaN goes through; Quant and Requant make `lo` of it.
enum class ExprOp : uint8_t {
  // unary
  Relu,
  LeakyRelu /*a*/,
  Clip /*a..b*/,
  Sigmoid,
  HardSigmoid /*a x + b*/,
  HardSwish,
  Tanh,
  Exp,
  Log,
  Sqrt,
  Rsqrt,
  Reciprocal,
  Neg,
  Abs,
  Floor,
  Ceil,
  Round /*half to even*/,
  Erf,
  Gelu,
  GeluTanh,
  Silu,
  Elu /*a*/,
  Softplus,
  Sign,
  // binary
  Add,
  Sub,
  Mul,
  Div,
  Pow /*one operand: x ^ a*/,
  Min,
  Max,
  Prelu /*x < 0 ? x * y : x*/,
  // conversions
  IntToF32, ///< i32 accumulator, u8/s8/i32 input -> f32, exact integer value (u8: 0..255)
  Dequant,  ///< (x, scale): (f32(x) - a) * scale, x an integer input, a the zero point (an integer): exact subtraction,
            ///< one product
  Quant,    ///< (x, scale): clamp(roundeven(x / scale) + a, lo, hi) as an integer; a the zero point (IEEE division)
  Requant,  ///< (x, multiplier): clamp(roundeven(f32(x) * multiplier) + a, lo, hi) as an integer; x f32 or i32; one
            ///< product, one
            ///< rounding. With x alone there is no product.
  Uncenter  ///< (x, y): x - a * y, all of them i32; a is an integer
};

/// Where a value of the program comes from.
struct ExprInput {
  enum Kind : uint8_t {
    Acc,       ///< the accumulator (i32 or f32) of the kernel this program ends; always input 0 of an epilogue (of paired products also input 1)
    Tensor,    ///< an activation with the n, h, w, c of the output (its own element type, strides and halo)
    Channel,   ///< f32[c]: one value a channel, from the weights (constant)
    Pixelwise, ///< an activation of n x 1 x 1 x c, broadcast over the picture (squeeze-excite gate)
    Row,       ///< f32 activation of n x h x w x 1, broadcast over the channels (dynamic row scales)
    Scalar     ///< f32[1]: one value, from the weights or the arena; loaded once per call of the kernel
  } kind = Acc;
  Map map; ///< of Tensor, Pixelwise and Row
};

struct ExprNode {
  ExprOp op;
  llvm::SmallVector<int, 2> args; ///< value numbers: inputs first, then nodes in order
  double a = 0, b = 0;            ///< alpha, beta, min, max, zero point
  int32_t lo = 0, hi = 255;       ///< range of the codes of Quant and Requant
};

/// A straight-line elementwise program. Its value is the last node (or input 0 when there is no node).
struct Expr {
  llvm::SmallVector<ExprInput, 4> inputs;
  llvm::SmallVector<ExprNode, 4> nodes;
};

/// How a convolution multiplies.
enum class Arith : uint8_t {
  F32,   ///< f32 x f32, accumulates in f32
  U8S8,  ///< u8 codes x s8 codes, accumulates exactly in i32
  U8S4,  ///< u8 codes x 4-bit codes unpacked in registers, i32; with `group` the partial sums are scaled into f32
  F32S8, ///< f32 x s8 codes (weight only)
  F32S4  ///< f32 x 4-bit codes (weight only)
};

/// Convolution, GEMM (kh = kw = 1 over the rows), depthwise (groups == in.c == out.c), transposed convolution.
/// Arguments of the kernel: in, packed weights (Pack.h; f32 of Arith::F32, else bytes), [init, the start of the
/// accumulators, of integer arithmetic only: i32[out channels] bias - zero * sum(w); with `group` f32[out channels]
/// -zero * sum over groups of scale * sum(w)], then the inputs of the epilogue after Acc in order, out, task. Group
/// scales lie inside the packed weights. Acc is i32 of U8S8 and of U8S4 without `group`, else f32. The stored halo of
/// `in` supplies the padding (it holds 0, or the zero point): refuse() says how much is needed. A GEMM is kh = kw = 1.
/// Weights are OIHW, I = in.c / groups (conv_transpose: IOHW, O = out.c / groups).
struct ConvProblem {
  Map in, out;
  Arith arith = Arith::F32;
  int64_t kh = 1, kw = 1, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1;
  int64_t padTop = 0, padLeft = 0;
  int64_t groups = 1;
  int64_t group = 0; ///< 4-bit weights: input channels that share a scale (32, 64, 128), then Acc is f32; 0: one scale
                     ///< per output channel, applied by the epilogue
  Elem groupScale = Elem::F16; ///< how group scales are stored: F16 or F32
  bool transposed =
      false; ///< conv_transpose: stride is the up-sampling factor; pads as in ONNX (cropped from the output)
  int64_t behindH = 0, behindW = 0; ///< of open sizes: rows and columns that are read behind the last one, at most
  bool wholePhases = false;         ///< open sizes of a conv_transpose are multiples of its strides
  Expr epilogue;
  bool isDepthwise() const { return !transposed && groups > 1 && groups == in.c && groups == out.c; }
};

/// out = expr(inputs): every Tensor input is NHWC like the output (strides and halos may differ). Arguments: inputs,
/// out, task.
struct EltwiseProblem {
  Map out;
  Expr expr;
};

/// One layout becomes another on the way through an elementwise program with one Tensor input: planar <-> NHWC.
struct RelayoutProblem {
  Map in, out;
  Expr expr; ///< input 0 is the Tensor `in`; others are Channel or Scalar
};

enum class PoolKind : uint8_t { Max, Average, Lp };
/// Pooling windows. Max works on f32 and on codes; average sums f32 in f32 and u8 exactly in i32, then divides as f32.
/// Positions outside the picture are skipped (the halo is not read). Arguments: in, epilogue inputs after Acc, out,
/// task.
struct PoolProblem {
  Map in, out;
  PoolKind kind = PoolKind::Max;
  int64_t kh = 1, kw = 1, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1, padTop = 0, padLeft = 0;
  bool countIncludePad = false;
  int64_t padBottom = 0,
          padRight =
              0; ///< only countIncludePad needs them (a window may start in the padding and end beyond it in ceil mode)
  int64_t lp = 2;
  int64_t padCode = 0; ///< countIncludePad: what the padding of codes holds, their zero point
  Expr epilogue;
};

enum class ReduceKind : uint8_t { Sum, Mean, Max, Min };
/// Reduction over the whole picture: n x h x w x c -> n x 1 x 1 x c. u8 inputs are summed exactly in i32; Acc is f32
/// (sum or sum / (h w)).
struct GlobalReduceProblem {
  Map in, out;
  ReduceKind kind = ReduceKind::Mean;
  Expr epilogue;
};

/// Softmax over c of every pixel (in and out NHWC f32). Arguments: in, out, task.
struct SoftmaxProblem {
  Map in, out;
  bool log = false;
};

/// ONNX Resize of h and w; source positions are tables made at compile time.
enum class ResizeMode : uint8_t { NearestFloor, NearestCeil, NearestRoundFloor, NearestRoundCeil, Linear };
enum class ResizeCoord : uint8_t { HalfPixel, PytorchHalfPixel, AlignCorners, Asymmetric, HalfPixelSymmetric };
struct ResizeProblem {
  Map in, out;
  ResizeMode mode = ResizeMode::NearestFloor;
  ResizeCoord coord = ResizeCoord::HalfPixel;
  double scaleH = 1, scaleW = 1;
  Expr epilogue; ///< Acc: f32 for linear, the element itself for nearest
};

/// Copies a box: out[outBase + sum i_d * outStride_d] = in[inBase + sum i_d * inStride_d]; in strides may be 0 (expand)
/// or negative (reversed slice). Serves transpose, slice, concat, split, expand, pad (interior), layout changes of any
/// rank. Arguments: in, out, task.
struct CopyProblem {
  Elem elem = Elem::F32;
  llvm::SmallVector<int64_t, 6> sizes, inStrides, outStrides;
  int64_t inBase = 0, outBase = 0;
};

/// Fills the halo of a buffer (all of it when interior is set) with one value: f32 value or integer code. Arguments:
/// out, task.
struct FillProblem {
  Map out;
  double value = 0;
  bool interior = false;
  bool loaded = false; ///< bytes only: the value is that of one more argument behind out, u8[1]
};

/// Dynamic symmetric quantization of an activation: codes U8 = 128 + clamp(roundeven(x / (m / 127)), -127, 127), scale
/// = m / 127 (m = 0: scale 1), m = max |x| per row (pixel; scales: f32[n*h*w]) or over the tensor (scales: f32[1]).
/// Arguments: in, codes, scales, task. perTensor is two kernels: absmax (arguments: in, partial maxima f32[tasks],
/// task) and quantize (in, partial maxima, codes, scales, task).
/// minmax: of ONNX's DynamicQuantizeLinear, over the tensor. Codes are clamp(roundeven(x / s) + z, 0, 255) with s = (max - min) / 255 and z =
/// clamp(roundeven(-min / s), 0, 255), 0 being between min and max (all zero: s = 1). The first kernel leaves pairs (min, max) f32[2 tasks], the
/// second one has one more argument behind the scale, the zero point u8[1].
struct DynamicQuantProblem {
  Map in, out;
  bool perTensor = false;
  bool minmax = false;
};

/// Every size and offset of a problem in the order in which they are printed.
struct SizeVisitor {
  llvm::function_ref<void(int64_t &)> size;   ///< static or dynamicSize
  llvm::function_ref<void(int64_t &)> offset; ///< a stride or an offset: static or dynamicOffset
};
void visitSizes(Map &, SizeVisitor);
void visitSizes(Expr &, SizeVisitor);
/// Every activation of an elementwise program.
void visitMaps(Expr &, llvm::function_ref<void(Map &)>);
void visitSizes(ConvProblem &, SizeVisitor);
void visitSizes(EltwiseProblem &, SizeVisitor);
void visitSizes(RelayoutProblem &, SizeVisitor);
void visitSizes(PoolProblem &, SizeVisitor);
void visitSizes(GlobalReduceProblem &, SizeVisitor);
void visitSizes(SoftmaxProblem &, SizeVisitor);
void visitSizes(ResizeProblem &, SizeVisitor);
void visitSizes(CopyProblem &, SizeVisitor);
void visitSizes(FillProblem &, SizeVisitor);
void visitSizes(DynamicQuantProblem &, SizeVisitor);

/// The kernel of this problem has an argument with sizes.
template <typename Problem> bool hasDynamicSizes(const Problem &problem) {
  Problem copy = problem;
  bool found = false;
  auto size = [&](int64_t &v) { found |= isDynamic(v); };
  auto offset = [&](int64_t &v) { found |= isDynamicOffset(v); };
  visitSizes(copy, {size, offset});
  return found;
}

/// Renumbers the slots from 0 in the order of the fields; returns the old number of each new slot.
template <typename Problem> llvm::SmallVector<int64_t> numberSlots(Problem &problem) {
  llvm::SmallVector<int64_t> old;
  auto numberOf = [&](int64_t slot) {
    size_t number = 0;
    while (number < old.size() && old[number] != slot)
      number++;
    if (number == old.size())
      old.push_back(slot);
    return int64_t(number);
  };
  auto size = [&](int64_t &v) { v = isDynamic(v) ? dynamicSize(numberOf(slotOf(v))) : v; };
  auto offset = [&](int64_t &v) { v = isDynamicOffset(v) ? dynamicOffset(numberOf(slotOfOffset(v))) : v; };
  visitSizes(problem, {size, offset});
  return old;
}

/// The heights or widths of a problem of pictures are those of a run. Such kernels do one picture.
template <typename Problem> bool hasOpenPictures(const Problem &p) {
  return isDynamic(p.in.h) || isDynamic(p.in.w) || isDynamic(p.out.h) || isDynamic(p.out.w);
}

/// What a dynamic size counts as where a time is estimated.
constexpr int64_t kNominalSize = 64;
/// The problem with every dynamic size at its nominal value.
template <typename Problem> Problem nominal(Problem problem) {
  auto size = [](int64_t &v) { v = isDynamic(v) ? kNominalSize : v; };
  auto offset = [](int64_t &v) { v = isDynamicOffset(v) ? kNominalSize : v; };
  visitSizes(problem, {size, offset});
  return problem;
}

std::string print(const Map &);
std::string print(const Expr &);
std::string print(const ConvProblem &);
std::string print(const EltwiseProblem &);
std::string print(const RelayoutProblem &);
std::string print(const PoolProblem &);
std::string print(const GlobalReduceProblem &);
std::string print(const SoftmaxProblem &);
std::string print(const ResizeProblem &);
std::string print(const CopyProblem &);
std::string print(const FillProblem &);
std::string print(const DynamicQuantProblem &);

} // namespace tern::cpu
#endif
