// Constant, ConstantOfShape, Identity, Dropout.
#include "lib/Import/OpenSizes.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;

namespace tern::importer {

static LogicalResult bindData(Node &n, FailureOr<TensorData> data) {
  if (failed(data) || n.hasFailed())
    return failure();
  n.importer.bind(n.proto.output(0), {{}, {}, std::make_shared<TensorData>(std::move(*data))});
  return success();
}

/// Constant<value...>: the data of the file under the name of the output.
static LogicalResult importConstant(Node &n) {
  if (n.proto.attribute_size() != 1)
    return n.error() << "Constant has " << n.proto.attribute_size() << " attributes; it takes one";
  const onnx::AttributeProto &a = n.proto.attribute(0);
  StringRef name = a.name();
  if (name == "value")
    return a.has_t() ? bindData(n, readTensor(n.importer.model, a.t(), n.loc()))
                     : n.error() << "attribute 'value' is not a tensor";
  if (name == "sparse_value")
    return bindData(n, readSparse(n.importer.model, a.sparse_tensor(), n.loc()));
  if (name == "value_float") {
    float v = n.real(name, 0);
    return bindData(n, ownTensor<float>(FLOAT, {}, v));
  }
  if (name == "value_int") {
    int64_t v = n.integer(name, 0);
    return bindData(n, ownTensor<int64_t>(INT64, {}, v));
  }
  if (name == "value_floats") {
    SmallVector<float> v = n.reals(name);
    return bindData(n, ownTensor<float>(FLOAT, int64_t(v.size()), v));
  }
  if (name == "value_ints") {
    Ints v = n.integers(name);
    return bindData(n, ownTensor<int64_t>(INT64, int64_t(v.size()), v));
  }
  return n.keep("it holds strings");
}

/// ConstantOfShape<value>(shape): a splat, whatever its size.
static LogicalResult importConstantOfShape(Node &n) {
  auto shape = n.constantInts(0);
  if (shape && !elementCount(*shape))
    return n.error() << "a size is negative or the shape has more than 2^48 elements";
  DenseElementsAttr value;
  if (const onnx::AttributeProto *a = n.find("value")) {
    FailureOr<TensorData> data = readTensor(n.importer.model, a->t(), n.loc());
    if (failed(data))
      return failure();
    value = toAttribute(*data, n.importer.context);
    if (!value || value.getNumElements() != 1)
      return n.error() << "attribute 'value' must be a tensor with one number";
  } else {
    value = DenseElementsAttr::get(RankedTensorType::get({1}, n.builder().getF32Type()), 0.0f);
  }
  if (!shape)
    return openConstantOfShape(n, value);
  auto type = RankedTensorType::get(*shape, value.getElementType());
  if (type.getNumElements() == 0)
    return n.result(DenseElementsAttr::get(type, ArrayRef<Attribute>()));
  return n.result(DenseElementsAttr::get(type, *value.getValues<Attribute>().begin()));
}

static LogicalResult importIdentity(Node &n) { return n.forward(); }

/// Inference drops nothing, so the mask is all ones, unless the model says that it is training.
static LogicalResult importDropout(Node &n) {
  if (n.hasInput(2)) {
    auto training = n.constantInts(2);
    if (!training || training->size() != 1)
      return n.keep("its training_mode is computed from data");
    auto ratio = n.constantFloats(1);
    bool dropsNothing = ratio && ratio->size() == 1 && ratio->front() == 0;
    if (training->front() && !dropsNothing)
      return n.keep("it is in training mode");
  }
  if (!n.isOutputUsed(1))
    return n.forward();
  // The mask is bool from version 10 on, before it has the type of the input.
  Type element = n.opset() < 10 ? n.type(0).getElementType() : Type(n.builder().getI1Type());
  if (n.isOpen(0))
    return failed(n.result(n.expandTo(n.scalar(element, 1), n.sizes(0)), 1)) ? failure() : n.forward();
  auto mask = RankedTensorType::get(n.type(0).getShape(), element);
  Attribute kept = isa<FloatType>(element) ? Attribute(n.builder().getFloatAttr(element, 1))
                                           : n.builder().getIntegerAttr(element, 1);
  if (failed(n.result(DenseElementsAttr::get(mask, kept), 1)))
    return failure();
  return n.forward();
}

static constexpr Rule kRules[] = {
    {"Constant", 1, 0, 0, importConstant}, {"ConstantOfShape", 9, 1, 1, importConstantOfShape},
    {"Identity", 1, 1, 1, importIdentity}, {"Dropout", 7, 1, 1, importDropout},
    {"Dropout", 12, 1, 3, importDropout},
};
ArrayRef<Rule> constantRules() { return kRules; }

} // namespace tern::importer
