//===- WindowSizesTest.cpp - expressions of sizes against the sizes --------===//
#include "dialects/NN/IR/WindowSizes.h"
#include "gtest/gtest.h"

using namespace tern::nn;

namespace {

struct WindowSizes : testing::Test {
  SizeTable t;
  SizeExpr n = t.dim("n");
  int64_t at(SizeExpr e, int64_t size) {
    return t.evaluate(e, [&](llvm::StringRef) { return size; });
  }
};

TEST_F(WindowSizes, OfWindowsAndTheirTransposes) {
  for (int64_t kernel : {1, 2, 3, 5})
    for (int64_t stride : {1, 2, 3})
      for (int64_t dilation : {1, 2})
        for (int64_t low : {0, 1, 2})
          for (int64_t high : {0, 1})
            for (bool ceil : {false, true}) {
              Window w{kernel, stride, dilation, low, high, ceil};
              if (std::max(low, high) >= *windowExtent(w)) // a window of padding alone is refused (nn_n8)
                continue;
              SizeExpr count = windowCount(t, n, w), back = transposedSize(t, n, w, stride - 1);
              ASSERT_TRUE(count && back);
              for (int64_t size = 1; size < 20; ++size) {
                std::optional<int64_t> want = windowCount(size, w);
                if (*want > 0)
                  EXPECT_EQ(at(count, size), *want) << size << ": kernel " << kernel << " stride " << stride << " dilation " << dilation << " pads "
                                                    << low << " " << high << (ceil ? " ceil" : "");
                EXPECT_EQ(at(back, size), *transposedSize(size, w, stride - 1));
              }
            }
}

TEST_F(WindowSizes, OfResizes) {
  for (float scale : {0.1f, 0.25f, 1.0f / 3, 0.999f, 1.0f, 1.5f, 2.0f, 2.7f, 8.0f}) {
    SizeExpr made = resizedSize(t, n, scale);
    ASSERT_TRUE(made) << scale;
    for (int64_t size = 1; size < 200; ++size)
      EXPECT_EQ(at(made, size), resizedSize(size, scale)) << size << " times " << scale;
  }
  for (double scale : {0.0, -1.0, 1e12})
    EXPECT_FALSE(resizedSize(t, n, scale)) << scale;
}
} // namespace
