// The list of formats: each row verifies, can be encoded by its rule, and has the bits of docs/FORMATS.md 2.
#include "lib/Formats/Catalogue.h"
#include "Support.h"

#include <set>

namespace tern {
namespace {

TEST(Catalogue, EveryRowWorksEndToEnd) {
  std::set<std::string> names;
  for (const KnownFormat &known : knownFormats()) {
    SCOPED_TRACE(known.name);
    EXPECT_TRUE(names.insert(known.name).second);
    Format f = format(known.format);
    Encode by = encode(known.encode);
    EXPECT_EQ(f.str(), known.format);
    EXPECT_EQ(by.str(), known.encode);
    ASSERT_EQ(verify(f), "");
    ASSERT_EQ(verify(by, f), "");
    size_t rank = 2;
    for (const Plane &plane : f.planes)
      rank = std::max(rank, plane.block.size());
    // Ragged where blocks allow it: the last extent is no multiple of any block.
    std::vector<int64_t> shape = rank == 4 ? std::vector<int64_t>{1, 2, 200, 40} : std::vector<int64_t>{6, 300};
    std::vector<float> x = gaussTensor(31, rank == 4 ? 16000 : 1800);
    Encoded e(f, shape);
    if (f.find(Role::Table)) {
      size_t table = f.planes[0].role == Role::Table ? 1 : 2;
      std::vector<float> entries;
      for (int64_t i = 0; i < planeShapes(shape, f)[table].bytes * 8 / f.planes[table - 1].type.bits; ++i)
        entries.push_back(float(i % 16) - 7.0f);
      e.setPlane(table, entries);
    }
    if (by.rule == Rule::Given) {
      // Parameters of ones: what the codes then mean is theirs.
      for (size_t p = 1; p < e.planes.size(); ++p)
        if (f.planes[p - 1].role == Role::Scale)
          e.setPlane(p, std::vector<float>(e.values(p).size(), 1.0f));
      EXPECT_EQ(encodeCodes(f, by, shape, x.data(), e.bytes()), "");
    } else {
      EXPECT_EQ(encodeTensor(f, by, shape, x.data(), e.bytes()), "");
      EXPECT_GT(sqnr(x, e.decoded()), 1.5);
    }
    // Encoding what was decoded gives it back.
    std::vector<float> decoded = e.decoded();
    ASSERT_EQ(encodeCodes(f, encode("<given>"), shape, decoded.data(), e.bytes()), "");
    EXPECT_EQ(e.decoded(), decoded);
  }
}

TEST(Catalogue, BitsPerElement) {
  const std::pair<const char *, double> rows[] = {
      {"<ui8, scale<f32>, zero<ui8>>", 8},
      {"<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>", 4.15625},
      {"<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", 4.5},
      {"<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>", 3},
      {"<si6, scale<si8, [1, 16]>, scale<f16, [1, 256]>>", 6.5625},
      {"<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>>", 4 + 10.0 / 128}};
  for (auto &[text, bits] : rows)
    EXPECT_NEAR(bitsPerElement(format(text)), bits, 1e-5) << text;
}

} // namespace
} // namespace tern
