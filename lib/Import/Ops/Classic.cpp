// The ops of ai.onnx.ml that are formulas: scaling, linear models, choosing features.
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/Ops/Scores.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// An attribute of the [N, C] input with one entry a column, or one for all, as [C] or a scalar. Null after an error.
static Value perColumn(Node &n, StringRef name, double otherwise) {
  SmallVector<float> values = n.reals(name);
  int64_t columns = n.rank(0) ? n.type(0).getShape().back() : 1;
  Compose c{n};
  if (values.empty())
    return n.scalar(n.builder().getF32Type(), otherwise);
  if (values.size() == 1)
    return n.scalar(n.builder().getF32Type(), values.front());
  if (int64_t(values.size()) == columns || ShapedType::isDynamic(columns))
    return c.reals(n.builder().getF32Type(), SmallVector<double>(values.begin(), values.end()), {int64_t(values.size())});
  n.error() << "attribute '" << name << "' has " << values.size() << " entries; the input has " << columns
            << " columns";
  return {};
}

/// Scaler<offset, scale>(x) = (x - offset) * scale
static LogicalResult importScaler(Node &n) {
  Compose c{n};
  Value x = c.cast(n.operand(0), n.builder().getF32Type());
  return n.result(c.mul(c.sub(x, perColumn(n, "offset", 0)), perColumn(n, "scale", 1), n.name()));
}

static LogicalResult importBinarizer(Node &n) {
  Compose c{n};
  Value x = n.operand(0);
  return n.result(
      c.cast(c.compare(CompareKind::gt, x, c.number(x, n.real("threshold", 0))), Compose::elementOf(x), n.name()));
}

/// ArrayFeatureExtractor(x, y): columns of x by number.
static LogicalResult importFeatures(Node &n) {
  Compose c{n};
  if (n.rank(0) == 0)
    return n.error() << "ArrayFeatureExtractor does not take scalars";
  Value x = n.rank(0) == 1 ? c.reshape(n.operand(0), {1, n.sizes(0)[0]}) : n.operand(0);
  return n.result(c.gather(x, c.reshape(n.operand(1), {c.product(n.sizes(1))}), std::max<int64_t>(n.rank(0), 2) - 1, n.name()));
}

static LogicalResult importNormalizer(Node &n) {
  std::string norm = n.string("norm", "MAX");
  if (norm != "L1" && norm != "L2" && norm != "MAX")
    return n.error() << "norm is '" << norm << "'; MAX, L1 and L2 are defined";
  if (n.rank(0) < 1 || n.rank(0) > 2)
    return n.error() << "input of rank " << n.rank(0) << "; Normalizer takes rows";
  Compose c{n};
  Value x = c.cast(n.operand(0), n.builder().getF32Type());
  ReduceKind kind = norm == "L1" ? ReduceKind::l1 : norm == "L2" ? ReduceKind::l2 : ReduceKind::max;
  Value length = c.reduce(kind, x, {n.rank(0) - 1});
  return n.result(
      c.div(x, c.select(c.compare(CompareKind::eq, length, c.number(x, 0)), c.number(x, 1), length), n.name()));
}

/// x times the coefficients [outputs, C], plus the intercepts: [N, outputs].
static Value linear(Node &n, StringRef coefficients) {
  SmallVector<float> weights = n.reals(coefficients), intercepts = n.reals("intercepts");
  if (n.rank(0) < 1 || n.rank(0) > 2) {
    n.error() << "input of rank " << n.rank(0) << "; " << n.opType() << " takes rows";
    return {};
  }
  Compose c{n};
  int64_t columns = n.type(0).getShape().back();
  nn::SizeExpr rows = n.rank(0) == 2 ? n.sizes(0)[0] : c.size(1);
  if (columns == ShapedType::kDynamic) {
    n.error() << "the number of columns is open and the coefficients do not tell it; bind it with --dim";
    return {};
  }
  if (columns == 0 || weights.empty() || weights.size() % size_t(columns) ||
      (!intercepts.empty() && intercepts.size() != weights.size() / size_t(columns))) {
    n.error() << coefficients << " has " << weights.size() << " entries and intercepts " << intercepts.size()
              << "; the input has " << columns << " columns";
    return {};
  }
  int64_t outputs = int64_t(weights.size()) / columns;
  Type f32 = n.builder().getF32Type();
  auto reals = [&](ArrayRef<float> values, ArrayRef<int64_t> shape) {
    return c.reals(f32, SmallVector<double>(values.begin(), values.end()), shape);
  };
  Value x = c.reshape(c.cast(n.operand(0), f32), {rows, columns}), w = reals(weights, {outputs, columns});
  Value bias = intercepts.empty() ? Value() : reals(intercepts, {outputs});
  return x ? n.create<MatmulOp>(x, w, bias, false, /*transpose_b=*/true, n.name()) : Value();
}

static LogicalResult importLinearClassifier(Node &n) {
  Ints labels = n.integers("classlabels_ints");
  if (labels.empty())
    return n.keep("its labels are strings");
  Value scores = linear(n, "coefficients");
  if (!scores)
    return failure();
  if (Compose::shapeOf(scores)[1] != int64_t(labels.size()))
    return n.keep("it has one score for two classes");
  return classify(n, scores, labels);
}

static LogicalResult importLinearRegressor(Node &n) {
  bool known;
  Value result = transformedScores(n, linear(n, "coefficients"), known);
  return known ? n.result(result) : n.keep("its post_transform is neither NONE, SOFTMAX nor LOGISTIC");
}

static constexpr llvm::StringLiteral kMl = "ai.onnx.ml";
static constexpr Rule kRules[] = {
    {"Scaler", 1, 1, 1, importScaler, kMl},
    {"Binarizer", 1, 1, 1, importBinarizer, kMl},
    {"ArrayFeatureExtractor", 1, 2, 2, importFeatures, kMl},
    {"Normalizer", 1, 1, 1, importNormalizer, kMl},
    {"LinearClassifier", 1, 1, 1, importLinearClassifier, kMl},
    {"LinearRegressor", 1, 1, 1, importLinearRegressor, kMl},
};
ArrayRef<Rule> classicRules() { return kRules; }

} // namespace tern::importer
