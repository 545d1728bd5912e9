#include "exec/for_each.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <stop_token>

namespace seamount::exec {

Result<void> ForEachItem(ThreadPool& pool, size_t workers, size_t count, const CallContext& context,
                         const std::function<Result<void>(size_t, size_t, const CallContext&)>& body) {
  std::stop_source failed;  // stops the others when one fails
  const std::stop_callback forward(context.stop, [&] { failed.request_stop(); });
  CallContext inner = context;
  inner.stop = failed.get_token();
  std::mutex mutex;
  std::optional<Error> failure;
  std::atomic<size_t> next = 0;
  ParallelFor(pool, workers, [&](size_t worker) {
    for (size_t i = next++; i < count && !failed.stop_requested(); i = next++) {
      auto done = body(i, worker, inner);
      if (done) continue;
      std::scoped_lock lock(mutex);
      if (!failure) failure = done.error();
      failed.request_stop();
    }
  });
  if (context.stop.stop_requested()) return base::Cancelled("stopped");
  if (failure) return *failure;
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
