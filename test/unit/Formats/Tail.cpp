// The tail plane: KIVI caches (docs/FORMATS.md 1.2, 5).
#include "Support.h"

namespace tern {
namespace {

const char *const keys = "<ui2, scale<f16, [1, 32, 1]>, min<f16, [1, 32, 1]>, tail<f16, [1, 128, *]>>";
const char *const values = "<ui2, scale<f16, [1, 1, 32]>, min<f16, [1, 1, 32]>, tail<f16, [1, 128, *]>>";

TEST(Tail, PlanesOfACache) {
  // 2-bit keys of capacity 4096, window 128.
  std::vector<PlaneShape> k = planeShapes(
      {1, 8, 4096, 64}, format("<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>"));
  ASSERT_EQ(k.size(), 4u);
  EXPECT_EQ(k[1].shape, (std::vector<int64_t>{1, 8, 128, 64}));
  EXPECT_EQ(k[2].shape, (std::vector<int64_t>{1, 8, 128, 64}));
  EXPECT_EQ(k[3].shape, (std::vector<int64_t>{1, 8, 128, 64}));
  EXPECT_EQ(planeShapes({1, 8, -1, 64}, format("<ui2, tail<f16, [1, 1, 128, *]>>"))[1].shape,
            (std::vector<int64_t>{1, 8, 128, 64}));
}

TEST(Tail, KeysCloseAWindowAtATimeValuesOnePosition) {
  EXPECT_EQ(tailExtent({2, 300, 64}, format(keys)), 44);
  EXPECT_EQ(tailExtent({2, 300, 64}, format(values)), 128);
  EXPECT_EQ(tailExtent({2, 256, 64}, format(keys)), 0);
  EXPECT_EQ(tailExtent({2, 100, 64}, format(keys)), 100);
  EXPECT_EQ(tailExtent({2, 100, 64}, format(values)), 100);
}

std::vector<float> rows(const std::vector<float> &x, int64_t begin, int64_t end, int64_t d) {
  return {x.begin() + begin * d, x.begin() + end * d};
}

TEST(Tail, StreamingIsBatchQuantizationOfTheClosedPart) {
  const int64_t t = 300, d = 64;
  std::vector<float> x = gaussTensor(21, t * d);
  for (const char *text : {keys, values}) {
    bool isKeys = text == keys;
    Encoded batch = encoded(text, "<minmax, 0 to 3>", {1, t, d}, x);
    // One token after the other; what closes is encoded alone, once.
    std::string closedText = std::string(text).substr(0, std::string(text).find(", tail")) + ">";
    std::vector<std::vector<uint8_t>> stream(3);
    auto close = [&](int64_t begin, int64_t end) {
      Encoded part = encoded(closedText, "<minmax, 0 to 3>", {1, end - begin, d}, rows(x, begin, end, d));
      for (size_t p = 0; p < 3; ++p)
        stream[p].insert(stream[p].end(), part.planes[p].begin(), part.planes[p].end());
    };
    int64_t closed = 0;
    for (int64_t now = 1; now <= t; ++now) {
      if (isKeys && now - closed == 128) {
        close(closed, now);
        closed = now;
      } else if (!isKeys && now - closed > 128) {
        close(closed, closed + 1);
        ++closed;
      }
    }
    EXPECT_EQ(t - closed, isKeys ? 44 : 128);
    for (size_t p = 0; p < 3; ++p) {
      ASSERT_LE(stream[p].size(), batch.planes[p].size());
      EXPECT_TRUE(std::equal(stream[p].begin(), stream[p].end(), batch.planes[p].begin())) << p;
    }
    // The rest is the tail, oldest first, rounded to f16.
    std::vector<float> decoded = batch.decoded(), tail = batch.values(3);
    for (int64_t i = 0; i < (t - closed) * d; ++i) {
      EXPECT_EQ(tail[size_t(i)], f16ToF32(f32ToF16(x[size_t(closed * d + i)])));
      EXPECT_EQ(decoded[size_t(closed * d + i)], tail[size_t(i)]);
    }
    EXPECT_EQ(tail[size_t((t - closed) * d) % tail.size()], isKeys ? 0 : tail[0]);
    // Given planes: the same codes.
    Encoded again = batch;
    std::fill(again.planes[0].begin(), again.planes[0].end(), uint8_t(0xff));
    ASSERT_EQ(encodeCodes(again.format, encode("<given>"), again.shape, x.data(), again.bytes()), "");
    EXPECT_EQ(again.planes, batch.planes);
  }
}

/// SQNR of q k^T after keys went through a format.
double logitsSqnr(const std::vector<float> &q, const std::vector<float> &k, const std::string &format, int bits) {
  Encoded e = encoded(format, "<minmax, 0 to " + std::to_string((1 << bits) - 1) + ">", {256, 128}, k);
  std::vector<float> decoded = e.decoded(), exact, rounded;
  for (size_t i = 0; i < 64; ++i)
    for (size_t j = 0; j < 256; ++j) {
      double a = 0, b = 0;
      for (size_t c = 0; c < 128; ++c) {
        a += double(q[i * 128 + c]) * k[j * 128 + c];
        b += double(q[i * 128 + c]) * decoded[j * 128 + c];
      }
      exact.push_back(float(a));
      rounded.push_back(float(b));
    }
  return sqnr(exact, rounded);
}

TEST(Tail, KeysWithOffsetChannelsWantBlocksAlongTokens) {
  std::vector<float> k = gaussTensor(43, 256 * 128), q = gaussTensor(44, 64 * 128);
  for (size_t t = 0; t < 256; ++t) {
    k[t * 128 + 7] += 32;
    k[t * 128 + 71] -= 24;
  }
  EXPECT_NEAR(logitsSqnr(q, k, "<ui2, scale<f32, [32, 1]>, min<f32, [32, 1]>>", 2), 19.39, 0.01);
  EXPECT_NEAR(logitsSqnr(q, k, "<ui2, scale<f32, [1, 32]>, min<f32, [1, 32]>>", 2), 6.94, 0.01);
  EXPECT_NEAR(logitsSqnr(q, k, "<ui4, scale<f32, [32, 1]>, min<f32, [32, 1]>>", 4), 33.50, 0.01);
  EXPECT_NEAR(logitsSqnr(q, k, "<ui4, scale<f32, [1, 32]>, min<f32, [1, 32]>>", 4), 19.03, 0.01);
}

} // namespace
} // namespace tern
