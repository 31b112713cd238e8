// Planar (ONNX order) <-> NHWC at the borders of the graph, on the way through an elementwise program such as a
// quantization. The program always runs on vectors of neighbouring pixels of one channel; up to four channels are
// interleaved, more are transposed in blocks.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Builder/Transpose.h"

using namespace mlir;

namespace tern::cpu {
namespace {

/// Channels that round up to four belong to nobody else: the fourth byte may be written.
bool isPadded(const Map &m) { return bytesOf(m.elem) == 1 && m.cs == 4 && m.c <= 4 && m.base % 4 == 0; }
bool isDense(const Map &m) { return m.cs == m.c && m.c <= 4; }

class RelayoutEmitter {
public:
  RelayoutEmitter(KernelBuilder &k, const RelayoutProblem &p)
      : k(k), p(p), inArg(inputArg(p.expr)), expr(k, p.expr, p.out.elem, 0),
        lanes(blockLanes(k.target(), bytesOf(p.out.elem))) {}

  static unsigned inputArg(const Expr &e) {
    unsigned i = 0;
    while (e.inputs[i].kind != ExprInput::Tensor)
      i++;
    return i;
  }

  /// One row of pixels of picture n.
  void row(const Index &n, const Index &y) {
    const Map &m = p.in.planar ? p.out : p.in;
    bool few = isDense(m) || (isPadded(m) && m.c > 1);
    if (p.in.planar)
      few ? interleaveRow(n, y) : gatherRow(n, y);
    else
      few ? deinterleaveRow(n, y) : scatterRow(n, y);
  }

private:
  Value source() { return k.arg(inArg); }
  Value target() { return k.arg(p.expr.inputs.size()); }

  /// The program on pixels of one channel: Channel inputs are scalars here.
  Value program(Value x, const Index &c) {
    Values inputs;
    int64_t n = k.lanesOf(x);
    for (auto [i, in] : llvm::enumerate(p.expr.inputs)) {
      if (i == inArg)
        inputs.push_back(x);
      else if (in.kind == ExprInput::Channel)
        inputs.push_back(k.broadcast(k.load(k.arg(i), c), n));
      else
        inputs.push_back(Value());
    }
    return expr.evaluateWith(inputs, n);
  }
  /// Pixels x .. x + lanes - 1 of planar channel c.
  Value pixels(const Index &n, const Index &y, const Index &x, const Index &c, int64_t count) {
    Index at = planar(p.in, n, y, c) + x;
    return program(expr.widen(k.loadPart(source(), at, lanes, count), p.in.elem), c);
  }
  Index planar(const Map &m, const Index &n, const Index &y, const Index &c) {
    return rowOffset(k, m, n, y) + c * (k.extent(m.h) * k.extent(m.w));
  }

  void interleaveRow(const Index &n, const Index &y) {
    const Map &m = p.out;
    Index to = rowOffset(k, m, n, y);
    forBlocks(k, 0, k.extent(m.w), lanes, [&](Index x, int64_t count) {
      Values rows;
      for (int64_t c = 0; c < m.c; c++)
        rows.push_back(pixels(n, y, x, c, count));
      if (m.cs == 4 && bytesOf(m.elem) == 1) { // four bytes are one word: shifts instead of shuffles
        Value words = k.zext(rows[0]);
        for (int64_t c = 1; c < m.c; c++)
          words = k.ori(words, k.shl(k.zext(rows[c]), k.i32(8 * c, lanes)));
        return k.storePart(k.bitcast(words, k.type(m.elem, 4 * lanes)), target(), to + x * 4, 4 * count);
      }
      for (auto [i, v] : llvm::enumerate(interleave(k, rows)))
        if (int64_t left = count * m.c - int64_t(i) * lanes; left > 0)
          k.storePart(v, target(), to + x * m.c + int64_t(i) * lanes, std::min(left, lanes));
    });
  }

  void deinterleaveRow(const Index &n, const Index &y) {
    const Map &m = p.in;
    Index from = rowOffset(k, m, n, y);
    forBlocks(k, 0, k.extent(m.w), lanes, [&](Index x, int64_t count) {
      Values rows;
      if (m.cs == 4 && bytesOf(m.elem) == 1) {
        Value words = k.bitcast(k.loadPart(source(), from + x * 4, 4 * lanes, 4 * count), k.i32Type(lanes));
        for (int64_t c = 0; c < m.c; c++) { // the sign of S8 comes from the upper end of the word
          Value up = k.shl(words, k.i32(24 - 8 * c, lanes)), by = k.i32(24, lanes);
          rows.push_back(m.elem == Elem::S8 ? k.shrs(up, by) : k.shru(up, by));
        }
      } else {
        Values line;
        for (int64_t i = 0; i < m.c; i++) {
          int64_t some = std::min(lanes, std::max<int64_t>(0, count * m.c - i * lanes));
          line.push_back(some ? k.loadPart(source(), from + x * m.c + i * lanes, lanes, some) : k.zero(m.elem, lanes));
        }
        for (Value v : deinterleave(k, line))
          rows.push_back(expr.widen(v, m.elem));
      }
      for (auto [c, v] : llvm::enumerate(rows))
        k.storePart(program(v, int64_t(c)), target(), planar(p.out, n, y, int64_t(c)) + x, count);
    });
  }

  void gatherRow(const Index &n, const Index &y) {
    const Map &m = p.out;
    Index to = rowOffset(k, m, n, y);
    forBlocks(k, 0, k.extent(m.w), lanes, [&](Index x, int64_t columns) {
      forBlocks(k, 0, m.c, lanes, [&](Index c, int64_t channels) {
        Values block;
        for (int64_t i = 0; i < lanes; i++)
          block.push_back(i < channels ? pixels(n, y, x, c + i, columns) : k.zero(m.elem, lanes));
        block = transposeBlock(k, block);
        for (int64_t i = 0; i < columns; i++)
          k.storePart(block[i], target(), to + (x + i) * m.cs + c, channels);
      });
    });
  }

  void scatterRow(const Index &n, const Index &y) {
    const Map &m = p.in;
    Index from = rowOffset(k, m, n, y);
    // Channels that depend on Channel inputs see them as vectors before the transposition.
    forBlocks(k, 0, k.extent(m.w), lanes, [&](Index x, int64_t columns) {
      forBlocks(k, 0, m.c, lanes, [&](Index c, int64_t channels) {
        Values block, inputs;
        for (auto [i, in] : llvm::enumerate(p.expr.inputs))
          inputs.push_back(in.kind == ExprInput::Channel ? k.loadPart(k.arg(i), c, lanes, channels) : Value());
        for (int64_t i = 0; i < lanes; i++) {
          if (i >= columns) {
            block.push_back(k.zero(p.out.elem, lanes));
            continue;
          }
          inputs[inArg] = expr.widen(k.loadPart(source(), from + (x + i) * m.cs + c, lanes, channels), m.elem);
          block.push_back(expr.evaluateWith(inputs, lanes));
        }
        block = transposeBlock(k, block);
        for (int64_t i = 0; i < channels; i++)
          k.storePart(block[i], target(), planar(p.out, n, y, c + i) + x, columns);
      });
    });
  }

  KernelBuilder &k;
  const RelayoutProblem &p;
  unsigned inArg;
  ExprVector expr;
  int64_t lanes;
};

} // namespace

Kernel emitRelayout(ModuleOp module, StringRef name, const RelayoutProblem &problem, const Isa &isa) {
  RelayoutProblem p = problem;
  if (p.expr.inputs.empty())
    p.expr.inputs.push_back({ExprInput::Tensor, p.in});
  // Small pictures without a halo are one row of pixels on both sides; the strides between planes stay.
  bool open = isDynamic(p.in.h) || isDynamic(p.in.w);
  if (!open && !p.in.hasHalo() && !p.out.hasHalo() && p.in.h * p.in.w <= 4096)
    for (Map *m : {&p.in, &p.out}) {
      m->w *= m->h;
      m->h = 1;
    }
  SmallVector<Elem> args;
  ExprVector::appendArgs(p.expr, args);
  args[RelayoutEmitter::inputArg(p.expr)] = p.in.elem;
  args.push_back(p.out.elem);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  RelayoutEmitter emitter(k, p);
  Share work = k.share({p.out.n, p.out.h}, estimateUs(problem, isa));
  Index height = k.extent(p.out.h);
  k.loop(work.lo, work.hi, 1, [&](Index r) { emitter.row(r / height, r % height); });
  return {k.finish(), work.tasks};
}

double estimateUs(const RelayoutProblem &problem, const Isa &isa) {
  RelayoutProblem p = nominal(problem);
  return double(p.out.pixels() * p.out.c) * 1e-3 * (0.08 + ExprVector::nsPerElement(p.expr, isa));
}

std::string refuse(const RelayoutProblem &p) {
  if (p.in.planar == p.out.planar)
    return "both sides have the same layout";
  if (p.in.n != p.out.n || p.in.h != p.out.h || p.in.w != p.out.w || p.in.c != p.out.c)
    return "the sizes of the two sides differ";
  if (isDynamic(p.in.c))
    return "a number of channels that is only known at run time";
  int64_t tensors = 0;
  for (const ExprInput &in : p.expr.inputs) {
    tensors += in.kind == ExprInput::Tensor;
    if (in.kind == ExprInput::Pixelwise || in.kind == ExprInput::Row)
      return "a second activation in the program";
  }
  if (tensors != 1 && !p.expr.inputs.empty())
    return "the program needs exactly one activation";
  Expr withoutMaps = p.expr;
  for (ExprInput &in : withoutMaps.inputs)
    in.map = Map();
  if (withoutMaps.nodes.empty() && p.in.elem != p.out.elem)
    return "the element types differ and the program does not convert";
  return withoutMaps.inputs.empty() ? "" : refuseExpr(withoutMaps, p.out.elem, /*accumulators=*/0);
}

} // namespace tern::cpu
