#include "fuse/waiters.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

namespace seamount::fuse {
namespace {

constexpr auto kLong = std::chrono::hours(1);

TEST(Waiters, AllThatWaitWaitAtOnceUpToTheBound) {
  std::latch begun(3), release(1);
  std::atomic<int> done = 0;
  {
    Waiters waiters(3, kLong);
    for (int i = 0; i < 5; ++i) {
      waiters.Run([&] {
        if (done == 0 && !begun.try_wait()) begun.count_down();
        release.wait();
        ++done;
      });
    }
    begun.wait();
    EXPECT_EQ(waiters.threads(), 3U);
    EXPECT_EQ(done, 0);
    release.count_down();
  }
  EXPECT_EQ(done, 5);  // also those that had to wait for their turn
}

TEST(Waiters, AThreadThatIsFreeIsUsedAgain) {
  Waiters waiters(100, kLong);
  for (int i = 0; i < 50; ++i) {
    std::latch done(1);
    waiters.Run([&] { done.count_down(); });
    done.wait();
  }
  EXPECT_LT(waiters.threads(), 50U);
}

TEST(Waiters, IdleThreadsEnd) {
  Waiters waiters(100, std::chrono::milliseconds(1));
  std::latch together(20);
  for (int i = 0; i < 20; ++i) waiters.Run([&] { together.arrive_and_wait(); });
  while (waiters.threads() > 0) std::this_thread::yield();
  std::latch done(1);
  waiters.Run([&] { done.count_down(); });
  done.wait();
}

TEST(Waiters, BeginsInOrderWhereOnlyOneCanRun) {
  std::vector<int> order;
  {
    Waiters waiters(1, kLong);
    for (int i = 0; i < 10; ++i) waiters.Run([&order, i] { order.push_back(i); });
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

}  // namespace
}  // namespace seamount::fuse
