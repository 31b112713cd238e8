// Weights that nodes compute from constants: Mul(Cast(codes), scale) and its kin.
#include "lib/Export/OnnxGraph.h"
#include "lib/Export/Weights.h"
#include "mlir/IR/Diagnostics.h"

using namespace llvm;

namespace tern::exporter {
namespace {

constexpr StringLiteral kArithmetic[] = {"Mul", "Div", "Add", "Sub"};

/// Integers that hold codes, and floats.
bool isNumber(int32_t type) {
  switch (type) {
  case importer::FLOAT:
  case importer::FLOAT16:
  case importer::BFLOAT16:
  case importer::DOUBLE:
  case importer::INT8:
  case importer::UINT8:
  case importer::INT4:
  case importer::UINT4:
    return true;
  default:
    return false;
  }
}

std::optional<SmallVector<int64_t>> broadcast(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  SmallVector<int64_t> shape(std::max(a.size(), b.size()), 1);
  for (ArrayRef<int64_t> side : {a, b})
    for (size_t i = 0; i < side.size(); ++i) {
      int64_t &extent = shape[shape.size() - side.size() + i];
      if (extent != 1 && side[i] != 1 && extent != side[i])
        return std::nullopt;
      extent = extent == 1 ? side[i] : extent;
    }
  return shape;
}

float loadNumber(int32_t type, const char *data, int64_t i) {
  switch (type) {
  case importer::INT8:
    return float(int8_t(data[i]));
  case importer::UINT8:
    return float(uint8_t(data[i]));
  case importer::UINT4:
    return float(uint8_t(data[i / 2]) >> (i % 2 * 4) & 15);
  case importer::INT4:
    return float(int8_t(uint8_t(uint8_t(data[i / 2]) >> (i % 2 * 4) << 4)) >> 4);
  default:
    return loadFloat(type, data, i);
  }
}

/// Stride of a broadcast operand along each axis of the result.
SmallVector<int64_t> stridesOf(ArrayRef<int64_t> operand, ArrayRef<int64_t> result) {
  SmallVector<int64_t> strides(result.size(), 0);
  int64_t stride = 1;
  for (size_t i = operand.size(); i-- > 0;) {
    strides[result.size() - operand.size() + i] = operand[i] == 1 ? 0 : stride;
    stride *= operand[i];
  }
  return strides;
}

} // namespace

std::optional<SmallVector<int64_t>> OnnxGraph::derivedShape(Scope *scope, StringRef name, int depth) const {
  if (Constant *constant = constantOf(scope, name))
    return isNumber(constant->type) && !constant->isInput ? std::optional(constant->shape) : std::nullopt;
  Node *node = producerOf(scope, name);
  if (!node || depth == 0 || !node->domain.empty() || node->outputs.size() != 1)
    return std::nullopt;
  if (node->op == "Cast" && node->inputs.size() == 1 && integer(*node, "to", 0) == importer::FLOAT)
    return derivedShape(node->scope, node->inputs[0], depth - 1);
  if (!is_contained(kArithmetic, node->op) || node->inputs.size() != 2)
    return std::nullopt;
  auto a = derivedShape(node->scope, node->inputs[0], depth - 1), b = derivedShape(node->scope, node->inputs[1], depth - 1);
  return a && b ? broadcast(*a, *b) : std::nullopt;
}

Constant *OnnxGraph::derive(Scope *scope, StringRef name) {
  Node *node = producerOf(scope, name);
  if (!node || !is_contained(kArithmetic, node->op))
    return nullptr;
  if (auto it = derived.find(node); it != derived.end())
    return it->second;
  auto shape = derivedShape(scope, name, 6);
  Constant *&result = derived[node];
  if (!shape)
    return nullptr;
  result = &constants.emplace_back();
  result->name = node->outputs[0];
  result->field = node->field;
  result->scope = node->scope;
  result->node = node;
  result->type = importer::FLOAT;
  result->shape = *shape;
  result->isDerived = true;
  for (const auto &[output, info] : node->scope->outputs)
    result->isOutput |= output == result->name;
  return result;
}

mlir::FailureOr<std::vector<float>> OnnxGraph::evaluate(Scope *scope, StringRef name, SmallVectorImpl<int64_t> &shape) {
  if (Constant *constant = constantOf(scope, name)) {
    mlir::FailureOr<importer::TensorData> data = read(*constant);
    if (failed(data))
      return mlir::failure();
    shape.assign(constant->shape.begin(), constant->shape.end());
    std::vector<float> values(size_t(data->elements));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = loadNumber(constant->type, data->bytes.data.data(), int64_t(i));
    return values;
  }
  Node *node = producerOf(scope, name);
  if (node->op == "Cast")
    return evaluate(node->scope, node->inputs[0], shape);
  SmallVector<int64_t> left, right;
  auto a = evaluate(node->scope, node->inputs[0], left), b = evaluate(node->scope, node->inputs[1], right);
  if (failed(a) || failed(b))
    return mlir::failure();
  shape = *broadcast(left, right);
  SmallVector<int64_t> leftStrides = stridesOf(left, shape), rightStrides = stridesOf(right, shape), index(shape.size(), 0);
  std::vector<float> values(size_t(*importer::elementCount(shape)));
  int64_t at = 0, other = 0;
  char op = node->op[0];
  for (float &value : values) {
    float x = (*a)[size_t(at)], y = (*b)[size_t(other)];
    value = op == 'M' ? x * y : op == 'D' ? x / y : op == 'A' ? x + y : x - y;
    for (size_t axis = shape.size(); axis-- > 0;) {
      at += leftStrides[axis], other += rightStrides[axis];
      if (++index[axis] < shape[axis])
        break;
      at -= leftStrides[axis] * shape[axis], other -= rightStrides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return values;
}

} // namespace tern::exporter
