#include "store/trace/trace_store.h"

namespace seamount::store {

std::string_view CallName(CallKind kind) {
  switch (kind) {
    case CallKind::kRead: return "read";
    case CallKind::kStat: return "stat";
    case CallKind::kWrite: return "write";
    case CallKind::kDelete: return "delete";
    case CallKind::kList: return "list";
    case CallKind::kCopy: return "copy";
    case CallKind::kCompose: return "compose";
    case CallKind::kMove: return "move";
    case CallKind::kPatch: return "patch";
  }
  return "unknown";
}

uint64_t TraceStats::calls() const {
  uint64_t sum = 0;
  for (const CallStats& stats : kinds) sum += stats.calls;
  return sum;
}

uint64_t TraceStats::errors() const {
  uint64_t sum = 0;
  for (const CallStats& stats : kinds) sum += stats.errors;
  return sum;
}

TraceStats TraceStore::Snapshot() const {
  TraceStats stats;
  for (size_t i = 0; i < kCallKinds; ++i) {
    const Counters& counters = counters_[i];
    stats.kinds[i] = {.calls = counters.calls.load(),
                      .errors = counters.errors.load(),
                      .bytes = counters.bytes.load(),
                      .total = base::Duration(counters.total_ns.load()),
                      .slowest = base::Duration(counters.slowest_ns.load())};
  }
  return stats;
}

void TraceStore::Count(CallKind kind, base::Duration duration, bool ok, uint64_t bytes) {
  Counters& counters = counters_[static_cast<size_t>(kind)];
  const auto took = duration.count();
  ++counters.calls;
  if (!ok) ++counters.errors;
  counters.bytes += bytes;
  counters.total_ns += took;
  auto slowest = counters.slowest_ns.load();
  while (took > slowest && !counters.slowest_ns.compare_exchange_weak(slowest, took)) {}
}

}  // namespace seamount::store
