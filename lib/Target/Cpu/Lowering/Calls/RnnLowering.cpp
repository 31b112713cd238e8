//===- RnnLowering.cpp - nn.rnn -> RnnProblem -------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"

using namespace mlir;

namespace tern::cpu {
namespace {

/// The weights of all directions and gates: f32, or 8-bit codes with one scale for each output.
struct RnnWeights {
  std::vector<double> values; ///< [directions][outputs][inputs], values or codes
  std::vector<double> scales; ///< [directions][outputs] of s8 codes; empty: values are values
  std::vector<double> zeros;  ///< the same; empty: 0

  bool areCodes() const { return !scales.empty(); }
  /// Codes become values.
  void dequantize() {
    for (size_t i = 0; i < values.size() && areCodes(); ++i) {
      size_t output = i / (values.size() / scales.size());
      values[i] = (values[i] - (zeros.empty() ? 0 : zeros[output])) * scales[output];
    }
    scales.clear(), zeros.clear();
  }
};

template <typename T> KernelArg numbersArg(const std::vector<double> &values, Elem elem) {
  return arrayArg(elem, std::vector<T>(values.begin(), values.end()));
}

/// [directions][outputs][inputs] -> [directions][inputs][outputs].
std::vector<double> turned(const std::vector<double> &values, int64_t directions, int64_t outputs, int64_t inputs) {
  std::vector<double> result(values.size());
  for (int64_t d = 0; d < directions; ++d)
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t i = 0; i < inputs; ++i)
        result[(d * inputs + i) * outputs + o] = values[(d * outputs + o) * inputs + i];
  return result;
}

} // namespace

/// Reads constant weights; false: `why` says what they are instead.
static bool readWeights(Value value, ArrayRef<CallOperand> operands, RnnWeights &weights, std::string &why) {
  auto constant = [&](Value v) -> ElementsAttr {
    int index = operandIndex(v);
    return index >= 0 ? operands[index].constant : constantOf(v);
  };
  if (ElementsAttr attr = constant(value)) {
    std::optional<std::vector<double>> numbers = numbersOf(attr);
    if (numbers && cast<RankedTensorType>(attr.getType()).getElementType().isF32()) {
      weights.values = std::move(*numbers);
      return true;
    }
  }
  auto dequantize = value.getDefiningOp<DequantizeOp>();
  auto bundle = dequantize ? dequantize.getQ().getDefiningOp<BundleOp>() : BundleOp();
  why = "weights that are neither constant f32 nor constant 8-bit codes with one scale for each output";
  if (!bundle)
    return false;
  QuantType type = bundle.getResult().getType();
  Format format = type.getFormat().getFormat();
  const Plane *scale = format.find(Role::Scale);
  if (!format.elem.isInteger() || format.elem.bits != 8 || !scale || format.planes.front() != *scale || format.planes.size() > 2)
    return false;
  bool isSigned = format.elem.hasSignedCodes();
  ElementsAttr codes = constant(bundle.getPlanes()[0]), scales = constant(bundle.getPlanes()[1]);
  std::optional<std::vector<double>> c = codes ? numbersOf(codes, !isSigned) : std::nullopt, s = scales ? numbersOf(scales) : std::nullopt;
  ArrayRef<int64_t> shape = type.getShape();
  int64_t outputs = shape[0] * shape[1];
  if (!c || !s || (s->size() != 1 && int64_t(s->size()) != outputs && int64_t(s->size()) != shape[0]))
    return false;
  std::optional<std::vector<double>> zeros;
  if (format.planes.size() == 2) {
    ElementsAttr attr = format.planes[1].role == Role::Zero ? constant(bundle.getPlanes()[2]) : ElementsAttr();
    zeros = attr ? numbersOf(attr, !isSigned) : std::nullopt;
    if (!zeros || (zeros->size() != 1 && zeros->size() != s->size()))
      return false;
  }
  auto of = [&](const std::vector<double> &all, int64_t output) {
    return all.size() == 1 ? all[0] : int64_t(all.size()) == outputs ? all[output] : all[output / shape[1]];
  };
  for (int64_t o = 0; o < outputs; ++o) {
    weights.scales.push_back(of(*s, o));
    if (zeros)
      weights.zeros.push_back(of(*zeros, o));
  }
  // A byte holds the codes around their zero points, or around 128.
  weights.values = std::move(*c);
  bool small = true;
  auto around = [&](size_t i) { return weights.values[i] - (zeros ? weights.zeros[int64_t(i) / shape[2]] : 0); };
  for (size_t i = 0; i < weights.values.size(); ++i)
    small &= around(i) >= -128 && around(i) <= 127;
  if (small) {
    for (size_t i = 0; i < weights.values.size(); ++i)
      weights.values[i] = around(i);
    weights.zeros.clear();
  } else if (!isSigned) {
    weights.zeros.resize(outputs);
    for (double &value : weights.values)
      value -= 128;
    for (double &zero : weights.zeros)
      zero -= 128;
  }
  return true;
}

/// s8 [directions][panels][quads][kRnnPanel][4] and what follows it, as RnnProblem says for roundState.
static void packRounded(const RnnWeights &r, int64_t directions, int64_t outputs, int64_t inputs, SmallVectorImpl<KernelArg> &args) {
  int64_t panels = (outputs + kRnnPanel - 1) / kRnnPanel, quads = (inputs + 3) / 4;
  std::vector<int8_t> codes(directions * panels * quads * kRnnPanel * 4);
  std::vector<float> scales(r.scales.begin(), r.scales.end());
  std::vector<int32_t> shifts(directions * outputs), zeros(directions * outputs);
  for (int64_t row = 0; row < directions * outputs; ++row) {
    int64_t panel = row / outputs * panels + row % outputs / kRnnPanel, column = row % outputs % kRnnPanel;
    zeros[row] = r.zeros.empty() ? 0 : int32_t(r.zeros[row]);
    for (int64_t i = 0; i < inputs; ++i) {
      int64_t code = int64_t(r.values[row * inputs + i]);
      codes[((panel * quads + i / 4) * kRnnPanel + column) * 4 + i % 4] = int8_t(code);
      shifts[row] += int32_t(code) - zeros[row];
    }
  }
  args.append({arrayArg(Elem::S8, codes), arrayArg(Elem::F32, scales), arrayArg(Elem::I32, shifts), arrayArg(Elem::I32, zeros)});
}

bool RowLowering::rnn() {
  auto op = cast<nn::RnnOp>(info.anchor);
  Operation *end = terminator();
  if (end->getNumOperands() != op->getNumResults())
    return refuse("results that are not those of the layer");
  for (auto [from, to] : llvm::zip(op->getResults(), end->getOperands()))
    if (from != to)
      return refuse("an epilogue");
  RnnProblem problem;
  problem.kind = RnnKind(int(op.getKind()));
  problem.hidden = op.getHidden();
  problem.directions = op.getDirections();
  problem.reverse = op.getDirection() == nn::RnnDirection::reverse;
  problem.linearBeforeReset = op.getLinearBeforeReset();
  problem.inputForget = op.getInputForget();
  problem.clip = op.getClip() ? op.getClip()->convertToDouble() : 0;
  for (int64_t i = 0; i < problem.directions * problem.functions(); ++i) {
    RnnActivation f;
    f.kind = RnnActivation::Kind(int(op.getActivation(i)));
    f.a = op.getAlpha() ? (*op.getAlpha())[i] : 0;
    f.b = op.getBeta() ? (*op.getBeta())[i] : 0;
    problem.activations.push_back(f);
  }
  Strided x, lens, h0, c0;
  bool batchFirst = op.getLayout() == 1;
  if (!strided(op.getX(), x))
    return false;
  problem.steps = x.sizes[batchFirst], problem.batch = x.sizes[!batchFirst], problem.inputs = x.sizes[2];
  problem.x = viewOf(x, {unsigned(batchFirst), unsigned(!batchFirst)});
  auto state = [&](const Strided &view) { return viewOf(view, {unsigned(batchFirst), unsigned(!batchFirst)}); };
  SmallVector<Strided, 3> out(end->getNumOperands());
  for (auto [index, view] : llvm::enumerate(out))
    view = resultView(index);
  problem.y = batchFirst ? viewOf(out[0], {1u, 2u, 0u}) : viewOf(out[0], {0u, 1u, 2u});
  problem.yh = state(out[1]);
  if (out.size() > 2)
    problem.yc = state(out[2]);
  SmallVector<KernelArg> rest;
  if (op.getLens()) {
    if (!strided(op.getLens(), lens) || lens.elem != Elem::I32)
      return refuse("lengths that are not i32");
    problem.lens = true;
    rest.push_back(operandArg(lens));
  }
  if (op.getH0()) {
    if (!strided(op.getH0(), h0))
      return false;
    problem.hasH0 = true;
    problem.h0 = state(h0);
    rest.push_back(operandArg(h0));
  }
  if (op.getC0()) {
    if (!strided(op.getC0(), c0))
      return false;
    problem.hasC0 = true;
    problem.c0 = state(c0);
    rest.push_back(operandArg(c0));
  }
  for (unsigned i = 0; i < out.size(); ++i)
    rest.push_back(resultArg(i));

  // Constants.
  int64_t D = problem.directions, H = problem.hidden, GH = problem.gates() * H;
  RnnWeights w, r;
  std::string reason;
  if (op.getW() && !readWeights(op.getW(), operands, w, reason))
    return refuse(reason);
  SmallVector<KernelArg> args{operandArg(x)};
  if (!op.getW())
    problem.inputs = 0;
  problem.roundState = op.getRoundState();
  if (Strided computed; !readWeights(op.getR(), operands, r, reason)) {
    // Computed weights as they lie.
    if (!strided(op.getR(), computed) || computed.elem != Elem::F32 || computed.strides[2] != 1)
      return refuse(reason);
    problem.computed = true;
    problem.r = viewOf(computed, {0u, 1u});
    args.push_back(operandArg(computed));
  } else if (problem.roundState && r.areCodes()) {
    problem.weight = Elem::S8;
    packRounded(r, D, GH, H, args);
  } else {
    bool codes = r.areCodes() && r.zeros.empty() && (!op.getW() || (w.areCodes() && w.zeros.empty()));
    if (!codes) {
      w.dequantize();
      r.dequantize();
    }
    problem.weight = codes ? Elem::S8 : Elem::F32;
    SmallVector<std::pair<RnnWeights *, int64_t>, 2> all{{&r, H}};
    if (op.getW())
      all.insert(all.begin(), {&w, problem.inputs});
    for (auto [weights, inputs] : all) {
      std::vector<double> packed = turned(weights->values, D, GH, inputs);
      args.push_back(codes ? numbersArg<int8_t>(packed, Elem::S8) : numbersArg<float>(packed, Elem::F32));
    }
    for (auto [weights, inputs] : all)
      if (codes)
        args.push_back(numbersArg<float>(weights->scales, Elem::F32));
  }
  bool apart = problem.kind == RnnKind::Gru && problem.linearBeforeReset;
  int64_t biasSize = problem.biasSize();
  std::vector<double> bias(D * biasSize, 0);
  if (op.getB()) {
    int index = operandIndex(op.getB());
    ElementsAttr attr = index >= 0 ? operands[index].constant : constantOf(op.getB());
    std::optional<std::vector<double>> b = attr ? numbersOf(attr) : std::nullopt;
    if (!b || int64_t(b->size()) != D * 2 * GH)
      return refuse("a bias that is not constant");
    for (int64_t d = 0; d < D; ++d)
      for (int64_t i = 0; i < GH; ++i) {
        double ofW = (*b)[d * 2 * GH + i], ofR = (*b)[d * 2 * GH + GH + i];
        bool hidden = apart && i >= 2 * H;
        bias[d * biasSize + i] = hidden ? ofW : ofW + ofR;
        if (hidden)
          bias[d * biasSize + GH + i - 2 * H] = ofR;
      }
  }
  args.push_back(numbersArg<float>(bias, Elem::F32));
  if (op.getPeephole()) {
    Strided peephole;
    if (!strided(op.getPeephole(), peephole))
      return false;
    problem.peephole = true;
    args.push_back(operandArg(peephole));
  }
  args.append(rest);
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SizeCode rows = times(problem.steps, problem.batch);
  push(problem, args, "cpu.rnn", isDynamic(rows) ? 0 : rows * D * GH * (problem.inputs + H));
  return true;
}

} // namespace tern::cpu
