// Work for several threads, each with memory of its own, within what the ledger still has.
#pragma once

#include <string>

#include "base/result.h"
#include "exec/byte_budget.h"
#include "exec/thread_pool.h"

namespace seamount::prepare {

// Memory that is held for a while. ResourceExhausted when it is not left; `what` then stands in the message ("one
// region of 'u'").
Result<exec::ByteLease> Book(exec::ByteBudget& budget, uint64_t bytes, const std::string& what);

// Threads that work at once, and the memory that is booked for them.
struct Crew {
  size_t workers = 1;
  exec::ByteLease lease;
};

// As many workers of `bytes` each as fit beside what is held, at most the pool's threads and `most`. ResourceExhausted
// when not even one does.
Result<Crew> Hire(exec::ThreadPool& pool, exec::ByteBudget& budget, size_t most, uint64_t bytes,
                  const std::string& what);

}  // namespace seamount::prepare
