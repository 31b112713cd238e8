//===- PadLowering.cpp - padding with elements of the tensor -> copies -------===//
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"
#include "lib/Target/Cpu/Lowering/Sizes/SizedType.h"

using namespace mlir;

namespace tern::cpu {

/// The inside first; then axis by axis what lies around it, copied from the result as far as that is there.
bool RowLowering::pad() {
  auto op = cast<nn::PadOp>(info.anchor);
  Strided x, out;
  if (!strided(op.getX(), x) || !stridedResult(op.getResult(), out))
    return false;
  size_t rank = x.sizes.size();
  CopyProblem inside;
  inside.elem = x.elem;
  for (size_t d = 0; d < rank; ++d) {
    inside.sizes.push_back(x.sizes[d]);
    inside.inStrides.push_back(asOffset(x.strides[d]));
    inside.outStrides.push_back(asOffset(out.strides[d]));
    inside.outBase = addOffsets(inside.outBase, mulOffsets(op.getLow()[d], inside.outStrides[d]));
  }
  inside.inBase = x.base;
  inside.outBase = addOffsets(inside.outBase, out.base);
  if (std::string reason = cpu::refuse(inside); !reason.empty())
    return refuse(reason);
  push(inside, {operandArg(x), resultArg(0)}, "cpu.copy");

  // From here on positions are those of the result.
  SmallVector<SizeCode> sizes(x.sizes.begin(), x.sizes.end());
  SmallVector<int64_t> first(op.getLow().begin(), op.getLow().end());
  for (size_t d = 0; d < rank; ++d) {
    int64_t low = op.getLow()[d], high = op.getHigh()[d], stride = inside.outStrides[d];
    /// `count` positions of the axis from `to` on are those from `from` on with a step of -1, 0 or 1.
    auto copy = [&](int64_t count, int64_t to, int64_t from, int64_t step) {
      CopyProblem problem;
      problem.elem = x.elem;
      problem.inBase = problem.outBase = out.base;
      for (size_t e = 0; e < rank; ++e) {
        problem.sizes.push_back(e == d ? count : sizes[e]);
        problem.inStrides.push_back(e == d ? mulOffsets(step, stride) : inside.outStrides[e]);
        problem.outStrides.push_back(inside.outStrides[e]);
        problem.inBase = addOffsets(problem.inBase, mulOffsets(e == d ? from : first[e], inside.outStrides[e]));
        problem.outBase = addOffsets(problem.outBase, mulOffsets(e == d ? to : first[e], inside.outStrides[e]));
      }
      push(problem, {resultArg(0), resultArg(0)}, "cpu.copy");
    };
    int64_t n = asOffset(x.sizes[d]), end = addOffsets(n, low), last = addOffsets(end, -1);
    nn::PadMode mode = op.getMode();
    bool reflect = mode == nn::PadMode::reflect, edge = mode == nn::PadMode::edge;
    if (low)
      copy(low, 0, reflect ? 2 * low : edge ? low : n, reflect ? -1 : edge ? 0 : 1);
    if (high)
      copy(high, end, reflect ? addOffsets(last, -1) : edge ? last : low, reflect ? -1 : edge ? 0 : 1);
    first[d] = 0;
    sizes[d] = plus(sizes[d], low + high);
  }
  return true;
}

} // namespace tern::cpu
