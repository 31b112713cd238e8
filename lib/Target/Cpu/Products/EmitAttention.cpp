// Attention: a task is some queries of one head. Keys pass in blocks with a running maximum, so that what a task keeps
// does not depend on the number of keys. Of a few queries the heads of a group are one task; the others would have nothing to do, so they
// take a part of the keys where there are many, and a second kernel adds up the parts.
#include "lib/Target/Cpu/Products/AttentionTile.h"
#include "lib/Target/Cpu/Emit.h"

using namespace mlir;

namespace tern::cpu {

/// Queries of a task: some blocks, so that keys and values are read from the nearer caches.
static int64_t chunkOf(const AttentionProblem &p, const Isa &isa) {
  int64_t block = 2 * isa.lanes, most = 128 / block * block;
  if (isDynamic(p.queries))
    return most;
  int64_t all = (p.queries + block - 1) / block * block;
  // A few large heads: smaller tasks, so that all threads work.
  int64_t heads = p.heads * (isDynamic(p.batch) ? 1 : p.batch);
  return std::min(all, heads < 8 ? 2 * block : most);
}

static Kernel emitJoin(ModuleOp module, StringRef name, const AttentionProblem &p, const Isa &isa) {
  AttentionPlan plan(p, isa);
  AttentionProblem unmasked = p;
  unmasked.maskKind = AttentionProblem::None;
  KernelBuilder k(module, name, {Elem::F32, Elem::F32}, isa, std::nullopt, hasDynamicSizes(p));
  AttentionTile tile(k, unmasked, plan, 0, 1);
  k.loop(k.task(), k.task() + 1, 1, [&](Index picture) { tile.join(k.arg(0), picture); });
  return {k.finish(), TaskCount::of({p.batch})};
}

Kernel emitAttention(ModuleOp module, StringRef name, const AttentionProblem &p, const Isa &isa) {
  if (p.phase == AttentionProblem::Join)
    return emitJoin(module, name, p, isa);
  AttentionPlan plan(p, isa);
  SmallVector<Elem> args{Elem::F32, Elem::F32, Elem::F32};
  if (p.maskKind != AttentionProblem::None)
    args.push_back(p.maskKind == AttentionProblem::Added ? Elem::F32 : Elem::U8);
  args.push_back(Elem::F32);
  unsigned out = args.size() - 1;
  bool shares = p.phase == AttentionProblem::Parts;
  if (shares)
    args.push_back(Elem::F32);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  AttentionTile tile(k, p, plan, 3, out);
  int64_t chunk = chunkOf(p, isa), block = plan.queries, lanes = plan.lanes;
  Index queries = k.extent(p.queries), perHead = (queries + (chunk - 1)) / chunk;
  // The task is a value, so that nothing of it is computed at compile time.
  Index task = k.task(), part = task % perHead, pair = task / perHead, h = pair % p.heads, b = pair / p.heads;
  Index g = h / (p.heads / p.groups);
  auto start = [&](const View &view, const Index &head) {
    return b * k.offset(view.strides[0]) + head * k.offset(view.strides[1]) + k.offset(view.base);
  };
  auto headOf = [&](const Index &h) {
    AttentionHead head{start(p.q, h), start(p.k, g), start(p.v, g), start(p.out, h), 0};
    if (p.maskKind != AttentionProblem::None)
      head.mask = start(p.mask, h);
    return head;
  };
  AttentionHead head = headOf(h);
  Index lo = part * chunk, hi = min(lo + chunk, queries);

  // The first of some heads computes them all; the others take parts of the keys.
  int64_t together = p.together();
  auto along = [&](const Index &from, const Index &to) {
    if (!shares || together == 1)
      return k.when(k.equal(h % together, 0), [&] { k.loop(from, to, 1, [&](Index i) { tile.query(head, i, together); }); });
    Index part = h % together, first = h - part, parts = tile.parts();
    AttentionHead heads = headOf(first);
    k.when(k.less(part, parts), [&] {
      k.loop(from, to, 1, [&](Index i) {
        tile.query(heads, i, together, {part, parts, k.arg(out + 1), tile.partialAt(b, first, i, part), p.few * together * p.partFloats()});
      });
    });
  };
  if (queries.isConstant()) {
    int64_t count = queries.constant();
    if (count <= p.few)
      along(0, count);
    else if (count % block == 0)
      k.loop(lo, hi, block, [&](Index q) { tile.block(head, q, block, 2); });
    else {
      int64_t rest = count % block;
      Index full = min(hi, count / block * block);
      k.loop(lo, full, block, [&](Index q) { tile.block(head, q, block, 2); });
      k.when(k.equal(hi, count), [&] { tile.block(head, count - rest, rest, rest <= lanes ? 1 : 2); });
    }
  } else {
    k.loop(lo, hi, block, [&](Index q) {
      Index count = min(hi - q, block);
      k.when(
          k.less(count, p.few + 1), [&] { along(q, q + count); },
          [&] {
            k.when(
                k.less(count, lanes + 1), [&] { tile.block(head, q, count, 1); }, [&] { tile.block(head, q, count, 2); });
          });
    });
  }
  return {k.finish(), TaskCount::of({p.batch, p.heads}) * TaskCount::of({p.queries}, chunk)};
}

double estimateUs(const AttentionProblem &p, const Isa &isa) {
  if (p.phase == AttentionProblem::Join)
    return 0.1;
  auto known = [](int64_t v, int64_t usual) { return double(isDynamic(v) ? usual : v); };
  double pairs = known(p.batch, 1) * known(p.heads, 8) * known(p.queries, 64) * known(p.keys, 128);
  return pairs * (double(p.depth + p.width) / 2 + 6) / double(isa.lanes) / 4e3;
}

std::string refuse(const AttentionProblem &p) {
  if (isDynamic(p.depth) || isDynamic(p.width) || isDynamic(p.heads) || isDynamic(p.groups))
    return "a number of heads or a size of a head that is only known at run time";
  if (p.heads < 1 || p.groups < 1 || p.heads % p.groups)
    return "query heads that the key heads do not divide";
  if (p.depth > 512 || p.width > 512)
    return "heads of more than 512 elements";
  for (const View *view : {&p.q, &p.k, &p.v, &p.out})
    if (view->strides.size() != 3 || view->elem != Elem::F32)
      return "an operand that is not f32 with strides of picture, head and row";
  if (p.maskKind != AttentionProblem::None) {
    if (p.mask.strides.size() != 4 || (p.mask.strides[3] != 0 && p.mask.strides[3] != 1))
      return "a mask whose keys are not neighbours";
    if (p.mask.elem != (p.maskKind == AttentionProblem::Added ? Elem::F32 : Elem::I1))
      return "a mask that is neither f32 nor i1";
  }
  return "";
}

} // namespace tern::cpu
