//===- EmitTopk.cpp - the k largest elements along an axis, sorted ----------===//
// An element becomes one 64-bit number: a 32-bit key that orders like the element (NaN above everything), and below it the
// index turned around, so that of equal elements the first is the larger number and no two numbers are equal. The scratch of a
// task is the sorted list of the best so far; neighbouring elements are compared with its last one as a vector, only what is
// better is put into its place.
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using arith::CmpIPredicate;

namespace tern::cpu {

static int64_t nominalSize(int64_t size) { return isDynamic(size) ? kNominalSize : size; }

double estimateUs(const TopkProblem &p, const Isa &isa) {
  double rows = double(nominalSize(p.outer)) * double(nominalSize(p.inner)), count = double(nominalSize(p.count)), k = double(p.k);
  double inserts = k * (1 + std::log(std::max(1.0, count / k)));
  return rows * (count * 1e-3 / double(p.inner == 1 ? isa.lanes : 1) + inserts * 1e-3 * (8 + k / double(isa.lanes)));
}

namespace {
class TopkEmitter {
public:
  TopkEmitter(KernelBuilder &k, const TopkProblem &p) : k(k), p(p), width(std::max<int64_t>(1, k.lanes() / 2)) {}

  void row(const Index &first, const Index &step, const Index &out) {
    Index count = k.extent(p.count);
    k.loop(0, p.k, 1, [&](Index j) { insert(j, number(keyAt(first + j * step, 0), j)); });
    auto consider = [&](const Index &j) {
      Value v = number(keyAt(first + j * step, 0), j);
      Value last = k.load(list(), p.k - 1);
      k.when(compare(CmpIPredicate::sgt, v, last), [&] { insert(p.k - 1, v); });
    };
    Index rest = count - p.k;
    if (p.inner != 1) {
      k.loop(p.k, count, 1, consider);
    } else {
      int64_t n = k.lanes();
      Index whole = rest / n * n;
      k.loop(0, whole, n, [&](Index i) {
        Value keys = keyAt(first + p.k + i, n), last = k.load(list(), p.k - 1);
        Value least = arith::TruncIOp::create(k.builder(), k.loc(), k.i32Type(), k.shrs(last, k.integer(32, Elem::I64)));
        Value better = compare(CmpIPredicate::sgt, keys, k.broadcast(least, n));
        Value any = vector::ReductionOp::create(k.builder(), k.loc(), vector::CombiningKind::OR, better);
        k.when(any, [&] { k.loop(0, n, 1, [&](Index lane) { consider(i + p.k + lane); }); });
      });
      k.loop(whole, rest, 1, [&](Index i) { consider(i + p.k); });
    }
    k.loop(0, p.k, 1, [&](Index r) {
      Value low = k.andi(k.load(list(), r), k.integer(0xffffffff, Elem::I64));
      Value index = k.subi(k.integer(0xffffffff, Elem::I64), low);
      Index at(k, arith::IndexCastOp::create(k.builder(), k.loc(), k.builder().getIndexType(), index));
      k.store(k.load(k.arg(0), first + at * step), k.arg(1), out + r * step);
      k.store(index, k.arg(2), out + r * step);
    });
  }

private:
  Value list() { return k.scratch(); }
  Value compare(CmpIPredicate predicate, Value a, Value b) { return arith::CmpIOp::create(k.builder(), k.loc(), predicate, a, b); }
  Value exclusiveOr(Value a, Value b) { return arith::XOrIOp::create(k.builder(), k.loc(), a, b); }

  /// The keys of n neighbouring elements (0: of one).
  Value keyAt(const Index &at, int64_t n) {
    Value x = n ? k.load(k.arg(0), at, n) : k.load(k.arg(0), at), key = x;
    if (p.elem == Elem::F32) {
      Value bits = k.bitcast(k.add(x, k.f32(0, n)), k.i32Type(n)); // -0 becomes 0
      key = exclusiveOr(bits, k.andi(k.shrs(bits, k.i32(31, n)), k.i32(0x7fffffff, n)));
    }
    if (p.smallest)
      key = exclusiveOr(key, k.i32(-1, n));
    if (p.elem == Elem::F32)
      key = k.select(k.compare(arith::CmpFPredicate::UNO, x, x), k.i32(INT32_MAX, n), key);
    return key;
  }

  Value number(Value key, const Index &index) {
    Value i = arith::IndexCastOp::create(k.builder(), k.loc(), k.type(Elem::I64), k.value(index));
    return k.ori(k.shl(k.sext(key, Elem::I64), k.integer(32, Elem::I64)), k.subi(k.integer(0xffffffff, Elem::I64), i));
  }

  /// Puts a number into the sorted list of `count`, which gets one longer.
  void insert(const Index &count, Value v) {
    OpBuilder &b = k.builder();
    Value base = k.value(0), length = k.value(count), one = k.value(1), none = k.value(0);
    auto search = scf::ForOp::create(b, k.loc(), none, k.value(int64_t(llvm::Log2_64(uint64_t(p.k)) + 1)), one, ValueRange{base, length});
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(search.getBody());
      Value at = search.getRegionIterArg(0), left = search.getRegionIterArg(1);
      Value half = arith::ShRUIOp::create(b, k.loc(), left, one), middle = arith::AddIOp::create(b, k.loc(), at, half);
      Value larger = compare(CmpIPredicate::sgt, k.load(list(), Index(k, middle)), v);
      larger = k.andi(larger, compare(CmpIPredicate::ne, left, none));
      Value behind = arith::AddIOp::create(b, k.loc(), middle, one);
      Value rest = arith::SubIOp::create(b, k.loc(), arith::SubIOp::create(b, k.loc(), left, half), one);
      scf::YieldOp::create(b, k.loc(), ValueRange{k.select(larger, behind, at), k.select(larger, rest, half)});
    }
    Index place(k, search.getResult(0)), moving = count - place, whole = moving / width;
    k.loop(0, whole, 1, [&](Index i) {
      Index from = count - (i + 1) * width;
      k.store(k.load(list(), from, width), list(), from + 1);
    });
    Index rest = moving - whole * width;
    if (k.lanes() >= 16) {
      Value mask = k.maskOf(rest, width);
      k.store(k.load(list(), place, width, mask), list(), place + 1, mask);
    } else {
      k.loop(0, rest, 1, [&](Index i) {
        Index from = place + rest - 1 - i;
        k.store(k.load(list(), from), list(), from + 1);
      });
    }
    k.store(v, list(), place);
  }

  KernelBuilder &k;
  const TopkProblem &p;
  int64_t width; ///< of vectors of the list
};
} // namespace

Kernel emitTopk(ModuleOp module, StringRef name, const TopkProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {p.elem, p.elem, Elem::I64}, isa, Elem::I64, hasDynamicSizes(p));
  TopkEmitter emitter(k, p);
  Index inner = k.extent(p.inner), count = k.extent(p.count);
  Share work = k.share({p.outer, p.inner}, estimateUs(p, isa));
  k.loop(work.lo, work.hi, 1, [&](Index row) {
    Index o = row / inner, i = row % inner;
    emitter.row(o * count * inner + i, inner, o * p.k * inner + i);
  });
  int64_t bytes = 8 * (p.k + 2 * isa.lanes);
  return {k.finish(), work.tasks, int64_t(llvm::alignTo(bytes, 64))};
}

std::string refuse(const TopkProblem &p) {
  if (p.elem != Elem::F32 && p.elem != Elem::I32)
    return "elements that are neither f32 nor i32";
  if (p.k < 1)
    return "nothing is chosen";
  if (!isDynamic(p.count) && p.count >= INT32_MAX)
    return "an axis of more than 2^31 elements";
  return "";
}

} // namespace tern::cpu
