// Elementwise programs of any rank, any broadcasting and any element types: a loop nest around vectors of the innermost
// dimension. Operands that do not advance with it are one broadcast.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/NdVector.h"

using namespace mlir;

namespace tern::cpu {
namespace {

int64_t nominalSize(int64_t size) { return isDynamic(size) ? kNominalSize : size; }

/// Lanes: whole registers of f32; wide elements split.
int64_t laneCount(const NdProblem &p, const Isa &isa) {
  int64_t width = isa.lanes, inner = p.sizes.back();
  while (!isDynamic(inner) && width > 1 && width / 2 >= inner)
    width /= 2;
  return width;
}

} // namespace

double estimateUs(const NdProblem &p, const Isa &isa) {
  double elements = 1;
  for (int64_t size : p.sizes)
    elements *= double(nominalSize(size));
  return elements * 1e-3 * (0.1 + 0.4 * double(p.nodes.size() + p.inputs.size()) / double(isa.lanes));
}

Kernel emitNd(ModuleOp module, StringRef name, const NdProblem &p, const Isa &isa) {
  SmallVector<Elem> args;
  for (const View &input : p.inputs)
    args.push_back(input.elem);
  args.push_back(p.out.elem);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  int64_t rank = p.sizes.size(), inner = rank - 1, width = laneCount(p, isa);
  SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < width; i++)
    lanes.push_back(i);
  auto body = [&](ArrayRef<Index> outer, const Index &lo, const Index &hi) {
    auto at = [&](const View &view) {
      Index offset = k.offset(view.base);
      for (int64_t d = 0; d < inner; d++)
        if (view.strides[d] != 0)
          offset = offset + outer[d] * k.offset(view.strides[d]);
      return offset;
    };
    SmallVector<Index> from;
    for (const View &input : p.inputs)
      from.push_back(at(input));
    Index to = at(p.out);
    // What does not change along the row is loaded once.
    Values fixed;
    for (auto [i, input] : llvm::enumerate(p.inputs))
      fixed.push_back(input.strides[inner] == 0 ? k.load(k.arg(i), from[i]) : Value());
    k.forRow(hi - lo, width, [&](Index c, const Piece &piece) {
      Values values;
      int64_t n = piece.lanes;
      for (auto [i, input] : llvm::enumerate(p.inputs)) {
        Value v = fixed[i] ? k.broadcast(fixed[i], n) : k.load(k.arg(i), from[i] + lo + c, n, piece.mask);
        values.push_back(widenElement(k, v, input.elem));
      }
      auto position = [&](int64_t dim) -> Value {
        Index start = dim == inner ? lo + c : outer[dim];
        Value first = arith::IndexCastOp::create(k.builder(), k.loc(), k.type(Elem::I64), k.value(start));
        Value v = k.broadcast(first, n);
        if (dim != inner)
          return v;
        Value steps = k.constant(DenseElementsAttr::get(cast<ShapedType>(k.type(Elem::I64, n)), ArrayRef<int64_t>(lanes).take_front(n)));
        return k.addi(v, steps);
      };
      for (const NdNode &node : p.nodes) {
        Values in;
        for (int arg : node.args)
          in.push_back(values[arg]);
        values.push_back(ndNode(k, node, in, n, position));
      }
      k.store(narrowElement(k, values.back(), p.out.elem), k.arg(p.inputs.size()), to + lo + c, piece.mask);
    });
  };

  double us = estimateUs(p, isa);
  if (rank == 1) {
    Share work = k.share({p.sizes[0]}, us, std::max<int64_t>(width, 64));
    body({}, work.lo, work.hi);
    return {k.finish(), work.tasks};
  }
  SmallVector<int64_t> outerSizes(p.sizes.begin(), p.sizes.end() - 1);
  Share work = k.share(outerSizes, us);
  k.loop(work.lo, work.hi, 1, [&](Index u) {
    SmallVector<Index> outer(inner, 0);
    for (int64_t d = inner; d--;) {
      Index size = k.extent(p.sizes[d]);
      outer[d] = d ? u % size : u;
      u = d ? u / size : u;
    }
    body(outer, 0, k.extent(p.sizes[inner]));
  });
  return {k.finish(), work.tasks};
}

std::string refuse(const NdProblem &p) {
  auto served = [](Elem e) { return e != Elem::F16 && e != Elem::F64; };
  size_t rank = p.sizes.size();
  if (!rank || p.nodes.empty())
    return "a program without dimensions or without operators";
  auto fits = [&](const View &view) { return view.strides.size() == rank && served(view.elem); };
  if (!fits(p.out) || p.out.strides.back() != 1 || p.out.elem == Elem::BF16)
    return "a result of another rank, not of neighbouring elements, or of 16-bit or 64-bit floats";
  for (const View &input : p.inputs)
    if (!fits(input) || (input.strides.back() != 0 && input.strides.back() != 1))
      return "an input of another rank, not of neighbouring elements, or of 16-bit or 64-bit floats";
  SmallVector<Elem> elems;
  for (const View &input : p.inputs)
    elems.push_back(widened(input.elem));
  for (const NdNode &node : p.nodes) {
    if (node.elem != Elem::F32 && node.elem != Elem::I32 && node.elem != Elem::I64 && node.elem != Elem::I1)
      return "a value that is neither f32, i32, i64 nor i1";
    for (int arg : node.args)
      if (arg < 0 || arg >= int(elems.size()))
        return "an operand that is no earlier value";
    if (node.op == NdOp::Position && (node.i < 0 || node.i >= int64_t(rank)))
      return "a position along a dimension that is not there";
    elems.push_back(node.elem);
  }
  if (elems.back() != widened(p.out.elem))
    return "a result that is stored as another element";
  return "";
}

//===- Rotary embedding ---------------------------------------------------------===//

double estimateUs(const RopeProblem &p, const Isa &isa) {
  double rows = 1;
  for (int64_t size : p.sizes)
    rows *= double(nominalSize(size));
  return rows * 1e-3 * (4 + double(p.width) / double(isa.lanes));
}

Kernel emitRope(ModuleOp module, StringRef name, const RopeProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {Elem::F32, Elem::F32, Elem::F32, Elem::F32}, isa, std::nullopt, hasDynamicSizes(p));
  Value x = k.arg(0), out = k.arg(3);
  int64_t half = p.rotated / 2, width = 2 * isa.lanes;
  while (width > 1 && width / 2 >= half)
    width /= 2;
  Share work = k.share({p.sizes[0], p.sizes[1], p.sizes[2]}, estimateUs(p, isa));
  k.loop(work.lo, work.hi, 1, [&](Index u) {
    Index d2 = k.extent(p.sizes[2]), d1 = k.extent(p.sizes[1]);
    Index i2 = u % d2, r = u / d2, i1 = r % d1, i0 = r / d1;
    auto at = [&](const View &view) {
      return i0 * k.offset(view.strides[0]) + i1 * k.offset(view.strides[1]) + i2 * k.offset(view.strides[2]) + k.offset(view.base);
    };
    Index from = at(p.x), cosAt = at(p.cos), sinAt = at(p.sin), to = at(p.out);
    k.forRow(half, width, [&](Index c, const Piece &piece) {
      int64_t n = piece.lanes;
      Value cosine = k.load(k.arg(1), cosAt + c, n, piece.mask), sine = k.load(k.arg(2), sinAt + c, n, piece.mask);
      auto rotate = [&](Value a, Value b) {
        return std::make_pair(k.sub(k.mul(a, cosine), k.mul(b, sine)), k.add(k.mul(b, cosine), k.mul(a, sine)));
      };
      if (!p.interleaved) {
        Value a = k.load(x, from + c, n, piece.mask), b = k.load(x, from + c + half, n, piece.mask);
        auto [first, second] = rotate(a, b);
        k.store(first, out, to + c, piece.mask);
        k.store(second, out, to + c + half, piece.mask);
        return;
      }
      SmallVector<int64_t> even, odd, mixed;
      for (int64_t i = 0; i < n; i++) {
        even.push_back(2 * i);
        odd.push_back(2 * i + 1);
        mixed.push_back(i);
        mixed.push_back(n + i);
      }
      Value pairs = k.loadPart(x, from + c * 2, 2 * n, 2 * piece.count);
      auto [first, second] = rotate(k.shuffle(pairs, pairs, even), k.shuffle(pairs, pairs, odd));
      k.storePart(k.shuffle(first, second, mixed), out, to + c * 2, 2 * piece.count);
    });
    if (p.rotated < p.width)
      k.forRow(p.width - p.rotated, width, [&](Index c, const Piece &piece) {
        k.store(k.load(x, from + p.rotated + c, piece.lanes, piece.mask), out, to + p.rotated + c, piece.mask);
      });
  });
  return {k.finish(), work.tasks};
}

std::string refuse(const RopeProblem &p) {
  if (p.sizes.size() != 3 || isDynamic(p.width) || isDynamic(p.rotated) || p.rotated < 2 || p.rotated % 2 || p.rotated > p.width)
    return "a rotated part that is not an even number of elements, known at compile time";
  for (const View *view : {&p.x, &p.cos, &p.sin, &p.out})
    if (view->strides.size() != 3 || view->elem != Elem::F32)
      return "an operand that is not f32 with three strides";
  return "";
}

} // namespace tern::cpu
