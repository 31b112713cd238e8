//===- SizeNumbers.cpp - ranges, values and parts of size expressions ---- ===//
#include "dialects/NN/IR/SizeEmit.h"
#include "dialects/NN/IR/SizeNodes.h"
#include <numeric>
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tern::nn {

void SizeTable::setBounds(StringRef name, int64_t low, int64_t high) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  limits[name] = {low, high};
}

std::pair<int64_t, int64_t> SizeTable::bounds(StringRef name) const {
  std::lock_guard<std::recursive_mutex> lock(mutex);
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

// Expressions are multiplied by at most this to find their range, and only those of few terms.
static constexpr int64_t kMaxScale = 64;
static constexpr size_t kMaxScaled = 4;

std::pair<int64_t, int64_t> SizeTable::range(SizeExpr e, int64_t least) const {
  if (!e)
    return {INT64_MIN, INT64_MAX};
  std::lock_guard<std::recursive_mutex> lock(mutex);
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
  // c * floordiv(a, c) is a minus a remainder of 0 to c - 1: what it is rounded up from may cancel.
  for (const SizeTerm &term : e.node->terms) {
    if (sum.low >= 0 || term.atoms.size() != 1 || term.atoms[0]->kind != SizeAtom::FloorDiv)
      continue;
    std::optional<int64_t> divisor = term.atoms[0]->args[1].constant();
    if (!divisor || *divisor <= 0)
      continue;
    auto &self = const_cast<SizeTable &>(*this); // interns an expression
    if (int64_t scale = *divisor / std::gcd(*divisor, term.factor); scale > 1) {
      // Times a number with which it is.
      if (scale > kMaxScale || e.node->terms.size() > kMaxScaled)
        continue;
      auto [low, high] = range(self.mul(self.constant(scale), e), least);
      if (low != INT64_MIN)
        sum.low = std::max(sum.low, -floorDivide(-low, scale));
      if (high != INT64_MAX)
        sum.high = std::min(sum.high, floorDivide(high, scale));
      continue;
    }
    int64_t times = term.factor / *divisor;
    SizeExpr quotient = self.floorDiv(term.atoms[0]->args[0], term.atoms[0]->args[1]);
    SizeExpr rest = self.sub(e, self.mul(self.constant(term.factor), quotient));
    auto [low, high] = range(self.add(rest, self.mul(self.constant(times), term.atoms[0]->args[0])), least);
    Interval other = Interval{low, high} + Interval{-times, -times} * Interval{0, *divisor - 1};
    sum = {std::max(sum.low, other.low), std::min(sum.high, other.high)};
  }
  return {sum.low, sum.high};
}

int64_t SizeTable::evaluate(SizeExpr e, llvm::function_ref<int64_t(StringRef)> dim) const {
  std::lock_guard<std::recursive_mutex> lock(mutex);
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
  std::lock_guard<std::recursive_mutex> lock(mutex);
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
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (e)
    collect(e, dims);
  llvm::sort(dims);
  dims.erase(llvm::unique(dims), dims.end());
  return dims;
}

SmallVector<SizeExpr> SizeTable::constantsOf(SizeExpr e) const {
  SmallVector<SizeExpr> constants;
  std::lock_guard<std::recursive_mutex> lock(mutex);
  for (const SizeTerm &term : e.node->terms)
    for (const SizeAtom *atom : term.atoms)
      if (atom->kind == SizeAtom::Min)
        llvm::copy_if(atom->args, std::back_inserter(constants), [](SizeExpr arg) { return arg.constant().has_value(); });
  return constants;
}

int64_t SizeTable::numberOf(SizeExpr e) const { return e.node->number; }

SizeExpr SizeTable::byNumber(int64_t number) const {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  return number >= 0 && number < int64_t(numbered.size()) ? SizeExpr(numbered[size_t(number)]) : SizeExpr();
}

int64_t SizeTable::code(SizeExpr e) const {
  std::optional<int64_t> constant = e.constant();
  return constant && *constant >= 0 ? *constant : -e.node->number - 1;
}

SizeExpr SizeTable::fromCode(int64_t code) { return code >= 0 ? constant(code) : byNumber(-code - 1); }

} // namespace tern::nn
