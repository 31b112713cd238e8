//===- SizeExpr.cpp - canonical size expressions --------------------------===//
#include "dialects/NN/IR/SizeExpr.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeNodes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <map>

using namespace mlir;

namespace tern::nn {

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
  std::lock_guard<std::recursive_mutex> lock(mutex);
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
  std::lock_guard<std::recursive_mutex> lock(mutex);
  return fromAtom(atom(SizeAtom{SizeAtom::Dim, name.str(), {}, {}}));
}

SizeExpr SizeTable::add(SizeExpr a, SizeExpr b) {
  if (!a || !b)
    return {};
  std::lock_guard<std::recursive_mutex> lock(mutex);
  Poly poly;
  poly.add(*a.node);
  poly.add(*b.node);
  return intern(std::move(poly));
}

SizeExpr SizeTable::sub(SizeExpr a, SizeExpr b) {
  if (!a || !b)
    return {};
  std::lock_guard<std::recursive_mutex> lock(mutex);
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
  std::lock_guard<std::recursive_mutex> lock(mutex);
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
  std::lock_guard<std::recursive_mutex> lock(mutex);
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
  if (std::optional<int64_t> by = b.constant(); by && *by > 1 && remainder && quotientPart) {
    // Whole multiples in the constant leave the division: floordiv(h-3,2) is floordiv(h+1,2)-2.
    const SizeTerm &last = remainder.node->terms.back();
    int64_t added = last.atoms.empty() ? last.factor : 0, times = floorDivide(added, *by);
    remainder = sub(remainder, constant(times * *by));
    quotientPart = add(quotientPart, constant(times));
    // floordiv(floordiv(x,a)+c,b) = floordiv(x+a*c,a*b)
    SizeExpr inner = sub(remainder, constant(added - times * *by));
    const SizeTerm *term = inner && inner.node->terms.size() == 1 ? &inner.node->terms.front() : nullptr;
    if (term && term->factor == 1 && term->atoms.size() == 1 && term->atoms.front()->kind == SizeAtom::FloorDiv) {
      SizeExpr x = term->atoms.front()->args[0], a = term->atoms.front()->args[1];
      SizeExpr top = add(x, mul(a, sub(remainder, inner))), bottom = mul(a, b);
      if (a.constant().value_or(0) > 0 && top && bottom)
        return add(quotientPart, floorDiv(top, bottom));
    }
  }
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
  std::lock_guard<std::recursive_mutex> lock(mutex);
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

} // namespace tern::nn
