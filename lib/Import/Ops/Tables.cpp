// Categories and missing values of ai.onnx.ml: tables from numbers to numbers.
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/TensorData.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

namespace {
/// Numbers of one side of a table; `isInteger`: they were written as integers.
struct Side {
  SmallVector<double> numbers;
  bool isInteger = false;
};
} // namespace

/// `keys` or `values` of a LabelEncoder: a list of integers or reals, or a tensor. Nothing: they are strings, or absent.
static std::optional<Side> readSide(Node &n, StringRef name) {
  Side side;
  if (const onnx::AttributeProto *a = n.find((name + "_tensor").str())) {
    FailureOr<TensorData> data = readTensor(n.importer.model, a->t(), n.loc());
    DenseElementsAttr attr = succeeded(data) ? toAttribute(*data, n.importer.context) : DenseElementsAttr();
    if (!attr || !attr.getElementType().isIntOrFloat())
      return std::nullopt;
    side.isInteger = isa<IntegerType>(attr.getElementType());
    if (side.isInteger)
      for (APInt value : attr.getValues<APInt>())
        side.numbers.push_back(double(value.getSExtValue()));
    else
      for (APFloat value : attr.getValues<APFloat>()) {
        bool lost;
        value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
        side.numbers.push_back(value.convertToDouble());
      }
    return side;
  }
  side.isInteger = n.hasAttr((name + "_int64s").str());
  if (side.isInteger)
    for (int64_t value : n.integers((name + "_int64s").str()))
      side.numbers.push_back(double(value));
  else if (n.hasAttr((name + "_floats").str()))
    for (float value : n.reals((name + "_floats").str()))
      side.numbers.push_back(value);
  else
    return std::nullopt;
  return side;
}

static Value constantOf(Compose c, ArrayRef<double> numbers, Type element) {
  if (isa<FloatType>(element))
    return c.reals(element, numbers, {int64_t(numbers.size())});
  return c.ints(llvm::map_to_vector(numbers, [](double number) { return int64_t(number); }), {int64_t(numbers.size())});
}

/// x compared with each of `keys`: [.., keys]. NaN equals NaN.
static Value matches(Compose c, Value x, ArrayRef<double> keys) {
  if (!x)
    return {};
  Shape wide(c.sizes(x));
  wide.push_back(1);
  Value each = c.reshape(x, wide);
  bool real = isa<FloatType>(Compose::elementOf(x));
  Value equal = c.compare(CompareKind::eq, each, constantOf(c, keys, real ? Compose::elementOf(x) : c.n.builder().getI64Type()));
  if (!real || llvm::none_of(keys, [](double key) { return std::isnan(key); }))
    return equal;
  Value isNan = constantOf(c, llvm::map_to_vector(keys, [](double key) { return double(std::isnan(key)); }), c.n.builder().getI64Type());
  return c.binary(BinaryKind::logical_or, equal, c.both(c.unary(UnaryKind::isnan, each), c.cast(isNan, c.n.builder().getI1Type())));
}

/// LabelEncoder<keys, values, default>(x)
static LogicalResult importLabelEncoder(Node &n) {
  std::optional<Side> keys = readSide(n, "keys"), values = readSide(n, "values");
  if (!keys || !values)
    return n.hasFailed() ? failure() : n.keep("its keys or values are strings");
  if (keys->numbers.size() != values->numbers.size() || keys->numbers.empty())
    return n.error() << "it has " << keys->numbers.size() << " keys and " << values->numbers.size() << " values";
  Compose c{n};
  Type element = values->isInteger ? Type(n.builder().getI64Type()) : Type(n.builder().getF32Type());
  double otherwise = values->isInteger ? double(n.integer("default_int64", -1)) : double(n.real("default_float", -0.0f));
  if (const onnx::AttributeProto *a = n.find("default_tensor")) {
    FailureOr<TensorData> data = readTensor(n.importer.model, a->t(), n.loc());
    DenseElementsAttr attr = succeeded(data) ? toAttribute(*data, n.importer.context) : DenseElementsAttr();
    if (!attr || attr.getNumElements() != 1)
      return n.error() << "default_tensor is not one number";
    otherwise = isa<FloatType>(attr.getElementType()) ? attr.getSplatValue<APFloat>().convertToDouble()
                                                      : double(attr.getSplatValue<APInt>().getSExtValue());
  }
  Value found = matches(c, n.operand(0), keys->numbers);
  if (!found)
    return failure();
  // The first key that fits; behind all keys stands one for what none fits.
  int64_t axis = tensorType(found).getRank() - 1;
  Shape last(c.sizes(found));
  last[size_t(axis)] = 1;
  Value none = c.expand(c.cast(c.ints({1}, {1}), n.builder().getI1Type()), last);
  Value marks = c.cast(c.concat({found, none}, axis), n.builder().getF32Type());
  Value place = marks ? n.create<ArgReduceOp>(ArgKind::max, marks, axis, false, false, StringAttr()) : Value();
  values->numbers.push_back(otherwise);
  return n.result(c.gather(constantOf(c, values->numbers, element), place, 0, n.name()));
}

/// OneHotEncoder<cats_int64s>(x): a dimension of the categories behind those of x.
static LogicalResult importOneHotEncoder(Node &n) {
  Ints categories = n.integers("cats_int64s");
  if (categories.empty())
    return n.keep("its categories are strings");
  if (!n.integer("zeros", 1))
    return n.keep("a value of no category is an error");
  Compose c{n};
  Value x = c.cast(n.operand(0), n.builder().getI64Type());
  SmallVector<double> keys(categories.begin(), categories.end());
  return n.result(c.cast(matches(c, x, keys), n.builder().getF32Type(), n.name()));
}

/// Imputer<imputed_value, replaced_value>(x)
static LogicalResult importImputer(Node &n) {
  bool integers = n.hasAttr("imputed_value_int64s");
  SmallVector<double> imputed;
  if (integers)
    for (int64_t value : n.integers("imputed_value_int64s"))
      imputed.push_back(double(value));
  else
    for (float value : n.reals("imputed_value_floats"))
      imputed.push_back(value);
  double replaced = integers ? double(n.integer("replaced_value_int64", 0)) : double(n.real("replaced_value_float", 0));
  int64_t columns = n.rank(0) ? n.type(0).getShape().back() : 1;
  if (imputed.empty() || (imputed.size() != 1 && int64_t(imputed.size()) != columns))
    return n.error() << "it imputes " << imputed.size() << " values in " << columns << " columns";
  Compose c{n};
  Value x = n.operand(0);
  if (!x)
    return failure();
  Value isMissing = std::isnan(replaced) ? c.unary(UnaryKind::isnan, x) : c.compare(CompareKind::eq, x, c.number(x, replaced));
  return n.result(c.select(isMissing, c.cast(constantOf(c, imputed, Compose::elementOf(x)), Compose::elementOf(x)), x, n.name()));
}

/// FeatureVectorizer(x, ...): the columns of all inputs side by side, in f32.
static LogicalResult importFeatureVectorizer(Node &n) {
  Compose c{n};
  SmallVector<Value> parts;
  for (int i = 0; i < n.inputCount(); ++i) {
    if (n.rank(i) != 1 && n.rank(i) != 2)
      return n.error() << "input " << i << " has rank " << n.rank(i) << "; FeatureVectorizer takes rows";
    Value x = c.cast(n.operand(i), n.builder().getF32Type());
    parts.push_back(n.rank(i) == 1 ? c.reshape(x, {n.sizes(i)[0], 1}) : x);
  }
  return n.result(c.concat(parts, 1, n.name()));
}

/// ZipMap<classlabels>(x): a list of dictionaries from labels to the scores of a row. A program yields tensors: the scores themselves.
static LogicalResult importZipMap(Node &n) {
  emitRemark(n.loc()) << "'" << n.proto.output(0) << "' is the tensor of the scores, not a list of dictionaries";
  return n.forward();
}

static constexpr llvm::StringLiteral kMl = "ai.onnx.ml";
static constexpr Rule kRules[] = {
    {"LabelEncoder", 2, 1, 1, importLabelEncoder, kMl},
    {"OneHotEncoder", 1, 1, 1, importOneHotEncoder, kMl},
    {"Imputer", 1, 1, 1, importImputer, kMl},
    {"ZipMap", 1, 1, 1, importZipMap, kMl},
    {"FeatureVectorizer", 1, 1, -1, importFeatureVectorizer, kMl},
};
ArrayRef<Rule> tableRules() { return kRules; }

} // namespace tern::importer
