// One body for many items, on a pool's threads, until one fails.
#pragma once

#include <cstddef>
#include <functional>

#include "base/clock.h"
#include "base/result.h"
#include "exec/thread_pool.h"

namespace seamount::exec {

// Calls body(item, worker) for items 0..count-1; the calls of one worker follow one another. The error of the first
// item that fails is the outcome, whichever came first: an error stops the items behind it, and those before it are
// carried out. context.stop stops all (Cancelled). body gets a context that says so; it must not submit to the same
// pool and wait.
Result<void> ForEachItem(ThreadPool& pool, size_t workers, size_t count, const CallContext& context,
                         const std::function<Result<void>(size_t item, size_t worker, const CallContext&)>& body);

// The same where workers hold nothing of their own; without a pool on the calling thread.
Result<void> ForEach(ThreadPool* pool, size_t count, const std::function<Result<void>(size_t)>& body);

}  // namespace seamount::exec
