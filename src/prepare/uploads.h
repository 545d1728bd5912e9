// Objects on their way to the store, on threads of their own: computing does not wait for the network, and a bucket is
// given many objects at once. What waits to be sent is bounded in bytes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "exec/byte_budget.h"
#include "exec/thread_pool.h"
#include "store/store.h"

namespace seamount::prepare {

// Thread-safe. Objects are sent in batches, such as the units of one region.
class Uploads {
 public:
  // Holds at most `bytes` of objects. `context` must outlive this; its stop ends what is on its way.
  Uploads(std::shared_ptr<Store> store, uint64_t bytes, const CallContext& context);
  ~Uploads();

  // A batch calls `done` once, after the last of its objects is stored, End was called, and the caller has let go of
  // it; not at all when one of them failed.
  class Batch;
  std::shared_ptr<Batch> Start(std::function<Result<void>()> done);
  static void End(Batch& batch);  // all of it was sent

  // Waits while the bytes are not there. The first error of any object, or of a `done`, comes back from here on.
  Result<void> Send(const std::shared_ptr<Batch>& batch, std::string key, Bytes object);
  // Waits for all that was sent.
  Result<void> Finish();

 private:
  void Fail(const Error& error);
  Result<void> Failure();

  const std::shared_ptr<Store> store_;
  std::stop_source failed_;
  const std::stop_callback<std::function<void()>> forward_;
  CallContext context_;
  exec::ByteBudget waiting_;
  std::mutex mutex_;
  std::optional<Error> failure_;
  std::unique_ptr<exec::ThreadPool> pool_;  // last: its threads end before what they use
};

}  // namespace seamount::prepare
