//===- ProblemQueries.cpp - what is asked of a problem of any kind ----------===//
#include "lib/Target/Cpu/Lowering/Sizes/ProblemQueries.h"

using namespace mlir;

namespace tern::cpu {

SmallVector<int64_t> slotsOf(AnyProblem &problem) {
  return std::visit(
      [](auto &p) -> SmallVector<int64_t> {
        using T = std::decay_t<decltype(p)>;
        if constexpr (std::is_same_v<T, AbsmaxProblem>)
          return numberSlots(p.problem);
        else
          return numberSlots(p);
      },
      problem);
}

nn::SizeExpr takePictures(AnyProblem &problem) {
  return std::visit(
      [](auto &p) -> nn::SizeExpr {
        using T = std::decay_t<decltype(p)>;
        if constexpr (std::is_same_v<T, ConvProblem> || std::is_same_v<T, PoolProblem> || std::is_same_v<T, GlobalReduceProblem> ||
                      std::is_same_v<T, ResizeProblem> || std::is_same_v<T, RelayoutProblem>) {
          if (!runsForEachPicture(p))
            return {};
          int64_t n = p.in.n;
          p = onePicture(p);
          return sizeOf(n);
        }
        return {};
      },
      problem);
}

int64_t bytesTouched(const Step &step) {
  return std::visit(
      [](const auto &p) -> int64_t {
        using T = std::decay_t<decltype(p)>;
        if constexpr (std::is_same_v<T, AbsmaxProblem>) {
          if (hasDynamicSizes(p.problem))
            return 0;
        } else if constexpr (!std::is_same_v<T, PortableProblem>) {
          if (hasDynamicSizes(p))
            return 0;
        }
        auto size = [](const Map &map) { return map.pixels() * map.c * bytesOf(map.elem); };
        if constexpr (std::is_same_v<T, EltwiseProblem>) {
          int64_t bytes = size(p.out);
          for (const ExprInput &input : p.expr.inputs)
            if (input.kind == ExprInput::Tensor)
              bytes += size(input.map);
          return bytes;
        } else if constexpr (std::is_same_v<T, CopyProblem>) {
          int64_t count = 1;
          for (int64_t extent : p.sizes)
            count *= extent;
          return 2 * count * bytesOf(p.elem);
        } else if constexpr (std::is_same_v<T, FillProblem>) {
          return size(p.out);
        } else if constexpr (std::is_same_v<T, AbsmaxProblem>) {
          return size(p.problem.in);
        } else if constexpr (std::is_same_v<T, PortableProblem>) {
          return 0;
        } else if constexpr (std::is_same_v<T, SizesProblem>) {
          return int64_t(p.values.size()) * bytesOf(p.elem);
        } else if constexpr (std::is_same_v<T, StartProblem>) {
          return 12 * p.n;
        } else if constexpr (std::is_same_v<T, WindowSumProblem>) {
          return size(p.in);
        } else if constexpr (isRowProblem<T>) {
          return bytesTouched(p);
        } else {
          return size(p.in) + size(p.out);
        }
      },
      step.problem);
}

} // namespace tern::cpu
