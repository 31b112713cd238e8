#include "Naive.h"
#include <cmath>
#include <cstring>

namespace tern::cpu::test {

Map image(Elem elem, int64_t n, int64_t h, int64_t w, int64_t c, int64_t halo) {
  Map m;
  m.elem = elem;
  m.n = n, m.h = h, m.w = w, m.c = m.cs = c;
  m.top = m.left = m.bottom = m.right = halo;
  return m;
}

ExprNode node(ExprOp op, llvm::ArrayRef<int> args, double a, double b) {
  ExprNode e;
  e.op = op;
  e.args.assign(args.begin(), args.end());
  e.a = a, e.b = b;
  return e;
}

Number readElement(Buffer &b, Elem elem, int64_t at) {
  switch (elem) {
  case Elem::F32:
    return Number::of(b.data<float>()[at]);
  case Elem::U8:
  case Elem::I1:
    return Number::code(b.data<uint8_t>()[at]);
  case Elem::S8:
    return Number::code(b.data<int8_t>()[at]);
  case Elem::I16:
    return Number::code(b.data<int16_t>()[at]);
  case Elem::I32:
    return Number::code(b.data<int32_t>()[at]);
  case Elem::I64:
    return Number::code(b.data<int64_t>()[at]);
  default:
    ADD_FAILURE() << "an element type the tests do not read";
    return {};
  }
}

void writeElement(Buffer &b, Elem elem, int64_t at, Number v) {
  switch (elem) {
  case Elem::F32:
    b.data<float>()[at] = v.real();
    return;
  case Elem::U8:
  case Elem::I1:
  case Elem::S8:
    b.data<uint8_t>()[at] = uint8_t(v.i);
    return;
  case Elem::I16:
    b.data<int16_t>()[at] = int16_t(v.i);
    return;
  case Elem::I32:
    b.data<int32_t>()[at] = int32_t(v.i);
    return;
  case Elem::I64:
    b.data<int64_t>()[at] = v.i;
    return;
  default:
    ADD_FAILURE() << "an element type the tests do not write";
  }
}

Activation::Activation(const Map &map, Random &random, float lo, float hi) : Activation(map) {
  for (int64_t n = 0; n < map.n; n++)
    for (int64_t y = 0; y < map.h; y++)
      for (int64_t x = 0; x < map.w; x++)
        for (int64_t c = 0; c < map.c; c++)
          set(n, y, x, c,
              map.elem == Elem::F32 ? Number::of(random.real(lo, hi)) : Number::code(random.integer(-128, 255)));
}

Number Activation::get(int64_t n, int64_t y, int64_t x, int64_t c) {
  return readElement(buffer, map.elem, offsetOf(map, n, y, x, c));
}

void Activation::set(int64_t n, int64_t y, int64_t x, int64_t c, Number v) {
  writeElement(buffer, map.elem, offsetOf(map, n, y, x, c), v);
}

static Number apply(const ExprNode &e, Number x, Number y) {
  float a = float(e.a), b = float(e.b), u = x.real(), v = y.real();
  auto code = [&](float t) {
    if (std::isnan(t))
      return Number::code(e.lo);
    double r = std::nearbyint(double(t)) + e.a;
    return Number::code(int64_t(std::min(double(e.hi), std::max(double(e.lo), r))));
  };
  auto hardSigmoid = [&](float s, float o) {
    float scaled = u * s;
    return std::max(0.0f, std::min(1.0f, scaled + o));
  };
  switch (e.op) {
  case ExprOp::Relu:
    return Number::of(u < 0 ? 0 : u);
  case ExprOp::LeakyRelu:
    return Number::of(u < 0 ? a * u : u);
  case ExprOp::Clip:
    return Number::of(u < a ? a : u > b ? b : u);
  case ExprOp::Sigmoid:
    return Number::of(1 / (1 + std::exp(-double(u))));
  case ExprOp::HardSigmoid:
    return Number::of(hardSigmoid(a, b));
  case ExprOp::HardSwish:
    return Number::of(u * hardSigmoid(1.0f / 6, 0.5f));
  case ExprOp::Tanh:
    return Number::of(std::tanh(double(u)));
  case ExprOp::Exp:
    return Number::of(std::exp(double(u)));
  case ExprOp::Log:
    return Number::of(std::log(double(u)));
  case ExprOp::Sqrt:
    return Number::of(std::sqrt(u));
  case ExprOp::Rsqrt:
    return Number::of(1 / std::sqrt(u));
  case ExprOp::Reciprocal:
    return Number::of(1 / u);
  case ExprOp::Neg:
    return Number::of(-u);
  case ExprOp::Abs:
    return Number::of(std::abs(u));
  case ExprOp::Floor:
    return Number::of(std::floor(u));
  case ExprOp::Ceil:
    return Number::of(std::ceil(u));
  case ExprOp::Round:
    return Number::of(std::nearbyint(u));
  case ExprOp::Erf:
    return Number::of(std::erf(double(u)));
  case ExprOp::Gelu:
    return Number::of(u / 2 * std::erfc(-double(u) * M_SQRT1_2));
  case ExprOp::GeluTanh:
    return Number::of(u / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (u + 0.044715 * u * u * u))));
  case ExprOp::Silu:
    return Number::of(u / (1 + std::exp(-double(u))));
  case ExprOp::Elu:
    return Number::of(u < 0 ? a * (std::exp(double(u)) - 1) : u);
  case ExprOp::Softplus:
    return Number::of(std::max(u, 0.0f) + std::log1p(std::exp(-std::abs(double(u)))));
  case ExprOp::Sign:
    return Number::of(float((u > 0) - (u < 0)));
  case ExprOp::Add:
    return Number::of(u + v);
  case ExprOp::Uncenter:
    return Number::code(x.i - int64_t(e.a) * y.i);
  case ExprOp::Sub:
    return Number::of(u - v);
  case ExprOp::Mul:
    return Number::of(u * v);
  case ExprOp::Div:
    return Number::of(u / v);
  case ExprOp::Pow:
    return Number::of(std::pow(double(u), e.args.size() > 1 ? double(v) : e.a));
  case ExprOp::Min:
    return Number::of(std::min(u, v));
  case ExprOp::Max:
    return Number::of(std::max(u, v));
  case ExprOp::Prelu:
    return Number::of(u < 0 ? u * v : u);
  case ExprOp::IntToF32:
    return Number::of(u);
  case ExprOp::Dequant:
    return Number::of((u - a) * v);
  case ExprOp::Quant:
    return code(u / v);
  case ExprOp::Requant:
    return code(u * v);
  }
  return {};
}

Number evaluate(const Expr &expr, std::vector<Number> values) {
  for (const ExprNode &e : expr.nodes)
    values.push_back(apply(e, values[e.args[0]], e.args.size() > 1 ? values[e.args[1]] : Number()));
  return expr.nodes.empty() ? values[0] : values.back();
}

Operands::Operands(const Expr &expr, const Map &out, Random &random) : expr(expr) {
  for (const ExprInput &in : expr.inputs) {
    Map m = in.map;
    if (in.kind == ExprInput::Channel || in.kind == ExprInput::Scalar) {
      m = Map();
      m.c = m.cs = in.kind == ExprInput::Channel ? out.c : 1;
    }
    bool scale = in.kind == ExprInput::Scalar;
    inputs.push_back(in.kind == ExprInput::Acc
                         ? nullptr
                         : std::make_unique<Activation>(m, random, scale ? 0.01f : -4.0f, scale ? 0.1f : 4.0f));
  }
}

std::vector<Buffer *> Operands::pointers() {
  std::vector<Buffer *> all;
  for (auto &in : inputs)
    if (in)
      all.push_back(&in->buffer);
  return all;
}

std::vector<Number> Operands::at(std::optional<Number> acc, int64_t n, int64_t y, int64_t x, int64_t c, std::optional<Number> second) {
  std::vector<Number> values;
  for (size_t i = 0; i < inputs.size(); i++)
    switch (expr.inputs[i].kind) {
    case ExprInput::Acc:
      values.push_back(i ? *second : *acc);
      break;
    case ExprInput::Tensor:
      values.push_back(inputs[i]->get(n, y, x, c));
      break;
    case ExprInput::Channel:
      values.push_back(inputs[i]->get(0, 0, 0, c));
      break;
    case ExprInput::Pixelwise:
      values.push_back(inputs[i]->get(n, 0, 0, c));
      break;
    case ExprInput::Row:
      values.push_back(inputs[i]->get(n, y, x, 0));
      break;
    case ExprInput::Scalar:
      values.push_back(inputs[i]->get(0, 0, 0, 0));
      break;
    }
  if (values.empty())
    values.push_back(*acc);
  return values;
}

Activation evaluate(const EltwiseProblem &p, Operands &operands) {
  Activation want(p.out);
  for (int64_t n = 0; n < p.out.n; n++)
    for (int64_t y = 0; y < p.out.h; y++)
      for (int64_t x = 0; x < p.out.w; x++)
        for (int64_t c = 0; c < p.out.c; c++)
          want.set(n, y, x, c, evaluate(p.expr, operands.at({}, n, y, x, c)));
  return want;
}

void expectEqual(Activation &got, Activation &want, double tolerance, const std::string &what) {
  const Map &m = want.map;
  int64_t wrong = 0;
  for (int64_t n = 0; n < m.n; n++)
    for (int64_t y = 0; y < m.h; y++)
      for (int64_t x = 0; x < m.w; x++)
        for (int64_t c = 0; c < m.c; c++) {
          Number g = got.get(n, y, x, c), w = want.get(n, y, x, c);
          bool same = g.integer ? g.i == w.i
                                : std::abs(g.f - w.f) <= tolerance * std::max(1.0f, std::abs(w.f)) || g.f == w.f ||
                                      (std::isnan(g.f) && std::isnan(w.f));
          if (!same && wrong++ < 3)
            ADD_FAILURE() << what << ": element " << n << "," << y << "," << x << "," << c << " is "
                          << (g.integer ? float(g.i) : g.f) << ", not " << (w.integer ? float(w.i) : w.f);
          got.set(n, y, x, c, w);
        }
  EXPECT_EQ(wrong, 0) << what << ": so many elements differ";
  EXPECT_EQ(std::memcmp(got.buffer.data<char>(), want.buffer.data<char>(), want.buffer.size()), 0)
      << what << ": something outside of the view changed";
}

} // namespace tern::cpu::test
