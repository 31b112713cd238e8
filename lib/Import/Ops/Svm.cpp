// Support vector machines of ai.onnx.ml: kernels of the input and the support vectors by one product, decisions by another.
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/Ops/Scores.h"
#include <numeric>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// [N, S]: the kernel of each row and each support vector [S, C]. Null after an error.
static Value kernels(Node &n, ArrayRef<float> vectors, int64_t count) {
  if (n.rank(0) < 1 || n.rank(0) > 2) {
    n.error() << "input of rank " << n.rank(0) << "; " << n.opType() << " takes rows";
    return {};
  }
  int64_t columns = n.type(0).getShape().back();
  if (ShapedType::isDynamic(columns) || count < 1 || int64_t(vectors.size()) != count * columns) {
    n.error() << "support_vectors has " << vectors.size() << " entries for " << count << " vectors; the input has "
              << (ShapedType::isDynamic(columns) ? 0 : columns) << " columns";
    return {};
  }
  std::string type = n.string("kernel_type", "LINEAR");
  SmallVector<float> parameters = n.reals("kernel_params");
  parameters.resize(3, 0);
  float gamma = parameters[0], coef0 = parameters[1], degree = parameters[2];
  Compose c{n};
  Type f32 = n.builder().getF32Type();
  SizeExpr rows = n.rank(0) == 2 ? n.sizes(0)[0] : c.size(1);
  Value x = c.reshape(c.cast(n.operand(0), f32), {rows, columns});
  Value w = c.reals(f32, SmallVector<double>(vectors.begin(), vectors.end()), {count, columns});
  Value product = x && w ? n.create<MatmulOp>(x, w, Value(), false, /*transpose_b=*/true, n.name()) : Value();
  auto scaled = [&] { return c.add(c.mul(product, c.number(product, gamma)), c.number(product, coef0)); };
  if (type == "LINEAR")
    return product;
  if (type == "POLY")
    return c.binary(BinaryKind::pow, scaled(), c.number(product, degree));
  if (type == "SIGMOID")
    return c.unary(UnaryKind::tanh, scaled());
  if (type != "RBF") {
    n.error() << "kernel_type is '" << type << "'; LINEAR, POLY, RBF and SIGMOID are defined";
    return {};
  }
  // exp(-gamma |x - v|^2), the square as |x|^2 + |v|^2 - 2 x v
  SmallVector<double> squares;
  for (int64_t i = 0; i < count; ++i)
    squares.push_back(std::inner_product(vectors.begin() + i * columns, vectors.begin() + (i + 1) * columns, vectors.begin() + i * columns, 0.0));
  Value own = c.reduce(ReduceKind::sum_square, x, {1});
  Value distance = c.sub(c.add(own, c.reals(f32, squares, {count})), c.mul(product, c.number(product, 2)));
  return c.unary(UnaryKind::exp, c.mul(c.unary(UnaryKind::relu, distance), c.number(product, -gamma)));
}

/// Probabilities of k classes out of those of all pairs r [N, pairs] (the first of a pair against the second): the p with
/// sum over i, j of (r[j, i] p[i] - r[i, j] p[j])^2 smallest (Wu, Lin, Weng 2004, which LIBSVM approximates by iteration).
/// Q p is the same number for all classes, and so is (Q + 1) p, as p sums to 1: p is the solution of (Q + 1) z = 1 over its
/// sum. Q + 1 is positive definite, Q is not where the pairs agree.
static Value couple(Compose c, Value r, int64_t classes) {
  auto column = [&](Value matrix, int64_t i) { return c.slice(matrix, 1, i, 1); };
  auto one = [&] { return c.number(r, 1); };
  using Row = std::vector<Value>;
  const Row empty(static_cast<size_t>(classes));
  std::vector<Row> pair(static_cast<size_t>(classes), empty), q = pair;
  int64_t next = 0;
  for (int64_t i = 0; i < classes; ++i)
    for (int64_t j = i + 1; j < classes; ++j) {
      pair[i][j] = column(r, next++);
      pair[j][i] = c.sub(one(), pair[i][j]);
    }
  for (int64_t i = 0; i < classes; ++i)
    for (int64_t j = 0; j < classes; ++j) {
      if (i == j)
        continue;
      Value square = c.mul(pair[j][i], pair[j][i]);
      q[i][i] = q[i][i] ? c.add(q[i][i], square) : square;
      q[i][j] = c.unary(UnaryKind::neg, c.mul(pair[j][i], pair[i][j]));
    }
  // Rows of the system [Q | 1], each [N, classes + 1].
  std::vector<Value> rows;
  for (int64_t i = 0; i < classes; ++i) {
    SmallVector<Value> entries;
    for (Value entry : q[i])
      entries.push_back(c.add(entry, one()));
    entries.push_back(c.add(c.mul(q[i][0], c.number(r, 0)), one()));
    rows.push_back(c.concat(entries, 1));
  }
  for (int64_t i = 0; i < classes; ++i) {
    rows[i] = c.div(rows[i], column(rows[i], i));
    for (int64_t j = 0; j < classes; ++j)
      if (j != i)
        rows[j] = c.sub(rows[j], c.mul(rows[i], column(rows[j], i)));
  }
  SmallVector<Value> solution;
  for (Value row : rows)
    solution.push_back(column(row, classes));
  Value z = c.concat(solution, 1);
  return c.div(z, c.reduce(ReduceKind::sum, z, {1}));
}

/// SVMClassifier<...>(x): labels by the votes of all pairs of classes; their decisions, or probabilities.
static LogicalResult importSvmClassifier(Node &n) {
  Ints labels = n.integers("classlabels_ints"), perClass = n.integers("vectors_per_class");
  if (labels.empty())
    return n.keep("its labels are strings");
  if (perClass.empty())
    return n.keep("it has no support vectors");
  int64_t classes = int64_t(labels.size()), count = 0, pairs = classes * (classes - 1) / 2;
  SmallVector<int64_t> first;
  for (int64_t size : perClass) {
    if (size < 0 || size > (1 << 28))
      return n.error() << "vectors_per_class has the entry " << size;
    first.push_back(count);
    count += size;
  }
  SmallVector<float> coefficients = n.reals("coefficients"), rho = n.reals("rho"), a = n.reals("prob_a"), b = n.reals("prob_b");
  if (classes < 2 || perClass.size() != labels.size() || int64_t(coefficients.size()) != (classes - 1) * count || int64_t(rho.size()) != pairs ||
      a.size() != b.size() || (!a.empty() && int64_t(a.size()) != pairs))
    return n.error() << "coefficients (" << coefficients.size() << " entries), rho (" << rho.size() << ") and prob_a (" << a.size()
                     << ") do not fit " << classes << " classes with " << count << " support vectors";
  if (n.string("post_transform", "NONE") != "NONE")
    return n.keep("its post_transform is not NONE");
  Value k = kernels(n, n.reals("support_vectors"), count);
  Compose c{n};
  Type f32 = n.builder().getF32Type();
  auto reals = [&](ArrayRef<float> values) {
    return c.reals(f32, SmallVector<double>(values.begin(), values.end()), {int64_t(values.size())});
  };
  // One column a pair of classes; a positive decision is a vote for the first.
  std::vector<double> weights(size_t(count * pairs), 0), votes(size_t(pairs * classes), 0), against(size_t(classes), 0);
  int64_t pair = 0;
  for (int64_t i = 0; i < classes; ++i)
    for (int64_t j = i + 1; j < classes; ++j, ++pair) {
      for (int64_t v = first[i]; v < first[i] + perClass[i]; ++v)
        weights[size_t(v * pairs + pair)] += coefficients[size_t((j - 1) * count + v)];
      for (int64_t v = first[j]; v < first[j] + perClass[j]; ++v)
        weights[size_t(v * pairs + pair)] += coefficients[size_t(i * count + v)];
      votes[size_t(pair * classes + i)] = 1;
      votes[size_t(pair * classes + j)] = -1;
      against[size_t(j)] += 1;
    }
  Value decisions = c.add(c.matmul(k, c.reals(f32, weights, {count, pairs})), reals(rho));
  if (!decisions)
    return failure();
  Value firsts = c.cast(c.compare(CompareKind::gt, decisions, c.number(decisions, 0)), f32);
  Value counted = c.add(c.matmul(firsts, c.reals(f32, votes, {pairs, classes})), c.reals(f32, against, {classes}));
  if (!counted)
    return failure();
  Value best = n.create<ArgReduceOp>(ArgKind::max, counted, int64_t(1), false, false, StringAttr());
  if (failed(n.result(c.gather(c.ints(labels, {classes}), best, 0))))
    return failure();
  if (!n.isOutputUsed(1))
    return success();
  if (a.empty()) // two classes have two scores
    return n.result(classes == 2 ? c.concat({c.unary(UnaryKind::neg, decisions), decisions}, 1) : decisions, 1);
  Value fitted = c.add(c.mul(decisions, reals(a)), reals(b));
  Value p = c.unary(UnaryKind::sigmoid, c.unary(UnaryKind::neg, fitted));
  p = p ? n.create<ClipOp>(p, n.builder().getF64FloatAttr(1e-7), n.builder().getF64FloatAttr(1 - 1e-7), StringAttr()) : p;
  return n.result(couple(c, p, classes), 1);
}

/// SVMRegressor<...>(x)
static LogicalResult importSvmRegressor(Node &n) {
  SmallVector<float> coefficients = n.reals("coefficients"), rho = n.reals("rho"), vectors = n.reals("support_vectors");
  int64_t supports = n.integer("n_supports", 0);
  if (n.string("post_transform", "NONE") != "NONE")
    return n.keep("its post_transform is not NONE");
  if (supports == 0)
    return n.keep("it has no support vectors");
  if (int64_t(coefficients.size()) != supports || rho.size() != 1)
    return n.error() << "coefficients has " << coefficients.size() << " entries and rho " << rho.size() << " for " << supports
                     << " support vectors";
  Value k = kernels(n, vectors, supports);
  Compose c{n};
  Type f32 = n.builder().getF32Type();
  Value y = c.matmul(k, c.reals(f32, SmallVector<double>(coefficients.begin(), coefficients.end()), {supports, 1}));
  y = c.add(y, c.number(y, rho.front()));
  if (n.integer("one_class", 0))
    y = c.select(c.compare(CompareKind::gt, y, c.number(y, 0)), c.number(y, 1), c.number(y, -1));
  return n.result(y);
}

static constexpr llvm::StringLiteral kMl = "ai.onnx.ml";
static constexpr Rule kRules[] = {
    {"SVMClassifier", 1, 1, 1, importSvmClassifier, kMl},
    {"SVMRegressor", 1, 1, 1, importSvmRegressor, kMl},
};
ArrayRef<Rule> svmRules() { return kRules; }

} // namespace tern::importer
