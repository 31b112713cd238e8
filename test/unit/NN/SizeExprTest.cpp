//===- SizeExprTest.cpp - canonical size expressions ----------------------===//
#include "dialects/NN/IR/SizeExpr.h"
#include "gtest/gtest.h"

using namespace tern::nn;

namespace {

struct SizeExprs : testing::Test {
  SizeTable t;
  SizeExpr b = t.dim("batch"), s = t.dim("seq"), p = t.dim("past");
  SizeExpr c(int64_t v) { return t.constant(v); }
  std::string text(const char *source) {
    SizeExpr e = t.parse(source);
    return e ? e.str().str() : "no expression";
  }
};

TEST_F(SizeExprs, EqualPolynomialsAreOneObject) {
  EXPECT_EQ(t.mul(t.add(b, c(1)), s), t.add(t.mul(s, b), s));
  EXPECT_EQ(t.sub(t.add(p, s), p), s);
  EXPECT_EQ(text("(batch+1)*(seq+2)"), "batch*seq+2*batch+seq+2");
  EXPECT_EQ(text("seq*2 - seq - seq"), "0");
  EXPECT_EQ(text("3-batch"), "-batch+3");
}

TEST_F(SizeExprs, TextIsReadBack) {
  for (const char *source : {"batch*seq+1", "floordiv(seq+3,4)", "min(512,past+seq)", "max(floordiv(seq,2),past)", "'a b'+1", "-seq", "7"})
    EXPECT_EQ(text(source), source);
  for (const char *source : {"", "batch+", "(seq", "min()", "floordiv(seq)", "9999999999999999999", "a b", "f(seq)", "floordiv(seq,0)"})
    EXPECT_EQ(text(source), "no expression") << source;
}

TEST_F(SizeExprs, RoundedUpIsNotLess) {
  auto range = [&](const char *source) { return t.range(t.parse(source)); };
  EXPECT_EQ(range("8*ceildiv(seq,8)-seq"), std::make_pair(int64_t(0), int64_t(7)));
  EXPECT_EQ(range("seq-4*floordiv(seq,4)"), std::make_pair(int64_t(0), int64_t(3)));
  EXPECT_EQ(range("past+6*floordiv(seq,3)-2*seq").first, -4);
}

TEST_F(SizeExprs, Division) {
  EXPECT_EQ(text("floordiv(batch*seq*384,batch*12)"), "32*seq");
  EXPECT_EQ(text("floordiv(batch*past+batch*seq,past+seq)"), "batch");
  EXPECT_EQ(text("floordiv(8*seq+3,8)"), "seq");
  EXPECT_EQ(text("floordiv(8*seq+11,8)"), "seq+1");
  EXPECT_EQ(text("floordiv(8*seq+past,8)"), "floordiv(past,8)+seq");
  EXPECT_EQ(text("floordiv(seq-3,2)+1"), "floordiv(seq+1,2)-1");
  EXPECT_EQ(text("floordiv(floordiv(seq-1,2)+2,3)"), "floordiv(seq+3,6)");
  EXPECT_EQ(text("ceildiv(seq,4)"), "floordiv(seq+3,4)");
  EXPECT_EQ(text("mod(seq,4)"), "-4*floordiv(seq,4)+seq");
  EXPECT_EQ(text("floordiv(-7,2)"), "-4");
}

TEST_F(SizeExprs, BoundsDecideMinimaAndMaxima) {
  EXPECT_EQ(text("min(seq,512)"), "min(512,seq)");
  t.setBounds("seq", 1, 512);
  EXPECT_EQ(text("min(seq,512)"), "seq");
  EXPECT_EQ(text("max(seq,0)"), "seq");
  EXPECT_EQ(text("min(seq,seq+past)"), "seq");
  EXPECT_EQ(text("max(max(seq,past),seq)"), "max(past,seq)");
  EXPECT_EQ(text("floordiv(seq,513)"), "0");
  EXPECT_EQ(t.range(t.parse("2*seq-3")), std::make_pair(int64_t(-1), int64_t(1021)));
}

TEST_F(SizeExprs, Evaluate) {
  auto value = [&](const char *source) {
    return t.evaluate(t.parse(source), [](llvm::StringRef name) -> int64_t { return name == "batch" ? 3 : name == "seq" ? 10 : 5; });
  };
  EXPECT_EQ(value("batch*seq+past"), 35);
  EXPECT_EQ(value("floordiv(-seq,4)"), -3);
  EXPECT_EQ(value("min(seq,past)*max(batch,4)"), 20);
  EXPECT_EQ(value("floordiv(seq,batch-3)"), 0); // no trap
}

TEST_F(SizeExprs, SubstituteAndOverflow) {
  SizeExpr e = t.parse("min(total,512)+total");
  EXPECT_EQ(t.substitute(e, [&](llvm::StringRef name) { return name == "total" ? t.add(p, s) : SizeExpr(); }), t.parse("min(512,past+seq)+past+seq"));
  EXPECT_FALSE(t.mul(c(INT64_MAX), c(2)));
  EXPECT_FALSE(t.add(SizeExpr(), s));
  EXPECT_EQ(t.fromCode(t.code(s)), s);
  EXPECT_EQ(t.code(c(7)), 7);
  EXPECT_LT(t.code(s), 0);
}

} // namespace
