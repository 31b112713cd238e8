//===- ResizeAxis.h - where a resize reads, along one axis ----------------===//
#ifndef TERN_TARGET_CPU_WINDOWS_RESIZEAXIS_H
#define TERN_TARGET_CPU_WINDOWS_RESIZEAXIS_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "lib/Target/Cpu/Problems/ResizeTable.h"
#include <memory>

namespace tern::cpu {

/// Element offsets of the two source positions of an output position, and their weights (linear only; nearest reads `low`).
struct ResizeSource {
  Index low = 0, high = 0;
  mlir::Value lowWeight, highWeight;
};

/// One axis of a resize: positions are multiplied by `step`, the elements between two of them. Static sizes are looked up in
/// constant tables beside the code, those of a run are computed with the same f32 arithmetic (dialects/NN/IR/Sources.cpp).
class ResizeAxis {
public:
  virtual ~ResizeAxis() = default;
  virtual ResizeSource at(const Index &i) = 0;
  /// s when position i reads i / s for every i, whatever the size; else 0.
  int64_t factor = 0;
};

struct ResizeAxisShape {
  ResizeMode mode;
  ResizeCoord coord;
  double scale;    ///< 0: out / in
  int64_t in, out; ///< static or dynamic
};
/// `name` is that of the tables.
std::unique_ptr<ResizeAxis> resizeAxis(KernelBuilder &k, mlir::ModuleOp module, const std::string &name, const ResizeAxisShape &shape, const Index &step);

} // namespace tern::cpu
#endif
