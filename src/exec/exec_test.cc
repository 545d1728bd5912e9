#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stop_token>
#include <thread>

#include "exec/byte_budget.h"
#include "exec/for_each.h"
#include "exec/progress.h"
#include "exec/thread_pool.h"

namespace seamount::exec {
namespace {

TEST(ThreadPoolTest, RunsEverythingBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool(4);
    for (int i = 0; i < 1000; ++i) pool.Run([&] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPoolTest, SubmitHandsBackValues) {
  ThreadPool pool(2);
  EXPECT_EQ(pool.Submit([] { return 42; }).get(), 42);
}

TEST(ThreadPoolTest, ParallelForCoversEachIndexOnce) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> hits(500);
  ParallelFor(pool, hits.size(), [&](size_t i) { ++hits[i]; });
  for (const auto& hit : hits) EXPECT_EQ(hit, 1);
}

void WaitForStop(const CallContext& context) {
  std::latch stopped(1);
  const std::stop_callback callback(context.stop, [&] { stopped.count_down(); });
  stopped.wait();
}

TEST(ForEachTest, TheFirstItemThatFailsIsTheOutcomeWhateverComesFirst) {
  ThreadPool pool(5);
  std::latch all_begun(1);
  std::latch last_failed(1);
  std::latch second_failed(1);
  const auto done = ForEachItem(pool, 5, 100, {}, [&](size_t i, size_t, const CallContext& inner) -> Result<void> {
    switch (i) {
      case 0:  // before both
        second_failed.wait();
        EXPECT_FALSE(inner.stop.stop_requested());
        return {};
      case 1: last_failed.wait(); return base::DataLoss("the second");
      case 2:  // behind the second, before the last
        WaitForStop(inner);
        EXPECT_TRUE(last_failed.try_wait());
        second_failed.count_down();
        return base::Cancelled("stopped");
      case 3: all_begun.wait(); return base::DataLoss("the last");
      case 4:  // behind both
        all_begun.count_down();
        WaitForStop(inner);
        last_failed.count_down();
        return base::Cancelled("stopped");
      default: ADD_FAILURE() << "item " << i << " was begun"; return {};
    }
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "the second");
}

TEST(ForEachTest, AStopFromOutsideIsCancelled) {
  ThreadPool pool(2);
  std::stop_source stop;
  std::atomic<int> begun = 0;
  const auto done = ForEachItem(pool, 2, 100, {.stop = stop.get_token()},
                                [&](size_t, size_t, const CallContext& inner) -> Result<void> {
                                  if (++begun == 2) stop.request_stop();
                                  WaitForStop(inner);
                                  return {};
                                });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(begun, 2);
}

TEST(ByteBudgetTest, GrantsUpToTheLimit) {
  ByteBudget budget(100);
  auto first = budget.TryAcquire(60);
  EXPECT_EQ(first.bytes(), 60u);
  EXPECT_EQ(budget.TryAcquire(50).bytes(), 0u);
  first.Release();
  EXPECT_EQ(budget.TryAcquire(50).bytes(), 50u);
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(budget.peak(), 60u);
}

TEST(ByteBudgetTest, OneRequestAboveTheLimitIsGrantedAlone) {
  ByteBudget budget(100);
  auto big = budget.TryAcquire(1000);
  EXPECT_EQ(big.bytes(), 1000u);
  EXPECT_EQ(budget.TryAcquire(1).bytes(), 0u);
}

TEST(ByteBudgetTest, WaitsForRoomAndHonoursStop) {
  ByteBudget budget(100);
  auto held = budget.TryAcquire(100);
  std::jthread waiter([&](std::stop_token stop) {
    const auto lease = budget.Acquire(10, {.stop = stop});
    ASSERT_FALSE(lease);
    EXPECT_EQ(lease.error().code(), ErrorCode::kCancelled);
  });
  waiter.request_stop();
  waiter.join();
  std::jthread grantee([&] { EXPECT_TRUE(budget.Acquire(10, {})); });
  held.Release();
  grantee.join();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(ByteBudgetTest, DeadlineIsResourceExhausted) {
  ByteBudget budget(100);
  auto held = budget.TryAcquire(100);
  const auto lease = budget.Acquire(1, {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5)});
  ASSERT_FALSE(lease);
  EXPECT_EQ(lease.error().code(), ErrorCode::kResourceExhausted);
}

TEST(ProgressTest, ShortWorkShowsNothing) {
  testing::internal::CaptureStderr();
  {
    Progress progress("quick", 10, false);
    progress.Add(10);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace seamount::exec
