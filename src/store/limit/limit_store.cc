#include "store/limit/limit_store.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace seamount::store {
namespace {

class LimitStore final : public Store {
 public:
  LimitStore(std::shared_ptr<Store> inner, const LimitOptions& options) : inner_(std::move(inner)), options_(options) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(context));
    auto read = inner_->Read(key, options, context);
    if (read && *read) SEAMOUNT_TRY(Spend((*read)->data.size(), context));
    return read;
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(context));
    return inner_->Stat(key, context);
  }

  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(context));
    auto info = inner_->Write(key, source, options, context);
    // What is written is written: a stop while paying for it must not hide that.
    if (info) (void)Spend(source.size(), context);
    return info;
  }

  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(context));
    return inner_->Delete(key, options, context);
  }

  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(context));
    return inner_->List(options, context);
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(context));
    return inner_->Copy(from, to, options, context);
  }

  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Turn turn, Enter(context));
    return inner_->Compose(sources, to, options, context);
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
    if (options_.bytes_per_second == 0) return {};
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

  const std::shared_ptr<Store> inner_;
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
