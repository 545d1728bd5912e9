#include "store/trace/trace_store.h"

namespace seamount::store {

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kRead: return "read";
    case Operation::kStat: return "stat";
    case Operation::kWrite: return "write";
    case Operation::kDelete: return "delete";
    case Operation::kList: return "list";
    case Operation::kCopy: return "copy";
    case Operation::kCompose: return "compose";
  }
  return "unknown";
}

uint64_t TraceStats::calls() const {
  uint64_t sum = 0;
  for (const OperationStats& stats : operations) sum += stats.calls;
  return sum;
}

uint64_t TraceStats::errors() const {
  uint64_t sum = 0;
  for (const OperationStats& stats : operations) sum += stats.errors;
  return sum;
}

TraceStats TraceStore::Snapshot() const {
  TraceStats stats;
  for (size_t i = 0; i < kOperations; ++i) {
    const Counters& counters = counters_[i];
    stats.operations[i] = {.calls = counters.calls.load(),
                           .errors = counters.errors.load(),
                           .bytes = counters.bytes.load(),
                           .total = base::Duration(counters.total_ns.load()),
                           .slowest = base::Duration(counters.slowest_ns.load())};
  }
  return stats;
}

void TraceStore::Count(Operation operation, base::Duration duration, bool ok, uint64_t bytes) {
  Counters& counters = counters_[static_cast<size_t>(operation)];
  const auto took = duration.count();
  ++counters.calls;
  if (!ok) ++counters.errors;
  counters.bytes += bytes;
  counters.total_ns += took;
  auto slowest = counters.slowest_ns.load();
  while (took > slowest && !counters.slowest_ns.compare_exchange_weak(slowest, took)) {}
}

}  // namespace seamount::store
