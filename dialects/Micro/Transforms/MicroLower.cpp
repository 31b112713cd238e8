//===- MicroLower.cpp - micro ops become instructions ---------------------===//
#include "dialects/Micro/IR/Micro.h"
#include "dialects/Micro/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace tern::micro;

namespace tern::micro {
#define GEN_PASS_DEF_MICROLOWER
#include "dialects/Micro/Transforms/Passes.h.inc"
} // namespace tern::micro

namespace {
enum class Isa { Portable, Avx2, Avx512Vnni };

/// The instruction set of an op: the features of the function around it.
Isa isaOf(Operation *op) {
  for (Operation *f = op->getParentOp(); f; f = f->getParentOp())
    if (auto features = f->getAttrOfType<LLVM::TargetFeaturesAttr>("target_features")) {
      if (features.contains("+avx512vnni"))
        return Isa::Avx512Vnni;
      return features.contains("+avx2") ? Isa::Avx2 : Isa::Portable;
    }
  return Isa::Portable;
}

Value splat(OpBuilder &b, Location loc, VectorType type, int64_t value) {
  return arith::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, b.getIntegerAttr(type.getElementType(), value)));
}

Value slice(OpBuilder &b, Location loc, Value v, int64_t at, int64_t size) {
  if (cast<VectorType>(v.getType()).getDimSize(0) == size)
    return v;
  return vector::ExtractStridedSliceOp::create(b, loc, v, ArrayRef<int64_t>{at}, ArrayRef<int64_t>{size}, ArrayRef<int64_t>{1});
}

/// Applies `f` to pieces of `lanes` i32 lanes and puts the results together.
template <typename F> Value inPieces(OpBuilder &b, Location loc, VectorType type, int64_t lanes, F f) {
  int64_t all = type.getDimSize(0);
  if (all == lanes)
    return f(0);
  Value result = splat(b, loc, type, 0);
  for (int64_t i = 0; i < all; i += lanes)
    result = vector::InsertStridedSliceOp::create(b, loc, f(i), result, ArrayRef<int64_t>{i}, ArrayRef<int64_t>{1});
  return result;
}

/// The even and the odd bytes of a vector, widened to 16 bits.
struct Halves {
  Value even, odd;
};

class Lowering {
public:
  /// Splits are placed right behind the value they split, so that all its dots share them and invariant ones leave the loop.
  Halves split(Value bytes, bool isSigned) {
    if (auto it = splits.find({bytes, isSigned}); it != splits.end())
      return it->second;
    OpBuilder b(bytes.getContext());
    b.setInsertionPointAfterValue(bytes);
    Location loc = bytes.getLoc();
    auto words = VectorType::get({cast<VectorType>(bytes.getType()).getDimSize(0) / 2}, b.getI16Type());
    Value x = vector::BitCastOp::create(b, loc, words, bytes), eight = splat(b, loc, words, 8);
    Halves h;
    if (isSigned) {
      h.even = arith::ShRSIOp::create(b, loc, arith::ShLIOp::create(b, loc, x, eight), eight);
      h.odd = arith::ShRSIOp::create(b, loc, x, eight);
    } else {
      h.even = arith::AndIOp::create(b, loc, x, splat(b, loc, words, 0xff));
      h.odd = arith::ShRUIOp::create(b, loc, x, eight);
    }
    splits[{bytes, isSigned}] = h;
    return h;
  }

  LogicalResult lower(Dot4Op op, Isa isa) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    VectorType type = op.getAcc().getType();
    int64_t native = isa == Isa::Avx512Vnni ? 16 : isa == Isa::Avx2 ? 8 : 4;
    if (type.getDimSize(0) % native)
      return op.emitOpError("has ") << type.getDimSize(0) << " lanes; this instruction set multiplies " << native
                                    << " lanes at once, use a multiple of it";
    auto lanes = VectorType::get({native}, b.getI32Type());
    auto call = [&](StringRef name, ValueRange args) -> Value {
      return LLVM::CallIntrinsicOp::create(b, loc, lanes, b.getStringAttr(name), args).getResults();
    };
    Value result;
    if (isa == Isa::Avx512Vnni) {
      result = inPieces(b, loc, type, native, [&](int64_t i) {
        return call("llvm.x86.avx512.vpdpbusd.512",
                    {slice(b, loc, op.getAcc(), i, native), slice(b, loc, op.getUnsigned_(), 4 * i, 4 * native),
                     slice(b, loc, op.getSigned_(), 4 * i, 4 * native)});
      });
    } else if (isa == Isa::Avx2 && op.getNarrow()) {
      // Pairs of products fit 16 bits, so nothing saturates; then pairs of pairs.
      auto words = VectorType::get({2 * native}, b.getI16Type());
      Value ones = splat(b, loc, words, 1);
      Value sum = inPieces(b, loc, type, native, [&](int64_t i) {
        Value pairs = LLVM::CallIntrinsicOp::create(b, loc, words, b.getStringAttr("llvm.x86.avx2.pmadd.ub.sw"),
                                                    ValueRange{slice(b, loc, op.getUnsigned_(), 4 * i, 4 * native), slice(b, loc, op.getSigned_(), 4 * i, 4 * native)})
                          .getResults();
        return call("llvm.x86.avx2.pmadd.wd", {pairs, ones});
      });
      result = arith::AddIOp::create(b, loc, op.getAcc(), sum);
    } else {
      StringRef madd = isa == Isa::Avx2 ? "llvm.x86.avx2.pmadd.wd" : "llvm.x86.sse2.pmadd.wd";
      Halves u = split(op.getUnsigned_(), false), s = split(op.getSigned_(), true);
      b.setInsertionPoint(op);
      Value sum = inPieces(b, loc, type, native, [&](int64_t i) {
        auto part = [&](Value v) { return slice(b, loc, v, 2 * i, 2 * native); };
        return Value(arith::AddIOp::create(b, loc, call(madd, {part(u.even), part(s.even)}), call(madd, {part(u.odd), part(s.odd)})));
      });
      result = arith::AddIOp::create(b, loc, op.getAcc(), sum);
    }
    op.replaceAllUsesWith(result);
    op.erase();
    return success();
  }

private:
  llvm::DenseMap<std::pair<Value, unsigned>, Halves> splits;
};

/// field -> shift of 16-bit lanes (bits that cross a byte are masked off) and an AND.
void lower(FieldOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  VectorType type = op.getBytes().getType();
  int64_t lsb = op.getLsb(), bits = op.getBits();
  int64_t to = op.getAt() == FieldPosition::Low ? 0 : op.getAt() == FieldPosition::Place ? lsb : 8 - bits;
  Value x = op.getBytes();
  if (to != lsb) {
    auto words = VectorType::get({type.getDimSize(0) / 2}, b.getI16Type());
    x = vector::BitCastOp::create(b, loc, words, x);
    if (to > lsb)
      x = arith::ShLIOp::create(b, loc, x, splat(b, loc, words, to - lsb));
    else
      x = arith::ShRUIOp::create(b, loc, x, splat(b, loc, words, lsb - to));
    x = vector::BitCastOp::create(b, loc, type, x);
  }
  int64_t mask = ((1 << bits) - 1) << to;
  if (mask != 0xff)
    x = arith::AndIOp::create(b, loc, x, splat(b, loc, type, static_cast<int8_t>(mask)));
  op.replaceAllUsesWith(x);
  op.erase();
}

struct MicroLower : tern::micro::impl::MicroLowerBase<MicroLower> {
  using MicroLowerBase::MicroLowerBase;

  void runOnOperation() override {
    std::optional<Isa> forced;
    if (!feature.empty()) {
      if (feature == "avx512vnni")
        forced = Isa::Avx512Vnni;
      else if (feature == "avx2")
        forced = Isa::Avx2;
      else if (feature == "portable")
        forced = Isa::Portable;
      else {
        getOperation()->emitError("micro-lower knows the features avx512vnni, avx2 and portable, not '") << feature << "'";
        return signalPassFailure();
      }
    }
    SmallVector<FieldOp> fields;
    SmallVector<Dot4Op> dots;
    getOperation()->walk([&](Operation *op) {
      if (auto f = dyn_cast<FieldOp>(op))
        fields.push_back(f);
      else if (auto d = dyn_cast<Dot4Op>(op))
        dots.push_back(d);
    });
    for (FieldOp f : fields)
      lower(f);
    Lowering lowering;
    for (Dot4Op d : dots)
      if (failed(lowering.lower(d, forced ? *forced : isaOf(d))))
        return signalPassFailure();
  }
};
} // namespace
