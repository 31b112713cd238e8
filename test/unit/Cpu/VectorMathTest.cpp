//===- VectorMathTest.cpp - accuracy against double precision libm --------===//
#include "lib/Target/Cpu/Math/VectorMath.h"
#include "KernelTest.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
using Vector1 = llvm::function_ref<Value(KernelBuilder &, Value)>;
using Vector2 = llvm::function_ref<Value(KernelBuilder &, Value, Value)>;

/// y[i] = f(x[i], z[i]) for `count` elements, whole vectors.
std::vector<float> apply(const Isa &isa, Vector2 f, std::vector<float> x, std::vector<float> z) {
  size_t count = x.size(), padded = (count + 15) / 16 * 16;
  x.resize(padded, 1.0f);
  z.resize(padded, 1.0f);
  CompiledKernel kernel(isa, [&](ModuleOp module, const Isa &isa) -> Kernel {
    KernelBuilder k(module, "apply", {Elem::F32, Elem::F32, Elem::F32}, isa);
    k.loop(0, padded, isa.lanes, [&](Index i) {
      k.store(f(k, k.load(k.arg(0), i, isa.lanes), k.load(k.arg(1), i, isa.lanes)), k.arg(2), i);
    });
    return {k.finish(), TaskCount()};
  });
  if (!kernel.ok())
    return std::vector<float>(count);
  Buffer in = Buffer::of(x), second = Buffer::of(z), out(padded * 4);
  kernel.run({&in, &second, &out});
  return std::vector<float>(out.data<float>(), out.data<float>() + count);
}

std::vector<float> apply(const Isa &isa, Vector1 f, const std::vector<float> &x) {
  return apply(
      isa, [&](KernelBuilder &k, Value v, Value) { return f(k, v); }, x, x);
}

double ulp(double value) {
  float f = std::abs(float(value));
  return std::max(double(std::nextafter(f, INFINITY)) - f, 1.4e-45);
}

std::vector<float> range(double lo, double hi, int count = 20000) {
  std::vector<float> x;
  for (int i = 0; i < count; i++)
    x.push_back(float(lo + (hi - lo) * i / (count - 1)));
  return x;
}

struct Bound {
  double ulps, absolute; // an error is fine when it is below one of them
};

void check(const char *name, Vector1 f, llvm::function_ref<double(double)> exact, const std::vector<float> &x,
           Bound bound) {
  for (const Isa &isa : hostIsas()) {
    double limit = bound.ulps * (isa.lanes == 4 ? 2 : 1);
    double absolute = bound.absolute * (isa.lanes == 4 ? 2 : 1);
    std::vector<float> y = apply(isa, f, x);
    double worst = 0, worstAbsolute = 0, at = 0;
    for (size_t i = 0; i < x.size(); i++) {
      double want = exact(x[i]), error = std::abs(y[i] - want);
      worstAbsolute = std::max(worstAbsolute, error);
      if (error / ulp(want) > worst && error > absolute) {
        worst = error / ulp(want);
        at = x[i];
      }
    }
    ::testing::Test::RecordProperty((std::string(name) + "." + isa.name.str()).c_str(), std::to_string(worst));
    if (std::getenv("TERN_PRINT_ERRORS"))
      llvm::errs() << name << " " << isa.name << ": " << worst << " ulp at " << at << ", absolute " << worstAbsolute
                   << "\n";
    EXPECT_LE(worst, limit) << name << " " << isa.name.str() << " at " << at;
  }
}

void checkValues(const char *name, Vector1 f, std::vector<std::pair<float, float>> table) {
  for (const Isa &isa : hostIsas()) {
    std::vector<float> x;
    for (auto [in, out] : table)
      x.push_back(in);
    std::vector<float> y = apply(isa, f, x);
    for (size_t i = 0; i < table.size(); i++) {
      float want = table[i].second;
      if (std::isnan(want))
        EXPECT_TRUE(std::isnan(y[i])) << name << "(" << x[i] << ") = " << y[i] << " " << isa.name.str();
      else
        EXPECT_TRUE(y[i] == want && std::signbit(y[i]) == std::signbit(want))
            << name << "(" << x[i] << ") = " << y[i] << " " << isa.name.str();
    }
  }
}

constexpr float kInf = INFINITY, kNan = NAN;

TEST(VectorMath, Exp) {
  check("exp", vmath::exp, [](double x) { return std::exp(x); }, range(-86.9, 88.7), {1, 0});
  check("expNegative", vmath::expNegative, [](double x) { return std::exp(x); }, range(-86.9, 0), {1, 0});
  check("expUnit", vmath::expUnit, [](double x) { return std::exp(x); }, range(-86.9, 0), {1, 1e-7});
  checkValues("expUnit", vmath::expUnit, {{0, 1}, {-kInf, 0}, {-105, 0}, {kNan, kNan}});
  checkValues("exp", vmath::exp, {{0, 1}, {-kInf, 0}, {kInf, kInf}, {-100, 0}, {100, kInf}, {kNan, kNan}});
}

TEST(VectorMath, Log) {
  check("log", vmath::log, [](double x) { return std::log(x); }, range(1e-3, 100), {2, 0});
  check("log", vmath::log, [](double x) { return std::log(x); }, range(1e-44, 1e-38), {2, 0});
  check("log", vmath::log, [](double x) { return std::log(x); }, range(0.9, 1.1), {2, 0});
  checkValues("log", vmath::log, {{1, 0}, {0, -kInf}, {-1, kNan}, {kInf, kInf}, {kNan, kNan}});
  check("log1p", vmath::log1p, [](double x) { return std::log1p(x); }, range(0, 1), {3, 0});
  check("log1p", vmath::log1p, [](double x) { return std::log1p(x); }, range(1e-9, 1e-5), {3, 0});
}

TEST(VectorMath, TanhErfSigmoid) {
  check("tanh", vmath::tanh, [](double x) { return std::tanh(x); }, range(-10, 10), {5, 0});
  check("erf", vmath::erf, [](double x) { return std::erf(x); }, range(-5, 5), {4, 0});
  check("sigmoid", vmath::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, range(-80, 80), {3, 0});
  checkValues("tanh", vmath::tanh, {{0, 0}, {kNan, kNan}});
  checkValues("erf", vmath::erf, {{0, 0}, {kInf, 1}, {-kInf, -1}, {kNan, kNan}});
  checkValues("sigmoid", vmath::sigmoid, {{0, 0.5f}, {kInf, 1}, {-kInf, 0}, {kNan, kNan}});
}

TEST(VectorMath, Activations) {
  check("silu", vmath::silu, [](double x) { return x / (1 + std::exp(-x)); }, range(-80, 80), {4, 0});
  auto gelu = [](double x) { return x / 2 * std::erfc(-x * M_SQRT1_2); };
  check("gelu", vmath::gelu, gelu, range(-6, 6), {4, 5e-7});
  check("gelu", vmath::gelu, gelu, range(6, 1000), {1, 0});
  auto geluTanh = [](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); };
  check("gelu_tanh", vmath::geluTanh, geluTanh, range(-6, 6), {4, 1e-6});
  check("softplus", vmath::softplus, [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); },
        range(-80, 80), {4, 0});
  check("gelu_tanh", vmath::geluTanh, geluTanh, range(6, 1000), {1, 0});
  checkValues("gelu", vmath::gelu, {{0, 0}, {kInf, kInf}, {kNan, kNan}, {-20, 0}});
  checkValues("gelu_tanh", vmath::geluTanh, {{0, 0}, {kInf, kInf}, {kNan, kNan}});
  checkValues("silu", vmath::silu, {{0, 0}, {kInf, kInf}, {kNan, kNan}});
  checkValues("softplus", vmath::softplus, {{kInf, kInf}, {-kInf, 0}, {kNan, kNan}});
  checkValues("hard_swish", vmath::hardSwish, {{0, 0}, {-4, -0.0f}, {5, 5}, {kNan, kNan}, {3, 3}});
  checkValues("sign", vmath::sign, {{0, 0}, {-0.0f, -0.0f}, {3, 1}, {-kInf, -1}, {kNan, kNan}});
}

TEST(VectorMath, Rounding) {
  auto round = [](KernelBuilder &k, Value v) { return k.roundEven(v); };
  auto floor = [](KernelBuilder &k, Value v) { return k.floor(v); };
  auto ceil = [](KernelBuilder &k, Value v) { return k.ceil(v); };
  checkValues("round", round,
              {{0.5f, 0}, {1.5f, 2}, {-0.5f, -0.0f}, {-2.5f, -2}, {8388609, 8388609}, {kNan, kNan}, {kInf, kInf}});
  checkValues("floor", floor,
              {{0.5f, 0}, {1.5f, 1}, {-0.5f, -1}, {-2, -2}, {1e20f, 1e20f}, {-0.0f, -0.0f}, {kNan, kNan}});
  checkValues("ceil", ceil, {{0.5f, 1}, {1.5f, 2}, {-0.5f, -0.0f}, {-2, -2}, {1e20f, 1e20f}, {kNan, kNan}});
}

TEST(VectorMath, Pow) {
  Random random(7);
  std::vector<float> x, y;
  for (int i = 0; i < 20000; i++) {
    x.push_back(std::exp(random.real(-20, 20)));
    y.push_back(random.real(-8, 8));
  }
  float special[] = {0.0f, -0.0f, 1,    -1,    2,    -2,     0.5f,  -0.5f,    3,
                     -3,   2.5f,  kInf, -kInf, kNan, 1e-40f, 1e38f, 16777218, -7};
  for (float a : special)
    for (float c : special) {
      x.push_back(a);
      y.push_back(c);
    }
  for (const Isa &isa : hostIsas()) {
    std::vector<float> z = apply(
        isa, [](KernelBuilder &k, Value a, Value c) { return vmath::pow(k, a, c); }, x, y);
    for (size_t i = 0; i < x.size(); i++) {
      double want = std::pow(double(x[i]), double(y[i]));
      if (std::isnan(want))
        EXPECT_TRUE(std::isnan(z[i])) << x[i] << " ^ " << y[i] << " = " << z[i];
      else if (std::isinf(float(want)) || want == 0)
        EXPECT_TRUE(z[i] == float(want) && std::signbit(z[i]) == std::signbit(want))
            << x[i] << " ^ " << y[i] << " = " << z[i];
      else
        EXPECT_LE(std::abs(z[i] - want), ulp(want)) << x[i] << " ^ " << y[i] << " = " << z[i];
    }
  }
}

TEST(VectorMath, SinAndCos) {
  auto sine = [](KernelBuilder &k, Value v) { return vmath::sin(k, v); };
  auto cosine = [](KernelBuilder &k, Value v) { return vmath::cos(k, v); };
  for (const std::vector<float> &x : {range(-10, 10), range(-1e6, 1e6), range(-1e-3, 1e-3)}) {
    check("sin", sine, [](double v) { return std::sin(v); }, x, {2, 1e-7});
    check("cos", cosine, [](double v) { return std::cos(v); }, x, {2, 1e-7});
  }
}

TEST(VectorMath, InverseTrigonometric) {
  for (const std::vector<float> &x : {range(-1, 1), range(-1e-3, 1e-3), range(0.49, 0.51), range(0.999, 1)}) {
    check("asin", vmath::asin, [](double v) { return std::asin(v); }, x, {3, 0});
    check("acos", vmath::acos, [](double v) { return std::acos(v); }, x, {2, 0});
  }
  for (const std::vector<float> &x : {range(-4, 4), range(-1e-3, 1e-3), range(-1e6, 1e6)})
    check("atan", vmath::atan, [](double v) { return std::atan(v); }, x, {2, 0});
  checkValues("asin", vmath::asin, {{0, 0}, {-0.0f, -0.0f}, {1, float(M_PI_2)}, {-1, float(-M_PI_2)}, {1.5f, kNan}, {-kInf, kNan}, {kNan, kNan}});
  checkValues("acos", vmath::acos, {{1, 0}, {0, float(M_PI_2)}, {-1, float(M_PI)}, {1.5f, kNan}, {kInf, kNan}, {kNan, kNan}});
  checkValues("atan", vmath::atan, {{0, 0}, {-0.0f, -0.0f}, {kInf, float(M_PI_2)}, {-kInf, float(-M_PI_2)}, {kNan, kNan}});
}

TEST(VectorMath, Hyperbolic) {
  for (const std::vector<float> &x : {range(-89.4, 89.4), range(-2, 2), range(-1e-3, 1e-3)}) {
    check("sinh", vmath::sinh, [](double v) { return std::sinh(v); }, x, {3, 0});
    check("cosh", vmath::cosh, [](double v) { return std::cosh(v); }, x, {3, 0});
  }
  for (const std::vector<float> &x : {range(-10, 10), range(-1e-3, 1e-3), range(-1e12, 1e12), range(-3e38, 3e38)})
    check("asinh", vmath::asinh, [](double v) { return std::asinh(v); }, x, {5, 0});
  for (const std::vector<float> &x : {range(1, 2), range(1, 1.001), range(1, 1e12), range(1, 3e38)})
    check("acosh", vmath::acosh, [](double v) { return std::acosh(v); }, x, {5, 0});
  for (const std::vector<float> &x : {range(-0.999, 0.999), range(-1e-3, 1e-3), range(0.999, 0.9999999)})
    check("atanh", vmath::atanh, [](double v) { return std::atanh(v); }, x, {5, 0});
  checkValues("sinh", vmath::sinh, {{0, 0}, {-0.0f, -0.0f}, {kInf, kInf}, {-kInf, -kInf}, {90, kInf}, {kNan, kNan}});
  checkValues("cosh", vmath::cosh, {{0, 1}, {kInf, kInf}, {-kInf, kInf}, {-90, kInf}, {kNan, kNan}});
  checkValues("asinh", vmath::asinh, {{0, 0}, {-0.0f, -0.0f}, {kInf, kInf}, {-kInf, -kInf}, {kNan, kNan}});
  checkValues("acosh", vmath::acosh, {{1, 0}, {0.5f, kNan}, {-1, kNan}, {-3, kNan}, {-kInf, kNan}, {kInf, kInf}, {kNan, kNan}});
  checkValues("atanh", vmath::atanh, {{0, 0}, {-0.0f, -0.0f}, {1, kInf}, {-1, -kInf}, {2, kNan}, {-kInf, kNan}, {kNan, kNan}});
}

TEST(VectorMath, PowConstant) {
  for (double y : {-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 2.5}) {
    auto f = [&](KernelBuilder &k, Value v) { return vmath::powConstant(k, v, y); };
    check("pow", f, [&](double x) { return std::pow(x, y); }, range(0.01, 20), {3, 0});
    checkValues("pow", f, {{-kInf, float(std::pow(-kInf, y))}, {-0.0f, float(std::pow(-0.0, y))}});
  }
}

TEST(KernelBuilder, MaxAndMinKeepTheSecondNan) {
  auto relu = [](KernelBuilder &k, Value v) { return k.fmax(k.f32(0, k.lanesOf(v)), v); };
  checkValues("relu", relu, {{kNan, kNan}, {-1, 0}, {2, 2}});
  auto drop = [](KernelBuilder &k, Value v) { return k.fmax(v, k.f32(0, k.lanesOf(v))); };
  checkValues("drop", drop, {{kNan, 0}, {-1, 0}, {2, 2}});
}

TEST(KernelBuilder, RoundToIntIsExact) {
  for (auto [zero, lo, hi] : {std::tuple(0, -128, 127), std::tuple(3, 0, 255), std::tuple(128, 1, 255)}) {
    int64_t z = zero, l = lo, h = hi;
    auto f = [&](KernelBuilder &k, Value v) { return k.toF32(k.roundToInt(v, z, l, h)); };
    std::vector<std::pair<float, float>> table;
    for (int i = -1200; i <= 1200; i++) {
      float x = float(i) * 0.25f;
      table.push_back({x, std::min(float(h), std::max(float(l), std::nearbyint(x) + float(z))) + 0.0f});
    }
    table.push_back({kInf, float(h)});
    table.push_back({-kInf, float(l)});
    table.push_back({kNan, float(l)});
    checkValues("roundToInt", f, table);
  }
}
} // namespace
