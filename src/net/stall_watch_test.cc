#include "net/stall_watch.h"

#include <gtest/gtest.h>

namespace seamount::net {
namespace {

using std::chrono::seconds;

TEST(StallWatchTest, SilenceIsAStall) {
  const base::SteadyTime start{};
  StallWatch watch(seconds(20), 1024, start);
  EXPECT_EQ(watch.next(), start + seconds(20));
  EXPECT_EQ(watch.Check(100'000, start + seconds(19)), "");
  EXPECT_EQ(watch.Check(100'000, start + seconds(38)), "");
  EXPECT_NE(watch.Check(100'000, start + seconds(39)), "");
}

TEST(StallWatchTest, ATrickleIsAStall) {
  const base::SteadyTime start{};
  StallWatch watch(seconds(20), 1024, start);
  for (int second = 10; second < 40; second += 10)
    ASSERT_EQ(watch.Check(second, start + seconds(second)), "") << second;
  EXPECT_NE(watch.Check(40, start + seconds(40)), "");
}

TEST(StallWatchTest, SlowIsNoStall) {
  const base::SteadyTime start{};
  StallWatch watch(seconds(20), 1024, start);
  for (uint64_t second = 1; second < 1000; ++second)
    ASSERT_EQ(watch.Check(second * 1100, start + seconds(second)), "") << second;
}

}  // namespace
}  // namespace seamount::net
