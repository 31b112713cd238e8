//===- SizeRules.cpp - sizes of the results of ops ------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/IR/WindowSizes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::nn {

void SizeAnalysis::infer(Operation *op) {
  auto set = [&](const Sizes &sizes) {
    Sizes &known = shapes[op->getResult(0)];
    if (sizes.size() == known.size())
      for (auto [mine, other] : llvm::zip(known, sizes))
        mine = mine ? mine : other;
  };
  if (auto sized = dyn_cast<SizesOpInterface>(op)) {
    SmallVector<Sizes> results;
    sized.inferSizes(*this, results);
    for (auto [result, sizes] : llvm::zip(op->getResults(), results))
      if (!isa<RankedTensorType>(result.getType()) || sizes.size() == shapes[result].size())
        shapes[result] = sizes;
    return;
  }
  // Quantized forms keep the axes of their first operand.
  if (op->getName().getDialectNamespace() == "tern") {
    Sizes first = op->getNumOperands() ? shapeOf(op->getOperand(0)) : Sizes();
    for (Value result : op->getResults()) {
      Sizes &sizes = shapes[result];
      if (!isa<RankedTensorType>(result.getType()))
        sizes = first;
      else if (sizes.size() == first.size())
        for (auto [size, from] : llvm::zip(sizes, first))
          size = size ? size : from;
    }
    return;
  }
  TypeSwitch<Operation *>(op)
      .Case<UnaryOp, ClipOp, CastOp, SoftmaxOp, CumulateOp, BatchNormOp, LayerNormOp, RmsNormOp, GroupNormOp, RopeOp>(
          [&](auto) { set(shapeOf(op->getOperand(0))); })
      .Case([&](AttentionOp attention) {
        Sizes q = shapeOf(attention.getQ()), v = shapeOf(attention.getV());
        unify(shapeOf(attention.getK())[2], v[2]);
        q[3] = v[3];
        set(q);
      })
      .Case([&](RnnOp rnn) {
        Sizes x = shapeOf(rnn.getX());
        bool batchFirst = rnn.getLayout() == 1;
        SizeExpr batch = x[!batchFirst], steps = x[batchFirst];
        SizeExpr directions = table.constant(rnn.getDirection() == RnnDirection::bidirectional ? 2 : 1), hidden = table.constant(rnn.getHidden());
        if (Value lens = rnn.getLens())
          unify(batch, shapeOf(lens)[0]);
        for (Value state : {rnn.getH0(), rnn.getC0()})
          if (state)
            unify(batch, shapeOf(state)[!batchFirst]);
        batch = resolve(batch), steps = resolve(steps);
        Sizes state = batchFirst ? Sizes{batch, directions, hidden} : Sizes{directions, batch, hidden};
        Sizes y = batchFirst ? Sizes{batch, steps, directions, hidden} : Sizes{steps, directions, batch, hidden};
        for (auto [i, result] : llvm::enumerate(rnn->getResults()))
          shapes[result] = i ? state : y;
      })
      .Case<BinaryOp, CompareOp, SelectOp>([&](auto) {
        SmallVector<Sizes> given;
        for (Value operand : op->getOperands())
          given.push_back(shapeOf(operand));
        if (std::optional<Sizes> sizes = broadcast(given))
          set(*sizes);
      })
      .Case([&](MatmulOp matmul) {
        Sizes a = shapeOf(matmul.getLhs()), b = shapeOf(matmul.getRhs());
        if (a.size() < 2 || b.size() < 2)
          return;
        SizeExpr m = a[a.size() - (matmul.getTransposeA() ? 1 : 2)], k = a[a.size() - (matmul.getTransposeA() ? 2 : 1)];
        SizeExpr n = b[b.size() - (matmul.getTransposeB() ? 2 : 1)], k2 = b[b.size() - (matmul.getTransposeB() ? 1 : 2)];
        unify(k, k2);
        a.pop_back_n(2), b.pop_back_n(2);
        std::optional<Sizes> sizes = broadcast({a, b});
        if (!sizes)
          return;
        sizes->append({resolve(m), resolve(n)});
        set(*sizes);
      })
      .Case<ConvOp>([&](auto conv) {
        Sizes sizes = shapeOf(conv.getX()), kernel = shapeOf(conv.getW());
        sizes[1] = kernel[0];
        for (size_t i = 2; i < sizes.size(); ++i)
          sizes[i] = kernel[i] && kernel[i].constant() ? windowCount(table, sizes[i], windowOf(conv, i - 2, *kernel[i].constant()))
                                                       : SizeExpr();
        set(sizes);
      })
      .Case([&](PoolOp pool) {
        Sizes sizes = shapeOf(pool.getX());
        for (size_t i = 2; i < sizes.size(); ++i) {
          Window w = windowOf(pool, i - 2, pool.getKernel()[i - 2]);
          w.ceilMode = pool.getCeilMode();
          sizes[i] = windowCount(table, sizes[i], w);
        }
        set(sizes);
      })
      .Case([&](ConvTransposeOp conv) {
        Sizes sizes = shapeOf(conv.getX()), kernel = shapeOf(conv.getW());
        sizes[1] = table.mul(kernel[1], table.constant(conv.getGroup()));
        for (size_t i = 2; i < sizes.size(); ++i) {
          Window w = windowOf(conv, i - 2, kernel[i] && kernel[i].constant() ? *kernel[i].constant() : 0);
          sizes[i] = transposedSize(table, sizes[i], w, conv.getOutputPadding()[i - 2]);
        }
        set(sizes);
      })
      .Case([&](ReduceOp reduce) {
        Sizes sizes = shapeOf(reduce.getX()), kept;
        for (auto [axis, size] : llvm::enumerate(sizes)) {
          if (!llvm::is_contained(reduce.getAxes(), int64_t(axis)))
            kept.push_back(size);
          else if (reduce.getKeepdims())
            kept.push_back(table.constant(1));
        }
        set(kept);
      })
      .Case([&](ReshapeOp reshape) {
        // The one unknown size follows from the number of elements.
        Sizes sizes = shapes[reshape.getResult()];
        SizeExpr known = table.constant(1), all = elementCount(reshape.getX());
        SizeExpr *open = nullptr;
        if (llvm::count(sizes, SizeExpr()) > 1) {
          // A pass has added or dropped dimensions of one element: the others stay in order.
          Sizes from = shapeOf(reshape.getX());
          llvm::erase_if(from, [](SizeExpr size) { return size.isConstant(1); });
          if (size_t(llvm::count_if(sizes, [](SizeExpr size) { return !size.isConstant(1); })) == from.size()) {
            auto next = from.begin();
            for (SizeExpr &size : sizes)
              if (!size.isConstant(1))
                size = size ? (++next, size) : *next++;
            set(sizes);
          }
          return;
        }
        for (SizeExpr &size : sizes) {
          if (!size && open)
            return;
          size ? void(known = table.mul(known, size)) : void(open = &size);
        }
        if (open && all && !known.isConstant(0))
          *open = table.floorDiv(all, known);
        set(sizes);
      })
      .Case([&](TransposeOp transpose) {
        Sizes from = shapeOf(transpose.getX()), sizes;
        for (int64_t axis : transpose.getPerm())
          sizes.push_back(from[size_t(axis)]);
        set(sizes);
      })
      .Case([&](SliceOp slice) {
        Sizes from = shapeOf(slice.getX());
        Sizes sizes;
        for (auto [axis, size] : llvm::enumerate(slice.getSizes()))
          sizes.push_back(size >= 0 ? table.constant(size) : size == -1 ? from[axis] : SizeExpr());
        set(sizes);
      })
      .Case([&](ConcatOp concat) {
        Sizes sizes = shapeOf(concat.getXs().front());
        size_t axis = size_t(concat.getAxis());
        for (Value x : concat.getXs().drop_front()) {
          Sizes other = shapeOf(x);
          for (size_t i = 0; i < sizes.size(); ++i) {
            if (i == axis)
              sizes[i] = table.add(sizes[i], other[i]);
            else if (!sizes[i])
              sizes[i] = other[i];
            else
              unify(sizes[i], other[i]);
          }
        }
        for (SizeExpr &size : sizes)
          size = resolve(size);
        set(sizes);
      })
      .Case([&](PadOp pad) {
        Sizes sizes = shapeOf(pad.getX());
        for (auto [axis, size] : llvm::enumerate(sizes))
          size = table.add(size, table.constant(pad.getLow()[axis] + pad.getHigh()[axis]));
        set(sizes);
      })
      .Case([&](GatherOp gather) {
        Sizes x = shapeOf(gather.getX()), indices = shapeOf(gather.getIndices()), sizes;
        size_t axis = size_t(gather.getAxis());
        sizes.append(x.begin(), x.begin() + axis);
        sizes.append(indices);
        sizes.append(x.begin() + axis + 1, x.end());
        set(sizes);
      })
      .Case([&](GatherElementsOp gather) { set(shapeOf(gather.getIndices())); })
      .Case([&](GatherNdOp gather) {
        Sizes x = shapeOf(gather.getX()), indices = shapeOf(gather.getIndices());
        if (!indices.back() || !indices.back().constant())
          return;
        size_t named = size_t(gather.getBatchDims() + *indices.back().constant());
        Sizes sizes(indices.begin(), indices.end() - 1);
        sizes.append(x.begin() + named, x.end());
        set(sizes);
      })
      .Case<ScatterElementsOp, ScatterNdOp>([&](auto scatter) { set(shapeOf(scatter.getX())); })
      .Case([&](TopkOp topk) {
        Sizes sizes = shapeOf(topk.getX());
        sizes[size_t(topk.getAxis())] = table.constant(topk.getK());
        for (Value result : topk->getResults())
          shapes[result] = sizes;
      })
      .Case([&](ResizeOp resize) {
        Sizes sizes = shapeOf(resize.getX());
        for (auto [axis, size] : llvm::enumerate(sizes)) {
          if (size && !size.constant())
            size = resizedSize(table, size, resize.getScales()[axis]);
          else if (!resize.getScales()[axis])
            size = SizeExpr(); // the scale is that of the result
        }
        set(sizes);
      })
      .Case([&](RangeOp range) {
        std::optional<Sizes> start = elementsOf(range.getStart()), limit = elementsOf(range.getLimit()),
                             delta = elementsOf(range.getDelta());
        if (start && limit && delta && delta->front().constant() && *delta->front().constant() > 0)
          set({table.max(table.constant(0), table.ceilDiv(table.sub(limit->front(), start->front()), delta->front()))});
      })
      .Case([&](LoopOp loop) {
        for (auto [i, state] : llvm::enumerate(loop.getStates()))
          shapes[loop.stateResults()[i]] = shapeOf(state);
        for (auto [i, element] : llvm::enumerate(loop.yieldedElements())) {
          Sizes sizes{table.parse(loop.getCount().value_or(""))};
          llvm::append_range(sizes, shapeOf(element));
          shapes[loop.collectedResults()[i]] = sizes;
        }
      })
      .Default([&](Operation *) { inferByProbing(op); });
}

} // namespace tern::nn
