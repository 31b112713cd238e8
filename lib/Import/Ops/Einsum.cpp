// Einsum of any equation, as products of pairs of operands.
#include "lib/Import/Ops/Compose.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
namespace {

/// A label of a dimension; those of an ellipsis are negative, counted from its end: -1, -2, ...
using Label = int64_t;
using Labels = SmallVector<Label>;

struct Term {
  Value value;
  Labels labels;
};

class Einsum {
public:
  explicit Einsum(Node &n) : n(n), c{n} {}

  LogicalResult run() {
    std::string equation = n.string("equation", "");
    llvm::erase(equation, ' ');
    auto [left, right] = StringRef(equation).split("->");
    bool explicitResult = StringRef(equation).contains("->");
    SmallVector<StringRef> parts;
    left.split(parts, ',');
    if (int(parts.size()) != n.inputCount())
      return n.error() << "equation '" << equation << "' has " << parts.size() << " terms for " << n.inputCount()
                       << " inputs";
    SmallVector<Term> terms;
    for (auto [i, part] : llvm::enumerate(parts)) {
      if (!n.hasInput(int(i)))
        return n.error() << "input " << i << " of Einsum is missing";
      Term term{n.operand(int(i)), {}};
      if (failed(parse(part, n.rank(int(i)), term.labels)) || failed(sizesOf(term)))
        return failure();
      terms.push_back(term);
    }
    Labels result = implicitResult(terms);
    if (explicitResult && failed(parseResult(right, result)))
      return failure();
    for (auto [i, term] : llvm::enumerate(terms))
      term = withoutRepeats(term);
    Term all = terms.front();
    for (size_t i = 1; i < terms.size() && all.value; i++) {
      Labels needed = result;
      for (const Term &rest : ArrayRef(terms).drop_front(i + 1))
        needed.append(rest.labels);
      all = product(all, terms[i], needed, i + 1 == terms.size() ? n.name() : StringAttr());
    }
    return n.result(arrange(sumOut(all, result), result));
  }

private:
  LogicalResult parse(StringRef part, int64_t rank, Labels &labels) {
    int64_t letters = int64_t(part.size()) - (part.contains("...") ? 3 : 0), dots = rank - letters;
    if (dots < 0 || (dots > 0 && !part.contains("...")))
      return n.error() << "term '" << part << "' has " << letters << " labels for an input of rank " << rank;
    while (!part.empty()) {
      if (part.consume_front("...")) {
        for (int64_t i = dots; i > 0; i--)
          labels.push_back(-i);
        ellipsis = std::max(ellipsis, dots);
        continue;
      }
      if (!llvm::isAlpha(part.front()))
        return n.error() << "'" << part.front() << "' is no label of an equation";
      labels.push_back(part.front());
      part = part.drop_front();
    }
    return success();
  }

  LogicalResult parseResult(StringRef part, Labels &labels) {
    labels.clear();
    int64_t rank = int64_t(part.size()) - (part.contains("...") ? 3 : 0) + (part.contains("...") ? ellipsis : 0);
    if (failed(parse(part, rank, labels)))
      return failure();
    for (auto [i, label] : llvm::enumerate(labels))
      if (!sizes.count(label) || llvm::is_contained(ArrayRef(labels).take_front(i), label))
        return n.error() << "the result names '" << char(label)
                         << (sizes.count(label) ? "' twice" : "', which no term has");
    return success();
  }

  /// Without "->": the ellipsis, then what occurs once, in alphabetical order.
  Labels implicitResult(ArrayRef<Term> terms) const {
    Labels result, letters;
    for (int64_t i = ellipsis; i > 0; i--)
      result.push_back(-i);
    std::map<Label, int> count;
    for (const Term &term : terms)
      for (Label label : term.labels)
        count[label]++;
    for (auto [label, times] : count)
      if (label > 0 && times == 1)
        result.push_back(label);
    return result;
  }

  LogicalResult sizesOf(const Term &term) {
    if (!term.value)
      return failure();
    for (auto [label, size] : llvm::zip(term.labels, c.sizes(term.value))) {
      auto [it, fresh] = sizes.try_emplace(label, size);
      if (!fresh && it->second.isConstant(1))
        it->second = size;
      if (!size.isConstant(1) && !c.unify(it->second, size))
        return n.error() << "dimensions of " << it->second.str() << " and " << size.str() << " have one label";
    }
    return success();
  }

  /// A label twice in a term is its diagonal.
  Term withoutRepeats(Term term) const {
    for (size_t i = 0; i < term.labels.size() && term.value; i++)
      for (size_t k = i + 1; k < term.labels.size(); k++) {
        if (term.labels[k] != term.labels[i])
          continue;
        Ints perm;
        for (size_t d = 0; d < term.labels.size(); d++)
          if (d != i && d != k)
            perm.push_back(int64_t(d));
        Labels labels;
        for (int64_t d : perm)
          labels.push_back(term.labels[size_t(d)]);
        labels.push_back(term.labels[i]);
        perm.append({int64_t(i), int64_t(k)});
        Value x = c.transpose(term.value, perm);
        if (!x)
          return {};
        nn::Sizes shape = c.sizes(x);
        nn::SizeExpr size = shape.pop_back_val();
        if (size.constant()) {
          shape.back() = c.times(size, size);
          x = c.slice(c.reshape(x, shape), int64_t(shape.size()) - 1, 0, size, *size.constant() + 1);
        } else { // a step is a number: what is not on the diagonal becomes 0 and is summed away
          int64_t rank = int64_t(shape.size()) + 1;
          Value on = c.compare(CompareKind::eq, c.places(size, rank - 2, rank), c.places(size, rank - 1, rank));
          x = c.reduce(ReduceKind::sum, c.select(on, x, c.number(x, 0.0)), {rank - 1}, false);
        }
        return withoutRepeats({x, labels});
      }
    return term;
  }

  /// Sums over the labels that are not needed any more.
  Term sumOut(Term term, ArrayRef<Label> needed) const {
    Ints axes;
    Labels kept;
    for (auto [i, label] : llvm::enumerate(term.labels))
      if (llvm::is_contained(needed, label))
        kept.push_back(label);
      else
        axes.push_back(int64_t(i));
    return {c.reduce(ReduceKind::sum, term.value, axes, false), kept};
  }

  /// The dimensions in this order; a missing one has size 1.
  Value arrange(Term term, ArrayRef<Label> order) const {
    if (!term.value)
      return {};
    Ints perm;
    nn::Sizes shape, from = c.sizes(term.value);
    for (Label label : order) {
      auto it = llvm::find(term.labels, label);
      shape.push_back(it == term.labels.end() ? c.size(1) : from[size_t(it - term.labels.begin())]);
      if (it != term.labels.end())
        perm.push_back(it - term.labels.begin());
    }
    return c.reshape(c.transpose(term.value, perm), shape);
  }

  /// As `arrange`, and expanded where a size 1 broadcasts: [product of each group].
  Value grouped(const Term &term, ArrayRef<ArrayRef<Label>> groups) const {
    Labels order;
    nn::Sizes full, merged;
    for (auto [i, group] : llvm::enumerate(groups)) {
      nn::SizeExpr size = c.size(1);
      for (Label label : group) {
        order.push_back(label);
        full.push_back(sizes.lookup(label));
        size = c.times(size, full.back());
      }
      if (i == 0)
        merged.append(full.begin(), full.end());
      else
        merged.push_back(size);
    }
    return c.reshape(c.expand(arrange(term, order), full), merged);
  }

  /// One matrix product: labels of both that are still needed are its batch, those of both that are not its reduction.
  Term product(Term a, Term b, ArrayRef<Label> needed, StringAttr name) const {
    Labels ofA(needed), ofB(needed);
    ofA.append(b.labels);
    ofB.append(a.labels);
    a = sumOut(a, ofA);
    b = sumOut(b, ofB);
    Labels batch, rows, columns, reduced;
    for (Label label : a.labels)
      if (!llvm::is_contained(b.labels, label))
        rows.push_back(label);
      else
        (llvm::is_contained(needed, label) ? batch : reduced).push_back(label);
    for (Label label : b.labels)
      if (!llvm::is_contained(a.labels, label))
        columns.push_back(label);
    Labels all = batch;
    all.append(rows);
    all.append(columns);
    if (reduced.empty())
      return {c.mul(arrange(a, all), arrange(b, all), name), all};
    Value x = grouped(a, {batch, rows, reduced}), y = grouped(b, {batch, reduced, columns});
    Value sums = c.matmul(x, y, name);
    nn::Sizes shape;
    for (Label label : all)
      shape.push_back(sizes.lookup(label));
    return {c.reshape(sums, shape), all};
  }

  Node &n;
  Compose c;
  llvm::DenseMap<Label, nn::SizeExpr> sizes;
  int64_t ellipsis = 0;
};
} // namespace

static LogicalResult importEinsum(Node &n) { return Einsum(n).run(); }

static constexpr Rule kRules[] = {{"Einsum", 12, 1, -1, importEinsum}};
ArrayRef<Rule> einsumRules() { return kRules; }

} // namespace tern::importer
