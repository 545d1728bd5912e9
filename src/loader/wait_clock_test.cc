#include "loader/wait_clock.h"

#include <gtest/gtest.h>

namespace seamount::loader {
namespace {

using std::chrono::milliseconds;

TEST(WaitClockTest, TimeGoesToWhatIsWaitedFor) {
  Stats stats;
  WaitClock clock(stats);
  const base::SteadyTime begin{};
  clock.Change(true, begin);  // nobody waits
  clock.Start(false, begin + milliseconds(1000));
  clock.Change(true, begin + milliseconds(1500));
  clock.Change(true, begin + milliseconds(1600));
  clock.Change(false, begin + milliseconds(1750));
  clock.Stop(begin + milliseconds(2000));
  clock.Change(true, begin + milliseconds(9000));
  clock.Start(true, begin + milliseconds(10000));
  clock.Stop(begin + milliseconds(10250));
  EXPECT_DOUBLE_EQ(stats.wait_network_seconds, 0.75);
  EXPECT_DOUBLE_EQ(stats.wait_decode_seconds, 0.5);
  EXPECT_DOUBLE_EQ(stats.wait_seconds, 1.25);
}

TEST(WaitClockTest, TheLargestShareIsTheBottleneck) {
  EXPECT_EQ(BottleneckOf({}), "");
  Stats stats{.wait_network_seconds = 2, .wait_decode_seconds = 3, .wait_plan_seconds = 1, .trainer_seconds = 2.5};
  EXPECT_EQ(BottleneckOf(stats), "decode");
  const Stats before{.wait_decode_seconds = 1.5};
  EXPECT_EQ(BottleneckOf(stats, before), "trainer");
  stats.wait_network_seconds = 2.6;
  EXPECT_EQ(BottleneckOf(stats, before), "network");
  stats.wait_plan_seconds = 9;
  EXPECT_EQ(BottleneckOf(stats, before), "plan");
}

}  // namespace
}  // namespace seamount::loader
