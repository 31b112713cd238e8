#include "lib/Import/Node.h"
#include "lib/Import/Functions.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;

namespace tern::importer {

Node::Node(Importer &importer, const GraphNode &node)
    : importer(importer), node(node), proto(*node.proto), location(node.loc(importer.context)),
      nameAttr(StringAttr::get(importer.context, node.name)), version(versionOf(proto)) {
  if (version == 0)
    version = importer.opset(domain());
}

InFlightDiagnostic Node::error() {
  bad = true;
  return emitError(location);
}

LogicalResult Node::checkInputs(const Rule &rule) {
  int count = proto.input_size();
  while (count > 0 && proto.input(count - 1).empty())
    count--;
  if (count < rule.minInputs || (rule.maxInputs >= 0 && count > rule.maxInputs)) {
    auto diag = error() << opType() << " has " << count << " inputs; it takes " << rule.minInputs;
    if (rule.maxInputs < 0)
      return diag << " or more";
    return rule.maxInputs == rule.minInputs ? diag : diag << " to " << rule.maxInputs;
  }
  for (int i = 0; i < rule.minInputs; i++)
    if (proto.input(i).empty())
      return error() << "input " << i << " of " << opType() << " is missing";
  return success();
}

Value Node::fail() {
  bad = true;
  return {};
}

Value Node::finish(OperationState &state) {
  Operation *op = builder().create(state);
  if (failed(verify(op))) {
    op->erase();
    return fail();
  }
  return op->getResult(0);
}

Value Node::operand(int i) {
  if (bad || !hasInput(i))
    return {};
  return importer.materialize(proto.input(i), location);
}

RankedTensorType Node::type(int i) const {
  const Known *k = known(i);
  return k ? importer.typeOf(*k) : RankedTensorType();
}

DenseElementsAttr Node::constant(int i) const {
  const Known *k = known(i);
  return k ? importer.constantOf(*k) : DenseElementsAttr();
}

std::optional<Ints> Node::constantInts(int i) const {
  DenseElementsAttr attr = constant(i);
  if (!attr || !isa<IntegerType>(attr.getElementType()))
    return std::nullopt;
  bool isUnsigned = attr.getElementType().isUnsignedInteger() || attr.getElementType().isInteger(1);
  return llvm::map_to_vector(attr.getValues<APInt>(),
                             [&](const APInt &v) { return isUnsigned ? int64_t(v.getZExtValue()) : v.getSExtValue(); });
}

std::optional<SmallVector<double>> Node::constantFloats(int i) const {
  DenseElementsAttr attr = constant(i);
  if (!attr)
    return std::nullopt;
  if (isa<FloatType>(attr.getElementType()))
    return llvm::map_to_vector(attr.getValues<APFloat>(), [](APFloat v) {
      bool lost;
      v.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      return v.convertToDouble();
    });
  if (auto ints = constantInts(i))
    return llvm::map_to_vector(*ints, [](int64_t v) { return double(v); });
  return std::nullopt;
}

const onnx::AttributeProto *Node::find(StringRef name) const {
  for (const auto &a : proto.attribute())
    if (a.name() == name)
      return &a;
  return nullptr;
}

static StringRef kindOf(onnx::AttributeProto::AttributeType type) {
  constexpr StringLiteral names[] = {"of unknown type",
                                     "a float",
                                     "an integer",
                                     "a string",
                                     "a tensor",
                                     "a graph",
                                     "a list of floats",
                                     "a list of integers",
                                     "a list of strings",
                                     "a list of tensors",
                                     "a list of graphs",
                                     "a sparse tensor",
                                     "a list of sparse tensors",
                                     "a type",
                                     "a list of types"};
  return unsigned(type) < std::size(names) ? names[type] : names[0];
}

/// Writers before IR version 2 leave the type out.
static onnx::AttributeProto::AttributeType typeOf(const onnx::AttributeProto &a) {
  if (a.has_type() && a.type() != onnx::AttributeProto::UNDEFINED)
    return a.type();
  if (a.has_f())
    return onnx::AttributeProto::FLOAT;
  if (a.has_i())
    return onnx::AttributeProto::INT;
  if (a.has_s())
    return onnx::AttributeProto::STRING;
  if (a.has_t())
    return onnx::AttributeProto::TENSOR;
  if (a.floats_size())
    return onnx::AttributeProto::FLOATS;
  if (a.ints_size())
    return onnx::AttributeProto::INTS;
  return a.strings_size() ? onnx::AttributeProto::STRINGS : onnx::AttributeProto::UNDEFINED;
}

const onnx::AttributeProto *Node::find(StringRef name, onnx::AttributeProto::AttributeType type) {
  const onnx::AttributeProto *a = bad ? nullptr : find(name);
  if (!a)
    return nullptr;
  auto found = typeOf(*a);
  // An empty list may come without a type.
  bool empty = found == onnx::AttributeProto::UNDEFINED &&
               (type == onnx::AttributeProto::INTS || type == onnx::AttributeProto::FLOATS);
  if (found == type || empty)
    return a;
  error() << "attribute '" << name << "' is " << kindOf(found) << ", " << opType() << " needs " << kindOf(type);
  return nullptr;
}

int64_t Node::integer(StringRef name, int64_t otherwise) {
  const auto *a = find(name, onnx::AttributeProto::INT);
  return a ? a->i() : otherwise;
}

float Node::real(StringRef name, float otherwise) {
  const auto *a = find(name, onnx::AttributeProto::FLOAT);
  return a ? a->f() : otherwise;
}

std::string Node::string(StringRef name, StringRef otherwise) {
  const auto *a = find(name, onnx::AttributeProto::STRING);
  return a ? a->s() : otherwise.str();
}

Ints Node::integers(StringRef name) {
  const auto *a = find(name, onnx::AttributeProto::INTS);
  return a ? Ints(a->ints().begin(), a->ints().end()) : Ints();
}

SmallVector<float> Node::reals(StringRef name) {
  const auto *a = find(name, onnx::AttributeProto::FLOATS);
  return a ? SmallVector<float>(a->floats().begin(), a->floats().end()) : SmallVector<float>();
}

int64_t Node::axis(int64_t value, int64_t rank) {
  if (value < -rank || value >= rank) {
    if (!bad)
      error() << "axis " << value << " is outside " << -rank << ".." << rank - 1;
    return 0;
  }
  return value < 0 ? value + rank : value;
}

Ints Node::axes(ArrayRef<int64_t> values, int64_t rank) {
  Ints result = llvm::map_to_vector(values, [&](int64_t v) { return axis(v, rank); });
  llvm::sort(result);
  if (auto twice = std::adjacent_find(result.begin(), result.end()); twice != result.end() && !bad)
    error() << "axis " << *twice << " is given twice";
  return result;
}

LogicalResult Node::result(Value value, int i) {
  if (bad || !value)
    return failure();
  if (i < outputCount() && !proto.output(i).empty())
    importer.bind(proto.output(i), {value, {}, {}});
  return success();
}

LogicalResult Node::result(DenseElementsAttr constant, int i) {
  if (bad)
    return failure();
  if (i < outputCount() && !proto.output(i).empty())
    importer.bind(proto.output(i), {{}, constant, {}});
  return success();
}

LogicalResult Node::forward(int input, int output) {
  if (bad)
    return failure();
  if (output < outputCount() && !proto.output(output).empty()) {
    Known same = *known(input);
    importer.bind(proto.output(output), same);
  }
  return success();
}

Value Node::scalar(Type element, double value) {
  auto type = RankedTensorType::get({}, element);
  if (auto f = dyn_cast<FloatType>(element))
    return constantValue(DenseElementsAttr::get(type, builder().getFloatAttr(f, value)));
  return constantValue(DenseElementsAttr::get(type, builder().getIntegerAttr(element, int64_t(value))));
}

Value Node::reshape(Value value, ArrayRef<int64_t> shape, StringAttr name) {
  if (bad || !value)
    return {};
  return createTyped<nn::ReshapeOp>(RankedTensorType::get(shape, tensorType(value).getElementType()), value, name);
}

std::optional<nn::Sizes> Node::symbols(int i) {
  if (std::optional<Ints> numbers = constantInts(i)) {
    nn::Sizes values;
    for (int64_t v : *numbers)
      values.push_back(importer.sizeAnalysis.table.constant(v));
    return values;
  }
  const Known *k = known(i);
  if (!k || !k->value)
    return std::nullopt;
  std::optional<nn::Sizes> values = importer.sizeAnalysis.elementsOf(k->value);
  importer.sizeAnalysis.blame = {};
  return values;
}

Value Node::withSizes(Value value, const nn::Sizes &sizes) {
  if (bad || !value)
    return {};
  nn::setSizes(value.getDefiningOp(), {sizes});
  importer.sizeAnalysis.setShape(value, sizes);
  return value;
}

Value Node::reshapeTo(Value value, const nn::Sizes &shape, StringAttr name) {
  if (bad || !value)
    return {};
  nn::Sizes known = shape;
  return withSizes(createTyped<nn::ReshapeOp>(nn::typeOf(known, tensorType(value).getElementType()), value, name), known);
}

Value Node::expandTo(Value value, const nn::Sizes &shape, StringAttr name) {
  if (bad || !value)
    return {};
  return withSizes(createTyped<nn::ExpandOp>(nn::typeOf(shape, tensorType(value).getElementType()), value, name), shape);
}

Value Node::sliceTo(Value value, const nn::Sizes &starts, const nn::Sizes &shape, ArrayRef<int64_t> steps, StringAttr name) {
  if (bad || !value)
    return {};
  Ints from, sizes;
  SmallVector<StringRef> texts;
  for (auto [start, size] : llvm::zip(starts, shape)) {
    from.push_back(start.constant().value_or(ShapedType::kDynamic));
    sizes.push_back(size.constant().value_or(ShapedType::kDynamic));
    if (!start.constant())
      texts.push_back(start.str());
  }
  Value slice = create<nn::SliceOp>(value, from, sizes, steps, name);
  if (slice && !texts.empty())
    slice.getDefiningOp()->setAttr(nn::kStartsAttr, builder().getStrArrayAttr(texts));
  return withSizes(slice, shape);
}

DenseElementsAttr intsAttr(ArrayRef<int64_t> values, MLIRContext *context) {
  auto type = RankedTensorType::get(int64_t(values.size()), IntegerType::get(context, 64));
  return DenseElementsAttr::get(type, values);
}

} // namespace tern::importer
