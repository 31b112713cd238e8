// Elementwise chains. Three shapes of the same loop: one flat array, rows of neighbouring elements, pixels of channels.
#include "lib/Target/Cpu/Math/ByteTable.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"

using namespace mlir;

namespace tern::cpu {
namespace {

bool isMapped(const ExprInput &in) { return in.kind == ExprInput::Tensor || in.kind == ExprInput::Row; }

/// The maps that advance with the output.
SmallVector<Map *> moving(EltwiseProblem &p) {
  SmallVector<Map *> maps{&p.out};
  for (ExprInput &in : p.expr.inputs)
    if (isMapped(in))
      maps.push_back(&in.map);
  return maps;
}

/// Says the same with fewer dimensions: one channel needs no channel broadcasts, pictures without halos are one row of
/// pixels.
EltwiseProblem simplify(EltwiseProblem p) {
  for (ExprInput &in : p.expr.inputs) {
    if (in.kind == ExprInput::Channel && p.out.c == 1)
      in.kind = ExprInput::Scalar;
    if ((in.kind == ExprInput::Row && p.out.c == 1) || (in.kind == ExprInput::Pixelwise && p.out.h * p.out.w == 1))
      in.kind = ExprInput::Tensor;
  }
  bool halo = llvm::any_of(moving(p), [](Map *m) { return m->hasHalo(); });
  bool gates = llvm::any_of(p.expr.inputs, [](ExprInput &in) { return in.kind == ExprInput::Pixelwise; });
  if (!halo && !isDynamic(p.out.h) && !isDynamic(p.out.w))
    for (Map *m : moving(p)) {
      m->w *= m->h;
      m->h = 1;
      if (!gates && !isDynamic(m->n)) {
        m->w *= m->n;
        m->n = 1;
      }
    }
  return p;
}

/// Pixels are neighbours and no input depends on the channel: a row is w * c elements in line.
bool isFlat(EltwiseProblem &p) {
  return llvm::all_of(moving(p), [&](Map *m) { return m->cs == p.out.c && m->c == p.out.c; }) &&
         llvm::all_of(p.expr.inputs,
                      [](ExprInput &in) { return in.kind == ExprInput::Tensor || in.kind == ExprInput::Scalar; });
}

} // namespace

/// A table costs 16 evaluations in each task.
static bool usesTable(const EltwiseProblem &p, const Isa &isa) {
  EltwiseProblem typical = nominal(p);
  return ByteTable::serves(p.expr, p.out.elem, isa) && typical.out.pixels() * typical.out.c >= 2048;
}

double estimateUs(const EltwiseProblem &problem, const Isa &isa) {
  EltwiseProblem p = nominal(problem);
  if (usesTable(p, isa))
    return double(p.out.pixels() * p.out.c) * 1e-3 / 32;
  int64_t bytes = bytesOf(p.out.elem);
  for (const ExprInput &in : p.expr.inputs)
    bytes += in.kind == ExprInput::Tensor ? bytesOf(in.map.elem) : 0;
  return double(p.out.pixels() * p.out.c) * 1e-3 * (bytes / 64.0 + ExprVector::nsPerElement(p.expr, isa));
}

Kernel emitEltwise(ModuleOp module, StringRef name, const EltwiseProblem &problem, const Isa &isa) {
  EltwiseProblem p = simplify(problem);
  bool flat = isFlat(p);
  SmallVector<Elem> args;
  ExprVector::appendArgs(p.expr, args);
  args.push_back(p.out.elem);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(problem));
  Value out = k.arg(args.size() - 1);
  ExprVector expr(k, p.expr, p.out.elem, 0);
  // Several registers at once hide the latency of long programs; more than the registers hold would spill.
  int64_t weight = ExprVector::weight(p.expr);
  int64_t width = isa.lanes * (weight >= 16 ? 1 : weight >= 4 && isa.registers < 32 ? 2 : 4);
  double us = estimateUs(problem, isa);
  const Map &m = p.out;
  Index channels = k.extent(m.c), pixel = k.extent(m.cs), columns = k.extent(m.w);
  bool oneRow = m.n == 1 && m.h == 1;

  std::optional<ByteTable> table;
  if (usesTable(p, isa)) {
    width = ByteTable::width;
    table.emplace(k, p.expr, expr);
  }
  unsigned codes = 0; // the argument with the codes
  while (table && p.expr.inputs[codes].kind != ExprInput::Tensor)
    codes++;

  auto cell = [&](const ExprVector::Row &row, const Index &base, const Index &x, const Index &c, const Piece &piece) {
    if (table) {
      // Always whole registers: a table has no narrower form.
      Value mask = piece.count < width ? k.maskOf(piece.count, width) : piece.mask;
      Value v = k.load(k.arg(codes), row.base[codes] + x * k.extent(p.expr.inputs[codes].map.cs) + c, width, mask);
      return k.store(table->lookup(v), out, base + x * pixel + c, mask);
    }
    Value v = expr.evaluate(row, x, c, piece.lanes, piece.mask, {});
    k.store(v, out, base + x * pixel + c, piece.mask);
  };
  auto line = [&](const Index &count, llvm::function_ref<void(Index, const Piece &)> body) {
    if (!table || count.isConstant())
      return k.forRow(count, width, body);
    k.loop(0, count, width, [&](Index i) { body(i, Piece{0, width, width, k.maskOf(count - i, width)}); });
  };
  auto pixels = [&](const ExprVector::Row &row, const Index &base, const Index &lo, const Index &hi) {
    k.loop(lo, hi, 1,
           [&](Index x) { line(channels, [&](Index c, const Piece &piece) { cell(row, base, x, c, piece); }); });
  };

  if (!oneRow) {
    Share work = k.share({m.n, m.h}, us);
    Index height = k.extent(m.h);
    k.loop(work.lo, work.hi, 1, [&](Index r) {
      Index n = r / height, y = r % height;
      ExprVector::Row row = expr.row(n, y);
      Index base = rowOffset(k, m, n, y);
      if (flat)
        line(columns * channels, [&](Index i, const Piece &piece) { cell(row, base, 0, i, piece); });
      else
        pixels(row, base, 0, columns);
    });
    return {k.finish(), work.tasks};
  }

  ExprVector::Row row = expr.row(0, 0);
  Index base = rowOffset(k, m, 0, 0);
  if (!flat) {
    Share work = k.share({m.w}, us);
    pixels(row, base, work.lo, work.hi);
    return {k.finish(), work.tasks};
  }

  if (isDynamic(m.w) || isDynamic(m.c)) {
    Share work = k.share({m.w, m.c}, us, width);
    line(work.hi - work.lo, [&](Index i, const Piece &piece) { cell(row, base, 0, work.lo + i, piece); });
    return {k.finish(), work.tasks};
  }

  // One array: whole vectors in chunks, what is left of them in the last task.
  int64_t total = m.w * m.c, full = total / width * width, tasks = 1;
  if (full) {
    int64_t chunk = KernelBuilder::chunkOf(full, us, width);
    tasks = (full + chunk - 1) / chunk;
    auto [lo, hi] = k.taskRange(full, chunk);
    k.loop(lo, hi, width, [&](Index i) { cell(row, base, 0, i, Piece{0, width, width, {}}); });
  }
  if (full < total)
    k.when(tasks == 1 ? k.equal(0, 0) : k.equal(k.task(), tasks - 1), [&] {
      for (const Piece &piece : k.pieces(total - full, width))
        cell(row, base, 0, full + piece.offset, piece);
    });
  return {k.finish(), tasks};
}

std::string refuse(const EltwiseProblem &p) {
  if (p.out.planar)
    return "a planar output of an elementwise program (a relayout writes one)";
  for (const ExprInput &in : p.expr.inputs)
    if (in.kind == ExprInput::Tensor &&
        (in.map.n != p.out.n || in.map.h != p.out.h || in.map.w != p.out.w || in.map.c != p.out.c))
      return "an input whose sizes are not those of the output";
  if (p.expr.inputs.empty())
    return "a program without inputs";
  return refuseExpr(p.expr, p.out.elem, /*accumulators=*/0);
}

} // namespace tern::cpu
