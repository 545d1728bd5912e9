#include "prepare/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "base/text.h"

namespace seamount::prepare {

namespace {
uint64_t Left(const exec::ByteBudget& budget) { return budget.limit() - std::min(budget.limit(), budget.used()); }
}  // namespace

Result<exec::ByteLease> Book(exec::ByteBudget& budget, uint64_t bytes, const std::string& what) {
  const uint64_t left = Left(budget);
  if (bytes <= left) return budget.TryAcquire(bytes);
  const std::string held = left < budget.limit() ? ", of which " + base::FormatBytes(left) + " are left" : "";
  return base::ResourceExhausted(what + " needs " + base::FormatBytes(bytes) + " of memory, --memory allows " +
                                 base::FormatBytes(budget.limit()) + held + ": allow more, or ask for smaller chunks");
}

Result<Crew> Hire(exec::ThreadPool& pool, exec::ByteBudget& budget, size_t most, uint64_t bytes,
                  const std::string& what) {
  Crew crew;
  const uint64_t fit = bytes == 0 ? most : Left(budget) / bytes;
  crew.workers = static_cast<size_t>(
      std::clamp<uint64_t>(std::min<uint64_t>(most, fit), 1, static_cast<uint64_t>(pool.threads())));
  SEAMOUNT_TRY_ASSIGN(crew.lease, Book(budget, bytes * crew.workers, what));
  return crew;
}

Result<void> ForEachItem(exec::ThreadPool& pool, size_t workers, size_t count, const CallContext& context,
                         const std::function<Result<void>(size_t, size_t, const CallContext&)>& body) {
  std::stop_source failed;  // stops the others when one fails
  const std::stop_callback forward(context.stop, [&] { failed.request_stop(); });
  CallContext inner = context;
  inner.stop = failed.get_token();
  std::mutex mutex;
  std::optional<Error> failure;
  std::atomic<size_t> next = 0;
  exec::ParallelFor(pool, workers, [&](size_t worker) {
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

}  // namespace seamount::prepare
