//===- WindowTest.cpp - pooling, reductions and resize --------------------===//
#include "Dynamic.h"
#include "Naive.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

Map view(Map m, int64_t cs, int64_t base) {
  m.cs = cs, m.base = base;
  return m;
}

/// Acc (times a scalar and a residual) quantized or not.
Expr epilogue(Elem out, const Map &residual, bool acc = true) {
  Expr e;
  e.inputs = {{ExprInput::Acc, {}}, {ExprInput::Channel, {}}, {ExprInput::Tensor, residual}, {ExprInput::Scalar, {}}};
  ExprNode n;
  n.op = ExprOp::Mul, n.args = {0, 1};
  e.nodes.push_back(n);
  n.op = ExprOp::Add, n.args = {4, 2};
  e.nodes.push_back(n);
  if (out != Elem::F32) {
    n.op = ExprOp::Quant, n.args = {5, 3}, n.a = 101;
    e.nodes.push_back(n);
  }
  return e;
}

using Emit = std::function<Kernel(ModuleOp, const Isa &)>;
using Exact = std::function<Number(Activation &in, int64_t n, int64_t y, int64_t x, int64_t c)>;

void run(const Map &inMap, const Map &outMap, const Expr &expr, const Emit &emit, const Exact &exact, double tolerance,
         const std::string &what, ArrayRef<int64_t> sizes = {}) {
  Random random(11);
  Activation in(inMap, random), want(outMap);
  Operands operands(expr, outMap, random);
  for (int64_t n = 0; n < outMap.n; n++)
    for (int64_t y = 0; y < outMap.h; y++)
      for (int64_t x = 0; x < outMap.w; x++)
        for (int64_t c = 0; c < outMap.c; c++)
          want.set(n, y, x, c, evaluate(expr, operands.at(exact(in, n, y, x, c), n, y, x, c)));
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, emit);
    ASSERT_TRUE(kernel.ok());
    Activation got(outMap);
    std::vector<Buffer *> args{&in.buffer};
    for (Buffer *b : operands.pointers())
      args.push_back(b);
    args.push_back(&got.buffer);
    kernel.run(args, sizes);
    expectEqual(got, want, tolerance, what + " " + isa.name.str());
  }
}

Number pooled(const PoolProblem &p, Activation &in, int64_t n, int64_t y, int64_t x, int64_t c) {
  bool integer = p.in.elem != Elem::F32;
  double best = -INFINITY, sum = 0;
  int64_t codes = p.in.elem == Elem::S8 ? -128 : 0, total = 0, count = 0, present = 0;
  for (int64_t i = 0; i < p.kh; i++)
    for (int64_t j = 0; j < p.kw; j++) {
      int64_t iy = y * p.strideH - p.padTop + i * p.dilationH, ix = x * p.strideW - p.padLeft + j * p.dilationW;
      bool padded = iy < p.in.h + p.padBottom && ix < p.in.w + p.padRight;
      bool inside = iy >= 0 && iy < p.in.h && ix >= 0 && ix < p.in.w;
      count += p.countIncludePad ? padded : inside;
      if (!inside)
        continue;
      present++;
      Number v = in.get(n, iy, ix, c);
      best = std::max(best, double(v.f));
      codes = std::max(codes, v.i);
      total += v.i;
      sum += p.kind == PoolKind::Lp ? std::pow(std::abs(double(v.real())), double(p.lp)) : double(v.f);
    }
  switch (p.kind) {
  case PoolKind::Max:
    return integer ? Number::code(codes) : Number::of(float(best));
  case PoolKind::Average:
    return Number::of((integer ? float(total + p.padCode * (count - present)) : float(sum)) / float(count));
  case PoolKind::Lp:
    return Number::of(float(std::pow(sum, 1.0 / double(p.lp))));
  }
  return {};
}

void run(const PoolProblem &p, double tolerance, Open open = {}) {
  Dynamic<PoolProblem> asked = dynamicPictures(p, open);
  ASSERT_EQ(refuse(asked.problem), "");
  run(
      p.in, p.out, p.epilogue, [&](ModuleOp m, const Isa &isa) { return emitPool(m, "pool", asked.problem, isa); },
      [&](Activation &in, int64_t n, int64_t y, int64_t x, int64_t c) { return pooled(p, in, n, y, x, c); }, tolerance,
      print(asked.problem), asked.sizes);
}

PoolProblem pool(PoolKind kind, Map in, int64_t k, int64_t stride, int64_t pad, Elem outElem, int64_t outHalo = 0) {
  PoolProblem p;
  p.kind = kind;
  p.in = in;
  p.kh = p.kw = k;
  p.strideH = p.strideW = stride;
  p.padTop = p.padLeft = p.padBottom = p.padRight = pad;
  p.out = image(outElem, in.n, (in.h + 2 * pad - k) / stride + 1, (in.w + 2 * pad - k) / stride + 1, in.c, outHalo);
  return p;
}

TEST(Pool, MaxOfFloatsAndCodes) {
  for (Elem e : {Elem::F32, Elem::U8, Elem::S8})
    for (int64_t c : {1, 16, 37, 83}) {
      run(pool(PoolKind::Max, image(e, 2, 11, 13, c, 1), 3, 2, 1, e, 1), 0);
      run(pool(PoolKind::Max, image(e, 1, 8, 9, c), 2, 2, 0, e), 0);
    }
  run(pool(PoolKind::Max, image(Elem::F32, 1, 13, 13, 24), 9, 1, 4, Elem::F32), 0);
  run(pool(PoolKind::Max, view(image(Elem::U8, 1, 9, 7, 21), 40, 3), 3, 1, 1, Elem::U8), 0);
  run(pool(PoolKind::Max, image(Elem::F32, 1, 57, 63, 48), 3, 2, 1, Elem::F32), 0);
}

TEST(Pool, DilationsAndUnevenWindows) {
  PoolProblem p = pool(PoolKind::Max, image(Elem::F32, 1, 12, 15, 19), 3, 1, 1, Elem::F32);
  p.kw = 2, p.strideW = 3, p.dilationH = 3, p.padTop = 2, p.padLeft = 1;
  p.out.h = (12 + 3 - 7) / 1 + 1, p.out.w = (15 + 2 - 2) / 3 + 1;
  run(p, 0);
  p.kind = PoolKind::Average;
  run(p, 1e-6);
}

TEST(Pool, AverageAndLp) {
  for (Elem e : {Elem::F32, Elem::U8})
    for (int64_t c : {3, 40})
      for (bool include : {false, true}) {
        PoolProblem p = pool(PoolKind::Average, image(e, 1, 9, 10, c), 3, 2, 1, Elem::F32);
        p.countIncludePad = include;
        p.padCode = include && e == Elem::U8 ? 128 : 0;
        p.out.w++; // ceil mode: the last window ends behind the padding
        run(p, 1e-6);
      }
  for (int64_t lp : {1, 2, 3}) {
    PoolProblem p = pool(PoolKind::Lp, image(Elem::F32, 1, 6, 7, 20), 3, 1, 0, Elem::F32);
    p.lp = lp;
    run(p, 2e-6);
  }
  run(pool(PoolKind::Average, image(Elem::U8, 1, 7, 7, 40), 7, 1, 0, Elem::F32), 0); // the whole picture
}

TEST(Pool, Epilogues) {
  for (Elem e : {Elem::F32, Elem::U8})
    for (PoolKind kind : {PoolKind::Max, PoolKind::Average}) {
      PoolProblem p = pool(kind, image(e, 1, 9, 10, 37), 2, 2, 0, Elem::U8, 1);
      p.epilogue = epilogue(Elem::U8, image(Elem::F32, 1, p.out.h, p.out.w, 37));
      run(p, 0);
    }
}

TEST(Pool, OpenPictures) {
  for (Open open : {Open{true, true}, Open{false, true}, Open{true, false}})
    for (Elem e : {Elem::F32, Elem::U8}) {
      run(pool(PoolKind::Max, image(e, 1, 11, 13, 37, 1), 3, 2, 1, e, 1), 0, open);
      PoolProblem p = pool(PoolKind::Average, image(e, 1, 9, 10, 20), 3, 2, 1, Elem::U8);
      p.epilogue = epilogue(Elem::U8, image(Elem::F32, 1, p.out.h, p.out.w, 20));
      run(p, 0, open);
      p = pool(PoolKind::Average, image(e, 1, 9, 10, 3), 3, 2, 1, Elem::F32);
      p.countIncludePad = true;
      p.padCode = e == Elem::U8 ? 93 : 0;
      p.out.w++; // ceil mode
      run(p, 1e-6, open);
    }
  run(pool(PoolKind::Max, image(Elem::F32, 1, 1, 1, 16), 3, 1, 1, Elem::F32), 0, {true, true}); // no window lies inside
  run(pool(PoolKind::Max, image(Elem::F32, 1, 13, 2, 24), 9, 1, 4, Elem::F32), 0, {true, true});
}

TEST(Pool, RefusalsSayWhy) {
  PoolProblem p = pool(PoolKind::Average, image(Elem::U8, 1, 9, 10, 4), 2, 2, 0, Elem::U8);
  EXPECT_EQ(refuse(p), "the output is no f32 and the epilogue does not quantize");
  p = pool(PoolKind::Max, image(Elem::I64, 1, 9, 10, 4), 2, 2, 0, Elem::I64);
  EXPECT_EQ(refuse(p), "an input that is neither f32 nor 8-bit codes");
}

TEST(GlobalReduce, EveryKind) {
  for (ReduceKind kind : {ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min})
    for (Elem e : {Elem::F32, Elem::U8, Elem::S8})
      for (int64_t c : {1, 24, 37, 131}) {
        GlobalReduceProblem p;
        p.kind = kind;
        p.in = view(image(e, 2, 7, 9, c, 1), c + 5, 2);
        bool quantized = c == 37 && e != Elem::F32;
        p.out = image(quantized ? Elem::U8 : Elem::F32, 2, 1, 1, c);
        if (quantized)
          p.epilogue = epilogue(Elem::U8, image(Elem::F32, 2, 1, 1, c));
        auto exact = [&](Activation &in, int64_t n, int64_t, int64_t, int64_t ch) {
          double sum = 0, low = INFINITY, high = -INFINITY;
          for (int64_t y = 0; y < 7; y++)
            for (int64_t x = 0; x < 9; x++) {
              double v = in.get(n, y, x, ch).real();
              sum += v, low = std::min(low, v), high = std::max(high, v);
            }
          return Number::of(kind == ReduceKind::Max   ? high
                            : kind == ReduceKind::Min ? low
                            : kind == ReduceKind::Sum ? float(sum)
                                                      : float(sum) / 63.0f);
        };
        run(
            p.in, p.out, p.epilogue, [&](ModuleOp m, const Isa &isa) { return emitGlobalReduce(m, "reduce", p, isa); },
            exact, e == Elem::F32 ? 1e-5 : 0, print(p));
      }
  GlobalReduceProblem large;
  large.in = image(Elem::F32, 1, 40, 40, 200);
  large.out = image(Elem::F32, 1, 1, 1, 200);
  run(
      large.in, large.out, {}, [&](ModuleOp m, const Isa &isa) { return emitGlobalReduce(m, "reduce", large, isa); },
      [](Activation &in, int64_t n, int64_t, int64_t, int64_t c) {
        double sum = 0;
        for (int64_t i = 0; i < 1600; i++)
          sum += in.get(n, i / 40, i % 40, c).f;
        return Number::of(float(sum / 1600));
      },
      2e-6, print(large));
}

TEST(GlobalReduce, OpenPictures) {
  for (Elem e : {Elem::F32, Elem::U8})
    for (int64_t w : {1, 3, 4, 17}) {
      GlobalReduceProblem p;
      p.in = image(e, 1, 6, w, 37, 1);
      p.out = image(Elem::F32, 1, 1, 1, 37);
      Dynamic<GlobalReduceProblem> asked{p, {6, w}};
      asked.problem.in.h = dynamicSize(0), asked.problem.in.w = dynamicSize(1);
      ASSERT_EQ(refuse(asked.problem), "");
      auto exact = [&](Activation &in, int64_t n, int64_t, int64_t, int64_t c) {
        double sum = 0;
        for (int64_t i = 0; i < 6 * w; i++)
          sum += in.get(n, i / w, i % w, c).real();
        return Number::of(float(sum) / float(6 * w));
      };
      run(
          p.in, p.out, {}, [&](ModuleOp m, const Isa &isa) { return emitGlobalReduce(m, "reduce", asked.problem, isa); }, exact,
          e == Elem::F32 ? 1e-5 : 0, print(asked.problem), asked.sizes);
    }
}

double position(ResizeCoord coord, double x, double in, double out, double scale) {
  switch (coord) {
  case ResizeCoord::HalfPixel:
  case ResizeCoord::PytorchHalfPixel:
    return coord == ResizeCoord::PytorchHalfPixel && out == 1 ? 0 : (x + 0.5) / scale - 0.5;
  case ResizeCoord::AlignCorners:
    return out == 1 ? 0 : x * (in - 1) / (out - 1);
  case ResizeCoord::Asymmetric:
    return x / scale;
  case ResizeCoord::HalfPixelSymmetric:
    return in / 2 * (1 - out / (scale * in)) + (x + 0.5) / scale - 0.5;
  }
  return 0;
}

/// `ratio`: the scales of open pictures are not written but follow from the sizes.
void runResize(Elem elem, ResizeMode mode, ResizeCoord coord, int64_t c, int64_t oh, int64_t ow,
               bool quantize = false, Open open = {}, bool ratio = false) {
  ResizeProblem p;
  int64_t n = open.h || open.w ? 1 : 2;
  p.in = view(image(elem, n, 6, 5, c, 1), c + 3, 1);
  p.out = image(quantize ? Elem::U8 : elem, n, oh, ow, c, 1);
  if (mode == ResizeMode::Linear && !quantize)
    p.out.elem = Elem::F32;
  p.mode = mode, p.coord = coord;
  p.scaleH = double(oh) / 6, p.scaleW = double(ow) / 5;
  if (quantize)
    p.epilogue = epilogue(Elem::U8, image(Elem::F32, n, oh, ow, c));
  Dynamic<ResizeProblem> asked = dynamicPictures(p, open);
  if (ratio)
    asked.problem.scaleH = asked.problem.scaleW = 0;
  ASSERT_EQ(refuse(asked.problem), "");
  auto exact = [&](Activation &in, int64_t n, int64_t y, int64_t x, int64_t ch) {
    double fy = position(coord, y, 6, oh, p.scaleH), fx = position(coord, x, 5, ow, p.scaleW);
    auto near = [&](double at, int64_t size) {
      at = std::abs(at - std::nearbyint(at * 2) / 2) < 1e-5 ? std::nearbyint(at * 2) / 2 : at; // f32 noise around ties
      double r = mode == ResizeMode::NearestFloor        ? std::floor(at)
                 : mode == ResizeMode::NearestCeil       ? std::ceil(at)
                 : mode == ResizeMode::NearestRoundFloor ? std::ceil(at - 0.5)
                                                         : std::floor(at + 0.5);
      return std::min(size - 1, std::max<int64_t>(0, int64_t(r)));
    };
    if (mode != ResizeMode::Linear)
      return in.get(n, near(fy, 6), near(fx, 5), ch);
    fy = std::min(5.0, std::max(0.0, fy)), fx = std::min(4.0, std::max(0.0, fx));
    int64_t y0 = int64_t(fy), x0 = int64_t(fx), y1 = std::min<int64_t>(5, y0 + 1), x1 = std::min<int64_t>(4, x0 + 1);
    double dy = fy - y0, dx = fx - x0;
    return Number::of((1 - dy) * ((1 - dx) * in.get(n, y0, x0, ch).real() + dx * in.get(n, y0, x1, ch).real()) +
                      dy * ((1 - dx) * in.get(n, y1, x0, ch).real() + dx * in.get(n, y1, x1, ch).real()));
  };
  run(
      p.in, p.out, p.epilogue, [&](ModuleOp m, const Isa &isa) { return emitResize(m, "resize", asked.problem, isa); }, exact,
      mode == ResizeMode::Linear ? (elem == Elem::F32 ? 1e-5 : 1e-3) : 0, print(asked.problem), asked.sizes);
}

TEST(Resize, OpenPictures) {
  for (auto mode : {ResizeMode::NearestFloor, ResizeMode::NearestCeil, ResizeMode::NearestRoundFloor, ResizeMode::NearestRoundCeil,
                    ResizeMode::Linear})
    for (auto coord : {ResizeCoord::HalfPixel, ResizeCoord::PytorchHalfPixel, ResizeCoord::Asymmetric, ResizeCoord::HalfPixelSymmetric})
      for (auto size : {std::pair(12, 10), std::pair(7, 13), std::pair(1, 1)})
        runResize(Elem::F32, mode, coord, 7, size.first, size.second, false, {true, true}, size.first == 7);
  runResize(Elem::F32, ResizeMode::Linear, ResizeCoord::AlignCorners, 21, 7, 13, false, {true, true}, true);
  runResize(Elem::F32, ResizeMode::Linear, ResizeCoord::AlignCorners, 21, 6, 5, false, {true, true});
  runResize(Elem::U8, ResizeMode::NearestFloor, ResizeCoord::Asymmetric, 37, 12, 10, true, {false, true});
  runResize(Elem::U8, ResizeMode::Linear, ResizeCoord::HalfPixel, 40, 12, 10, false, {true, false});
}

TEST(Resize, NearestOnAnyElement) {
  runResize(Elem::F32, ResizeMode::NearestFloor, ResizeCoord::Asymmetric, 24, 12, 10);
  runResize(Elem::U8, ResizeMode::NearestFloor, ResizeCoord::Asymmetric, 83, 12, 15);
  runResize(Elem::I64, ResizeMode::NearestFloor, ResizeCoord::Asymmetric, 5, 12, 7);
  runResize(Elem::U8, ResizeMode::NearestFloor, ResizeCoord::Asymmetric, 37, 12, 10, true);
  for (auto mode :
       {ResizeMode::NearestFloor, ResizeMode::NearestCeil, ResizeMode::NearestRoundFloor, ResizeMode::NearestRoundCeil})
    for (auto coord : {ResizeCoord::HalfPixel, ResizeCoord::PytorchHalfPixel, ResizeCoord::Asymmetric,
                       ResizeCoord::HalfPixelSymmetric})
      for (auto size : {std::pair(12, 10), std::pair(7, 13), std::pair(3, 2), std::pair(1, 1)})
        runResize(Elem::F32, mode, coord, 7, size.first, size.second);
}

TEST(Resize, Linear) {
  for (auto coord : {ResizeCoord::HalfPixel, ResizeCoord::PytorchHalfPixel, ResizeCoord::AlignCorners,
                     ResizeCoord::Asymmetric, ResizeCoord::HalfPixelSymmetric})
    for (auto size : {std::pair(12, 10), std::pair(7, 13), std::pair(3, 2), std::pair(1, 1)})
      runResize(Elem::F32, ResizeMode::Linear, coord, 21, size.first, size.second);
  runResize(Elem::U8, ResizeMode::Linear, ResizeCoord::HalfPixel, 40, 12, 10);
}

/// The tables of a kernel must reach it when code generation splits the module.
TEST(Resize, TablesSurviveSplitting) {
  ResizeProblem p;
  p.in = image(Elem::F32, 1, 4, 5, 16);
  p.out = image(Elem::F32, 1, 7, 9, 16);
  p.mode = ResizeMode::Linear;
  p.scaleH = 7.0 / 4, p.scaleW = 9.0 / 5;
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&kernelContext()));
  for (const char *name : {"first", "second"})
    emitResize(*module, name, p, hostIsa()).function.setPublic();
  CompileOptions options;
  options.jobs = 2;
  auto objects = compileToObjects(*module, options);
  ASSERT_TRUE(bool(objects)) << llvm::toString(objects.takeError());
  auto jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  for (auto &object : *objects)
    llvm::cantFail(jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy({object.data(), object.size()}, "part")));
  Random random(2);
  Activation in(p.in, random), first(p.out), second(p.out);
  for (auto [name, out] : {std::pair("first", &first), std::pair("second", &second)})
    llvm::cantFail(jit->lookup(name))
        .toPtr<void(void *, void *, int64_t)>()(in.buffer.data<void>(), out->buffer.data<void>(), 0);
  expectEqual(first, second, 0, "two copies of one kernel");
}

} // namespace
