// The printed problem is the key under which equal kernels are shared: every field that an emitter can read is in it. A
// field at its default value is left out, and every other one is named, so that two different problems never print
// alike.
#include "lib/Target/Cpu/Problems/Problem.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include <cmath>

using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

namespace tern::cpu {
namespace {

constexpr StringRef kElems[] = {"f32", "u8", "s8", "i32", "i64", "i1", "f16", "bf16", "f64", "i16"};
constexpr int64_t kBytes[] = {4, 1, 1, 4, 8, 1, 2, 2, 8, 2};
static_assert(std::size(kElems) == size_t(Elem::I16) + 1 && std::size(kBytes) == std::size(kElems));

constexpr StringRef kOps[] = {
    "relu", "leaky_relu", "clip",       "sigmoid", "hard_sigmoid", "hard_swish", "tanh",    "exp",   "log",
    "sqrt", "rsqrt",      "reciprocal", "neg",     "abs",          "floor",      "ceil",    "round", "erf",
    "gelu", "gelu_tanh",  "silu",       "elu",     "softplus",     "sign",       "add",     "sub",   "mul",
    "div",  "pow",        "min",        "max",     "prelu",        "int_to_f32", "dequant", "quant", "requant",
    "uncenter"};
static_assert(std::size(kOps) == size_t(ExprOp::Uncenter) + 1);

constexpr StringRef kInputs[] = {"acc", "tensor", "channel", "pixelwise", "row", "scalar"};
constexpr StringRef kAriths[] = {"f32", "u8s8", "u8s4", "f32s8", "f32s4"};
constexpr StringRef kPools[] = {"max", "average", "lp"};
constexpr StringRef kReduces[] = {"sum", "mean", "max", "min"};
constexpr StringRef kModes[] = {"nearest_floor", "nearest_ceil", "nearest_round_floor", "nearest_round_ceil", "linear"};
constexpr StringRef kCoords[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
                                 "half_pixel_symmetric"};

/// Writes ` name=value` for every field that differs from its default.
class Printer {
public:
  explicit Printer(StringRef head) : os(text) { os << head; }

  Printer &field(StringRef name, int64_t value, int64_t usual) {
    if (value != usual)
      os << ' ' << name << '=' << number(value);
    return *this;
  }
  /// 17 digits give every double back.
  Printer &field(StringRef name, double value, double usual) {
    if (!(value == usual) || std::signbit(value) != std::signbit(usual))
      os << ' ' << name << '=' << llvm::format("%.17g", value);
    return *this;
  }
  Printer &word(StringRef name, StringRef value) {
    os << ' ' << name << '=' << value;
    return *this;
  }
  Printer &list(StringRef name, ArrayRef<int64_t> values) {
    os << ' ' << name << "=[";
    llvm::interleave(values, os, [&](int64_t v) { os << number(v); }, ",");
    os << ']';
    return *this;
  }
  /// Sizes: a dynamic one is "?" and its slot.
  Printer &sizes(StringRef name, ArrayRef<int64_t> values) {
    os << ' ' << name << "=[";
    llvm::interleave(values, os, [&](int64_t v) { os << sizeText(v); }, ",");
    os << ']';
    return *this;
  }
  Printer &size(StringRef name, int64_t value, int64_t usual) {
    if (value != usual)
      os << ' ' << name << '=' << sizeText(value);
    return *this;
  }
  Printer &map(StringRef name, const Map &m) {
    os << ' ' << name << "=(" << print(m) << ')';
    return *this;
  }
  Printer &expr(StringRef name, const Expr &e) {
    if (!e.inputs.empty() || !e.nodes.empty())
      os << ' ' << name << "={" << print(e) << '}';
    return *this;
  }
  std::string str() const { return text; }

private:
  static std::string sizeText(int64_t v) { return isDynamic(v) ? "?" + std::to_string(slotOf(v)) : std::to_string(v); }
  static std::string number(int64_t v) {
    return isDynamicOffset(v) ? "?" + std::to_string(slotOfOffset(v)) : std::to_string(v);
  }
  std::string text;
  llvm::raw_string_ostream os;
};

} // namespace

int64_t bytesOf(Elem elem) { return kBytes[size_t(elem)]; }

std::string print(const Map &m) {
  Map usual;
  Printer p(kElems[size_t(m.elem)]);
  SmallVector<int64_t, 4> sizes{m.n, m.h, m.w, m.c};
  p.sizes("nhwc", sizes).size("cs", m.cs, usual.cs);
  if (m.hasHalo())
    p.list("halo", {m.top, m.left, m.bottom, m.right});
  p.field("base", m.base, usual.base).field("planar", int64_t(m.planar), int64_t(0));
  return p.str();
}

std::string print(const Expr &e) {
  std::string text;
  llvm::raw_string_ostream os(text);
  int64_t next = 0;
  for (const ExprInput &input : e.inputs) {
    os << '%' << next++ << '=' << kInputs[input.kind];
    if (input.kind == ExprInput::Tensor || input.kind == ExprInput::Pixelwise || input.kind == ExprInput::Row)
      os << '(' << print(input.map) << ')';
    os << "; ";
  }
  ExprNode usual{};
  for (const ExprNode &node : e.nodes) {
    Printer p(kOps[size_t(node.op)]);
    for (int arg : node.args)
      p.field("x", int64_t(arg), int64_t(-1));
    p.field("a", node.a, 0.0).field("b", node.b, 0.0).field("lo", int64_t(node.lo), int64_t(usual.lo));
    p.field("hi", int64_t(node.hi), int64_t(usual.hi));
    os << '%' << next++ << '=' << p.str() << "; ";
  }
  return text;
}

std::string print(const ConvProblem &q) {
  ConvProblem usual;
  Printer p("conv");
  p.map("in", q.in).map("out", q.out).word("arith", kAriths[size_t(q.arith)]);
  p.list("kernel", {q.kh, q.kw}).list("stride", {q.strideH, q.strideW}).list("dilation", {q.dilationH, q.dilationW});
  p.list("pad", {q.padTop, q.padLeft}).field("groups", q.groups, usual.groups).field("group", q.group, usual.group);
  p.field("group_scale", int64_t(q.groupScale), int64_t(usual.groupScale));
  p.field("transposed", int64_t(q.transposed), int64_t(0)).field("whole_phases", int64_t(q.wholePhases), int64_t(0));
  p.expr("epilogue", q.epilogue);
  return p.str();
}

std::string print(const EltwiseProblem &q) { return Printer("eltwise").map("out", q.out).expr("expr", q.expr).str(); }

std::string print(const RelayoutProblem &q) {
  return Printer("relayout").map("in", q.in).map("out", q.out).expr("expr", q.expr).str();
}

std::string print(const PoolProblem &q) {
  PoolProblem usual;
  Printer p("pool");
  p.map("in", q.in).map("out", q.out).word("kind", kPools[size_t(q.kind)]);
  p.list("kernel", {q.kh, q.kw}).list("stride", {q.strideH, q.strideW}).list("dilation", {q.dilationH, q.dilationW});
  p.list("pad", {q.padTop, q.padLeft, q.padBottom, q.padRight});
  p.field("count_include_pad", int64_t(q.countIncludePad), int64_t(0)).field("lp", q.lp, usual.lp).field("pad_code", q.padCode, usual.padCode);
  return p.expr("epilogue", q.epilogue).str();
}

std::string print(const GlobalReduceProblem &q) {
  Printer p("reduce");
  p.map("in", q.in).map("out", q.out).word("kind", kReduces[size_t(q.kind)]).expr("epilogue", q.epilogue);
  return p.str();
}

std::string print(const SoftmaxProblem &q) {
  return Printer("softmax").map("in", q.in).map("out", q.out).field("log", int64_t(q.log), int64_t(0)).str();
}

std::string print(const ResizeProblem &q) {
  ResizeProblem usual;
  Printer p("resize");
  p.map("in", q.in).map("out", q.out).word("mode", kModes[size_t(q.mode)]).word("coord", kCoords[size_t(q.coord)]);
  p.field("scale_h", q.scaleH, usual.scaleH).field("scale_w", q.scaleW, usual.scaleW);
  return p.expr("epilogue", q.epilogue).str();
}

std::string print(const CopyProblem &q) {
  Printer p("copy");
  p.word("elem", kElems[size_t(q.elem)]).sizes("sizes", q.sizes).list("in", q.inStrides).list("out", q.outStrides);
  return p.field("in_base", q.inBase, int64_t(0)).field("out_base", q.outBase, int64_t(0)).str();
}

std::string print(const FillProblem &q) {
  Printer p("fill");
  p.map("out", q.out).field("value", q.value, 0.0).field("interior", int64_t(q.interior), int64_t(0));
  p.field("loaded", int64_t(q.loaded), int64_t(0));
  return p.str();
}

std::string print(const DynamicQuantProblem &q) {
  Printer p("dynamic_quant");
  p.map("in", q.in).map("out", q.out).field("per_tensor", int64_t(q.perTensor), int64_t(0));
  p.field("minmax", int64_t(q.minmax), int64_t(0));
  return p.str();
}

} // namespace tern::cpu
