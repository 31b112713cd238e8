//===- KernelBuilder.cpp - functions, constants, loops of kernels ----------===//
#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tern::cpu {
/// Static, so that a memref argument becomes a bare pointer; larger than any buffer.
static constexpr int64_t kFlat = int64_t(1) << 30;

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

KernelBuilder::KernelBuilder(func::FuncOp function, const Isa &isa)
    : level(isa), location(function.getLoc()), b(function.getContext()), function(function) {}

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

} // namespace tern::cpu
