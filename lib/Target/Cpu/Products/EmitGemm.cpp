//===- EmitGemm.cpp - matrix products with constant weights ---------------===//
// Task -> panels of 32 outputs -> rows, cut into tiles -> sums of a tile -> epilogue. How many rows there are may only be known at run
// time: a tile is chosen by the rows that are left, so one row is a GEMV and many rows are tall tiles, over the same packed weights.
#include "lib/Target/Cpu/Products/EmitGemm.h"
#include "lib/Target/Cpu/Math/CodeStore.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Products/GemmTile.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tern::cpu {
namespace {

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Blocks of panels, in each of them blocks of rows.
struct Grid {
  int64_t panels, panelBlocks; ///< panels of a task, tasks along the outputs
  int64_t rows;                ///< of a task
};

/// Multiply-accumulates of one core in a us, measured in cache at 4.5 GHz.
double ratePerUs(const GemmProblem &p, const Isa &isa) {
  static const double f32Rate[] = {20e3, 65e3, 140e3}, mixedRate[] = {12e3, 45e3, 110e3}, int8Rate[] = {35e3, 90e3, 540e3},
                      blockRate[] = {20e3, 60e3, 400e3};
  const double *rates = !p.integer() ? (p.floatWeights() ? f32Rate : mixedRate) : p.block() ? blockRate : int8Rate;
  return rates[isa.level];
}
/// Bytes of weights that one core reads from memory in a us.
constexpr double bytesPerUs = 40e3;

int64_t rowsOf(const GemmProblem &p) {
  int64_t rows = 1;
  for (int64_t size : {p.in.n, p.in.h, p.in.w})
    rows *= isDynamic(size) ? 1 : size;
  return rows;
}
bool hasDynamicRows(const GemmProblem &p) { return isDynamic(p.in.n) || isDynamic(p.in.h) || isDynamic(p.in.w); }

Grid gridOf(const GemmProblem &p, const Isa &isa) {
  GemmLayout layout(p);
  Grid grid;
  // One row must not be cut into tasks that take less time than to hand them out; more rows only add tasks.
  constexpr double shortest = 3;
  double us = std::max(double(layout.bytes()) / bytesPerUs, double(rowsOf(p) * layout.n * layout.k) / ratePerUs(p, isas().back()));
  int64_t blocks = us < shortest ? 1 : std::clamp<int64_t>(int64_t(us / 5), 2, 64);
  grid.panels = ceilDiv(layout.panels, std::min(blocks, layout.panels));
  grid.panelBlocks = ceilDiv(layout.panels, grid.panels);
  int64_t tall = gemmShapes(p, isa).front().rows;
  double perRow = double(grid.panels * layout.width * layout.k) / ratePerUs(p, isa);
  // Rows of a result whose length is a multiple of a page fall into the same sets of the caches: no more of them than there are ways.
  int64_t most = p.out.cs * bytesOf(p.out.elem) % 4096 ? 240 : 12 / tall * tall;
  grid.rows = std::clamp<int64_t>(ceilDiv(int64_t(15 / std::max(perRow, 1e-3)), tall), 1, std::max<int64_t>(most / tall, 1)) * tall;
  if (!hasDynamicRows(p)) {
    int64_t rows = rowsOf(p), taskBlocks = ceilDiv(rows, grid.rows);
    grid.rows = ceilDiv(ceilDiv(rows, taskBlocks), tall) * tall;
    if (taskBlocks * grid.panelBlocks > 1 && us < shortest)
      grid.rows = ceilDiv(rows, tall) * tall;
  }
  return grid;
}

class GemmEmitter {
public:
  GemmEmitter(ModuleOp module, StringRef name, const GemmProblem &p, const Isa &isa)
      : p(p), layout(p), grid(gridOf(p, isa)), shapes(gemmShapes(p, isa)), k(module, name, argsOf(p), isa, std::nullopt, hasDynamicSizes(p)),
        tile(k, p, layout, p.xGroup ? k.arg(2) : Value()), first(2 + p.hasInit() + (p.xGroup > 0)),
        expr(k, p.epilogue, CodeStore::exprElem(k, p.out.elem), first, p.accElem()), out(k.arg(argsOf(p).size() - 1)) {}

  Kernel emit() {
    Index total = k.pixels(p.in), task = k.task();
    TaskCount rowBlocks = TaskCount::of({p.in.n, p.in.h, p.in.w}, grid.rows);
    Index blocks = total.isConstant() ? Index(ceilDiv(total.constant(), grid.rows)) : (total + (grid.rows - 1)) / grid.rows;
    Index panelBlock = grid.panelBlocks == 1 ? Index(0) : task / blocks, rowBlock = grid.panelBlocks == 1 ? task : task % blocks;
    Index lo = rowBlock * grid.rows, hi = min(lo + grid.rows, total);
    if (blocks.isConstant() && blocks.constant() == 1)
      lo = 0, hi = total;
    Index from = panelBlock * grid.panels, to = min(from + grid.panels, Index(layout.panels));
    if (grid.panelBlocks == 1)
      from = 0, to = layout.panels;
    k.loop(from, to, 1, [&](Index panel) {
      if (tile.needsPreparation())
        k.when(k.less(GemmTile::preparedRows - 1, hi - lo), [&] { tile.prepare(panel); });
      rows(lo, hi, panel);
    });
    return {k.finish(), TaskCount(grid.panelBlocks) * rowBlocks, 0};
  }

private:
  static SmallVector<Elem> argsOf(const GemmProblem &p) {
    SmallVector<Elem> args{p.in.elem, p.floatWeights() ? Elem::F32 : Elem::U8};
    if (p.hasInit())
      args.push_back(p.accElem());
    if (p.xGroup)
      args.push_back(Elem::F32);
    ExprVector::appendArgs(p.epilogue, args);
    args.push_back(p.out.elem);
    return args;
  }

  /// The tiles that occur; static rows may leave some out.
  SmallVector<GemmShape, 6> used() const {
    if (hasDynamicRows(p))
      return shapes;
    SmallVector<GemmShape, 6> found;
    int64_t rows = rowsOf(p);
    for (const GemmShape &shape : shapes) {
      bool occurs = false;
      for (int64_t count : {std::min(rows, grid.rows), rows % grid.rows}) {
        for (const GemmShape &taller : shapes) {
          if (taller.rows == shape.rows)
            break;
          count %= taller.rows;
        }
        occurs |= count >= shape.rows;
      }
      if (occurs)
        found.push_back(shape);
    }
    return found;
  }

  /// Cuts rows lo .. hi - 1 into tiles.
  void rows(const Index &lo, const Index &hi, const Index &panel) {
    SmallVector<GemmShape, 6> tiles = used();
    auto finish = [&](const Index &row, const Index &count) { epilogue(row, count, panel); };
    if (tiles.size() == 1) {
      k.loop(lo, hi, tiles[0].rows, [&](Index row) {
        tile.emit(tiles[0], row, panel);
        finish(row, tiles[0].rows);
      });
      return;
    }
    OpBuilder &b = k.builder();
    Value end = k.value(hi);
    auto loop = scf::WhileOp::create(
        b, k.loc(), TypeRange{b.getIndexType()}, ValueRange{k.value(lo)},
        [&](OpBuilder &, Location, ValueRange row) {
          scf::ConditionOp::create(b, k.loc(), arith::CmpIOp::create(b, k.loc(), arith::CmpIPredicate::slt, row[0], end), row);
        },
        [&](OpBuilder &, Location, ValueRange args) {
          Index row(k, args[0]);
          Value taken = choose(tiles, row, hi - row, panel);
          finish(row, Index(k, taken));
          scf::YieldOp::create(b, k.loc(), ValueRange{k.value(row + Index(k, taken))});
        });
    (void)loop;
  }

  /// The tallest tile that `left` rows fill; returns its rows.
  Value choose(ArrayRef<GemmShape> tiles, const Index &row, const Index &left, const Index &panel) {
    if (tiles.size() == 1) {
      tile.emit(tiles[0], row, panel);
      return k.value(tiles[0].rows);
    }
    OpBuilder &b = k.builder();
    auto branch = scf::IfOp::create(b, k.loc(), TypeRange{b.getIndexType()}, k.less(tiles[0].rows - 1, left), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    tile.emit(tiles[0], row, panel);
    scf::YieldOp::create(b, k.loc(), k.value(tiles[0].rows));
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, k.loc(), choose(tiles.drop_front(), row, left, panel));
    return branch.getResult(0);
  }

  void epilogue(const Index &row, const Index &count, const Index &panel) {
    int64_t whole = p.out.c / layout.results, rest = p.out.c % layout.results;
    if (!rest)
      return columns(row, count, panel, layout.results);
    if (!whole)
      return columns(row, count, panel, rest);
    k.when(k.less(panel, whole), [&] { columns(row, count, panel, layout.results); }, [&] { columns(row, count, whole, rest); });
  }

  void columns(const Index &row, const Index &count, const Index &panel, int64_t valid) {
    SmallVector<Piece> pieces = k.pieces(valid, k.lanes());
    ExprVector::Row base{0, {}};
    for (const ExprInput &input : p.epilogue.inputs) {
      bool mapped = input.kind == ExprInput::Tensor || input.kind == ExprInput::Row;
      base.base.push_back(mapped ? k.offset(input.map.base) : Index(0));
    }
    Index channel = panel * layout.results;
    int64_t parts = layout.width / layout.results;
    SmallVector<Values> held, starts;
    for (const Piece &piece : pieces) {
      held.push_back(expr.hold(base, channel + piece.offset, piece.lanes, piece.mask));
      Values start;
      for (int64_t part = 0; part < parts; ++part)
        start.push_back(p.hasInit() ? k.load(k.arg(2), channel + (part * p.out.c + piece.offset), piece.lanes, piece.mask) : Value());
      starts.push_back(start);
    }
    k.loop(0, count, 1, [&](Index i) {
      CodeStore codes(k, p.out.elem, out);
      Index at = row + i, to = k.offset(p.out.base) + at * p.out.cs + channel;
      for (auto [index, piece] : llvm::enumerate(pieces)) {
        // The buffer has all lanes of a panel, whichever exist.
        Values accs;
        for (int64_t part = 0; part < parts; ++part)
          accs.push_back(finished(tile.sums(i, part * layout.results + piece.offset, piece.lanes, {}), starts[index][part]));
        Value value = expr.evaluate(base, at, channel + piece.offset, piece.lanes, piece.mask, accs, held[index]);
        codes.store(value, to + piece.offset, piece.count, piece.mask);
      }
      codes.flush();
    });
  }

  /// The accumulator from its raw sum.
  Value finished(Value sum, Value start) {
    int64_t shift = p.accShift(), lanes = k.lanesOf(sum);
    if (p.accElem() == Elem::I32) {
      sum = shift ? k.shrs(sum, k.i32(shift, lanes)) : sum;
      return start ? k.addi(sum, start) : sum;
    }
    sum = shift ? k.mul(sum, k.f32(1.0 / double(1 << shift), lanes)) : sum;
    return start ? k.add(sum, start) : sum;
  }

  const GemmProblem &p;
  GemmLayout layout;
  Grid grid;
  SmallVector<GemmShape, 6> shapes;
  KernelBuilder k;
  GemmTile tile;
  unsigned first; ///< argument of the first input of the epilogue
  ExprVector expr;
  Value out;
};
} // namespace

double estimateUs(const GemmProblem &p, const Isa &isa) {
  GemmLayout layout(p);
  double rows = double(rowsOf(p));
  double moved = rows * double(layout.k * bytesOf(p.in.elem) + layout.n * bytesOf(p.out.elem)) + double(layout.bytes());
  return std::max(rows * double(layout.n * layout.k) / ratePerUs(p, isa), moved / 80e3);
}

Kernel emitGemm(ModuleOp module, StringRef name, const GemmProblem &p, const Isa &isa) { return GemmEmitter(module, name, p, isa).emit(); }

} // namespace tern::cpu
