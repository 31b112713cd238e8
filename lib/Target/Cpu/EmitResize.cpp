// Resize of pictures, vectorized over channels. Source positions and weights are constants beside the code; a whole
// upscaling factor needs no table along the row.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/ExprVector.h"
#include "lib/Target/Cpu/ResizeTable.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

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

/// The taps of one axis as tables; positions are multiplied by `step`, the elements between two of them.
struct AxisTables {
  AxisTables(KernelBuilder &k, ModuleOp module, const std::string &name, ArrayRef<ResizeTap> taps, int64_t step,
             bool linear)
      : low(k, module, name + "_low",
            column<int32_t>(taps, [&](const ResizeTap &t) { return int32_t(t.low * step); })) {
    if (!linear)
      return;
    high.emplace(k, module, name + "_high",
                 column<int32_t>(taps, [&](const ResizeTap &t) { return int32_t(t.high * step); }));
    lowWeight.emplace(k, module, name + "_low_weight",
                      column<float>(taps, [](const ResizeTap &t) { return t.lowWeight; }));
    highWeight.emplace(k, module, name + "_high_weight",
                       column<float>(taps, [](const ResizeTap &t) { return t.highWeight; }));
  }
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

} // namespace

Kernel emitResize(ModuleOp module, StringRef name, const ResizeProblem &p, const Isa &isa) {
  SmallVector<Elem> args{p.in.elem};
  ExprVector::appendArgs(p.epilogue, args);
  args.push_back(p.out.elem);
  KernelBuilder k(module, name, args, isa);
  Value in = k.arg(0), out = k.arg(args.size() - 1);
  bool linear = p.mode == ResizeMode::Linear;
  ExprVector expr(k, p.epilogue, p.out.elem, 1, linear ? Elem::F32 : p.in.elem);
  std::vector<ResizeTap> ty = resizeTaps(p.mode, p.coord, p.in.h, p.out.h, p.scaleH);
  std::vector<ResizeTap> tx = resizeTaps(p.mode, p.coord, p.in.w, p.out.w, p.scaleW);
  AxisTables ys(k, module, name.str() + "_y", ty, p.in.rowStride(), linear);
  int64_t factor = linear ? 0 : wholeFactor(tx, p.in.w);
  std::optional<AxisTables> xs;
  if (!factor)
    xs.emplace(k, module, name.str() + "_x", tx, p.in.cs, linear);

  bool moves = p.epilogue.nodes.empty() && !linear;
  int64_t width = moves ? 16 * isa.lanes / bytesOf(p.in.elem) : 2 * isa.lanes;
  int64_t rows = p.out.n * p.out.h;
  int64_t chunk = KernelBuilder::chunkOf(rows, estimateUs(p, isa));

  auto nearestRow = [&](const ExprVector::Row &row, const Index &from, const Index &to) {
    auto pixel = [&](const Index &source, const Index &x, int64_t copies) {
      k.forRow(p.out.c, width, [&](Index c, const Piece &piece) {
        Value v = k.load(in, source + c, piece.lanes, piece.mask);
        for (int64_t i = 0; i < copies; i++)
          k.store(expr.evaluate(row, x + i, c, piece.lanes, piece.mask, v), out, to + (x + i) * p.out.cs + c,
                  piece.mask);
      });
    };
    if (factor)
      return k.loop(0, p.in.w, 1, [&](Index x) { pixel(from + x * p.in.cs, x * factor, factor); });
    k.loop(0, p.out.w, 1, [&](Index x) { pixel(from + xs->low.indexAt(x), x, 1); });
  };
  auto linearRow = [&](const ExprVector::Row &row, const Index &picture, const Index &y, const Index &to) {
    Index upper = picture + ys.low.indexAt(y), lower = picture + ys.high->indexAt(y);
    Value upperWeight = ys.lowWeight->at(y), lowerWeight = ys.highWeight->at(y);
    k.loop(0, p.out.w, 1, [&](Index x) {
      Index left = xs->low.indexAt(x), right = xs->high->indexAt(x);
      Value leftWeight = xs->lowWeight->at(x), rightWeight = xs->highWeight->at(x);
      Value weights[] = {k.mul(leftWeight, upperWeight), k.mul(rightWeight, upperWeight),
                         k.mul(leftWeight, lowerWeight), k.mul(rightWeight, lowerWeight)};
      Index corners[] = {upper + left, upper + right, lower + left, lower + right};
      k.forRow(p.out.c, width, [&](Index c, const Piece &piece) {
        Value sum;
        for (auto [corner, weight] : llvm::zip(corners, weights)) {
          Value v = expr.widen(k.load(in, corner + c, piece.lanes, piece.mask), p.in.elem);
          if (p.in.elem != Elem::F32)
            v = k.toF32(v);
          Value w = k.broadcast(weight, piece.lanes);
          sum = sum ? k.fma(v, w, sum) : k.mul(v, w);
        }
        Value v = expr.evaluate(row, x, c, piece.lanes, piece.mask, sum);
        k.store(v, out, to + x * p.out.cs + c, piece.mask);
      });
    });
  };

  auto [lo, hi] = k.taskRange(rows, chunk);
  k.loop(lo, hi, 1, [&](Index r) {
    Index n = r / p.out.h, y = r % p.out.h, picture = rowOffset(k, p.in, n, 0), to = rowOffset(k, p.out, n, y);
    ExprVector::Row row = expr.row(n, y);
    if (linear)
      return linearRow(row, picture, y, to);
    nearestRow(row, picture + ys.low.indexAt(y), to);
  });
  return {k.finish(), (rows + chunk - 1) / chunk};
}

double estimateUs(const ResizeProblem &p, const Isa &isa) {
  double move = p.mode == ResizeMode::Linear ? 1.0 / double(isa.lanes) : double(bytesOf(p.in.elem)) / 100;
  return double(p.out.pixels()) * 1e-3 * (0.5 + double(p.out.c) * (move + ExprVector::nsPerElement(p.epilogue, isa)));
}

std::string refuse(const ResizeProblem &p) {
  if (p.in.planar || p.out.planar)
    return "a planar activation (resize reads and writes NHWC)";
  if (p.in.n != p.out.n || p.in.c != p.out.c)
    return "the output has other channels or another number of pictures than the input";
  if (!(p.scaleH > 0) || !(p.scaleW > 0))
    return "a scale that is not positive";
  if (p.mode == ResizeMode::Linear && p.in.elem != Elem::F32 && p.in.elem != Elem::U8 && p.in.elem != Elem::S8)
    return "a linear resize of something other than f32 or 8-bit codes";
  if (p.in.imageStride() >= (int64_t(1) << 31))
    return "a picture of 2^31 elements or more";
  if (p.epilogue.nodes.empty())
    return p.out.elem == (p.mode == ResizeMode::Linear ? Elem::F32 : p.in.elem)
               ? ""
               : "the element types differ and the epilogue does not convert";
  return refuseExpr(p.epilogue, p.out.elem, /*acc=*/true);
}

} // namespace tern::cpu
