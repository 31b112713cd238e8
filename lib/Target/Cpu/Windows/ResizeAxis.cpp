#include "lib/Target/Cpu/Windows/ResizeAxis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include <cmath>

using namespace mlir;

namespace tern::cpu {
namespace {

/// A constant array beside the kernel.
template <typename T> class Table {
public:
  Table(KernelBuilder &k, ModuleOp module, const std::string &name, ArrayRef<T> values) : k(k) {
    Type elem = std::is_same_v<T, float> ? k.f32Type() : k.i32Type();
    int64_t size = values.size();
    type = MemRefType::get({size}, elem);
    OpBuilder b(module.getContext());
    b.setInsertionPointToStart(module.getBody());
    auto data = DenseElementsAttr::get(RankedTensorType::get({size}, elem), values);
    global = memref::GlobalOp::create(b, k.loc(), name, b.getStringAttr("private"), type, data, /*constant=*/true,
                                      IntegerAttr());
  }
  Value at(const Index &i) {
    Value table = k.atEntry(
        [&]() -> Value { return memref::GetGlobalOp::create(k.builder(), k.loc(), type, global.getSymName()); });
    return k.load(table, i);
  }
  Index indexAt(const Index &i) {
    return Index(k, arith::IndexCastOp::create(k.builder(), k.loc(), k.builder().getIndexType(), at(i)));
  }

private:
  KernelBuilder &k;
  MemRefType type;
  memref::GlobalOp global;
};

bool isLinear(const ResizeAxisShape &shape) { return shape.mode == ResizeMode::Linear; }

class TableAxis : public ResizeAxis {
public:
  TableAxis(KernelBuilder &k, ModuleOp module, const std::string &name, ArrayRef<ResizeTap> taps, int64_t step, bool linear)
      : low(k, module, name + "_low", column<int32_t>(taps, [&](const ResizeTap &t) { return int32_t(t.low * step); })) {
    if (!linear)
      return;
    high.emplace(k, module, name + "_high",
                 column<int32_t>(taps, [&](const ResizeTap &t) { return int32_t(t.high * step); }));
    lowWeight.emplace(k, module, name + "_low_weight",
                      column<float>(taps, [](const ResizeTap &t) { return t.lowWeight; }));
    highWeight.emplace(k, module, name + "_high_weight",
                       column<float>(taps, [](const ResizeTap &t) { return t.highWeight; }));
  }
  ResizeSource at(const Index &i) override {
    if (!high)
      return {low.indexAt(i), 0, {}, {}};
    Index from = low.indexAt(i), to = high->indexAt(i);
    Value weight = lowWeight->at(i);
    return {from, to, weight, highWeight->at(i)};
  }

private:
  template <typename T>
  static std::vector<T> column(ArrayRef<ResizeTap> taps, llvm::function_ref<T(const ResizeTap &)> f) {
    std::vector<T> values;
    for (const ResizeTap &t : taps)
      values.push_back(f(t));
    return values;
  }
  Table<int32_t> low;
  std::optional<Table<int32_t>> high;
  std::optional<Table<float>> lowWeight, highWeight;
};

/// Only the factor is needed, or every position reads its own.
class FactorAxis : public ResizeAxis {
public:
  FactorAxis(int64_t s, const Index &step) : step(step) { factor = s; }
  ResizeSource at(const Index &i) override { return {i / factor * step, 0, {}, {}}; }

private:
  Index step;
};

class OpenAxis : public ResizeAxis {
public:
  OpenAxis(KernelBuilder &k, const ResizeAxisShape &shape, const Index &step)
      : k(k), shape(shape), step(step), in(k.extent(shape.in)), out(k.extent(shape.out)), scale(scaleOf()) {}

  ResizeSource at(const Index &i) override {
    Value x = position(real(i));
    if (!isLinear(shape))
      return {inside(index(nearest(x))) * step, 0, {}, {}};
    x = k.fmin(real(in - 1), k.fmax(x, k.f32(0)));
    Index first = index(k.floor(x)), second = min(first + 1, in - 1);
    Value low = real(first), below = k.sub(real(second), x), above = k.sub(x, low);
    // One element is the mean of itself: at the edge, and where the other one counts nothing (it could be infinite).
    Value one = arith::OrIOp::create(k.builder(), k.loc(), k.equal(first, second), k.compare(arith::CmpFPredicate::OEQ, above, k.f32(0)));
    Value half = k.f32(0.5), from = k.value(first * step), to = k.value(second * step);
    return {first * step, Index(k, k.select(one, from, to)), k.select(one, half, below), k.select(one, half, above)};
  }

private:
  Value real(const Index &i) {
    Value word = arith::IndexCastOp::create(k.builder(), k.loc(), k.type(Elem::I64), k.value(i));
    return arith::SIToFPOp::create(k.builder(), k.loc(), k.f32Type(), word);
  }
  Index index(Value x) {
    Value word = arith::FPToSIOp::create(k.builder(), k.loc(), k.type(Elem::I64), x);
    return Index(k, arith::IndexCastOp::create(k.builder(), k.loc(), k.builder().getIndexType(), word));
  }
  Index inside(const Index &i) { return max(0, min(i, in - 1)); }

  Value scaleOf() {
    if (shape.scale > 0)
      return k.f32(shape.scale);
    auto wide = [&](const Index &i) -> Value {
      Value word = arith::IndexCastOp::create(k.builder(), k.loc(), k.type(Elem::I64), k.value(i));
      return arith::SIToFPOp::create(k.builder(), k.loc(), k.type(Elem::F64), word);
    };
    return arith::TruncFOp::create(k.builder(), k.loc(), k.f32Type(), k.div(wide(out), wide(in)));
  }

  /// The source position of output position x.
  Value position(Value x) {
    auto halfPixel = [&] { return k.sub(k.div(k.add(x, k.f32(0.5)), scale), k.f32(0.5)); };
    Value several = k.less(1, out), none = k.f32(0);
    switch (shape.coord) {
    case ResizeCoord::HalfPixel:
      return halfPixel();
    case ResizeCoord::PytorchHalfPixel:
      return k.select(several, halfPixel(), none);
    case ResizeCoord::AlignCorners:
      return k.select(several, k.div(k.mul(x, real(in - 1)), real(max(out - 1, 1))), none);
    case ResizeCoord::Asymmetric:
      return k.div(x, scale);
    case ResizeCoord::HalfPixelSymmetric: {
      Value adjustment = k.div(real(out), k.mul(scale, real(in))), center = k.div(real(in), k.f32(2));
      Value shift = k.mul(center, k.sub(k.f32(1), adjustment));
      return k.sub(k.add(shift, k.div(k.add(x, k.f32(0.5)), scale)), k.f32(0.5));
    }
    }
    llvm_unreachable("a coordinate transformation without a formula");
  }

  Value nearest(Value x) {
    if (shape.mode == ResizeMode::NearestFloor)
      return k.floor(x);
    if (shape.mode == ResizeMode::NearestCeil)
      return k.ceil(x);
    Value low = k.floor(x);
    auto above = shape.mode == ResizeMode::NearestRoundCeil ? arith::CmpFPredicate::OGE : arith::CmpFPredicate::OGT;
    return k.select(k.compare(above, k.sub(x, low), k.f32(0.5)), k.add(low, k.f32(1)), low);
  }

  KernelBuilder &k;
  ResizeAxisShape shape;
  Index step, in, out;
  Value scale;
};

/// s when position i reads i / s for every i, else 0.
int64_t wholeFactor(ArrayRef<ResizeTap> taps, int64_t in) {
  int64_t s = int64_t(taps.size()) / in;
  if (s * in != int64_t(taps.size()))
    return 0;
  for (auto [i, t] : llvm::enumerate(taps))
    if (t.low != int64_t(i) / s)
      return 0;
  return s;
}

/// The same for every size: a whole scale whose positions do not depend on the size.
int64_t wholeFactor(const ResizeAxisShape &shape) {
  if (isLinear(shape) || shape.coord == ResizeCoord::AlignCorners || shape.scale < 1 || shape.scale > 64 ||
      shape.scale != std::floor(shape.scale))
    return 0;
  int64_t s = int64_t(shape.scale);
  return wholeFactor(resizeTaps(shape.mode, shape.coord, kNominalSize, kNominalSize * s, shape.scale), kNominalSize);
}
} // namespace

std::unique_ptr<ResizeAxis> resizeAxis(KernelBuilder &k, ModuleOp module, const std::string &name, const ResizeAxisShape &shape, const Index &step) {
  if (isDynamic(shape.in) || isDynamic(shape.out) || !step.isConstant()) {
    // A size that stays is copied, whatever the mode.
    bool isCopy = shape.in == shape.out && shape.scale == 1;
    if (int64_t s = isCopy && !isLinear(shape) ? 1 : wholeFactor(shape))
      return std::make_unique<FactorAxis>(s, step);
    return std::make_unique<OpenAxis>(k, shape, step);
  }
  std::vector<ResizeTap> taps = resizeTaps(shape.mode, shape.coord, shape.in, shape.out, shape.scale);
  auto axis = std::make_unique<TableAxis>(k, module, name, taps, step.constant(), isLinear(shape));
  axis->factor = isLinear(shape) ? 0 : wholeFactor(taps, shape.in);
  return axis;
}

} // namespace tern::cpu
