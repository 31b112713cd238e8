#include "lib/Target/Cpu/KernelBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tern::cpu {
namespace {
/// Static, so that a memref argument becomes a bare pointer; larger than any buffer.
constexpr int64_t kFlat = int64_t(1) << 30;
/// 1.5 * 2^23: added to a small float, the low bits of the sum are its integer, ties to even.
constexpr float kMagic = 12582912.0f;
constexpr int64_t kMagicBits = 0x4B400000;
} // namespace

Type mlirType(MLIRContext *context, Elem elem) {
  switch (elem) {
  case Elem::F32:
    return Float32Type::get(context);
  case Elem::F16:
    return Float16Type::get(context);
  case Elem::BF16:
    return BFloat16Type::get(context);
  case Elem::F64:
    return Float64Type::get(context);
  case Elem::I16:
    return IntegerType::get(context, 16);
  case Elem::I32:
    return IntegerType::get(context, 32);
  case Elem::I64:
    return IntegerType::get(context, 64);
  case Elem::U8:
  case Elem::S8:
  case Elem::I1: // one byte each
    return IntegerType::get(context, 8);
  }
  llvm_unreachable("an element type without an MLIR type");
}

KernelBuilder::KernelBuilder(ModuleOp module, StringRef name, ArrayRef<Elem> args, const Isa &isa,
                             std::optional<Elem> scratch, bool dynamicSizes)
    : level(isa), location(NameLoc::get(StringAttr::get(module.getContext(), name))), b(module.getContext()) {
  SmallVector<Type> types;
  for (Elem e : args)
    types.push_back(MemRefType::get({kFlat}, type(e)));
  if (dynamicSizes)
    types.push_back(MemRefType::get({kFlat}, b.getIndexType()));
  if (scratch)
    types.push_back(MemRefType::get({kFlat}, type(*scratch)));
  types.push_back(b.getIndexType());
  b.setInsertionPointToEnd(module.getBody());
  function = func::FuncOp::create(b, location, name, b.getFunctionType(types, {}));
  function.setPrivate();
  SmallVector<StringRef> features;
  isa.features.split(features, ',', -1, /*KeepEmpty=*/false);
  if (!features.empty())
    function->setAttr("target_features", LLVM::TargetFeaturesAttr::get(module.getContext(), features));
  b.setInsertionPointToEnd(function.addEntryBlock());
  if (dynamicSizes)
    sizes = function.getArgument(args.size());
}

static Value loadSlot(KernelBuilder &k, DenseMap<int64_t, Value> &slots, Value sizes, int64_t slot) {
  assert(sizes && "a kernel with dynamic sizes must be started with them");
  Value &value = slots[slot];
  if (!value) {
    Value at = k.constant(k.builder().getIndexAttr(slot));
    value = k.atEntry([&]() -> Value { return memref::LoadOp::create(k.builder(), k.loc(), sizes, at); });
  }
  return value;
}

Index KernelBuilder::extent(int64_t size) {
  return isDynamic(size) ? Index(*this, loadSlot(*this, slots, sizes, slotOf(size))) : Index(size);
}

Index KernelBuilder::offset(int64_t offset) {
  return isDynamicOffset(offset) ? Index(*this, loadSlot(*this, slots, sizes, slotOfOffset(offset))) : Index(offset);
}

Index KernelBuilder::rowStride(const Map &m) {
  return m.planar ? extent(m.w) : (extent(m.w) + (m.left + m.right)) * extent(m.cs);
}

Index KernelBuilder::imageStride(const Map &m) {
  if (m.planar)
    return extent(m.c) * extent(m.h) * extent(m.w);
  return (extent(m.h) + (m.top + m.bottom)) * rowStride(m);
}

Value KernelBuilder::stack(int64_t floats) {
  return atEntry([&]() -> Value {
    auto type = MemRefType::get({floats}, f32Type());
    return memref::AllocaOp::create(b, location, type, b.getI64IntegerAttr(64));
  });
}

func::FuncOp KernelBuilder::finish() {
  func::ReturnOp::create(b, location);
  return function;
}

//===- Types and constants -------------------------------------------------===//

Type KernelBuilder::type(Elem elem, int64_t n) {
  Type t = mlirType(b.getContext(), elem);
  return n ? VectorType::get({n}, t) : t;
}

int64_t KernelBuilder::lanesOf(Value v) {
  auto vector = dyn_cast<VectorType>(v.getType());
  return vector ? vector.getNumElements() : 0;
}

Value KernelBuilder::constant(TypedAttr value) {
  Value &slot = constants[value];
  if (slot)
    return slot;
  OpBuilder::InsertionGuard guard(b);
  if (lastConstant)
    b.setInsertionPointAfter(lastConstant);
  else
    b.setInsertionPointToStart(&function.front());
  slot = arith::ConstantOp::create(b, location, value);
  lastConstant = slot.getDefiningOp();
  return slot;
}

static TypedAttr splat(Attribute value, Type elem, int64_t n) {
  if (!n)
    return cast<TypedAttr>(value);
  return DenseElementsAttr::get(VectorType::get({n}, elem), value);
}

Value KernelBuilder::f32(double value, int64_t n) {
  return constant(splat(FloatAttr::get(f32Type(), float(value)), f32Type(), n));
}

Value KernelBuilder::integer(int64_t value, Elem elem, int64_t n) {
  Type t = type(elem);
  APInt bits(t.getIntOrFloatBitWidth(), uint64_t(value), /*isSigned=*/false, /*implicitTrunc=*/true);
  return constant(splat(IntegerAttr::get(t, bits), t, n));
}

Value KernelBuilder::zero(Elem elem, int64_t n) {
  Type t = type(elem);
  return constant(splat(b.getZeroAttr(t), t, n));
}

Value KernelBuilder::value(const Index &i) {
  if (!i.variable)
    return constant(b.getIndexAttr(i.offset));
  if (!i.offset)
    return i.variable;
  return arith::AddIOp::create(b, location, i.variable, constant(b.getIndexAttr(i.offset)));
}

Value KernelBuilder::atEntry(llvm::function_ref<Value()> make) {
  OpBuilder::InsertionGuard guard(b);
  if (Operation *after = lastEntry ? lastEntry : lastConstant)
    b.setInsertionPointAfter(after);
  else
    b.setInsertionPointToStart(&function.front());
  Value v = make();
  if (Operation *op = v.getDefiningOp(); op && !isa_and_nonnull<arith::ConstantOp>(op))
    lastEntry = op;
  return v;
}

//===- Index arithmetic ----------------------------------------------------===//

Index operator+(const Index &a, const Index &c) {
  if (!a.variable)
    return c.withOffset(a.offset + c.offset);
  if (!c.variable)
    return a.withOffset(a.offset + c.offset);
  KernelBuilder &k = *a.builder;
  Index sum(k, arith::AddIOp::create(k.b, k.location, a.variable, c.variable));
  return sum.withOffset(a.offset + c.offset);
}

Index operator-(const Index &a, const Index &c) {
  if (!c.variable)
    return a.withOffset(a.offset - c.offset);
  if (a.variable == c.variable)
    return a.offset - c.offset;
  KernelBuilder &k = *c.builder;
  Value left = a.variable ? a.variable : k.value(0);
  Index difference(k, arith::SubIOp::create(k.b, k.location, left, c.variable));
  return difference.withOffset(a.offset - c.offset);
}

Index operator*(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return a.offset * c.offset;
  if (!a.variable)
    return c * a;
  KernelBuilder &k = *a.builder;
  if (c.variable)
    return Index(k, arith::MulIOp::create(k.b, k.location, k.value(a), k.value(c)));
  if (c.offset == 0)
    return 0;
  if (c.offset == 1)
    return a;
  Index product(k, arith::MulIOp::create(k.b, k.location, a.variable, k.value(c)));
  return product.withOffset(a.offset * c.offset);
}

Index operator/(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return a.offset / c.offset;
  if (!c.variable && c.offset == 1)
    return a;
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::DivUIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

Index operator%(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return a.offset % c.offset;
  if (!c.variable && c.offset == 1)
    return 0;
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::RemUIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

Index min(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return std::min(a.offset, c.offset);
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::MinSIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

Index max(const Index &a, const Index &c) {
  if (!a.variable && !c.variable)
    return std::max(a.offset, c.offset);
  KernelBuilder &k = a.variable ? *a.builder : *c.builder;
  return Index(k, arith::MaxSIOp::create(k.b, k.location, k.value(a), k.value(c)));
}

//===- Control -------------------------------------------------------------===//

Values KernelBuilder::loop(Index lo, Index hi, Index step, ValueRange init,
                           llvm::function_ref<Values(Index, ValueRange)> body) {
  if (lo.isConstant() && hi.isConstant() && step.isConstant()) {
    if (lo.constant() >= hi.constant())
      return Values(init);
    if (lo.constant() + step.constant() >= hi.constant())
      return body(lo, init);
  }
  auto loop = scf::ForOp::create(b, location, value(lo), value(hi), value(step), init);
  OpBuilder::InsertionGuard guard(b);
  if (init.empty())
    b.setInsertionPoint(loop.getBody()->getTerminator());
  else
    b.setInsertionPointToEnd(loop.getBody());
  Values next = body(Index(*this, loop.getInductionVar()), loop.getRegionIterArgs());
  assert(next.size() == init.size() && "a loop body must give as many values as it takes");
  if (!init.empty())
    scf::YieldOp::create(b, location, next);
  return Values(loop.getResults());
}

void KernelBuilder::loop(Index lo, Index hi, Index step, llvm::function_ref<void(Index)> body) {
  loop(lo, hi, step, ValueRange(), [&](Index i, ValueRange) -> Values {
    body(i);
    return {};
  });
}

void KernelBuilder::when(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise) {
  if (auto known = condition.getDefiningOp<arith::ConstantOp>()) {
    if (cast<IntegerAttr>(known.getValue()).getValue().isOne())
      then();
    else if (otherwise)
      otherwise();
    return;
  }
  auto branch = scf::IfOp::create(b, location, condition, bool(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
  if (otherwise) {
    b.setInsertionPointToStart(branch.elseBlock());
    otherwise();
  }
}

Value KernelBuilder::less(const Index &a, const Index &c) {
  if (a.isConstant() && c.isConstant())
    return constant(b.getBoolAttr(a.constant() < c.constant()));
  return arith::CmpIOp::create(b, location, arith::CmpIPredicate::slt, value(a), value(c));
}

Value KernelBuilder::equal(const Index &a, const Index &c) {
  if (a.isConstant() && c.isConstant())
    return constant(b.getBoolAttr(a.constant() == c.constant()));
  return arith::CmpIOp::create(b, location, arith::CmpIPredicate::eq, value(a), value(c));
}

Value KernelBuilder::both(Value x, Value y) {
  auto known = [](Value v) { return v.getDefiningOp<arith::ConstantOp>(); };
  if (auto c = known(x))
    return cast<IntegerAttr>(c.getValue()).getValue().isOne() ? y : x;
  if (auto c = known(y))
    return cast<IntegerAttr>(c.getValue()).getValue().isOne() ? x : y;
  return andi(x, y);
}

int64_t KernelBuilder::chunkOf(int64_t units, double us, int64_t multiple) {
  if (us < 10)
    return units;
  int64_t tasks = std::min<int64_t>(32, std::max<int64_t>(2, int64_t(us / 5)));
  int64_t chunk = (units + tasks - 1) / tasks;
  return std::min(units, (chunk + multiple - 1) / multiple * multiple);
}

Share KernelBuilder::share(ArrayRef<int64_t> units, double us, int64_t multiple) {
  Index total = 1;
  int64_t typical = 1;
  for (int64_t size : units) {
    total = total * extent(size);
    typical *= isDynamic(size) ? kNominalSize : size;
  }
  int64_t chunk;
  if (total.isConstant()) {
    chunk = std::max<int64_t>(1, chunkOf(total.constant(), us, multiple));
  } else {
    // Tasks of about 8 us.
    double each = std::max(us, 1e-9) / double(std::max<int64_t>(typical, 1));
    chunk = std::clamp<int64_t>(int64_t(8 / each), 1, int64_t(1) << 20);
    chunk = (chunk + multiple - 1) / multiple * multiple;
  }
  auto [lo, hi] = taskRange(total, chunk);
  return {lo, hi, TaskCount::of(units, chunk)};
}

std::pair<Index, Index> KernelBuilder::taskRange(const Index &total, int64_t chunk) {
  if (total.isConstant() && chunk >= total.constant())
    return {0, total};
  Index lo = task() * chunk;
  if (total.isConstant() && total.constant() % chunk == 0)
    return {lo, lo + chunk};
  return {lo, min(lo + chunk, total)};
}

//===- Rows ----------------------------------------------------------------===//

SmallVector<Piece> KernelBuilder::pieces(int64_t count, int64_t width) {
  SmallVector<Piece> all;
  int64_t at = 0;
  for (; at + width <= count; at += width)
    all.push_back({at, width, width, {}});
  for (int64_t n = width / 2; at < count; n /= 2) {
    int64_t rest = count - at;
    if (level.masks && rest < level.lanes) {
      // The smallest register that holds the rest.
      for (n = 1; n < rest;)
        n *= 2;
      all.push_back({at, n, rest, n == rest ? Value() : maskOf(rest, n)});
      break;
    }
    if (rest >= n) {
      all.push_back({at, n, n, {}});
      at += n;
    }
  }
  return all;
}

Values KernelBuilder::forRow(const Index &total, int64_t width, ValueRange init,
                             llvm::function_ref<Values(Index, const Piece &, ValueRange)> body) {
  if (!total.isConstant()) {
    Index full = total / width * width;
    Values carried = loop(0, full, width, init, [&](Index i, ValueRange v) {
      return body(i, Piece{0, width, width, {}}, v);
    });
    if (level.masks) {
      // Whole registers, then one with a mask; each loop runs once or never.
      int64_t step = std::min(width, level.lanes);
      Index whole = total / step * step;
      if (step < width)
        carried = loop(full, whole, step, carried, [&](Index i, ValueRange v) {
          return body(i, Piece{0, step, step, {}}, v);
        });
      return loop(whole, total, step, carried, [&](Index i, ValueRange v) {
        return body(i, Piece{0, step, step, maskOf(total - i, step)}, v);
      });
    }
    Index at = full;
    for (int64_t n = width / 2; n >= 1; n /= 2) {
      Index next = total / n * n;
      carried = loop(at, next, n, carried, [&](Index i, ValueRange v) { return body(i, Piece{0, n, n, {}}, v); });
      at = next;
    }
    return carried;
  }
  int64_t count = total.constant(), full = count / width * width;
  Values carried = loop(0, full, width, init, [&](Index i, ValueRange v) {
    return body(i, Piece{0, width, width, {}}, v);
  });
  for (Piece piece : pieces(count - full, width)) {
    piece.offset += full;
    carried = body(piece.offset, piece, carried);
  }
  return carried;
}

void KernelBuilder::forRow(const Index &count, int64_t width, llvm::function_ref<void(Index, const Piece &)> body) {
  forRow(count, width, ValueRange(), [&](Index i, const Piece &piece, ValueRange) -> Values {
    body(i, piece);
    return {};
  });
}

Value KernelBuilder::maskOf(int64_t count, int64_t n) {
  SmallVector<bool> bits;
  for (int64_t i = 0; i < n; i++)
    bits.push_back(i < count);
  return constant(DenseElementsAttr::get(VectorType::get({n}, b.getI1Type()), bits));
}

Value KernelBuilder::maskOf(const Index &count, int64_t n) {
  if (count.isConstant())
    return maskOf(count.constant(), n);
  return vector::CreateMaskOp::create(b, location, VectorType::get({n}, b.getI1Type()), value(count));
}

//===- Memory --------------------------------------------------------------===//

Value KernelBuilder::load(Value memref, const Index &at, int64_t n, Value mask) {
  if (!n)
    return load(memref, at);
  auto t = VectorType::get({n}, cast<MemRefType>(memref.getType()).getElementType());
  if (!mask)
    return vector::LoadOp::create(b, location, t, memref, value(at));
  Value zeros = constant(cast<TypedAttr>(b.getZeroAttr(t)));
  return vector::MaskedLoadOp::create(b, location, t, memref, value(at), mask, zeros);
}

Value KernelBuilder::load(Value memref, const Index &at) {
  return memref::LoadOp::create(b, location, memref, value(at));
}

void KernelBuilder::store(Value v, Value memref, const Index &at, Value mask) {
  if (!lanesOf(v))
    memref::StoreOp::create(b, location, v, memref, value(at));
  else if (mask)
    vector::MaskedStoreOp::create(b, location, memref, value(at), mask, v);
  else
    vector::StoreOp::create(b, location, v, memref, value(at));
}

Value KernelBuilder::loadPart(Value memref, const Index &at, int64_t n, int64_t count) {
  if (count >= n)
    return load(memref, at, n);
  if (level.masks)
    return load(memref, at, n, maskOf(count, n));
  auto t = VectorType::get({n}, cast<MemRefType>(memref.getType()).getElementType());
  Value v = constant(cast<TypedAttr>(b.getZeroAttr(t)));
  for (const Piece &piece : pieces(count, n))
    v = insert(load(memref, at + piece.offset, piece.lanes), v, piece.offset);
  return v;
}

void KernelBuilder::storePart(Value v, Value memref, const Index &at, int64_t count) {
  int64_t n = lanesOf(v);
  if (count >= n)
    return store(v, memref, at);
  if (level.masks)
    return store(v, memref, at, maskOf(count, n));
  for (const Piece &piece : pieces(count, n))
    store(slice(v, piece.offset, piece.lanes), memref, at + piece.offset);
}

Value KernelBuilder::loadDwords(Value memref, const Index &at, int64_t n) {
  Value words = bitcast(load(memref, at, 4 * std::max<int64_t>(n, 1)), i32Type(std::max<int64_t>(n, 1)));
  return n ? words : extract(words, 0);
}

//===- Lanes ---------------------------------------------------------------===//

Value KernelBuilder::broadcast(Value scalar, int64_t n) {
  if (!n)
    return scalar;
  return vector::BroadcastOp::create(b, location, VectorType::get({n}, scalar.getType()), scalar);
}

Value KernelBuilder::extract(Value v, int64_t lane) { return vector::ExtractOp::create(b, location, v, lane); }

Value KernelBuilder::slice(Value v, int64_t first, int64_t n) {
  if (first == 0 && n == lanesOf(v))
    return v;
  return vector::ExtractStridedSliceOp::create(b, location, v, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{n},
                                               ArrayRef<int64_t>{1});
}

Value KernelBuilder::shuffle(Value x, Value y, ArrayRef<int64_t> lanes) {
  return vector::ShuffleOp::create(b, location, x, y, lanes);
}

Value KernelBuilder::insert(Value part, Value into, int64_t first) {
  return vector::InsertStridedSliceOp::create(b, location, part, into, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{1});
}

Value KernelBuilder::concat(ArrayRef<Value> parts) {
  Values level(parts);
  while (level.size() > 1) {
    Values next;
    SmallVector<int64_t> all(2 * lanesOf(level[0]));
    for (int64_t i = 0, e = all.size(); i < e; i++)
      all[i] = i;
    for (size_t i = 0; i < level.size(); i += 2)
      next.push_back(shuffle(level[i], level[i + 1], all));
    level = next;
  }
  return level[0];
}

Value KernelBuilder::bitcast(Value v, Type t) {
  if (v.getType() == t)
    return v;
  if (isa<VectorType>(t))
    return vector::BitCastOp::create(b, location, t, v);
  return arith::BitcastOp::create(b, location, t, v);
}

Value KernelBuilder::select(Value mask, Value x, Value y) { return arith::SelectOp::create(b, location, mask, x, y); }

Value KernelBuilder::reduce(Value v, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t n = lanesOf(v); n > 1; n /= 2)
    v = combine(slice(v, 0, n / 2), slice(v, n / 2, n / 2));
  return extract(v, 0);
}

Value KernelBuilder::reduceAdd(Value v) {
  return reduce(v, [&](Value x, Value y) { return isa<FloatType>(getElementTypeOrSelf(v)) ? add(x, y) : addi(x, y); });
}

Value KernelBuilder::reduceMax(Value v) {
  return reduce(v, [&](Value x, Value y) { return fmax(x, y); });
}

//===- Float arithmetic ----------------------------------------------------===//

Value KernelBuilder::add(Value x, Value y) { return arith::AddFOp::create(b, location, x, y); }
Value KernelBuilder::sub(Value x, Value y) { return arith::SubFOp::create(b, location, x, y); }
Value KernelBuilder::mul(Value x, Value y) { return arith::MulFOp::create(b, location, x, y); }
Value KernelBuilder::div(Value x, Value y) { return arith::DivFOp::create(b, location, x, y); }
Value KernelBuilder::neg(Value x) { return arith::NegFOp::create(b, location, x); }
Value KernelBuilder::abs(Value x) { return math::AbsFOp::create(b, location, x); }
Value KernelBuilder::sqrt(Value x) { return math::SqrtOp::create(b, location, x); }
Value KernelBuilder::copysign(Value magnitude, Value sign) {
  return math::CopySignOp::create(b, location, magnitude, sign);
}

Value KernelBuilder::fma(Value x, Value y, Value z) {
  if (!hasFma())
    return add(mul(x, y), z);
  return math::FmaOp::create(b, location, x, y, z);
}

Value KernelBuilder::compare(arith::CmpFPredicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, location, predicate, x, y);
}

Value KernelBuilder::fmax(Value x, Value y) { return select(compare(arith::CmpFPredicate::OGT, x, y), x, y); }
Value KernelBuilder::fmin(Value x, Value y) { return select(compare(arith::CmpFPredicate::OLT, x, y), x, y); }

Value KernelBuilder::roundEven(Value x) {
  if (hasFma())
    return math::RoundEvenOp::create(b, location, x);
  // SSE2 has no rounding instruction: 2^23 pushes the fraction out; larger values (and NaN) have none.
  int64_t n = lanesOf(x);
  Value limit = f32(8388608.0, n), magnitude = abs(x);
  Value rounded = copysign(sub(add(magnitude, limit), limit), x);
  return select(compare(arith::CmpFPredicate::OLT, magnitude, limit), rounded, x);
}

Value KernelBuilder::floor(Value x) {
  if (hasFma())
    return math::FloorOp::create(b, location, x);
  Value r = roundEven(x);
  Value lower = copysign(sub(r, f32(1.0, lanesOf(x))), x);
  return select(compare(arith::CmpFPredicate::OGT, r, x), lower, r);
}

Value KernelBuilder::ceil(Value x) { return hasFma() ? math::CeilOp::create(b, location, x) : neg(floor(neg(x))); }

//===- Integer arithmetic --------------------------------------------------===//

Value KernelBuilder::addi(Value x, Value y) { return arith::AddIOp::create(b, location, x, y); }
Value KernelBuilder::subi(Value x, Value y) { return arith::SubIOp::create(b, location, x, y); }
Value KernelBuilder::muli(Value x, Value y) { return arith::MulIOp::create(b, location, x, y); }
Value KernelBuilder::andi(Value x, Value y) { return arith::AndIOp::create(b, location, x, y); }
Value KernelBuilder::ori(Value x, Value y) { return arith::OrIOp::create(b, location, x, y); }
Value KernelBuilder::shl(Value x, Value y) { return arith::ShLIOp::create(b, location, x, y); }
Value KernelBuilder::shrs(Value x, Value y) { return arith::ShRSIOp::create(b, location, x, y); }
Value KernelBuilder::shru(Value x, Value y) { return arith::ShRUIOp::create(b, location, x, y); }
Value KernelBuilder::maxs(Value x, Value y) { return arith::MaxSIOp::create(b, location, x, y); }
Value KernelBuilder::mins(Value x, Value y) { return arith::MinSIOp::create(b, location, x, y); }
Value KernelBuilder::maxu(Value x, Value y) { return arith::MaxUIOp::create(b, location, x, y); }

//===- Conversions ---------------------------------------------------------===//

Value KernelBuilder::zext(Value v, Elem to) { return arith::ExtUIOp::create(b, location, type(to, lanesOf(v)), v); }
Value KernelBuilder::sext(Value v, Elem to) { return arith::ExtSIOp::create(b, location, type(to, lanesOf(v)), v); }
Value KernelBuilder::trunc(Value v, Elem to) { return arith::TruncIOp::create(b, location, type(to, lanesOf(v)), v); }
Value KernelBuilder::toF32(Value v) { return arith::SIToFPOp::create(b, location, f32Type(lanesOf(v)), v); }

/// The AVX levels have an instruction; SSE2 would call a library function for every lane.
Value KernelBuilder::halfToF32(Value v) {
  int64_t n = lanesOf(v);
  if (hasFma())
    return arith::ExtFOp::create(b, location, f32Type(n), v);
  // Exponent and fraction move to their places in f32, 2^112 corrects the bias; subnormals become right by the same
  // product.
  Value bits = zext(bitcast(v, type(Elem::I16, n)));
  Value magnitude = shl(andi(bits, i32(0x7fff, n)), i32(13, n));
  Value sign = shl(andi(bits, i32(0x8000, n)), i32(16, n));
  Value value = mul(bitcast(magnitude, f32Type(n)), f32(0x1p112, n));
  return bitcast(ori(bitcast(value, i32Type(n)), sign), f32Type(n));
}

Value KernelBuilder::saturateU8(Value v) {
  int64_t n = lanesOf(v);
  return trunc(mins(maxs(v, i32(0, n)), i32(255, n)), Elem::U8);
}

Value KernelBuilder::roundToInt(Value x, int64_t zero, int64_t lo, int64_t hi) {
  int64_t n = lanesOf(x);
  Value clamped = fmin(fmax(x, f32(lo - zero, n)), f32(hi - zero, n));
  // An even zero point keeps ties where they are, so it rides along in the constant.
  int64_t inside = zero % 2 == 0 ? zero : 0;
  Value bits = bitcast(add(clamped, f32(kMagic + float(inside), n)), i32Type(n));
  return subi(bits, i32(kMagicBits - (zero - inside), n));
}

} // namespace tern::cpu
