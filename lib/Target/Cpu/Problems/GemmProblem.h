//===- GemmProblem.h - matrix products with constant weights --------------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_GEMMPROBLEM_H
#define TERN_TARGET_CPU_PROBLEMS_GEMMPROBLEM_H

#include "lib/Target/Cpu/Problems/Problem.h"

namespace tern::cpu {

/// y[m, n] = epilogue(sum over k of x[m, k] * w[n, k]). The rows m are all pixels of `in` (n * h * w of them, static or
/// dynamic, without halo), k are its channels, n those of `out`.
///
/// Arguments of the kernel: in, packed weights (GemmPack.h; f32, else bytes), [init], [x scales], the inputs of the epilogue
/// after Acc in order, out, [sizes], task.
/// - f32 x f32: Acc is f32.
/// - f32 x codes: the weights become f32 in registers, group scales and zero points included. Acc is f32.
/// - u8 x codes without groups: Acc is the exact i32 sum of x * (w - zero of w), started at init: i32[n], which holds the bias and
///   -zero of x * sum(w - zero of w).
/// - u8 x codes with groups: the exact i32 sums of each group are scaled into an f32 Acc. `xGroup` = 0: one zero point of x for all,
///   init is f32[n], -zero of x * sum of scale * (w - zero of w); the scale of x is left to the epilogue. `xGroup` > 0: x are s8 codes + 128
///   with a scale for every xGroup channels, x scales f32[m, ceil(k / xGroup)]; there is no init.
/// Paired (gated products): the weight has 2 n outputs, and y[m, n] = epilogue(sum of output n, sum of output out.c + n): two accumulators, inputs
/// 0 and 1.
struct GemmProblem {
  Map in, out;
  int64_t bits = 32;     ///< of a weight: 32 (f32), or signed codes of 8, 4 or 2
  int64_t group = 0;     ///< channels that share a weight scale and zero point; 0: all, and the scale is left to the epilogue
  Elem groupScale = Elem::F16; ///< how group scales are stored: F16 or F32
  bool zeros = false;    ///< weights of 4 or 2 bits have a zero point for each output (and group)
  int64_t xGroup = 0;    ///< channels that share a scale of x; 0: all
  bool paired = false;
  Expr epilogue;

  int64_t outputs() const { return paired ? 2 * out.c : out.c; } ///< of the weight
  bool integer() const { return in.elem == Elem::U8; }
  bool floatWeights() const { return bits == 32; }
  /// Channels whose exact sum is scaled at once (integer), or whose weights share a scale (float); 0: all.
  int64_t block() const { return group && xGroup ? std::min(group, xGroup) : group ? group : xGroup; }
  bool hasInit() const { return integer() && !xGroup; }
  Elem accElem() const { return integer() && !block() ? Elem::I32 : Elem::F32; }
  /// Integer sums are too large by this many bits: codes stay in the high end of their byte.
  int64_t accShift() const { return integer() && bits < 8 && !zeros ? 8 - bits : 0; }
};

void visitSizes(GemmProblem &, SizeVisitor);
std::string print(const GemmProblem &);
/// Why no kernel serves the problem; empty: one does.
std::string refuse(const GemmProblem &);

/// How the weights lie: panels of 32 outputs; inside a panel blocks of channels; inside a block steps of 4 bytes for each output
/// (one f32, or the codes of 4, 8 or 16 channels; of paired products 16 outputs and their partners), then the scales, zero points and starts of the block. The codes of channels 4 i + j, j < 4,
/// of a step are bits [bits * i, bits * (i + 1)) of byte j. Outputs and channels that do not exist are 0 (the zero point where there is one).
struct GemmLayout {
  static constexpr int64_t width = 32;
  explicit GemmLayout(const GemmProblem &problem);
  int64_t results; ///< of a panel: 32, or 16 pairs
  int64_t n, k;           ///< outputs, channels
  int64_t stepK;          ///< channels of a step: 1, 4, 8, 16
  int64_t blockK;         ///< channels of a block: k without groups
  int64_t blocks, panels; ///< of a panel; of the matrix
  int64_t scaleBytes, zeroBytes; ///< of one output in a block
  int64_t startBytes; ///< 4: with xGroup each output has -128 * sum(w) of a block, where that adds little to its codes

  /// The output of the weight in a column of a panel; -1: padding.
  int64_t outputOf(int64_t panel, int64_t column) const;
  int64_t stepsOf(int64_t block) const;      ///< steps of a block; the last one may be shorter
  int64_t codeBytes(int64_t block) const { return stepsOf(block) * width * 4; }
  int64_t blockBytes(int64_t block) const { return codeBytes(block) + width * (scaleBytes + zeroBytes + startBytes); }
  int64_t panelBytes() const { return (blocks - 1) * blockBytes(0) + blockBytes(blocks - 1); }
  int64_t bytes() const { return panels * panelBytes(); }
};

} // namespace tern::cpu
#endif
