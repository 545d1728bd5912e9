#include "exec/for_each.h"

#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

namespace seamount::exec {
namespace {

// Which items are begun, by whom, and where the end is: behind the last one, or at the first that failed.
class Items {
 public:
  Items(size_t workers, size_t count) : end_(count), at_(workers, 0), stops_(workers) {}

  std::optional<size_t> Next(size_t worker) {
    const std::scoped_lock lock(mutex_);
    if (stopped_ || next_ >= end_) return std::nullopt;
    return at_[worker] = next_++;
  }

  void Fail(size_t item, const Error& error) {
    const std::scoped_lock lock(mutex_);
    if (item >= end_) return;  // behind another that failed
    end_ = item;
    failure_ = error;
    for (size_t w = 0; w < at_.size(); ++w) {
      if (at_[w] > item) stops_[w].request_stop();
    }
  }

  void StopAll() {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    for (auto& stop : stops_) stop.request_stop();
  }

  std::stop_token StopOf(size_t worker) const { return stops_[worker].get_token(); }
  const std::optional<Error>& failure() const { return failure_; }  // when all is done

 private:
  std::mutex mutex_;
  size_t next_ = 0;
  size_t end_;
  bool stopped_ = false;
  std::vector<size_t> at_;  // of each worker
  std::vector<std::stop_source> stops_;
  std::optional<Error> failure_;
};

}  // namespace

Result<void> ForEachItem(ThreadPool& pool, size_t workers, size_t count, const CallContext& context,
                         const std::function<Result<void>(size_t, size_t, const CallContext&)>& body) {
  Items items(workers, count);
  const std::stop_callback forward(context.stop, [&] { items.StopAll(); });
  ParallelFor(pool, workers, [&](size_t worker) {
    CallContext inner = context;
    inner.stop = items.StopOf(worker);
    while (const auto item = items.Next(worker)) {
      const auto done = body(*item, worker, inner);
      if (!done) items.Fail(*item, done.error());
    }
  });
  if (context.stop.stop_requested()) return base::Cancelled("stopped");
  if (items.failure()) return *items.failure();
  return {};
}

Result<void> ForEach(ThreadPool* pool, size_t count, const std::function<Result<void>(size_t)>& body) {
  if (pool == nullptr || count < 2) {
    for (size_t i = 0; i < count; ++i) SEAMOUNT_TRY(body(i));
    return {};
  }
  return ForEachItem(*pool, static_cast<size_t>(pool->threads()), count, {},
                     [&](size_t i, size_t, const CallContext&) { return body(i); });
}

}  // namespace seamount::exec
