#include "vfs/extents.h"

#include <gtest/gtest.h>

#include <random>

namespace seamount::vfs {
namespace {

TEST(ExtentSet, MergesAndFindsGaps) {
  ExtentSet set;
  set.Add(10, 20);
  set.Add(30, 40);
  EXPECT_EQ(set.Gaps(0, 50), (std::vector<Extent>{{0, 10}, {20, 30}, {40, 50}}));
  set.Add(20, 30);
  EXPECT_EQ(set.Gaps(10, 40), std::vector<Extent>{});
  set.Truncate(15);
  EXPECT_EQ(set.Gaps(10, 40), (std::vector<Extent>{{15, 40}}));
  set.Add(5, 5);
  EXPECT_EQ(set.Gaps(0, 12), (std::vector<Extent>{{0, 10}}));
}

TEST(ExtentSet, AgreesWithABitmap) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  ExtentSet set;
  std::vector<bool> bits(200);
  for (int i = 0; i < 3000; ++i) {
    const uint64_t a = random() % 200, b = a + random() % 30;
    if (random() % 20 == 0) {
      set.Truncate(a);
      for (uint64_t k = a; k < 200; ++k) bits[k] = false;
    } else {
      set.Add(a, std::min<uint64_t>(b, 200));
      for (uint64_t k = a; k < std::min<uint64_t>(b, 200); ++k) bits[k] = true;
    }
    std::vector<bool> gaps(200);
    for (const Extent& gap : set.Gaps(0, 200)) {
      ASSERT_LT(gap.begin, gap.end);
      for (uint64_t k = gap.begin; k < gap.end; ++k) gaps[k] = true;
    }
    for (size_t k = 0; k < 200; ++k) ASSERT_NE(bits[k], gaps[k]) << "at " << k << " after " << i;
  }
}

}  // namespace
}  // namespace seamount::vfs
