#include "store/limit/limit_store.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "store/decorated_store.h"

namespace seamount::store {
namespace {

class LimitStore final : public DecoratedStore<LimitStore> {
 public:
  LimitStore(std::shared_ptr<Store> inner, const LimitOptions& options)
      : DecoratedStore(std::move(inner)), options_(options) {}

  template <class T, class Call>
  Result<T> Around(const StoreCall& which, const Call& call) {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(which.context));
    Result<T> result = call();
    const auto spent = Spend(MovedBytes(which, result), which.context);
    // What is written is written: a stop while paying for it must not hide that.
    if (!spent && which.kind == CallKind::kRead) return spent.error();
    return result;
  }

 private:
  // Held while a call is in progress.
  class Turn {
   public:
    explicit Turn(LimitStore* store) : store_(store) {}
    Turn(Turn&& other) noexcept : store_(std::exchange(other.store_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (store_ != nullptr) store_->Leave();
    }

   private:
    LimitStore* store_;
  };

  Result<Turn> Enter(const CallContext& context) {
    if (options_.max_calls <= 0) return Turn(nullptr);
    std::unique_lock lock(mutex_);
    const auto free = [&] { return in_progress_ < options_.max_calls; };
    const bool entered = context.deadline == base::SteadyTime::max()
                             ? freed_.wait(lock, context.stop, free)
                             : freed_.wait_until(lock, context.stop, context.deadline, free);
    if (!entered) {
      if (context.stop.stop_requested()) return base::Cancelled("stop was requested");
      return base::Unavailable("the deadline passed while waiting for other calls");
    }
    ++in_progress_;
    return Turn(this);
  }

  void Leave() {
    {
      std::scoped_lock lock(mutex_);
      --in_progress_;
    }
    freed_.notify_one();
  }

  // Books `bytes` on the line and waits until they would have passed.
  Result<void> Spend(uint64_t bytes, const CallContext& context) {
    if (options_.bytes_per_second == 0 || bytes == 0) return {};
    base::Duration wait;
    {
      std::scoped_lock lock(mutex_);
      const auto seconds = static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_second);
      const auto now = options_.clock->Now();
      line_free_ = std::max(line_free_, now) + base::Duration(static_cast<base::Duration::rep>(seconds * 1e9));
      wait = std::min<base::Duration>(line_free_ - now, context.deadline - now);
    }
    if (wait.count() > 0 && !options_.clock->SleepFor(wait, context.stop)) {
      return base::Cancelled("stop was requested");
    }
    return {};
  }

  const LimitOptions options_;
  std::mutex mutex_;
  std::condition_variable_any freed_;
  int in_progress_ = 0;
  base::SteadyTime line_free_;
};

}  // namespace

std::shared_ptr<Store> MakeLimitStore(std::shared_ptr<Store> inner, const LimitOptions& options) {
  return std::make_shared<LimitStore>(std::move(inner), options);
}

}  // namespace seamount::store
