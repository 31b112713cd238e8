//===- RnnTest.cpp - recurrent layers against plain loops -------------------===//
#include "Dynamic.h"
#include "Naive.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

View view(ArrayRef<int64_t> strides) {
  View v;
  v.strides.assign(strides.begin(), strides.end());
  return v;
}

RnnProblem problem(RnnKind kind, int64_t steps, int64_t batch, int64_t inputs, int64_t hidden, int64_t directions) {
  RnnProblem p;
  p.kind = kind;
  p.steps = steps, p.batch = batch, p.inputs = inputs, p.hidden = hidden, p.directions = directions;
  int64_t columns = inputs ? inputs : directions * p.gates() * hidden;
  p.x = view({batch * columns, columns});
  p.y = view({directions * batch * hidden, batch * hidden, hidden});
  p.h0 = p.c0 = p.yh = p.yc = view({batch * hidden, hidden});
  using A = RnnActivation;
  for (int64_t d = 0; d < directions; d++)
    for (int64_t f = 0; f < p.functions(); f++)
      p.activations.push_back({kind == RnnKind::Rnn || f > 0 ? A::Tanh : A::Sigmoid, 0, 0});
  return p;
}

double activate(const RnnActivation &f, double x, double clip) {
  if (clip > 0)
    x = std::min(std::max(x, -clip), clip);
  switch (f.kind) {
  case RnnActivation::Tanh:
    return std::tanh(x);
  case RnnActivation::Sigmoid:
    return 1 / (1 + std::exp(-x));
  case RnnActivation::HardSigmoid:
    return std::max(0.0, std::min(1.0, f.a * x + f.b));
  case RnnActivation::Relu:
    return std::max(0.0, x);
  case RnnActivation::Softsign:
    return x / (1 + std::abs(x));
  default:
    return x * f.a + f.b;
  }
}

/// What DynamicQuantizeLinear and back makes of `states`, by the range of `all`.
void roundStates(const std::vector<std::vector<double> *> &states, const std::vector<std::vector<double> *> &all) {
  float least = 0, most = 0;
  for (const std::vector<double> *state : all)
    for (double v : *state)
      least = std::min(least, float(v)), most = std::max(most, float(v));
  float scale = most == least ? 1 : (most - least) / 255, zero = std::nearbyint(-least / scale);
  for (std::vector<double> *state : states)
    for (double &v : *state)
      v = double(std::min(std::max(std::nearbyint(float(v) / scale) + zero, 0.0f), 255.0f) - zero) * scale;
}

void expectRnn(const RnnProblem &p, const RnnProblem &compiled, ArrayRef<int64_t> sizes) {
  ASSERT_EQ(refuse(compiled), "");
  Random random(3);
  auto floats = [&](int64_t count, float bound) {
    std::vector<float> v(count);
    for (float &f : v)
      f = random.real(-bound, bound);
    return v;
  };
  int64_t S = p.steps, B = p.batch, I = p.inputs, H = p.hidden, D = p.directions, G = p.gates(), GH = G * H;
  bool apart = p.kind == RnnKind::Gru && p.linearBeforeReset, codes = p.weight == Elem::S8;
  int64_t biasSize = p.biasSize(), columns = I ? I : D * GH;
  std::vector<float> x = floats(S * B * columns, 1), w = floats(D * I * GH, 0.5f), r = floats(D * H * GH, 0.5f), bias = floats(D * biasSize, 0.5f);
  std::vector<float> peephole = floats(D * 3 * H, 0.5f), h0 = floats(D * B * H, 1), c0 = floats(D * B * H, 1);
  std::vector<float> wScale = floats(D * GH, 0), rScale = wScale;
  std::vector<int8_t> wCodes(w.size()), rCodes(r.size());
  for (int64_t i = 0; i < D * GH; i++)
    wScale[i] = random.real(0.001f, 0.005f), rScale[i] = random.real(0.001f, 0.005f);
  if (codes)
    for (auto [values, c, scale, rows] : {std::tuple(&w, &wCodes, &wScale, I), {&r, &rCodes, &rScale, H}})
      for (size_t i = 0; i < values->size(); i++) {
        (*c)[i] = int8_t(random.integer(-128, 127));
        (*values)[i] = float((*c)[i]) * (*scale)[int64_t(i) / (rows * GH) * GH + int64_t(i) % GH];
      }
  if (p.roundState) // zero points of columns
    for (int64_t d = 0; d < D; d++)
      for (int64_t n = 0; n < GH; n++)
        for (int64_t i = 0; i < H; i++)
          r[(d * H + i) * GH + n] = float(rCodes[(d * H + i) * GH + n] - (n % 5 - 2)) * rScale[d * GH + n];
  std::vector<int32_t> lens(B);
  for (int64_t b = 0; b < B; b++)
    lens[b] = int32_t(S - b % (S + 1));
  std::vector<float> wantY(S * D * B * H, 0), wantH(D * B * H), wantC(D * B * H);
  for (int64_t d = 0; d < D; d++) {
    std::vector<std::vector<double>> hs(B, std::vector<double>(H)), cs = hs;
    for (int64_t b = 0; b < B; b++)
      for (int64_t j = 0; j < H; j++) {
        hs[b][j] = p.hasH0 ? h0[(d * B + b) * H + j] : 0;
        cs[b][j] = p.hasC0 ? c0[(d * B + b) * H + j] : 0;
      }
    for (int64_t i = 0; i < S; i++) {
      std::vector<std::vector<double> *> running, ran;
      for (int64_t b = 0; b < B; b++) {
        int64_t count = p.lens ? lens[b] : S;
        if (i < count)
          running.push_back(&hs[b]);
        if (i <= count)
          ran.push_back(&hs[b]);
      }
      if (p.roundState)
        roundStates(running, ran);
      for (int64_t b = 0; b < B; b++) {
        int64_t count = p.lens ? lens[b] : S;
        if (i >= count)
          continue;
        std::vector<double> &h = hs[b], &c = cs[b];
        int64_t t = p.reverse || d == 1 ? count - 1 - i : i;
        auto fx = [&](int64_t g, int64_t j) {
          double sum = bias[d * biasSize + g * H + j];
          if (I == 0)
            sum += x[(t * B + b) * columns + d * GH + g * H + j];
          for (int64_t n = 0; n < I; n++)
            sum += double(x[(t * B + b) * I + n]) * w[(d * I + n) * GH + g * H + j];
          return sum;
        };
        auto fh = [&](int64_t g, int64_t j, const std::vector<double> &state) {
          double sum = 0;
          for (int64_t n = 0; n < H; n++)
            sum += state[n] * r[(d * H + n) * GH + g * H + j];
          return sum;
        };
        auto f = [&](int64_t which, double v) { return activate(p.activations[d * p.functions() + which], v, p.clip); };
        auto peep = [&](int64_t which, int64_t j) { return p.peephole ? double(peephole[(d * 3 + which) * H + j]) : 0.0; };
        std::vector<double> next(H), open(H);
        for (int64_t j = 0; j < H && p.kind == RnnKind::Gru; j++)
          open[j] = f(0, fx(1, j) + fh(1, j, h));
        std::vector<double> kept(H);
        for (int64_t j = 0; j < H; j++)
          kept[j] = open[j] * h[j];
        for (int64_t j = 0; j < H; j++) {
          if (p.kind == RnnKind::Rnn) {
            next[j] = f(0, fx(0, j) + fh(0, j, h));
          } else if (p.kind == RnnKind::Gru) {
            double z = f(0, fx(0, j) + fh(0, j, h));
            double candidate = apart ? fx(2, j) + open[j] * (fh(2, j, h) + bias[d * biasSize + GH + j]) : fx(2, j) + fh(2, j, kept);
            next[j] = (1 - z) * f(1, candidate) + z * h[j];
          } else {
            double in = f(0, fx(0, j) + fh(0, j, h) + peep(0, j) * c[j]);
            double forget = p.inputForget ? 1 - in : f(0, fx(2, j) + fh(2, j, h) + peep(2, j) * c[j]);
            double old = c[j];
            c[j] = forget * old + in * f(1, fx(3, j) + fh(3, j, h));
            next[j] = f(0, fx(1, j) + fh(1, j, h) + peep(1, j) * c[j]) * f(2, c[j]);
          }
        }
        h = next;
        for (int64_t j = 0; j < H; j++)
          wantY[((t * D + d) * B + b) * H + j] = float(h[j]);
      }
    }
    for (int64_t b = 0; b < B; b++)
      for (int64_t j = 0; j < H; j++) {
        wantH[(d * B + b) * H + j] = float(hs[b][j]);
        wantC[(d * B + b) * H + j] = float(cs[b][j]);
      }
  }
  if (p.computed) { // as ONNX has them
    std::vector<float> turned(r.size());
    for (int64_t d = 0; d < D; d++)
      for (int64_t i = 0; i < H; i++)
        for (int64_t n = 0; n < GH; n++)
          turned[(d * GH + n) * H + i] = r[(d * H + i) * GH + n];
    r = turned;
  }
  int64_t panels = (GH + kRnnPanel - 1) / kRnnPanel, quads = (H + 3) / 4;
  std::vector<int8_t> packed(D * panels * quads * kRnnPanel * 4);
  std::vector<int32_t> shifts(D * GH), zeros(D * GH);
  for (int64_t d = 0; d < D; d++)
    for (int64_t n = 0; n < GH; n++) {
      zeros[d * GH + n] = int32_t(n % 5 - 2);
      for (int64_t i = 0; i < H; i++) {
        int8_t code = rCodes[(d * H + i) * GH + n];
        packed[(((d * panels + n / kRnnPanel) * quads + i / 4) * kRnnPanel + n % kRnnPanel) * 4 + i % 4] = code;
        shifts[d * GH + n] += code - zeros[d * GH + n];
      }
    }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitRnn(m, "rnn", compiled, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer xb = Buffer::of(x), wb = codes ? Buffer::of(wCodes) : Buffer::of(w), rb = codes ? Buffer::of(rCodes) : Buffer::of(r);
    Buffer ws = Buffer::of(wScale), rs = Buffer::of(rScale), bb = Buffer::of(bias), pb = Buffer::of(peephole), lb = Buffer::of(lens);
    Buffer h0b = Buffer::of(h0), c0b = Buffer::of(c0), y(wantY.size() * 4), yh(wantH.size() * 4), yc(wantC.size() * 4);
    Buffer pr = Buffer::of(packed), sb = Buffer::of(shifts), zb = Buffer::of(zeros);
    std::vector<Buffer *> args{&xb};
    if (I)
      args.push_back(&wb);
    args.push_back(p.roundState ? &pr : &rb);
    if (codes && I)
      args.push_back(&ws);
    if (codes)
      args.push_back(&rs);
    if (p.roundState)
      args.insert(args.end(), {&sb, &zb});
    args.push_back(&bb);
    if (p.peephole)
      args.push_back(&pb);
    if (p.lens)
      args.push_back(&lb);
    if (p.hasH0)
      args.push_back(&h0b);
    if (p.hasC0)
      args.push_back(&c0b);
    args.insert(args.end(), {&y, &yh});
    if (p.kind == RnnKind::Lstm)
      args.push_back(&yc);
    kernel.run(args, sizes);
    std::string what = print(compiled) + " " + isa.name.str();
    for (size_t i = 0; i < wantY.size(); i++)
      ASSERT_NEAR(y.data<float>()[i], wantY[i], 3e-5) << what << " y " << i;
    for (size_t i = 0; i < wantH.size(); i++)
      ASSERT_NEAR(yh.data<float>()[i], wantH[i], 3e-5) << what << " y_h " << i;
    for (size_t i = 0; i < wantC.size() && p.kind == RnnKind::Lstm; i++)
      ASSERT_NEAR(yc.data<float>()[i], wantC[i], 3e-5) << what << " y_c " << i;
  }
}

void run(const RnnProblem &p) { expectRnn(p, p, {}); }

TEST(Rnn, KindsAndShapes) {
  for (RnnKind kind : {RnnKind::Lstm, RnnKind::Gru, RnnKind::Rnn})
    for (auto [steps, batch, inputs, hidden] : {std::tuple<int64_t, int64_t, int64_t, int64_t>(1, 1, 7, 5), {11, 2, 20, 33}, {5, 4, 3, 64}, {9, 3, 16, 16}}) {
      run(problem(kind, steps, batch, inputs, hidden, 1));
      run(problem(kind, steps, batch, inputs, hidden, 2));
    }
}

TEST(Rnn, StatesLengthsAndVariants) {
  RnnProblem lstm = problem(RnnKind::Lstm, 6, 3, 5, 17, 2);
  lstm.hasH0 = lstm.hasC0 = lstm.lens = lstm.peephole = true;
  run(lstm);
  lstm.inputForget = true, lstm.clip = 0.4, lstm.lens = false;
  run(lstm);
  RnnProblem gru = problem(RnnKind::Gru, 6, 2, 5, 17, 1);
  gru.linearBeforeReset = gru.hasH0 = gru.reverse = true;
  run(gru);
  RnnProblem rnn = problem(RnnKind::Rnn, 4, 1, 5, 17, 2);
  rnn.activations = {{RnnActivation::Affine, 0.5, 0.1}, {RnnActivation::Softsign, 0, 0}};
  run(rnn);
}

TEST(Rnn, CodesOfEightBits) {
  for (RnnKind kind : {RnnKind::Lstm, RnnKind::Gru}) {
    RnnProblem p = problem(kind, 5, 2, 19, 37, 2);
    p.weight = Elem::S8;
    run(p);
  }
}

TEST(Rnn, ProductsOfTheInputs) {
  for (RnnKind kind : {RnnKind::Lstm, RnnKind::Gru, RnnKind::Rnn})
    for (bool computed : {false, true}) {
      RnnProblem p = problem(kind, 5, 2, 0, 37, 2);
      p.computed = computed;
      p.r = view({p.gates() * 37 * 37, 37});
      p.linearBeforeReset = kind == RnnKind::Gru;
      run(p);
      p.linearBeforeReset = false, p.lens = true;
      run(p);
    }
  RnnProblem codes = problem(RnnKind::Lstm, 5, 2, 0, 16, 1);
  codes.weight = Elem::S8;
  run(codes);
}

TEST(Rnn, RoundedStates) {
  for (auto [steps, batch, hidden, directions] :
       {std::tuple<int64_t, int64_t, int64_t, int64_t>(5, 1, 37, 2), {4, 2, 16, 1}, {3, 7, 8, 2}, {2, 1, 1, 1}, {6, 5, 65, 2}}) {
    RnnProblem p = problem(RnnKind::Lstm, steps, batch, 0, hidden, directions);
    p.weight = Elem::S8;
    p.roundState = true;
    run(p);
    p.hasH0 = p.hasC0 = p.peephole = true;
    p.reverse = directions == 1;
    run(p);
    p.lens = true;
    run(p);
    RnnProblem compiled = p;
    compiled.steps = dynamicSize(0), compiled.batch = dynamicSize(1);
    for (View *v : {&compiled.y, &compiled.h0, &compiled.c0, &compiled.yh, &compiled.yc})
      for (int64_t &stride : v->strides)
        stride = stride == batch * hidden ? dynamicOffset(2) : stride == directions * batch * hidden ? dynamicOffset(3) : stride;
    compiled.x.strides[0] = dynamicOffset(4);
    int64_t sizes[] = {steps, batch, batch * hidden, directions * batch * hidden, batch * directions * 4 * hidden};
    if (batch > 1 && directions > 1)
      expectRnn(p, compiled, sizes);
  }
}

TEST(Rnn, SizesOfTheRun) {
  RnnProblem p = problem(RnnKind::Lstm, 13, 3, 8, 24, 2), compiled = p;
  compiled.steps = dynamicSize(0), compiled.batch = dynamicSize(1);
  compiled.x.strides[0] = dynamicOffset(2);
  compiled.y.strides[0] = dynamicOffset(3), compiled.y.strides[1] = dynamicOffset(4);
  for (View *v : {&compiled.h0, &compiled.c0, &compiled.yh, &compiled.yc})
    v->strides[0] = dynamicOffset(4);
  expectRnn(p, compiled, {13, 3, 3 * 8, 2 * 3 * 24, 3 * 24});
}

} // namespace
