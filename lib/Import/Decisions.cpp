#include "lib/Import/Decisions.h"
#include "dialects/NN/IR/Elementwise.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

bool Decisions::flip(StringRef prefix) {
  for (size_t i = made.size(); i-- > 0;)
    if (made[i].mayFlip && StringRef(made[i].node).starts_with(prefix)) {
      made.truncate(i + 1);
      made[i].branch = !made[i].branch;
      made[i].mayFlip = false;
      return true;
    }
  return false;
}

namespace {

/// A condition on sizes: comparisons, `and`, `or`, `not`.
class Condition {
public:
  explicit Condition(Node &n) : analysis(n.importer.sizeAnalysis), table(analysis.table) {}

  std::optional<bool> forLarge(Value value) {
    value = plain(value);
    if (std::optional<Sizes> known = analysis.elementsOf(value); known && known->size() == 1 && known->front().constant())
      return *known->front().constant() != 0;
    analysis.blame = {};
    if (auto no = value.getDefiningOp<UnaryOp>(); no && no.getKind() == UnaryKind::logical_not) {
      std::optional<bool> x = forLarge(no.getX());
      return x ? std::optional<bool>(!*x) : x;
    }
    if (auto both = value.getDefiningOp<BinaryOp>(); both && isLogic(both)) {
      std::optional<bool> a = forLarge(both.getLhs()), b = forLarge(both.getRhs());
      if (!a || !b)
        return std::nullopt;
      return both.getKind() == BinaryKind::logical_and ? *a && *b : *a || *b;
    }
    auto compare = value.getDefiningOp<CompareOp>();
    std::optional<std::pair<SizeExpr, SizeExpr>> sides = compare ? sidesOf(compare) : std::nullopt;
    if (!sides)
      return std::nullopt;
    auto large = [&](StringRef dim) { return std::min<int64_t>(table.bounds(dim).second, kLarge); };
    return nn::evaluate(compare.getKind(), table.evaluate(sides->first, large), table.evaluate(sides->second, large));
  }

  bool assume(Value value, bool truth) {
    value = plain(value);
    if (std::optional<Sizes> known = analysis.elementsOf(value); known && known->size() == 1 && known->front().constant())
      return (*known->front().constant() != 0) == truth;
    analysis.blame = {};
    if (auto no = value.getDefiningOp<UnaryOp>(); no && no.getKind() == UnaryKind::logical_not)
      return assume(no.getX(), !truth);
    if (auto both = value.getDefiningOp<BinaryOp>(); both && isLogic(both)) {
      bool all = (both.getKind() == BinaryKind::logical_and) == truth;
      return all && assume(both.getLhs(), truth) && assume(both.getRhs(), truth);
    }
    auto compare = value.getDefiningOp<CompareOp>();
    std::optional<std::pair<SizeExpr, SizeExpr>> sides = compare ? sidesOf(compare) : std::nullopt;
    if (!sides)
      return false;
    auto [a, b] = *sides;
    SizeExpr one = table.constant(1);
    switch (compare.getKind()) {
    case CompareKind::eq:
      return truth ? equal(a, b) : differ(a, b);
    case CompareKind::lt:
      return truth ? atLeast(b, table.add(a, one)) : atLeast(a, b);
    case CompareKind::le:
      return truth ? atLeast(b, a) : atLeast(a, table.add(b, one));
    case CompareKind::gt:
      return truth ? atLeast(a, table.add(b, one)) : atLeast(b, a);
    case CompareKind::ge:
      return truth ? atLeast(a, b) : atLeast(b, table.add(a, one));
    }
    return false;
  }

  /// a >= b.
  bool atLeast(SizeExpr a, SizeExpr b) {
    SizeExpr difference = table.sub(analysis.resolve(a), analysis.resolve(b));
    if (!difference)
      return false;
    if (table.range(difference).first >= 0)
      return true;
    if (table.range(difference).second < 0)
      return false;
    SmallVector<StringRef> dims = table.dimsOf(difference);
    if (dims.size() == 1 && limit(dims.front(), difference))
      return true;
    if (dims.size() == 1 && difference == table.dim(dims.front()))
      return false;
    analysis.equalities.push_back({difference, table.max(difference, table.constant(0))});
    return true;
  }

private:
  static constexpr int64_t kLarge = int64_t(1) << 20;

  static bool isLogic(BinaryOp op) { return op.getKind() == BinaryKind::logical_and || op.getKind() == BinaryKind::logical_or; }

  /// Behind reshapes and casts.
  static Value plain(Value value) {
    while (Operation *op = value.getDefiningOp()) {
      if (!isa<ReshapeOp, CastOp>(op))
        break;
      value = op->getOperand(0);
    }
    return value;
  }

  std::optional<std::pair<SizeExpr, SizeExpr>> sidesOf(CompareOp compare) {
    std::optional<Sizes> a = analysis.elementsOf(compare.getLhs()), b = analysis.elementsOf(compare.getRhs());
    analysis.blame = {};
    if (!a || !b || a->size() != 1 || b->size() != 1 || !a->front() || !b->front())
      return std::nullopt;
    return std::make_pair(analysis.resolve(a->front()), analysis.resolve(b->front()));
  }

  bool equal(SizeExpr a, SizeExpr b) { return atLeast(a, b) && atLeast(b, a) && analysis.unify(a, b); }

  /// Not equal is more or less: the one that the bounds leave.
  bool differ(SizeExpr a, SizeExpr b) {
    SizeExpr difference = table.sub(a, b), one = table.constant(1);
    if (!difference)
      return false;
    auto [low, high] = table.range(difference, /*least=*/1);
    return low >= 0 ? atLeast(a, table.add(b, one)) : high <= 0 && atLeast(b, table.add(a, one));
  }

  /// Excludes those values of a dimension for which an expression that grows or falls with it is negative.
  bool limit(StringRef dim, SizeExpr e) {
    auto [low, high] = table.bounds(dim);
    int64_t last = std::min(high, int64_t(1) << 31);
    low = std::max<int64_t>(low, 0);
    auto fits = [&](int64_t value) { return table.evaluate(e, [&](StringRef) { return value; }) >= 0; };
    if (low > last || fits(low) == fits(last))
      return false;
    bool grows = fits(last);
    int64_t out = grows ? low : last, in = grows ? last : low;
    while (std::abs(in - out) > 1) {
      int64_t middle = out + (in - out) / 2;
      (fits(middle) ? in : out) = middle;
    }
    table.setBounds(dim, grows ? in : low, grows ? high : in);
    return true;
  }

  SizeAnalysis &analysis;
  SizeTable &table;
};

} // namespace

std::optional<bool> holdsForLarge(Node &n, Value condition) { return Condition(n).forLarge(condition); }
bool assume(Node &n, Value condition, bool truth) { return Condition(n).assume(condition, truth); }
bool atLeast(Node &n, SizeExpr a, SizeExpr b) { return Condition(n).atLeast(a, b); }

} // namespace tern::importer
