//===- SizeParser.cpp - text -> size expression ------------------------ ===//
#include "dialects/NN/IR/SizeExpr.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tern::nn {

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
