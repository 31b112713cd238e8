//===- SizeExpr.cpp - canonical size expressions --------------------------===//
#include "dialects/NN/IR/SizeExpr.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeEmit.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <map>

using namespace mlir;

namespace tern::nn {

/// A factor of a term.
struct SizeAtom {
  enum Kind : uint8_t { Dim, FloorDiv, Min, Max } kind;
  std::string name;                 ///< of a dimension
  SmallVector<SizeExpr, 2> args;    ///< of the others
  std::string text;
};

/// coefficient * product of atoms (in the order of their texts)
struct SizeTerm {
  int64_t factor;
  SmallVector<const SizeAtom *, 2> atoms;
};

struct SizeNode {
  int64_t number;
  std::vector<SizeTerm> terms; ///< in the order of their products, no factor 0
  std::string text;
};

using Product = SmallVector<const SizeAtom *, 2>;
static bool lessProduct(const Product &a, const Product &b) {
  // Products of many factors first, the constant last: "a*b+a+1".
  if (a.size() != b.size())
    return a.size() > b.size();
  for (auto [x, y] : llvm::zip(a, b))
    if (x != y)
      return x->text < y->text;
  return false;
}
struct ProductLess {
  bool operator()(const Product &a, const Product &b) const { return lessProduct(a, b); }
};

struct SizeTable::Poly {
  std::map<Product, int64_t, ProductLess> terms;
  bool overflow = false;

  void add(const Product &product, int64_t factor) {
    int64_t &sum = terms[product];
    overflow |= llvm::AddOverflow(sum, factor, sum);
    if (!sum)
      terms.erase(product);
  }
  void add(const SizeNode &node, int64_t by = 1) {
    for (const SizeTerm &term : node.terms) {
      int64_t factor;
      overflow |= llvm::MulOverflow(term.factor, by, factor);
      add(term.atoms, factor);
    }
  }
};

std::optional<int64_t> SizeExpr::constant() const {
  if (!node || node->terms.size() > 1)
    return std::nullopt;
  if (node->terms.empty())
    return 0;
  return node->terms.front().atoms.empty() ? std::optional<int64_t>(node->terms.front().factor) : std::nullopt;
}

StringRef SizeExpr::dim() const {
  if (!node || node->terms.size() != 1 || node->terms.front().factor != 1 || node->terms.front().atoms.size() != 1)
    return {};
  const SizeAtom *atom = node->terms.front().atoms.front();
  return atom->kind == SizeAtom::Dim ? StringRef(atom->name) : StringRef();
}

StringRef SizeExpr::str() const { return node ? StringRef(node->text) : StringRef("?"); }

SizeTable::SizeTable() = default;
SizeTable::~SizeTable() = default;

SizeTable &SizeTable::of(MLIRContext *context) { return context->getOrLoadDialect<NNDialect>()->getSizeTable(); }

static std::string nameText(StringRef name) {
  bool plain = !name.empty() && !llvm::isDigit(name.front()) &&
               llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; }) && name != "floordiv" &&
               name != "min" && name != "max";
  return plain ? name.str() : ("'" + name + "'").str();
}

const SizeAtom *SizeTable::atom(SizeAtom &&atom) {
  if (atom.kind == SizeAtom::Dim) {
    atom.text = nameText(atom.name);
  } else {
    atom.text = atom.kind == SizeAtom::FloorDiv ? "floordiv(" : atom.kind == SizeAtom::Min ? "min(" : "max(";
    for (auto [i, arg] : llvm::enumerate(atom.args))
      atom.text += (i ? "," : "") + arg.str().str();
    atom.text += ")";
  }
  std::unique_ptr<SizeAtom> &slot = atoms[atom.text];
  if (!slot)
    slot = std::make_unique<SizeAtom>(std::move(atom));
  return slot.get();
}

SizeExpr SizeTable::intern(Poly &&poly) {
  if (poly.overflow)
    return {};
  std::string text;
  for (const auto &[product, factor] : poly.terms) {
    if (factor > 0 && !text.empty())
      text += "+";
    if (factor == -1 && !product.empty())
      text += "-";
    else if (factor != 1 || product.empty())
      text += std::to_string(factor);
    for (auto [i, a] : llvm::enumerate(product))
      text += ((i || (factor != 1 && factor != -1)) ? "*" : "") + a->text;
  }
  if (text.empty())
    text = "0";
  std::unique_ptr<SizeNode> &slot = nodes[text];
  if (!slot) {
    slot = std::make_unique<SizeNode>();
    slot->number = int64_t(numbered.size());
    slot->text = text;
    for (const auto &[product, factor] : poly.terms)
      slot->terms.push_back({factor, product});
    numbered.push_back(slot.get());
  }
  return SizeExpr(slot.get());
}

SizeExpr SizeTable::constant(int64_t value) {
  std::lock_guard lock(mutex);
  Poly poly;
  poly.add(Product(), value);
  return intern(std::move(poly));
}

SizeExpr SizeTable::fromAtom(const SizeAtom *atom) {
  Poly poly;
  poly.add(Product{atom}, 1);
  return intern(std::move(poly));
}

SizeExpr SizeTable::dim(StringRef name) {
  std::lock_guard lock(mutex);
  return fromAtom(atom(SizeAtom{SizeAtom::Dim, name.str(), {}, {}}));
}

SizeExpr SizeTable::add(SizeExpr a, SizeExpr b) {
  if (!a || !b)
    return {};
  std::lock_guard lock(mutex);
  Poly poly;
  poly.add(*a.node);
  poly.add(*b.node);
  return intern(std::move(poly));
}

SizeExpr SizeTable::sub(SizeExpr a, SizeExpr b) {
  if (!a || !b)
    return {};
  std::lock_guard lock(mutex);
  Poly poly;
  poly.add(*a.node);
  poly.add(*b.node, -1);
  return intern(std::move(poly));
}

static Product multiplied(const Product &a, const Product &b) {
  Product product(a);
  product.append(b.begin(), b.end());
  llvm::sort(product, [](const SizeAtom *x, const SizeAtom *y) { return x->text < y->text; });
  return product;
}

SizeExpr SizeTable::mul(SizeExpr a, SizeExpr b) {
  if (!a || !b)
    return {};
  std::lock_guard lock(mutex);
  Poly poly;
  for (const SizeTerm &x : a.node->terms)
    for (const SizeTerm &y : b.node->terms) {
      int64_t factor;
      poly.overflow |= llvm::MulOverflow(x.factor, y.factor, factor);
      poly.add(multiplied(x.atoms, y.atoms), factor);
    }
  return intern(std::move(poly));
}

SizeExpr SizeTable::product(ArrayRef<SizeExpr> sizes) {
  SizeExpr all = constant(1);
  for (SizeExpr size : sizes)
    all = mul(all, size);
  return all;
}

static int64_t floorDivide(int64_t a, int64_t b) {
  int64_t q = a / b;
  return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}

/// a / b as a product of atoms; nullopt when b does not divide a.
static std::optional<Product> quotient(const Product &a, const Product &b) {
  Product rest(a);
  for (const SizeAtom *atom : b) {
    auto *at = llvm::find(rest, atom);
    if (at == rest.end())
      return std::nullopt;
    rest.erase(at);
  }
  return rest;
}

SizeExpr SizeTable::floorDiv(SizeExpr a, SizeExpr b) {
  if (!a || !b || b.isConstant(0))
    return {};
  std::lock_guard lock(mutex);
  if (b.isConstant(1))
    return a;
  if (a.constant() && b.constant())
    return constant(floorDivide(*a.constant(), *b.constant()));
  // What divides term by term leaves the division.
  Poly whole, rest;
  if (b.node->terms.size() == 1) {
    const SizeTerm &by = b.node->terms.front();
    for (const SizeTerm &term : a.node->terms) {
      std::optional<Product> q = quotient(term.atoms, by.atoms);
      if (q && term.factor % by.factor == 0)
        whole.add(*q, term.factor / by.factor);
      else
        rest.add(term.atoms, term.factor);
    }
  } else {
    // Long division by the leading term; taken only when nothing is left.
    Poly left;
    left.add(*a.node);
    const SizeTerm &lead = b.node->terms.front();
    for (int steps = 0; !left.terms.empty() && steps < 64; ++steps) {
      auto [product, factor] = *left.terms.begin();
      std::optional<Product> q = quotient(product, lead.atoms);
      if (!q || factor % lead.factor)
        break;
      int64_t times = factor / lead.factor;
      whole.add(*q, times);
      for (const SizeTerm &term : b.node->terms)
        left.add(multiplied(term.atoms, *q), -times * term.factor);
    }
    if (!left.terms.empty() || left.overflow) {
      whole.terms.clear();
      rest.add(*a.node);
    }
  }
  if (rest.terms.empty())
    return intern(std::move(whole));
  SizeExpr remainder = intern(std::move(rest)), quotientPart = intern(std::move(whole));
  auto [low, high] = range(remainder);
  auto [least, most] = range(b);
  if (remainder.constant() && b.constant())
    return add(quotientPart, constant(floorDivide(*remainder.constant(), *b.constant())));
  if (low >= 0 && least > 0 && high < least)
    return quotientPart;
  return add(quotientPart, fromAtom(atom(SizeAtom{SizeAtom::FloorDiv, {}, {remainder, b}, {}})));
}

SizeExpr SizeTable::ceilDiv(SizeExpr a, SizeExpr b) { return floorDiv(sub(add(a, b), constant(1)), b); }

SizeExpr SizeTable::mod(SizeExpr a, SizeExpr b) { return sub(a, mul(b, floorDiv(a, b))); }

SizeExpr SizeTable::min(SizeExpr a, SizeExpr b) { return extreme(a, b, false); }
SizeExpr SizeTable::max(SizeExpr a, SizeExpr b) { return extreme(a, b, true); }

SizeExpr SizeTable::extreme(SizeExpr a, SizeExpr b, bool isMax) {
  if (!a || !b)
    return {};
  std::lock_guard lock(mutex);
  SizeAtom::Kind kind = isMax ? SizeAtom::Max : SizeAtom::Min;
  // min(min(a, b), c) is one atom.
  SmallVector<SizeExpr, 4> args;
  auto flatten = [&](SizeExpr e) {
    const auto &terms = e.node->terms;
    if (terms.size() == 1 && terms.front().factor == 1 && terms.front().atoms.size() == 1 &&
        terms.front().atoms.front()->kind == kind)
      args.append(terms.front().atoms.front()->args);
    else
      args.push_back(e);
  };
  flatten(a);
  flatten(b);
  SmallVector<SizeExpr, 4> kept;
  for (auto [i, x] : llvm::enumerate(args)) {
    bool beaten = false;
    for (auto [j, y] : llvm::enumerate(args)) {
      if (i == j)
        continue;
      auto [low, high] = range(isMax ? sub(x, y) : sub(y, x)); // y beats x where this is never positive
      beaten |= high < 0 || (high == 0 && (low != 0 || j < i || x != y)) ;
    }
    if (!beaten)
      kept.push_back(x);
  }
  if (kept.empty())
    kept.push_back(args.front());
  llvm::sort(kept, [](SizeExpr x, SizeExpr y) { return x.str() < y.str(); });
  kept.erase(llvm::unique(kept), kept.end());
  if (kept.size() == 1)
    return kept.front();
  return fromAtom(atom(SizeAtom{kind, {}, SmallVector<SizeExpr, 2>(kept.begin(), kept.end()), {}}));
}

//===-- numbers ---------------------------------------------------------------===//

void SizeTable::setBounds(StringRef name, int64_t low, int64_t high) {
  std::lock_guard lock(mutex);
  limits[name] = {low, high};
}

std::pair<int64_t, int64_t> SizeTable::bounds(StringRef name) const {
  std::lock_guard lock(mutex);
  auto it = limits.find(name);
  return it == limits.end() ? std::make_pair(int64_t(0), INT64_MAX) : it->second;
}

namespace {
/// Intervals whose ends may be infinite.
struct Interval {
  int64_t low, high;
  static bool isInfinite(int64_t v) { return v == INT64_MIN || v == INT64_MAX; }
  static int64_t add(int64_t a, int64_t b) {
    if (isInfinite(a))
      return a;
    if (isInfinite(b))
      return b;
    int64_t sum;
    return llvm::AddOverflow(a, b, sum) ? (a > 0 ? INT64_MAX : INT64_MIN) : sum;
  }
  static int64_t mul(int64_t a, int64_t b) {
    if (a == 0 || b == 0)
      return 0;
    int64_t product;
    if (isInfinite(a) || isInfinite(b) || llvm::MulOverflow(a, b, product))
      return (a > 0) == (b > 0) ? INT64_MAX : INT64_MIN;
    return product;
  }
  Interval operator+(Interval o) const { return {add(low, o.low), add(high, o.high)}; }
  Interval operator*(Interval o) const {
    int64_t ends[] = {mul(low, o.low), mul(low, o.high), mul(high, o.low), mul(high, o.high)};
    return {*std::min_element(ends, ends + 4), *std::max_element(ends, ends + 4)};
  }
};
} // namespace

std::pair<int64_t, int64_t> SizeTable::range(SizeExpr e, int64_t least) const {
  if (!e)
    return {INT64_MIN, INT64_MAX};
  std::lock_guard lock(mutex);
  Interval sum{0, 0};
  for (const SizeTerm &term : e.node->terms) {
    Interval product{term.factor, term.factor};
    for (const SizeAtom *atom : term.atoms) {
      Interval own{INT64_MIN, INT64_MAX};
      SmallVector<Interval, 2> args;
      for (SizeExpr arg : atom->args) {
        auto [low, high] = range(arg, least);
        args.push_back({low, high});
      }
      switch (atom->kind) {
      case SizeAtom::Dim: {
        auto [low, high] = bounds(atom->name);
        own = {std::max(low, least), high};
        break;
      }
      case SizeAtom::FloorDiv:
        if (args[1].low > 0 && args[0].low >= 0) {
          own.low = args[1].high == INT64_MAX ? 0 : args[0].low / args[1].high;
          own.high = args[0].high == INT64_MAX ? INT64_MAX : args[0].high / args[1].low;
        }
        break;
      case SizeAtom::Min:
      case SizeAtom::Max:
        own = args.front();
        for (Interval arg : args)
          own = atom->kind == SizeAtom::Min ? Interval{std::min(own.low, arg.low), std::min(own.high, arg.high)}
                                            : Interval{std::max(own.low, arg.low), std::max(own.high, arg.high)};
        break;
      }
      product = product * own;
    }
    sum = sum + product;
  }
  return {sum.low, sum.high};
}

int64_t SizeTable::evaluate(SizeExpr e, llvm::function_ref<int64_t(StringRef)> dim) const {
  std::lock_guard lock(mutex);
  uint64_t sum = 0;
  for (const SizeTerm &term : e.node->terms) {
    uint64_t product = uint64_t(term.factor);
    for (const SizeAtom *atom : term.atoms) {
      SmallVector<int64_t, 2> args;
      for (SizeExpr arg : atom->args)
        args.push_back(evaluate(arg, dim));
      int64_t value = 0;
      switch (atom->kind) {
      case SizeAtom::Dim:
        value = dim(atom->name);
        break;
      case SizeAtom::FloorDiv:
        value = args[1] ? floorDivide(args[0], args[1]) : 0;
        break;
      case SizeAtom::Min:
        value = *llvm::min_element(args);
        break;
      case SizeAtom::Max:
        value = *llvm::max_element(args);
        break;
      }
      product *= uint64_t(value);
    }
    sum += product;
  }
  return int64_t(sum);
}

void *emitSize(SizeExpr e, SizeEmitter &emitter) {
  void *sum = nullptr;
  for (const SizeTerm &term : e.node->terms) {
    void *product = term.factor != 1 || term.atoms.empty() ? emitter.constant(term.factor) : nullptr;
    for (const SizeAtom *atom : term.atoms) {
      SmallVector<void *, 2> args;
      for (SizeExpr arg : atom->args)
        args.push_back(emitSize(arg, emitter));
      void *value = nullptr;
      switch (atom->kind) {
      case SizeAtom::Dim:
        value = emitter.dim(atom->name);
        break;
      case SizeAtom::FloorDiv:
        value = emitter.floorDiv(args[0], args[1]);
        break;
      case SizeAtom::Min:
      case SizeAtom::Max:
        value = args.front();
        for (void *arg : ArrayRef(args).drop_front())
          value = atom->kind == SizeAtom::Min ? emitter.min(value, arg) : emitter.max(value, arg);
        break;
      }
      product = product ? emitter.mul(product, value) : value;
    }
    sum = sum ? emitter.add(sum, product) : product;
  }
  return sum ? sum : emitter.constant(0);
}

SizeExpr SizeTable::substitute(SizeExpr e, llvm::function_ref<SizeExpr(StringRef)> dim) {
  if (!e)
    return e;
  std::lock_guard lock(mutex);
  SizeExpr sum = constant(0);
  for (const SizeTerm &term : SizeExpr(e).node->terms) {
    SizeExpr product = constant(term.factor);
    for (const SizeAtom *atom : term.atoms) {
      SmallVector<SizeExpr, 2> args;
      for (SizeExpr arg : atom->args)
        args.push_back(substitute(arg, dim));
      SizeExpr value;
      switch (atom->kind) {
      case SizeAtom::Dim:
        value = dim(atom->name);
        value = value ? value : fromAtom(atom);
        break;
      case SizeAtom::FloorDiv:
        value = floorDiv(args[0], args[1]);
        break;
      case SizeAtom::Min:
      case SizeAtom::Max:
        value = args.front();
        for (SizeExpr arg : ArrayRef(args).drop_front())
          value = extreme(value, arg, atom->kind == SizeAtom::Max);
        break;
      }
      product = mul(product, value);
    }
    sum = add(sum, product);
  }
  return sum;
}

void SizeTable::collect(SizeExpr e, SmallVectorImpl<StringRef> &dims) const {
  for (const SizeTerm &term : e.node->terms)
    for (const SizeAtom *atom : term.atoms) {
      if (atom->kind == SizeAtom::Dim)
        dims.push_back(atom->name);
      for (SizeExpr arg : atom->args)
        collect(arg, dims);
    }
}

SmallVector<StringRef> SizeTable::dimsOf(SizeExpr e) const {
  SmallVector<StringRef> dims;
  std::lock_guard lock(mutex);
  if (e)
    collect(e, dims);
  llvm::sort(dims);
  dims.erase(llvm::unique(dims), dims.end());
  return dims;
}

SmallVector<SizeExpr> SizeTable::constantsOf(SizeExpr e) const {
  SmallVector<SizeExpr> constants;
  std::lock_guard lock(mutex);
  for (const SizeTerm &term : e.node->terms)
    for (const SizeAtom *atom : term.atoms)
      if (atom->kind == SizeAtom::Min)
        llvm::copy_if(atom->args, std::back_inserter(constants), [](SizeExpr arg) { return arg.constant().has_value(); });
  return constants;
}

int64_t SizeTable::numberOf(SizeExpr e) const { return e.node->number; }

SizeExpr SizeTable::byNumber(int64_t number) const {
  std::lock_guard lock(mutex);
  return number >= 0 && number < int64_t(numbered.size()) ? SizeExpr(numbered[size_t(number)]) : SizeExpr();
}

int64_t SizeTable::code(SizeExpr e) const {
  std::optional<int64_t> constant = e.constant();
  return constant && *constant >= 0 ? *constant : -e.node->number - 1;
}

SizeExpr SizeTable::fromCode(int64_t code) { return code >= 0 ? constant(code) : byNumber(-code - 1); }

//===-- text --------------------------------------------------------------------===//

/// sum := term (('+' | '-') term)*; term := factor ('*' factor)*; factor := '-' factor | number | name | 'quoted' |
/// ('floordiv' | 'ceildiv' | 'mod' | 'min' | 'max') '(' sum (',' sum)* ')' | '(' sum ')'
class SizeParser {
public:
  SizeParser(SizeTable &table, StringRef text) : table(table), text(text) {}
  SizeExpr run() {
    SizeExpr e = sum();
    skip();
    return text.empty() ? e : SizeExpr();
  }

private:
  void skip() { text = text.ltrim(); }
  bool take(StringRef token) {
    skip();
    return text.consume_front(token);
  }
  SizeExpr sum() {
    SizeExpr left = term();
    while (left) {
      if (take("+"))
        left = table.add(left, term());
      else if (take("-"))
        left = table.sub(left, term());
      else
        break;
    }
    return left;
  }
  SizeExpr term() {
    SizeExpr left = factor();
    while (left && take("*"))
      left = table.mul(left, factor());
    return left;
  }
  SizeExpr factor() {
    if (++depth > 200)
      return {};
    SizeExpr e = primary();
    --depth;
    return e;
  }
  SizeExpr primary() {
    skip();
    if (take("-"))
      return table.sub(table.constant(0), factor());
    if (take("(")) {
      SizeExpr e = sum();
      return take(")") ? e : SizeExpr();
    }
    if (take("'")) {
      size_t end = text.find('\'');
      if (end == StringRef::npos)
        return {};
      StringRef name = text.take_front(end);
      text = text.drop_front(end + 1);
      return table.dim(name);
    }
    if (!text.empty() && llvm::isDigit(text.front())) {
      uint64_t value;
      StringRef digits = text.take_while(llvm::isDigit);
      text = text.drop_front(digits.size());
      return digits.getAsInteger(10, value) || value > uint64_t(INT64_MAX) ? SizeExpr() : table.constant(int64_t(value));
    }
    StringRef name = text.take_while([](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; });
    text = text.drop_front(name.size());
    if (name.empty())
      return {};
    if (!take("("))
      return table.dim(name);
    SmallVector<SizeExpr> args{sum()};
    while (take(","))
      args.push_back(sum());
    if (!take(")") || llvm::is_contained(args, SizeExpr()))
      return {};
    if (name == "min" || name == "max") {
      SizeExpr e = args.front();
      for (SizeExpr arg : ArrayRef(args).drop_front())
        e = name == "min" ? table.min(e, arg) : table.max(e, arg);
      return e;
    }
    if (args.size() != 2)
      return {};
    return name == "floordiv"  ? table.floorDiv(args[0], args[1])
           : name == "ceildiv" ? table.ceilDiv(args[0], args[1])
           : name == "mod"     ? table.mod(args[0], args[1])
                               : SizeExpr();
  }

  SizeTable &table;
  StringRef text;
  int depth = 0;
};

SizeExpr SizeTable::parse(StringRef text) { return SizeParser(*this, text).run(); }

} // namespace tern::nn
