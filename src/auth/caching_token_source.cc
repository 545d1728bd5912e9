#include "auth/caching_token_source.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "base/per_process.h"

namespace seamount::auth {
namespace {

using std::chrono::seconds;

// From here on one caller refreshes, with room for an endpoint that is down for a while. Google's metadata server makes
// a new token five minutes before the old one ends: asking before that brings the old one again (google-auth waits as
// long).
constexpr auto kEarly = seconds(225);
// From here on the token is not handed out: it could expire on its way.
constexpr auto kMargin = seconds(15);
constexpr auto kRetryAfter = seconds(10);

// The token of one audience.
class CachedToken {
 public:
  CachedToken(TokenSource& inner, base::Clock& clock) : inner_(inner), clock_(clock) {}

  Result<Token> Get(const std::string& audience_url, const Secret& rejected, const CallContext& context) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const bool good = IsGood(rejected);
      if (good && (refreshing_ || !WantsRefresh())) return *token_;
      if (!refreshing_) {
        auto refreshed = Refresh(lock, audience_url, rejected, context);
        if (!refreshed && good) return *token_;  // still good: the next caller tries again
        return refreshed;
      }
      const uint64_t flight = flight_;
      SEAMOUNT_TRY(WaitFor(lock, flight, context));
      if (failure_ && failed_flight_ == flight) return *failure_;
    }
  }

 private:
  bool IsGood(const Secret& rejected) const {
    if (!token_ || (!rejected.empty() && token_->value.Reveal() == rejected.Reveal())) return false;
    return clock_.WallNow() < token_->expires - std::min<base::SystemTime::duration>(kMargin, lifetime_ / 4);
  }
  bool WantsRefresh() const {
    // Short-lived tokens are refreshed in the last quarter of their life, not all the time.
    const auto early = std::min<base::SystemTime::duration>(kEarly, lifetime_ / 4);
    return clock_.WallNow() >= token_->expires - early && clock_.Now() >= retry_at_;
  }

  // Asks inner, with the lock released meanwhile.
  Result<Token> Refresh(std::unique_lock<std::mutex>& lock, const std::string& audience_url, const Secret& rejected,
                        const CallContext& context) {
    refreshing_ = true;
    ++flight_;
    lock.unlock();
    auto token = inner_.GetToken(audience_url, rejected, context);
    if (token && !rejected.empty() && token->value.Reveal() == rejected.Reveal()) {
      token =
          base::Unauthenticated("the server refuses the " + inner_.Describe() + ", and no other token is to be had");
    }
    lock.lock();
    refreshing_ = false;
    failure_.reset();
    if (token) {
      token_ = *token;
      lifetime_ = std::max(token->expires - clock_.WallNow(), base::SystemTime::duration(0));
    } else {
      retry_at_ = clock_.Now() + kRetryAfter;
      // A refresher that ran out of its own time says nothing about the source: those waiting try for themselves.
      const bool own_limit = context.stop.stop_requested() || std::chrono::steady_clock::now() >= context.deadline;
      if (!own_limit) {
        failure_ = token.error();
        failed_flight_ = flight_;
      }
    }
    ended_.notify_all();
    return token;
  }

  Result<void> WaitFor(std::unique_lock<std::mutex>& lock, uint64_t flight, const CallContext& context) {
    const auto over = [&] { return !refreshing_ || flight_ != flight; };
    const bool in_time = context.deadline == base::SteadyTime::max()
                             ? ended_.wait(lock, context.stop, over)
                             : ended_.wait_until(lock, context.stop, context.deadline, over);
    if (in_time) return {};
    if (context.stop.stop_requested()) return base::Cancelled("waiting for a token: stopped");
    return base::Unavailable("waiting for a token: the deadline passed");
  }

  TokenSource& inner_;
  base::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::optional<Token> token_;
  base::SystemTime::duration lifetime_{0};
  base::SteadyTime retry_at_;
  bool refreshing_ = false;
  uint64_t flight_ = 0;
  uint64_t failed_flight_ = 0;
  std::optional<Error> failure_;
};

class CachingTokenSource final : public TokenSource {
 public:
  CachingTokenSource(std::unique_ptr<TokenSource> inner, base::Clock& clock)
      : inner_(std::move(inner)), clock_(clock), tokens_([] { return std::make_unique<Tokens>(); }) {}

  Result<Token> GetToken(const std::string& audience_url, const Secret& rejected, const CallContext& context) override {
    return TokenOf(audience_url).Get(audience_url, rejected, context);
  }
  std::string Describe() const override { return inner_->Describe(); }

 private:
  struct Tokens {
    std::mutex mutex;
    std::map<std::string, CachedToken> of;  // by audience: a credential is used at a few addresses
  };

  CachedToken& TokenOf(const std::string& audience_url) {
    Tokens& tokens = tokens_.Get();
    std::scoped_lock lock(tokens.mutex);
    return tokens.of.try_emplace(audience_url, *inner_, clock_).first->second;
  }

  const std::unique_ptr<TokenSource> inner_;
  base::Clock& clock_;
  base::PerProcess<Tokens> tokens_;  // a refresh that a parent's thread has begun never ends in a forked child
};

}  // namespace

std::unique_ptr<TokenSource> MakeCachingTokenSource(std::unique_ptr<TokenSource> inner, base::Clock& clock) {
  return std::make_unique<CachingTokenSource>(std::move(inner), clock);
}

}  // namespace seamount::auth
