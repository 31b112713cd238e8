//===- RowLowering.cpp - kernels of transformers -> problems ----------------===//
#include "lib/Target/Cpu/Lowering/RowLowering.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Constants.h"
#include "lib/Target/Cpu/Lowering/NestBuilder.h"

using namespace mlir;

namespace tern::cpu {

static SizedType typeOf(Value value) { return SizedType(value); }

RowLowering::RowLowering(func::FuncOp kernel, const KernelInfo &info, ArrayRef<CallOperand> operands, ArrayRef<Placement> results)
    : kernel(kernel), info(info), operands(operands), results(results) {}

bool RowLowering::refuse(const Twine &reason) {
  if (why.empty())
    why = reason.str();
  return false;
}

Operation *RowLowering::terminator() { return kernel.getBody().front().getTerminator(); }

bool RowLowering::plain() {
  for (const CallOperand &operand : operands)
    if (!operand.constant && operand.place.form != Form::Plain)
      return refuse("an operand that is placed as a picture");
  for (const Placement &place : results)
    if (place.form != Form::Plain)
      return refuse("a result that is placed as a picture");
  return true;
}

KernelArg RowLowering::operandArg(const Strided &view) const {
  KernelArg arg;
  arg.index = view.operand;
  arg.elem = view.elem;
  return arg;
}

KernelArg RowLowering::resultArg(unsigned index) const {
  KernelArg arg;
  arg.kind = KernelArg::Result;
  arg.index = index;
  arg.elem = results[index].map.elem;
  return arg;
}

void RowLowering::push(AnyProblem problem, SmallVector<KernelArg> args, StringLiteral row, int64_t macs) {
  Step step;
  step.problem = std::move(problem);
  step.args = std::move(args);
  step.row = row;
  step.macs = macs;
  steps.push_back(std::move(step));
}

//===- Strides ----------------------------------------------------------------===//

bool RowLowering::strided(Value value, Strided &view) {
  if (auto transpose = value.getDefiningOp<nn::TransposeOp>()) {
    Strided from;
    if (!strided(transpose.getX(), from))
      return false;
    view = from;
    for (auto [to, axis] : llvm::enumerate(transpose.getPerm())) {
      view.sizes[to] = from.sizes[axis];
      view.strides[to] = from.strides[axis];
    }
    return true;
  }
  if (auto slice = value.getDefiningOp<nn::SliceOp>()) {
    if (!strided(slice.getX(), view))
      return false;
    SmallVector<SizeCode> sizes = llvm::to_vector(sizesOf(value));
    for (size_t d = 0; d < sizes.size(); d++) {
      if (slice.getStarts()[d] == 0 && slice.getSteps()[d] == 1)
        continue;
      if (isDynamic(view.strides[d]) || ShapedType::isDynamic(slice.getStarts()[d]))
        return refuse("a slice whose place is only known at run time");
      view.base += slice.getStarts()[d] * view.strides[d];
      view.strides[d] *= slice.getSteps()[d];
    }
    view.sizes.assign(sizes.begin(), sizes.end());
    return true;
  }
  int index = operandIndex(value);
  if (index < 0)
    return refuse("an operand that is computed inside the kernel");
  const CallOperand &operand = operands[index];
  std::optional<Elem> elem = elemOf(operand.type.getElementType());
  if (!elem)
    return refuse("an operand of an element type that no kernel reads");
  Placement place = operand.place;
  if (operand.constant)
    place = {Form::Plain, plainMap(operand.type)};
  view.operand = index;
  view.elem = operand.constant ? *elem : place.map.elem;
  view.sizes = sizesOf(value);
  view.strides = plainStrides(view.sizes, place.map);
  view.base = place.map.base;
  return true;
}

bool RowLowering::broadcast(Value value, ArrayRef<SizeCode> shape, Strided &view) {
  Strided own;
  if (!strided(value, own))
    return false;
  if (own.sizes.size() > shape.size())
    return refuse("an operand of more dimensions than the result");
  view = own;
  size_t missing = shape.size() - own.sizes.size();
  view.sizes.assign(shape.begin(), shape.end());
  view.strides.assign(shape.size(), 0);
  for (auto [index, size] : llvm::enumerate(own.sizes)) {
    if (size == shape[missing + index] && size != 1)
      view.strides[missing + index] = own.strides[index];
    else if (size != 1)
      return refuse("an operand that does not broadcast to the result");
  }
  return true;
}

RowLowering::Strided RowLowering::resultView(unsigned index) {
  Strided view;
  view.elem = results[index].map.elem;
  view.base = results[index].map.base;
  view.sizes = sizesOf(terminator()->getOperand(index));
  view.strides = plainStrides(view.sizes, results[index].map);
  return view;
}

bool RowLowering::stridedResult(Value value, Strided &view) {
  Value result = terminator()->getOperand(0);
  view = resultView(0);
  if (result == value)
    return true;
  SmallVector<SizeCode, 4> strides = view.strides;
  view.sizes = sizesOf(value);
  auto transpose = result.getDefiningOp<nn::TransposeOp>();
  if (!transpose || transpose.getX() != value)
    return refuse("an epilogue");
  for (auto [to, axis] : llvm::enumerate(transpose.getPerm()))
    view.strides[axis] = strides[to];
  return true;
}

/// The strides of some dimensions; kOne stands for a dimension of one.
static constexpr unsigned kOne = ~0u;
View RowLowering::viewOf(const Strided &view, ArrayRef<unsigned> dims) {
  View result;
  result.elem = view.elem;
  result.base = view.base;
  for (unsigned dim : dims)
    result.strides.push_back(dim == kOne ? 0 : asOffset(view.strides[dim]));
  return result;
}

//===- Norms --------------------------------------------------------------------===//

bool RowLowering::norm() {
  Operation *norm = nullptr;
  QuantizeOp quantize;
  for (Operation &op : kernel.getBody().front()) {
    if (isa<nn::LayerNormOp, nn::RmsNormOp>(op))
      norm = &op;
    else if (auto q = dyn_cast<QuantizeOp>(op); q && q.getPlanes().empty())
      quantize = q;
  }
  NormProblem problem;
  problem.kind = NormKind::None;
  Value x = quantize ? quantize.getX() : Value(), y = x, scale, bias;
  if (auto layer = dyn_cast_or_null<nn::LayerNormOp>(norm)) {
    problem.kind = NormKind::Layer;
    problem.epsilon = layer.getEpsilon().convertToDouble();
    x = layer.getX(), scale = layer.getScale(), bias = layer.getBias();
    if (int64_t(layer.getAxis()) != typeOf(x).getRank() - 1)
      return refuse("a norm over several dimensions");
  } else if (auto rms = dyn_cast_or_null<nn::RmsNormOp>(norm)) {
    problem.kind = NormKind::Rms;
    problem.epsilon = rms.getEpsilon().convertToDouble();
    x = rms.getX(), scale = rms.getScale();
    if (int64_t(rms.getAxis()) != typeOf(x).getRank() - 1)
      return refuse("a norm over several dimensions");
  }
  // Results: the sum, the float result, codes and scales.
  int sumResult = -1, outResult = -1, codesResult = -1, scalesResult = -1;
  for (auto [index, value] : llvm::enumerate(terminator()->getOperands())) {
    auto unbundle = value.getDefiningOp<UnbundleOp>();
    if (unbundle && !quantize) { // codes of a known scale
      outResult = index;
      y = value;
    } else if (unbundle) {
      if (unbundle.getQ() != quantize.getResult())
        return refuse("a quantized result of another op");
      (value == unbundle.getPlanes().front() ? codesResult : scalesResult) = index;
    } else if (norm && value == x) {
      sumResult = index;
    } else {
      outResult = index;
      if (!quantize)
        y = value;
      else if (value != y)
        return refuse("a result that is neither the sum nor what is quantized");
    }
  }
  if (!y || (!typeOf(y).getElementType().isF32() && !typeOf(y).getElementType().isInteger(8)) || !typeOf(x).getElementType().isF32() || typeOf(x).getShape() != typeOf(y).getShape())
    return refuse("rows that are not f32");

  Placement place{Form::Plain, plainMap(typeOf(y))};
  problem.storeOut = outResult >= 0;
  if (problem.storeOut)
    place = results[outResult];
  problem.out = place.map;
  if (sumResult >= 0) {
    problem.storeSum = true;
    problem.sum = results[sumResult].map;
  }
  if (quantize) {
    if (codesResult < 0 || scalesResult < 0)
      return refuse("run-time quantization yields codes and scales");
    problem.quantize = true;
    problem.codes = results[codesResult].map;
    Format format = quantize.getResult().getType().getFormat().getFormat();
    const Plane *plane = format.find(Role::Scale);
    ArrayRef<int64_t> block = plane ? ArrayRef<int64_t>(plane->block) : ArrayRef<int64_t>();
    if (!isRowQuantization(quantize))
      return refuse("run-time quantization has a kernel for <si8, scale<f32>> and scales along rows by absmax");
    problem.group = block.back() == kWhole || block.back() >= problem.out.c ? 0 : block.back();
  }

  Placement floats = place; // what the prologue makes
  floats.map.elem = Elem::F32;
  ExprBuilder before(operands, typeOf(x), floats);
  if (!before.finish(x))
    return refuse(before.error());
  problem.prologue = before.expr();
  SmallVector<KernelArg> args(before.args());
  if (norm) {
    ExprBuilder after(operands, typeOf(y), place);
    int value = after.addAccumulator();
    if (scale)
      value = after.node(ExprOp::Mul, {value, after.valueOf(scale)});
    if (bias)
      value = after.node(ExprOp::Add, {value, after.valueOf(bias)});
    after.remember(norm->getResult(0), value);
    if (!after.finish(y))
      return refuse(after.error());
    problem.epilogue = after.expr();
    args.append(after.args().begin(), after.args().end());
  }
  for (int result : {sumResult, outResult, codesResult, scalesResult})
    if (result >= 0)
      args.push_back(resultArg(result));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, args, "cpu.norm");
  return true;
}

bool RowLowering::groupNorm() {
  auto op = cast<nn::GroupNormOp>(info.anchor);
  Strided x;
  if (terminator()->getOperand(0) != op.getResult())
    return refuse("an epilogue");
  if (!strided(op.getX(), x))
    return false;
  if (x.elem != Elem::F32 || x.sizes.size() < 2)
    return refuse("pictures that are not f32");
  GroupNormProblem problem;
  problem.n = x.sizes[0];
  problem.channels = x.sizes[1];
  problem.groups = op.getGroups();
  problem.size = product(ArrayRef<int64_t>(x.sizes).drop_front(2));
  problem.epsilon = op.getEpsilon().convertToDouble();
  problem.scale = bool(op.getScale());
  problem.bias = bool(op.getBias());
  SmallVector<KernelArg> args{operandArg(x)};
  for (Value value : {op.getScale(), op.getBias()}) {
    Strided vector;
    if (!value)
      continue;
    if (!strided(value, vector))
      return false;
    args.push_back(operandArg(vector));
  }
  args.push_back(resultArg(0));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, args, "cpu.group_norm");
  return true;
}

//===- Attention ------------------------------------------------------------------===//

bool RowLowering::attention() {
  auto op = cast<nn::AttentionOp>(info.anchor);
  Strided q, k, v, mask, out;
  if (!strided(op.getQ(), q) || !strided(op.getK(), k) || !strided(op.getV(), v) || !stridedResult(op.getResult(), out))
    return false;
  for (const Strided *view : {&q, &k, &v, &out})
    if (view->strides[3] != 1)
      return refuse("heads whose elements are not neighbours");
  AttentionProblem problem;
  problem.batch = q.sizes[0], problem.heads = q.sizes[1], problem.queries = q.sizes[2], problem.depth = q.sizes[3];
  problem.groups = k.sizes[1], problem.keys = k.sizes[2], problem.width = v.sizes[3];
  auto withoutLast = [&](const Strided &view) { return viewOf(view, {0u, 1u, 2u}); };
  problem.q = withoutLast(q), problem.k = withoutLast(k), problem.v = withoutLast(v), problem.out = withoutLast(out);
  problem.scale = op.getScale().convertToDouble();
  problem.softcap = op.getSoftcap() ? op.getSoftcap()->convertToDouble() : 0;
  problem.causal = op.getCausal();
  problem.window = op.getWindow().value_or(0);
  SmallVector<KernelArg> args{operandArg(q), operandArg(k), operandArg(v)};
  if (op.getMask()) {
    SmallVector<SizeCode> shape{q.sizes[0], q.sizes[1], q.sizes[2], k.sizes[2]};
    if (!broadcast(op.getMask(), shape, mask))
      return false;
    problem.maskKind = mask.elem == Elem::I1 ? AttentionProblem::Boolean : AttentionProblem::Added;
    problem.mask = viewOf(mask, {0u, 1u, 2u, 3u});
    args.push_back(operandArg(mask));
  }
  args.push_back(resultArg(0));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SizeCode pairs = product({q.sizes[0], q.sizes[1], q.sizes[2], k.sizes[2]});
  push(problem, args, "cpu.attention", isDynamic(pairs) ? 0 : pairs * (problem.depth + problem.width));
  return true;
}

bool RowLowering::rope() {
  auto op = cast<nn::RopeOp>(info.anchor);
  Strided x, cosine, sine, out;
  if (!strided(op.getX(), x) || !stridedResult(op.getResult(), out))
    return false;
  size_t rank = x.sizes.size();
  if (rank < 1 || rank > 4)
    return refuse("more than three dimensions in front of a head");
  RopeProblem problem;
  problem.width = x.sizes.back();
  SizeCode half = sizesOf(op.getCos()).back();
  if (isDynamic(half))
    return refuse("a rotated part whose size is only known at run time");
  problem.rotated = 2 * half;
  problem.interleaved = op.getInterleaved();
  SmallVector<SizeCode> shape(x.sizes.begin(), x.sizes.end());
  shape.back() = problem.rotated / 2;
  if (!broadcast(op.getCos(), shape, cosine) || !broadcast(op.getSin(), shape, sine))
    return false;
  for (const Strided *view : {&x, &cosine, &sine, &out})
    if (view->strides.back() != 1 && problem.rotated > 2)
      return refuse("heads whose elements are not neighbours");
  SmallVector<unsigned> dims;
  for (size_t i = 0; i < 4 - rank; i++)
    dims.push_back(kOne);
  for (size_t i = 0; i + 1 < rank; i++)
    dims.push_back(i);
  for (unsigned dim : dims)
    problem.sizes.push_back(dim == kOne ? 1 : x.sizes[dim]);
  problem.x = viewOf(x, dims), problem.cos = viewOf(cosine, dims), problem.sin = viewOf(sine, dims), problem.out = viewOf(out, dims);
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), operandArg(cosine), operandArg(sine), resultArg(0)}, "cpu.rope");
  return true;
}

/// Both operands are activations.
bool RowLowering::matmul() {
  auto op = cast<nn::MatmulOp>(info.anchor);
  Strided x, w, out, bias;
  if (!strided(op.getLhs(), x) || !strided(op.getRhs(), w) || !stridedResult(op.getResult(), out))
    return false;
  size_t rank = out.sizes.size();
  if (x.sizes.size() < 2 || w.sizes.size() < 2)
    return refuse("a vector");
  MatmulProblem problem;
  problem.outer.assign(out.sizes.begin(), out.sizes.end() - 2);
  problem.m = out.sizes[rank - 2], problem.n = out.sizes[rank - 1];
  problem.k = x.sizes[x.sizes.size() - (op.getTransposeA() ? 2 : 1)];
  // Outer dimensions of one are repeated; the last two keep their strides.
  auto spread = [&](const Strided &view, bool swap) {
    View made;
    made.elem = view.elem;
    made.base = view.base;
    size_t own = view.sizes.size(), missing = rank - own;
    for (size_t d = 0; d + 2 < rank; d++)
      made.strides.push_back(d < missing || view.sizes[d - missing] == 1 ? 0 : asOffset(view.strides[d - missing]));
    made.strides.push_back(asOffset(view.strides[own - (swap ? 1 : 2)]));
    made.strides.push_back(asOffset(view.strides[own - (swap ? 2 : 1)]));
    return made;
  };
  problem.x = spread(x, op.getTransposeA());
  problem.w = spread(w, op.getTransposeB());
  problem.out = spread(out, false);
  SmallVector<KernelArg> args{operandArg(x), operandArg(w)};
  if (op.getBias()) {
    if (!strided(op.getBias(), bias))
      return false;
    problem.bias = true;
    args.push_back(operandArg(bias));
  }
  args.push_back(resultArg(0));
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SizeCode macs = times(product(out.sizes), problem.k);
  push(problem, args, "cpu.matmul", isDynamic(macs) ? 0 : macs);
  return true;
}

//===- Tables, reductions ------------------------------------------------------------===//

bool RowLowering::gather() {
  auto op = cast<nn::GatherOp>(info.anchor);
  if (terminator()->getOperand(0) != op.getResult())
    return refuse("an epilogue");
  GatherProblem problem;
  SmallVector<SizeCode, 4> tableSizes = sizesOf(op.getX());
  ArrayRef<SizeCode> shape = tableSizes;
  int64_t axis = op.getAxis();
  problem.outer = product(shape.take_front(axis));
  problem.rows = shape[axis];
  problem.width = product(shape.drop_front(axis + 1));
  problem.count = product(sizesOf(op.getIndices()));
  Strided codes, scales, indices;
  // A single index is a constant of the body.
  KernelArg indexArg;
  ElementsAttr inside = operandIndex(op.getIndices()) < 0 ? constantOf(op.getIndices()) : ElementsAttr();
  if (inside) {
    std::optional<std::vector<char>> bytes = bytesOfConstant(inside);
    std::optional<Elem> elem = elemOf(inside.getElementType());
    if (!bytes || !elem)
      return refuse("indices whose data is gone");
    indexArg.kind = KernelArg::Constant;
    indexArg.elem = *elem;
    indexArg.bytes = std::move(*bytes);
  } else {
    if (!strided(op.getIndices(), indices))
      return false;
    indexArg = operandArg(indices);
  }
  problem.index = indexArg.elem;
  SmallVector<KernelArg> args;
  if (auto dequantize = op.getX().getDefiningOp<DequantizeOp>()) {
    auto bundle = dequantize.getQ().getDefiningOp<BundleOp>();
    Format format = cast<QuantType>(dequantize.getQ().getType()).getFormat().getFormat();
    const Plane *scale = format.find(Role::Scale);
    std::optional<int64_t> zero = bundle ? storedZero(bundle) : std::nullopt;
    bool planes = scale && zero && format.planes.size() <= 2 && bundle.getPlanes().size() <= 3 && &format.planes[0] == scale;
    if (!planes || !format.elem.isInteger() || (format.elem.bits != 8 && format.elem.bits != 4) || shape.size() != 2 || axis != 0)
      return refuse("a table whose codes are not 8 or 4 bits with scales along its rows");
    ArrayRef<int64_t> block(scale->block);
    if (block.size() != 2 || block[0] != 1 || (scale->type != Element::f32() && scale->type != Element::f16()))
      return refuse("a table whose scales are not those of a row or of blocks of it");
    if (!strided(bundle.getPlanes()[0], codes) || !strided(bundle.getPlanes()[1], scales))
      return false;
    problem.bits = format.elem.bits;
    problem.isSigned = format.elem.hasSignedCodes();
    problem.zero = *zero - (problem.isSigned ? 128 : 0); // constants lie in two's complement
    problem.group = block[1] == kWhole || block[1] >= problem.width ? 0 : block[1];
    problem.scale = scale->type == Element::f32() ? Elem::F32 : Elem::F16;
    problem.elem = Elem::U8;
    args = {operandArg(codes), operandArg(scales)};
  } else {
    if (!strided(op.getX(), codes))
      return false;
    problem.elem = codes.elem;
    args = {operandArg(codes)};
  }
  args.append({indexArg, resultArg(0)});
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, args, "cpu.gather");
  return true;
}

bool RowLowering::reduce() {
  auto op = cast<nn::ReduceOp>(info.anchor);
  if (terminator()->getOperand(0) != op.getResult())
    return refuse("an epilogue");
  Strided x;
  if (!strided(op.getX(), x))
    return false;
  AxesReduceProblem problem;
  problem.elem = x.elem;
  problem.kind = AxesKind(int(op.getKind()) == int(nn::ReduceKind::sum)           ? int(AxesKind::Sum)
                          : op.getKind() == nn::ReduceKind::mean        ? int(AxesKind::Mean)
                          : op.getKind() == nn::ReduceKind::max         ? int(AxesKind::Max)
                          : op.getKind() == nn::ReduceKind::min         ? int(AxesKind::Min)
                          : op.getKind() == nn::ReduceKind::prod        ? int(AxesKind::Prod)
                          : op.getKind() == nn::ReduceKind::l1          ? int(AxesKind::L1)
                          : op.getKind() == nn::ReduceKind::l2          ? int(AxesKind::L2)
                          : op.getKind() == nn::ReduceKind::log_sum     ? int(AxesKind::LogSum)
                          : op.getKind() == nn::ReduceKind::log_sum_exp ? int(AxesKind::LogSumExp)
                                                                        : int(AxesKind::SumSquare));
  for (auto [index, size] : llvm::enumerate(x.sizes)) {
    bool reduced = llvm::is_contained(op.getAxes(), int64_t(index));
    if (size == 1)
      continue;
    if (!problem.sizes.empty() && problem.reduced.back() == reduced) {
      problem.sizes.back() = times(problem.sizes.back(), size);
      continue;
    }
    problem.sizes.push_back(size);
    problem.reduced.push_back(reduced);
  }
  if (problem.sizes.empty()) {
    problem.sizes.push_back(1);
    problem.reduced.push_back(true);
  }
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), resultArg(0)}, "cpu.axes_reduce");
  return true;
}

bool RowLowering::axis() {
  Operation *op = info.anchor;
  if (terminator()->getOperand(0) != op->getResult(0))
    return refuse("an epilogue");
  AxisProblem problem;
  int64_t axis;
  if (auto softmax = dyn_cast<nn::SoftmaxOp>(op)) {
    axis = softmax.getAxis();
    problem.kind = softmax.getLog() ? AxisKind::LogSoftmax : AxisKind::Softmax;
  } else {
    auto arg = cast<nn::ArgReduceOp>(op);
    axis = arg.getAxis();
    problem.kind = arg.getKind() == nn::ArgKind::max ? AxisKind::ArgMax : AxisKind::ArgMin;
    problem.last = arg.getSelectLast();
  }
  Strided x;
  if (!strided(op->getOperand(0), x))
    return false;
  ArrayRef<int64_t> sizes = x.sizes;
  problem.outer = product(sizes.take_front(axis));
  problem.count = sizes[axis];
  problem.inner = product(sizes.drop_front(axis + 1));
  problem.elem = x.elem;
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), resultArg(0)}, "cpu.axis");
  return true;
}

//===- Loop nests ----------------------------------------------------------------------===//

bool RowLowering::nest() {
  if (!plain())
    return false;
  if (terminator()->getNumOperands() != 1)
    return refuse("more than one result");
  Value result = terminator()->getOperand(0);
  SmallVector<SizeCode, 4> shape = sizesOf(result);
  if (!programElem(typeOf(result).getElementType()))
    return refuse("a result of an element type that a loop nest does not know");
  NdProblem problem;
  problem.sizes.assign(shape.begin(), shape.end());
  Strided out = resultView(0);
  problem.out.elem = out.elem;
  problem.out.base = out.base;
  problem.out.strides.assign(out.strides.begin(), out.strides.end());
  auto input = [&](Value value) -> std::optional<View> {
    Strided view;
    if (!broadcast(value, shape, view))
      return std::nullopt;
    View made;
    made.elem = view.elem;
    made.base = view.base;
    made.strides.assign(view.strides.begin(), view.strides.end());
    return made;
  };
  NestBuilder builder(problem, input);
  if (!builder.finish(result))
    return refuse(builder.error());
  if (problem.sizes.empty()) { // one number
    problem.sizes.push_back(1);
    problem.out.strides.push_back(1);
    for (View &view : problem.inputs)
      view.strides.push_back(0);
  }
  mergeDimensions(problem);
  // Strides were codes of sizes up to here.
  for (int64_t &stride : problem.out.strides)
    stride = asOffset(stride);
  for (View &view : problem.inputs)
    for (int64_t &stride : view.strides)
      stride = asOffset(stride);
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SmallVector<KernelArg> args;
  for (auto [value, view] : llvm::zip(builder.inputs(), problem.inputs)) {
    KernelArg arg;
    arg.index = operandIndex(value);
    arg.elem = view.elem;
    args.push_back(arg);
  }
  args.push_back(resultArg(0));
  push(problem, args, "cpu.nd");
  return true;
}

bool RowLowering::run() {
  if (!plain())
    return false;
  switch (info.kind) {
  case KernelClass::Norm:
    return norm();
  case KernelClass::GroupNorm:
    return groupNorm();
  case KernelClass::Attention:
    return attention();
  case KernelClass::Rope:
    return rope();
  case KernelClass::Product:
    return matmul();
  case KernelClass::Gather:
    return gather();
  case KernelClass::AxesReduce:
  case KernelClass::GlobalReduce:
    return reduce();
  case KernelClass::Axis:
  case KernelClass::Softmax:
    return axis();
  case KernelClass::Rnn:
    return rnn();
  case KernelClass::Pad:
    return pad();
  case KernelClass::Nest:
    return nest();
  default:
    return refuse("another kind of kernel");
  }
}

} // namespace tern::cpu
