#include "lib/Formats/Dyadic.h"
#include "Support.h"

namespace tern {
namespace {

TEST(Dyadic, MantissaAndExponent) {
  auto parts = [](double s) { return std::make_pair(int64_t(dyadic(s).m), int(dyadic(s).e)); };
  EXPECT_EQ(parts(0.5), std::make_pair(int64_t(1) << 30, 31));
  EXPECT_EQ(parts(1.0), std::make_pair(int64_t(1) << 30, 30));
  EXPECT_EQ(parts(0.75), std::make_pair(int64_t(3) << 29, 31));
  EXPECT_EQ(parts(std::nextafter(1.0, 0.0)), std::make_pair(int64_t(1) << 30, 30)); // rounds up, stays below 2^31
  EXPECT_EQ(parts(0), std::make_pair(int64_t(0), 0));
  EXPECT_EQ(parts(0x1p-32), std::make_pair(int64_t(1) << 30, 62));
  EXPECT_EQ(parts(0x1p-33), std::make_pair(int64_t(0), 0));
  EXPECT_EQ(parts(0x1p30), std::make_pair(int64_t(1) << 30, 0));
  EXPECT_EQ(parts(0x1.fffffffffffffp30), std::make_pair(int64_t(INT32_MAX), 0));
}

TEST(Dyadic, WithinOneCodeOfTheRealProduct) {
  SplitMix rng{3};
  for (int i = 0; i < 20000; ++i) {
    double s = std::ldexp(1 + double(rng.next() % 100000) / 100000, -int(rng.next() % 20) - 1);
    int32_t acc = int32_t(rng.next());
    EXPECT_LE(std::fabs(double(multiply(acc, dyadic(s))) - std::floor(double(acc) * s + 0.5)), 1) << acc << " " << s;
  }
}

TEST(Dyadic, PowersOfTwoAreExactAndRoundAsNamed) {
  const struct {
    Round round;
    int64_t results[8]; // of acc = -7, -6, -5, -3, 3, 5, 6, 7 times 1/4: -1.75, -1.5, -1.25, -.75, .75, 1.25, 1.5, 1.75
  } rows[] = {{Round::Rne, {-2, -2, -1, -1, 1, 1, 2, 2}},    {Round::Rna, {-2, -2, -1, -1, 1, 1, 2, 2}},
              {Round::HalfUp, {-2, -1, -1, -1, 1, 1, 2, 2}}, {Round::TieLow, {-2, -2, -1, -1, 1, 1, 1, 2}},
              {Round::Floor, {-2, -2, -2, -1, 0, 1, 1, 1}},  {Round::Rtz, {-1, -1, -1, 0, 0, 1, 1, 1}}};
  const int32_t accs[] = {-7, -6, -5, -3, 3, 5, 6, 7};
  for (const auto &row : rows)
    for (int i = 0; i < 8; ++i)
      EXPECT_EQ(multiply(accs[i], dyadic(0.25), row.round), row.results[i]) << str(row.round) << " " << accs[i];
  EXPECT_EQ(multiply(2, dyadic(0.25), Round::Rne), 0);
  EXPECT_EQ(multiply(2, dyadic(0.25), Round::Rna), 1);
  EXPECT_EQ(multiply(-2, dyadic(0.25), Round::Rna), -1);
}

TEST(Dyadic, ExtremeAccumulators) {
  EXPECT_EQ(multiply(INT32_MIN, dyadic(1.0)), INT32_MIN);
  EXPECT_EQ(multiply(INT32_MAX, dyadic(1.0)), INT32_MAX);
  EXPECT_EQ(multiply(INT32_MIN, dyadic(0x1p-32)), 0); // -0.5, half up
  EXPECT_EQ(multiply(INT32_MIN, dyadic(0x1p-32), Round::Rna), -1);
}

} // namespace
} // namespace tern
