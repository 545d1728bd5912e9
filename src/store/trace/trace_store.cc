#include "store/trace/trace_store.h"

namespace seamount::store {
namespace {

base::SteadyTime Now() { return std::chrono::steady_clock::now(); }

}  // namespace

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

void TraceStore::Count(Operation operation, base::SteadyTime start, bool ok, uint64_t bytes) {
  Counters& counters = counters_[static_cast<size_t>(operation)];
  const auto took = std::chrono::duration_cast<base::Duration>(Now() - start).count();
  ++counters.calls;
  if (!ok) ++counters.errors;
  counters.bytes += bytes;
  counters.total_ns += took;
  auto slowest = counters.slowest_ns.load();
  while (took > slowest && !counters.slowest_ns.compare_exchange_weak(slowest, took)) {}
}

Result<std::optional<ReadResult>> TraceStore::Read(const std::string& key, const ReadOptions& options,
                                                   const CallContext& context) {
  const auto start = Now();
  auto read = inner_->Read(key, options, context);
  Count(Operation::kRead, start, read.has_value(), read && *read ? (*read)->data.size() : 0);
  return read;
}

Result<std::optional<ObjectInfo>> TraceStore::Stat(const std::string& key, const CallContext& context) {
  const auto start = Now();
  auto info = inner_->Stat(key, context);
  Count(Operation::kStat, start, info.has_value(), 0);
  return info;
}

Result<ObjectInfo> TraceStore::Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                                     const CallContext& context) {
  const auto start = Now();
  auto info = inner_->Write(key, source, options, context);
  Count(Operation::kWrite, start, info.has_value(), info ? source.size() : 0);
  return info;
}

Result<bool> TraceStore::Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) {
  const auto start = Now();
  auto deleted = inner_->Delete(key, options, context);
  Count(Operation::kDelete, start, deleted.has_value(), 0);
  return deleted;
}

Result<ListPage> TraceStore::List(const ListOptions& options, const CallContext& context) {
  const auto start = Now();
  auto page = inner_->List(options, context);
  Count(Operation::kList, start, page.has_value(), 0);
  return page;
}

Result<ObjectInfo> TraceStore::Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                                    const CallContext& context) {
  const auto start = Now();
  auto info = inner_->Copy(from, to, options, context);
  Count(Operation::kCopy, start, info.has_value(), 0);
  return info;
}

Result<ObjectInfo> TraceStore::Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                                       const WriteOptions& options, const CallContext& context) {
  const auto start = Now();
  auto info = inner_->Compose(sources, to, options, context);
  Count(Operation::kCompose, start, info.has_value(), 0);
  return info;
}

}  // namespace seamount::store
