// Rows of a table: copies, or codes that are dequantized on the way.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/RowReduce.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace tern::cpu {
namespace {

int64_t nominalSize(int64_t size) { return isDynamic(size) ? kNominalSize : size; }

class GatherEmitter {
public:
  GatherEmitter(KernelBuilder &k, const GatherProblem &p)
      : k(k), p(p), rows(k.extent(p.rows)), width(k.extent(p.width)), out(k.arg(p.bits ? 3 : 2)) {}

  /// The row that entry i of the indices names.
  Index row(const Index &i) {
    Value v = k.load(k.arg(p.bits ? 2 : 1), i);
    Value index = arith::IndexCastOp::create(k.builder(), k.loc(), k.builder().getIndexType(), v);
    Value negative = arith::CmpIOp::create(k.builder(), k.loc(), CmpIPredicate::slt, index, k.value(0));
    Index wrapped(k, k.select(negative, k.addi(index, k.value(rows)), index));
    return max(min(wrapped, rows - 1), 0);
  }

  void copy(const Index &from, const Index &to) {
    int64_t most = 16 * k.lanes() / bytesOf(p.elem);
    while (width.isConstant() && most > 1 && most / 2 >= width.constant())
      most /= 2;
    k.forRow(width, most, [&](Index c, const Piece &piece) {
      k.store(k.load(k.arg(0), from + c, piece.lanes, piece.mask), out, to + c, piece.mask);
    });
  }

  void dequantize(const Index &row, const Index &to) {
    int64_t count = p.width, group = p.group ? p.group : count, groups = (count + group - 1) / group;
    auto block = [&](const Index &g, int64_t some) {
      Value scale = k.load(k.arg(1), row * groups + g);
      if (p.scale == Elem::F16)
        scale = arith::ExtFOp::create(k.builder(), k.loc(), k.f32Type(), scale);
      Index first = g * group;
      k.forRow(some, std::min(rowWidth(k.target(), some), 2 * k.lanes()), [&](Index c, const Piece &piece) {
        Value v = k.sub(k.toF32(codes(row, first + c, piece)), k.f32(double(p.zero), piece.lanes));
        k.store(k.mul(v, k.broadcast(scale, piece.lanes)), out, to + first + c, piece.mask);
      });
    };
    int64_t full = count / group;
    k.loop(0, full, 1, [&](Index g) { block(g, group); });
    if (full < groups)
      block(full, count - full * group);
  }

private:
  Value codes(const Index &row, const Index &c, const Piece &piece) {
    int64_t n = piece.lanes;
    if (p.bits == 8) {
      Value v = k.load(k.arg(0), row * p.width + c, n, piece.mask);
      return p.isSigned ? k.sext(v) : k.zext(v);
    }
    Value bytes = k.zext(k.loadPart(k.arg(0), row * (p.width / 2) + c / 2, n / 2, piece.count / 2));
    Value low = k.andi(bytes, k.i32(15, n / 2)), high = k.shru(bytes, k.i32(4, n / 2));
    SmallVector<int64_t> lanes;
    for (int64_t i = 0; i < n / 2; i++) {
      lanes.push_back(i);
      lanes.push_back(n / 2 + i);
    }
    Value v = k.shuffle(low, high, lanes);
    if (!p.isSigned)
      return v;
    Value sign = k.i32(8, n);
    return k.subi(arith::XOrIOp::create(k.builder(), k.loc(), v, sign), sign);
  }

  KernelBuilder &k;
  const GatherProblem &p;
  Index rows, width;
  Value out;
};

} // namespace

double estimateUs(const GatherProblem &p, const Isa &isa) {
  double rows = double(nominalSize(p.outer)) * double(nominalSize(p.count));
  return rows * 1e-3 * (3 + double(nominalSize(p.width)) * (p.bits ? 2 : 1) / double(isa.lanes));
}

Kernel emitGather(ModuleOp module, StringRef name, const GatherProblem &p, const Isa &isa) {
  SmallVector<Elem> args{p.bits ? Elem::U8 : p.elem};
  if (p.bits)
    args.push_back(p.scale);
  args.append({p.index, p.bits ? Elem::F32 : p.elem});
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  GatherEmitter emitter(k, p);
  Index count = k.extent(p.count), rows = k.extent(p.rows), width = k.extent(p.width);
  Share work = k.share({p.outer, p.count}, estimateUs(p, isa));
  k.loop(work.lo, work.hi, 1, [&](Index u) {
    Index row = emitter.row(p.outer == 1 ? u : u % count);
    if (p.bits)
      return emitter.dequantize(row, u * width);
    if (p.outer != 1)
      row = row + u / count * rows;
    emitter.copy(row * width, u * width);
  });
  return {k.finish(), work.tasks};
}

std::string refuse(const GatherProblem &p) {
  if (p.index != Elem::I64 && p.index != Elem::I32)
    return "indices that are neither i64 nor i32";
  if (!p.bits)
    return "";
  if (p.bits != 8 && p.bits != 4)
    return "codes of other than 8 or 4 bits";
  if (p.outer != 1 || isDynamic(p.width))
    return "rows of codes along another axis than the first, or of a length that is only known at run time";
  if (p.bits == 4 && (p.width % 2 || p.group % 2))
    return "an odd number of 4-bit codes in a row";
  if (p.scale != Elem::F32 && p.scale != Elem::F16)
    return "scales that are neither f32 nor f16";
  return "";
}

} // namespace tern::cpu
