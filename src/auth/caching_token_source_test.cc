#include "auth/caching_token_source.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

namespace seamount::auth {
namespace {

using std::chrono::seconds;

// Counts its calls and answers as the test says; by default "t1", "t2", … for an hour each.
class CountingSource final : public TokenSource {
 public:
  explicit CountingSource(base::Clock& clock) : clock_(clock) {}
  Result<Token> GetToken(const std::string&, const Secret&, const CallContext& context) override {
    const int call = ++calls;
    ++inside;
    EXPECT_EQ(inside, 1) << "two calls at once";
    auto token = answer ? answer(call, context) : Make("t" + std::to_string(call));
    --inside;
    return token;
  }
  Result<Token> Make(const std::string& text) const {
    return Token{.value = Secret(text), .expires = clock_.WallNow() + seconds(3600)};
  }
  std::string Describe() const override { return "counting source"; }

  std::atomic<int> calls = 0;
  std::atomic<int> inside = 0;
  std::function<Result<Token>(int, const CallContext&)> answer;

 private:
  base::Clock& clock_;
};

class CachingTokenSourceTest : public testing::Test {
 protected:
  CachingTokenSourceTest() {
    auto inner = std::make_unique<CountingSource>(clock_);
    inner_ = inner.get();
    source_ = MakeCachingTokenSource(std::move(inner), clock_);
  }
  std::string Get(const std::string& rejected = "") {
    const auto token = source_->GetToken("http://h", Secret(rejected), {});
    return token ? token->value.Reveal() : token.error().message();
  }

  base::FakeClock clock_;
  CountingSource* inner_ = nullptr;
  std::unique_ptr<TokenSource> source_;
};

TEST_F(CachingTokenSourceTest, EachAudienceHasATokenOfItsOwn) {
  EXPECT_EQ(Get(), "t1");
  EXPECT_EQ(source_->GetToken("http://other", {}, {})->value.Reveal(), "t2");
  EXPECT_EQ(Get(), "t1");
  EXPECT_EQ(source_->GetToken("http://other", Secret("t2"), {})->value.Reveal(), "t3");
  EXPECT_EQ(Get(), "t1");
}

TEST_F(CachingTokenSourceTest, KeepsATokenUntilShortlyBeforeItExpires) {
  EXPECT_EQ(Get(), "t1");
  clock_.Advance(seconds(3600 - 226));
  EXPECT_EQ(Get(), "t1");
  clock_.Advance(seconds(2));
  EXPECT_EQ(Get(), "t2");
  EXPECT_EQ(inner_->calls, 2);
}

TEST_F(CachingTokenSourceTest, AFailedEarlyRefreshIsNotReported) {
  Get();
  clock_.Advance(seconds(3400));
  inner_->answer = [](int, const CallContext&) { return base::Unavailable("down"); };
  EXPECT_EQ(Get(), "t1");
  EXPECT_EQ(Get(), "t1");
  EXPECT_EQ(inner_->calls, 2);  // not asked again at once
  clock_.Advance(seconds(11));
  EXPECT_EQ(Get(), "t1");
  EXPECT_EQ(inner_->calls, 3);
  clock_.Advance(seconds(300));  // now it has expired
  EXPECT_EQ(Get(), "down");
}

TEST_F(CachingTokenSourceTest, ManyThreadsAskOnce) {
  std::atomic<int> waiting = 0;
  constexpr int kThreads = 32;
  inner_->answer = [&](int call, const CallContext&) {
    while (waiting < kThreads) std::this_thread::yield();
    return inner_->Make("t" + std::to_string(call));
  };
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        ++waiting;
        if (Get() == "t1") ++good;
      });
    }
  }
  EXPECT_EQ(good, kThreads);
  EXPECT_EQ(inner_->calls, 1);
}

TEST_F(CachingTokenSourceTest, ManyRejectionsOfOneTokenRefreshOnce) {
  EXPECT_EQ(Get(), "t1");
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(16);
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        if (Get("t1") == "t2") ++good;
      });
    }
  }
  EXPECT_EQ(good, 16);
  EXPECT_EQ(inner_->calls, 2);
}

TEST_F(CachingTokenSourceTest, ARejectedTokenIsNeverHandedOutAgain) {
  inner_->answer = [&](int, const CallContext&) { return inner_->Make("same"); };
  EXPECT_EQ(Get(), "same");
  const auto again = source_->GetToken("http://h", Secret("same"), {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kUnauthenticated);
}

TEST_F(CachingTokenSourceTest, ThoseWhoWaitedShareAFailure) {
  std::atomic<bool> asked = false;
  std::atomic<bool> release = false;
  inner_->answer = [&](int, const CallContext&) {
    asked = true;
    while (!release) std::this_thread::yield();
    return base::Unauthenticated("revoked");
  };
  std::vector<std::jthread> threads;
  std::atomic<int> revoked = 0;
  std::atomic<int> started = 0;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      ++started;
      if (Get() == "revoked") ++revoked;
    });
  }
  while (!asked || started < 8) std::this_thread::yield();
  release = true;
  threads.clear();
  EXPECT_EQ(revoked, 8);
  EXPECT_LE(inner_->calls, 8);
}

TEST_F(CachingTokenSourceTest, AStoppedRefresherDoesNotFailTheOthers) {
  std::stop_source stop;
  std::atomic<bool> asked = false;
  inner_->answer = [&](int call, const CallContext& context) -> Result<Token> {
    if (call > 1) return inner_->Make("t2");
    asked = true;
    while (!context.stop.stop_requested()) std::this_thread::yield();
    return base::Cancelled("stopped");
  };
  std::jthread first([&] {
    const auto token = source_->GetToken("http://h", {}, {.stop = stop.get_token()});
    EXPECT_EQ(token.error().code(), ErrorCode::kCancelled);
  });
  while (!asked) std::this_thread::yield();
  std::jthread second([&] { EXPECT_EQ(Get(), "t2"); });
  stop.request_stop();
}

TEST_F(CachingTokenSourceTest, WaitingEndsAtTheDeadlineAndOnStop) {
  std::atomic<bool> asked = false;
  std::atomic<bool> release = false;
  inner_->answer = [&](int, const CallContext&) {
    asked = true;
    while (!release) std::this_thread::yield();
    return inner_->Make("t1");
  };
  std::jthread first([&] { EXPECT_EQ(Get(), "t1"); });
  while (!asked) std::this_thread::yield();
  const auto late =
      source_->GetToken("http://h", {}, {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20)});
  EXPECT_EQ(late.error().code(), ErrorCode::kUnavailable);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(source_->GetToken("http://h", {}, {.stop = stop.get_token()}).error().code(), ErrorCode::kCancelled);
  release = true;
}

TEST_F(CachingTokenSourceTest, AForkedChildDoesNotWaitForItsParentsRefresh) {
  const pid_t parent = getpid();
  std::latch asked(1), answered(1);
  inner_->answer = [&](int call, const CallContext&) {
    if (getpid() == parent) {
      asked.count_down();
      answered.wait();
    }
    return inner_->Make("t" + std::to_string(call));
  };
  std::jthread refreshing([&] { EXPECT_EQ(Get(), "t1"); });
  asked.wait();
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);  // ends a child that hangs
    inner_->inside = 0;
    _exit(Get() == "t2" ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the child hung or failed";
  answered.count_down();
}

}  // namespace
}  // namespace seamount::auth
