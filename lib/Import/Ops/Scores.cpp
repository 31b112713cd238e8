#include "lib/Import/Ops/Scores.h"
#include "lib/Import/Ops/Compose.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

Value transformedScores(Node &n, Value scores, StringRef transform, bool &known) {
  known = transform == "NONE" || transform == "SOFTMAX" || transform == "LOGISTIC";
  Compose c{n};
  if (transform == "SOFTMAX")
    return scores ? n.create<SoftmaxOp>(scores, int64_t(1), false, StringAttr()) : Value();
  return transform == "LOGISTIC" ? c.unary(UnaryKind::sigmoid, scores) : scores;
}

Value transformedScores(Node &n, Value scores, bool &known) {
  return transformedScores(n, scores, n.string("post_transform", "NONE"), known);
}

LogicalResult classify(Node &n, Value scores, ArrayRef<int64_t> labels) {
  bool known;
  Value result = transformedScores(n, scores, known);
  if (!known)
    return n.keep("its post_transform is neither NONE, SOFTMAX nor LOGISTIC");
  if (!scores)
    return failure();
  Compose c{n};
  Value best = n.create<ArgReduceOp>(ArgKind::max, scores, int64_t(1), false, false, StringAttr());
  if (failed(n.result(c.gather(c.ints(labels, {int64_t(labels.size())}), best, 0))))
    return failure();
  return n.result(result, 1);
}

LogicalResult classifyBinary(Node &n, Value score, ArrayRef<int64_t> labels, bool isPositive) {
  std::string transform = n.string("post_transform", "NONE");
  if (transform == "PROBIT")
    return n.keep("its post_transform is PROBIT");
  if (!score)
    return failure();
  Compose c{n};
  Value isSecond = c.compare(CompareKind::gt, score, c.number(score, isPositive ? 0.5 : 0));
  Value label = c.select(isSecond, c.ints({labels[1]}, {1, 1}), c.ints({labels[0]}, {1, 1}));
  if (failed(n.result(c.reshape(label, {c.sizes(score)[0]}))))
    return failure();
  Value other = isPositive ? c.sub(c.number(score, 1), score) : c.unary(UnaryKind::neg, score);
  Value both = c.concat({other, score}, 1);
  return n.result(!isPositive && transform == "LOGISTIC" ? c.unary(UnaryKind::sigmoid, both) : both, 1);
}

} // namespace tern::importer
