//===- ConvPlan.h - loops, panels and tasks of a convolution --------------===//
// Plain arithmetic between a ConvProblem and its kernel: which input pixels meet which weights, how the packed weights
// lie. Shared by the packer, the generators and the cost model. Nothing here depends on a size that is only known at run
// time: PixelLoops.h has what does.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_CONVPLAN_H
#define TERN_TARGET_CPU_PROBLEMS_CONVPLAN_H

#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Problems/Problem.h"

namespace tern::cpu {

/// One dimension of a part of a convolution: output positions outStart + outStep * i, i < count; output i meets tap t <
/// taps at the input position inStart + inStep * i + inTap * t, with the weight kStart + kStep * t. The count is a nominal
/// one where the size of the output is that of a run.
struct Axis {
  int64_t count = 0, outStart = 0, outStep = 1;
  int64_t taps = 0, kStart = 0, kStep = 1;
  int64_t inStart = 0, inStep = 1, inTap = 1;
};

/// A convolution is one phase; conv_transpose is one dense stride-1 convolution for each residue of the output
/// position.
struct Phase {
  Axis y, x;
  int64_t taps() const { return y.taps * x.taps; }
};
llvm::SmallVector<Phase> phasesOf(const ConvProblem &problem);
/// Phases of a conv_transpose that share a register because together they have at most four output channels and read
/// the same pixels (kernel = stride): column = phase * outC + channel. 1: every phase is a convolution of its own.
int64_t mergedPhases(const ConvProblem &problem);
/// The phases as they are packed and computed: one stands for all merged ones.
llvm::SmallVector<Phase> packedPhases(const ConvProblem &problem);

/// Halo of `in` that the convolution reads: every input position lies in [-top, h + bottom).
struct Halo {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
};
Halo requiredHalo(const ConvProblem &problem);

/// Packed weights of everything but depthwise: [group][phase][panel][tap][scale group]([step][column] codes, [column]
/// scales). A panel is 32 columns (output channels) wide, the last one 16 when at most 16 are left. A step is
/// `stepChannels` input channels of one column, `stepBytes` bytes; columns of a step are neighbours, so that one vector
/// load serves any instruction set.
struct PanelLayout {
  explicit PanelLayout(const ConvProblem &problem);
  int64_t inC, outC;       ///< channels of one group of the convolution
  int64_t merged, columns; ///< phases in one panel, and output channels of all of them
  int64_t stepChannels;    ///< 1 F32, F32S8; 2 F32S4; 4 U8S8; 8 U8S4
  int64_t stepBytes;       ///< 4 F32, U8S8, U8S4; 1 F32S8, F32S4
  int64_t tapChannels;     ///< inC rounded up to whole steps (and to the pixel stride when then taps are contiguous)
  int64_t scaleGroup;      ///< input channels that share a scale; tapChannels when there are no scales in the stream
  int64_t scaleBytes;      ///< 0, 2 or 4 a column and scale group
  int64_t panels;          ///< of one group of the convolution
  bool contiguousTaps;     ///< the taps of a row lie behind each other in memory, also in the packed weights

  static constexpr int64_t width = 32;
  int64_t widthOf(int64_t panel) const { return panel + 1 < panels || columns - panel * width > 16 ? width : 16; }
  int64_t scaleGroups() const { return scaleBytes ? (tapChannels + scaleGroup - 1) / scaleGroup : 1; }
  int64_t stepsOf(int64_t group) const; ///< of one scale group
  int64_t bytesPerTap(int64_t columns) const;
  int64_t phaseBytes(const Phase &phase) const; ///< all panels of one phase of one group
  int64_t groupBytes(const ConvProblem &problem) const;
};

/// Multiply-accumulates of the whole problem, padded channels not counted.
int64_t macsOf(const ConvProblem &problem);
/// Expected time on one core of this level, in us: arithmetic or weight traffic, whichever is longer.
double estimateUs(const ConvProblem &problem, const Isa &isa);
/// Tasks a kernel should have: 1 below 10 us, at least 8 above.
int64_t wantedTasks(double us);

} // namespace tern::cpu
#endif
