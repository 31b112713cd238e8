//===- AttentionLowering.cpp - attention, rope, products of activations -> problems --===//
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Cpu/Emit.h"

using namespace mlir;

namespace tern::cpu {

bool RowLowering::attention() {
  auto op = cast<nn::AttentionOp>(info.anchor);
  Strided q, k, v, mask, out;
  if (!strided(op.getQ(), q) || !strided(op.getK(), k) || !strided(op.getV(), v) || !stridedResult(op.getResult(), out))
    return false;
  for (const Strided *view : {&q, &k, &v, &out})
    if (view->strides[3] != 1)
      return refuse("heads whose elements are not neighbours");
  AttentionProblem problem;
  problem.batch = q.sizes[0], problem.heads = q.sizes[1], problem.queries = q.sizes[2], problem.depth = q.sizes[3];
  problem.groups = k.sizes[1], problem.keys = k.sizes[2], problem.width = v.sizes[3];
  auto withoutLast = [&](const Strided &view) { return viewOf(view, {0u, 1u, 2u}); };
  problem.q = withoutLast(q), problem.k = withoutLast(k), problem.v = withoutLast(v), problem.out = withoutLast(out);
  problem.scale = op.getScale().convertToDouble();
  problem.softcap = op.getSoftcap() ? op.getSoftcap()->convertToDouble() : 0;
  problem.causal = op.getCausal();
  problem.window = op.getWindow().value_or(0);
  SmallVector<KernelArg> args{operandArg(q), operandArg(k), operandArg(v)};
  if (op.getMask()) {
    SmallVector<SizeCode> shape{q.sizes[0], q.sizes[1], q.sizes[2], k.sizes[2]};
    if (!broadcast(op.getMask(), shape, mask))
      return false;
    problem.maskKind = mask.elem == Elem::I1 ? AttentionProblem::Boolean : AttentionProblem::Added;
    problem.mask = viewOf(mask, {0u, 1u, 2u, 3u});
    args.push_back(operandArg(mask));
  }
  args.push_back(resultArg(0));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SizeCode pairs = product({q.sizes[0], q.sizes[1], q.sizes[2], k.sizes[2]});
  bool few = isDynamic(problem.queries) || problem.queries <= problem.few, many = isDynamic(problem.keys) || problem.keys > problem.keysOfPart;
  KernelArg partials;
  if (few && many && problem.together() > 1) {
    problem.phase = AttentionProblem::Parts;
    partials.kind = KernelArg::Temporary;
    partials.size = times(problem.batch, 4 * problem.partialFloats());
    args.push_back(partials);
  }
  push(problem, args, "cpu.attention", isDynamic(pairs) ? 0 : pairs * (problem.depth + problem.width));
  if (problem.phase == AttentionProblem::Parts) {
    problem.phase = AttentionProblem::Join;
    push(problem, {partials, resultArg(0)}, "cpu.attention");
  }
  return true;
}

bool RowLowering::rope() {
  auto op = cast<nn::RopeOp>(info.anchor);
  Strided x, cosine, sine, out;
  if (!strided(op.getX(), x) || !stridedResult(op.getResult(), out))
    return false;
  size_t rank = x.sizes.size();
  if (rank < 1 || rank > 4)
    return refuse("more than three dimensions in front of a head");
  RopeProblem problem;
  problem.width = x.sizes.back();
  SizeCode half = sizesOf(op.getCos()).back();
  if (isDynamic(half))
    return refuse("a rotated part whose size is only known at run time");
  problem.rotated = 2 * half;
  problem.interleaved = op.getInterleaved();
  SmallVector<SizeCode> shape(x.sizes.begin(), x.sizes.end());
  shape.back() = problem.rotated / 2;
  if (!broadcast(op.getCos(), shape, cosine) || !broadcast(op.getSin(), shape, sine))
    return false;
  for (const Strided *view : {&x, &cosine, &sine, &out})
    if (view->strides.back() != 1 && problem.rotated > 2)
      return refuse("heads whose elements are not neighbours");
  SmallVector<unsigned> dims;
  for (size_t i = 0; i < 4 - rank; i++)
    dims.push_back(kOne);
  for (size_t i = 0; i + 1 < rank; i++)
    dims.push_back(i);
  for (unsigned dim : dims)
    problem.sizes.push_back(dim == kOne ? 1 : x.sizes[dim]);
  problem.x = viewOf(x, dims), problem.cos = viewOf(cosine, dims), problem.sin = viewOf(sine, dims), problem.out = viewOf(out, dims);
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), operandArg(cosine), operandArg(sine), resultArg(0)}, "cpu.rope");
  return true;
}

/// Both operands are activations.
/// Outer dimensions that only continue the rows of x and of the result are rows: w is read once for all of them.
static void mergeRows(MatmulProblem &p) {
  while (!p.outer.empty()) {
    size_t d = p.outer.size() - 1;
    int64_t size = p.outer[d];
    auto continues = [&](const View &view) {
      int64_t outer = view.strides[d], row = view.strides[d + 1];
      return p.m == 1 || (!isDynamic(p.m) && !isDynamic(outer) && !isDynamic(row) && outer == p.m * row);
    };
    if (size != 1 && (p.w.strides[d] != 0 || !continues(p.x) || !continues(p.out)))
      return;
    for (View *view : {&p.x, &p.w, &p.out})
      view->strides.erase(view->strides.begin() + (size != 1 && p.m == 1 && view != &p.w ? d + 1 : d));
    p.m = times(p.m, size);
    p.outer.pop_back();
  }
}

bool RowLowering::matmul() {
  auto op = cast<nn::MatmulOp>(info.anchor);
  Strided x, w, out, bias;
  if (!strided(op.getLhs(), x) || !strided(op.getRhs(), w) || !stridedResult(op.getResult(), out))
    return false;
  size_t rank = out.sizes.size();
  if (x.sizes.size() < 2 || w.sizes.size() < 2)
    return refuse("a vector");
  MatmulProblem problem;
  problem.outer.assign(out.sizes.begin(), out.sizes.end() - 2);
  problem.m = out.sizes[rank - 2], problem.n = out.sizes[rank - 1];
  problem.k = x.sizes[x.sizes.size() - (op.getTransposeA() ? 2 : 1)];
  // Outer dimensions of one are repeated; the last two keep their strides.
  auto spread = [&](const Strided &view, bool swap) {
    View made;
    made.elem = view.elem;
    made.base = view.base;
    size_t own = view.sizes.size(), missing = rank - own;
    for (size_t d = 0; d + 2 < rank; d++)
      made.strides.push_back(d < missing || view.sizes[d - missing] == 1 ? 0 : asOffset(view.strides[d - missing]));
    made.strides.push_back(asOffset(view.strides[own - (swap ? 1 : 2)]));
    made.strides.push_back(asOffset(view.strides[own - (swap ? 2 : 1)]));
    return made;
  };
  problem.x = spread(x, op.getTransposeA());
  problem.w = spread(w, op.getTransposeB());
  problem.out = spread(out, false);
  mergeRows(problem);
  SmallVector<KernelArg> args{operandArg(x), operandArg(w)};
  if (op.getBias()) {
    if (!strided(op.getBias(), bias))
      return false;
    problem.bias = true;
    args.push_back(operandArg(bias));
  }
  args.push_back(resultArg(0));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SizeCode macs = times(product(out.sizes), problem.k);
  push(problem, args, "cpu.matmul", isDynamic(macs) ? 0 : macs);
  return true;
}

} // namespace tern::cpu
