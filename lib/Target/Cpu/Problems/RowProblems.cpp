// Printed forms and sizes of the problems of transformers and recurrent nets. Everything is printed, in the order in
// which visitSizes meets the sizes.
#include "lib/Target/Cpu/Problems/RowProblems.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"

using llvm::ArrayRef;
using llvm::StringRef;

namespace tern::cpu {
namespace {

constexpr StringRef kElems[] = {"f32", "u8", "s8", "i32", "i64", "i1", "f16", "bf16", "f64", "i16"};
static_assert(std::size(kElems) == size_t(Elem::I16) + 1);
constexpr StringRef kNorms[] = {"none", "layer", "rms"};
constexpr StringRef kMasks[] = {"none", "added", "boolean"};
constexpr StringRef kPhases[] = {"whole", "parts", "join"};
constexpr StringRef kNdOps[] = {"float", "constant", "convert", "eq",  "lt",  "le",  "gt",  "ge",  "select", "and",  "or",    "xor",
                                "not",   "add",      "sub",     "mul", "div", "mod", "min", "max", "neg",    "abs",  "sign",  "isnan",
                                "isinf",  "sin",      "cos",     "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh",
                                "quantize", "position"};
static_assert(std::size(kNdOps) == size_t(NdOp::Position) + 1);
constexpr StringRef kAxes[] = {"sum", "mean", "max", "min", "prod", "l1", "l2", "log_sum", "log_sum_exp", "sum_square"};
constexpr StringRef kAxisKinds[] = {"softmax", "log_softmax", "argmax", "argmin"};

std::string sizeText(int64_t v) { return isDynamic(v) ? "?" + std::to_string(slotOf(v)) : std::to_string(v); }
std::string offsetText(int64_t v) {
  return isDynamicOffset(v) ? "?" + std::to_string(slotOfOffset(v)) : std::to_string(v);
}

/// Writes ` name=value`.
class Line {
public:
  explicit Line(StringRef head) : os(text) { os << head; }
  Line &word(StringRef name, StringRef value) {
    os << ' ' << name << '=' << value;
    return *this;
  }
  Line &number(StringRef name, int64_t value) { return word(name, std::to_string(value)); }
  /// 17 digits give every double back.
  Line &real(StringRef name, double value) {
    os << ' ' << name << '=' << llvm::format("%.17g", value);
    return *this;
  }
  Line &sizes(StringRef name, ArrayRef<int64_t> values) {
    os << ' ' << name << "=[";
    llvm::interleave(values, os, [&](int64_t v) { os << sizeText(v); }, ",");
    os << ']';
    return *this;
  }
  Line &nested(StringRef name, const std::string &value) {
    os << ' ' << name << "=(" << value << ')';
    return *this;
  }
  std::string str() const { return text; }

private:
  std::string text;
  llvm::raw_string_ostream os;
};

} // namespace

void visitSizes(View &view, SizeVisitor visit) {
  for (int64_t &stride : view.strides)
    visit.offset(stride);
  visit.offset(view.base);
}

std::string print(const View &view) {
  std::string text = kElems[size_t(view.elem)].str() + "[";
  for (auto [index, stride] : llvm::enumerate(view.strides))
    text += (index ? "," : "") + offsetText(stride);
  return text + "]+" + offsetText(view.base);
}

void visitSizes(NormProblem &p, SizeVisitor visit) {
  visitSizes(p.out, visit);
  if (p.storeSum)
    visitSizes(p.sum, visit);
  if (p.quantize)
    visitSizes(p.codes, visit);
  visitSizes(p.prologue, visit);
  visitSizes(p.epilogue, visit);
}

std::string print(const NormProblem &p) {
  Line line("norm");
  line.word("kind", kNorms[size_t(p.kind)]).real("epsilon", p.epsilon).nested("out", print(p.out));
  line.number("store", p.storeOut);
  if (p.storeSum)
    line.nested("sum", print(p.sum));
  if (p.quantize)
    line.nested("codes", print(p.codes)).number("group", p.group);
  return line.nested("prologue", print(p.prologue)).nested("epilogue", print(p.epilogue)).str();
}

void visitSizes(GroupNormProblem &p, SizeVisitor visit) {
  visit.size(p.n);
  visit.size(p.channels);
  visit.size(p.groups);
  visit.size(p.size);
}

std::string print(const GroupNormProblem &p) {
  return Line("group_norm")
      .sizes("sizes", {p.n, p.channels, p.groups, p.size})
      .real("epsilon", p.epsilon)
      .number("scale", p.scale)
      .number("bias", p.bias)
      .str();
}

int64_t AttentionProblem::together() const {
  int64_t found = 1;
  for (int64_t count = 2; count <= 8; count++)
    found = heads / groups % count ? found : count;
  return found;
}

void visitSizes(AttentionProblem &p, SizeVisitor visit) {
  for (int64_t *size : {&p.batch, &p.heads, &p.groups, &p.queries, &p.keys, &p.depth, &p.width})
    visit.size(*size);
  for (View *view : {&p.q, &p.k, &p.v, &p.out})
    visitSizes(*view, visit);
  if (p.maskKind != AttentionProblem::None)
    visitSizes(p.mask, visit);
}

std::string print(const AttentionProblem &p) {
  Line line("attention");
  line.sizes("sizes", {p.batch, p.heads, p.groups, p.queries, p.keys, p.depth, p.width});
  line.nested("q", print(p.q)).nested("k", print(p.k)).nested("v", print(p.v)).nested("out", print(p.out));
  if (p.maskKind != AttentionProblem::None)
    line.word("kind", kMasks[p.maskKind]).nested("mask", print(p.mask));
  line.real("scale", p.scale).real("softcap", p.softcap).number("causal", p.causal).number("window", p.window);
  return (p.phase == AttentionProblem::Whole ? line : line.word("phase", kPhases[p.phase])).str();
}

void visitSizes(MatmulProblem &p, SizeVisitor visit) {
  for (int64_t &size : p.outer)
    visit.size(size);
  for (int64_t *size : {&p.m, &p.n, &p.k})
    visit.size(*size);
  for (View *view : {&p.x, &p.w, &p.out})
    visitSizes(*view, visit);
}

std::string print(const MatmulProblem &p) {
  return Line("matmul")
      .sizes("outer", p.outer)
      .sizes("mnk", {p.m, p.n, p.k})
      .nested("x", print(p.x))
      .nested("w", print(p.w))
      .nested("out", print(p.out))
      .number("bias", p.bias)
      .str();
}

void visitSizes(RopeProblem &p, SizeVisitor visit) {
  for (int64_t &size : p.sizes)
    visit.size(size);
  for (View *view : {&p.x, &p.cos, &p.sin, &p.out})
    visitSizes(*view, visit);
}

std::string print(const RopeProblem &p) {
  return Line("rope")
      .sizes("sizes", p.sizes)
      .nested("x", print(p.x))
      .nested("cos", print(p.cos))
      .nested("sin", print(p.sin))
      .nested("out", print(p.out))
      .number("width", p.width)
      .number("rotated", p.rotated)
      .number("interleaved", p.interleaved)
      .str();
}

void visitSizes(NdProblem &p, SizeVisitor visit) {
  for (int64_t &size : p.sizes)
    visit.size(size);
  visitSizes(p.out, visit);
  for (View &input : p.inputs)
    visitSizes(input, visit);
}

std::string print(const NdProblem &p) {
  Line line("nd");
  line.sizes("sizes", p.sizes).nested("out", print(p.out));
  for (const View &input : p.inputs)
    line.nested("in", print(input));
  for (const NdNode &node : p.nodes) {
    Line text(kNdOps[size_t(node.op)]);
    text.word("elem", kElems[size_t(node.elem)]);
    for (int arg : node.args)
      text.number("x", arg);
    if (node.op == NdOp::Float)
      text.number("f", int64_t(node.f));
    line.nested("node", text.real("a", node.a).real("b", node.b).number("i", node.i).str());
  }
  return line.str();
}

void visitSizes(AxesReduceProblem &p, SizeVisitor visit) {
  for (int64_t &size : p.sizes)
    visit.size(size);
}

std::string print(const AxesReduceProblem &p) {
  Line line("axes_reduce");
  line.sizes("sizes", p.sizes).word("elem", kElems[size_t(p.elem)]).word("kind", kAxes[size_t(p.kind)]);
  for (bool reduced : p.reduced)
    line.number("reduced", reduced);
  return line.str();
}

void visitSizes(AxisProblem &p, SizeVisitor visit) {
  visit.size(p.outer);
  visit.size(p.count);
  visit.size(p.inner);
}

std::string print(const AxisProblem &p) {
  return Line("axis")
      .sizes("sizes", {p.outer, p.count, p.inner})
      .word("kind", kAxisKinds[size_t(p.kind)])
      .word("elem", kElems[size_t(p.elem)])
      .number("last", p.last)
      .str();
}

void visitSizes(TopkProblem &p, SizeVisitor visit) {
  visit.size(p.outer);
  visit.size(p.count);
  visit.size(p.inner);
}

std::string print(const TopkProblem &p) {
  return Line("topk")
      .sizes("sizes", {p.outer, p.count, p.inner})
      .number("k", p.k)
      .number("smallest", p.smallest)
      .word("elem", kElems[size_t(p.elem)])
      .str();
}

void visitSizes(CumulateProblem &p, SizeVisitor visit) {
  for (int64_t *size : {&p.outer, &p.count, &p.inner})
    visit.size(*size);
}

std::string print(const CumulateProblem &p) {
  return Line("cumulate")
      .sizes("sizes", {p.outer, p.count, p.inner})
      .word("elem", kElems[size_t(p.elem)])
      .number("product", p.product)
      .number("exclusive", p.exclusive)
      .number("reverse", p.reverse)
      .str();
}

void visitSizes(GatherProblem &p, SizeVisitor visit) {
  for (int64_t *size : {&p.outer, &p.rows, &p.count, &p.width})
    visit.size(*size);
}

std::string print(const GatherProblem &p) {
  return Line("gather")
      .sizes("sizes", {p.outer, p.rows, p.count, p.width})
      .word("elem", kElems[size_t(p.elem)])
      .word("index", kElems[size_t(p.index)])
      .number("bits", p.bits)
      .number("signed", p.isSigned)
      .number("zero", p.zero)
      .number("group", p.group)
      .word("scale", kElems[size_t(p.scale)])
      .str();
}

void visitSizes(RnnProblem &p, SizeVisitor visit) {
  for (int64_t *size : {&p.steps, &p.batch, &p.inputs, &p.hidden, &p.directions})
    visit.size(*size);
  for (View *view : {&p.x, &p.y, &p.h0, &p.c0, &p.yh, &p.yc, &p.r})
    visitSizes(*view, visit);
}

std::string print(const RnnProblem &p) {
  Line line("rnn");
  line.number("kind", int64_t(p.kind)).sizes("sizes", {p.steps, p.batch, p.inputs, p.hidden, p.directions}).number("reverse", p.reverse);
  const std::pair<StringRef, const View *> views[] = {{"x", &p.x}, {"y", &p.y}, {"h0", &p.h0}, {"c0", &p.c0}, {"yh", &p.yh}, {"yc", &p.yc}, {"r", &p.r}};
  for (auto [name, view] : views)
    line.nested(name, print(*view));
  line.number("has_h0", p.hasH0).number("has_c0", p.hasC0).number("lens", p.lens).number("peephole", p.peephole);
  line.number("linear_before_reset", p.linearBeforeReset).number("input_forget", p.inputForget).real("clip", p.clip);
  line.number("round_state", p.roundState).number("computed", p.computed);
  line.word("weight", kElems[size_t(p.weight)]);
  for (const RnnActivation &f : p.activations)
    line.number("f", f.kind).real("a", f.a).real("b", f.b);
  return line.str();
}

//===- Memory -------------------------------------------------------------------===//

static int64_t sizeOf(ArrayRef<int64_t> sizes) {
  int64_t all = 1;
  for (int64_t size : sizes)
    all *= isDynamic(size) ? kNominalSize : size;
  return all;
}

int64_t bytesTouched(const NormProblem &p) {
  int64_t count = sizeOf({p.out.w, p.out.c}), bytes = 4 * (p.storeOut + p.storeSum) + p.quantize;
  for (const Expr *e : {&p.prologue, &p.epilogue})
    for (const ExprInput &input : e->inputs)
      bytes += input.kind == ExprInput::Tensor ? bytesOf(input.map.elem) : 0;
  return count * bytes;
}
int64_t bytesTouched(const GroupNormProblem &p) { return 8 * sizeOf({p.n, p.channels, p.size}); }
int64_t bytesTouched(const AttentionProblem &p) {
  if (p.phase == AttentionProblem::Join)
    return 4 * sizeOf({p.batch, p.heads, p.queries, p.width});
  int64_t mask = p.maskKind == AttentionProblem::None ? 0 : sizeOf({p.batch, p.queries, p.keys}) * bytesOf(p.mask.elem);
  return mask + 4 * (sizeOf({p.batch, p.heads, p.queries, p.depth + p.width}) + sizeOf({p.batch, p.groups, p.keys, p.depth + p.width}));
}
int64_t bytesTouched(const MatmulProblem &p) {
  return 4 * sizeOf(p.outer) * (sizeOf({p.m, p.k}) + sizeOf({p.k, p.n}) + sizeOf({p.m, p.n}));
}
int64_t bytesTouched(const RopeProblem &p) { return 8 * sizeOf(p.sizes) * p.width; }
int64_t bytesTouched(const NdProblem &p) {
  int64_t bytes = bytesOf(p.out.elem);
  for (const View &input : p.inputs)
    bytes += input.strides.back() ? bytesOf(input.elem) : 0;
  return sizeOf(p.sizes) * bytes;
}
int64_t bytesTouched(const AxesReduceProblem &p) { return sizeOf(p.sizes) * bytesOf(p.elem); }
int64_t bytesTouched(const TopkProblem &p) { return sizeOf({p.outer, p.count, p.inner}) * bytesOf(p.elem); }
int64_t bytesTouched(const CumulateProblem &p) { return 2 * sizeOf({p.outer, p.count, p.inner}) * bytesOf(p.elem); }
int64_t bytesTouched(const AxisProblem &p) { return 2 * sizeOf({p.outer, p.count, p.inner}) * bytesOf(p.elem); }
int64_t bytesTouched(const GatherProblem &p) {
  return sizeOf({p.outer, p.count, p.width}) * (p.bits ? 5 : 2 * bytesOf(p.elem));
}

int64_t bytesTouched(const RnnProblem &p) {
  return sizeOf({p.steps, p.batch, p.inputs}) * 4 + sizeOf({p.steps, p.batch, p.hidden, p.directions}) * 4;
}

} // namespace tern::cpu
