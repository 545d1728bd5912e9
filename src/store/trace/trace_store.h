// Counts what goes through a store: calls, errors, bytes and time, by operation.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "store/store.h"

namespace seamount::store {

enum class Operation { kRead, kStat, kWrite, kDelete, kList, kCopy, kCompose };
inline constexpr size_t kOperations = 7;
std::string_view OperationName(Operation operation);

struct OperationStats {
  uint64_t calls = 0;
  uint64_t errors = 0;  // of these calls; an absent object is none
  uint64_t bytes = 0;   // read or written as content
  base::Duration total{0};
  base::Duration slowest{0};
};

struct TraceStats {
  std::array<OperationStats, kOperations> operations;

  const OperationStats& of(Operation operation) const { return operations[static_cast<size_t>(operation)]; }
  uint64_t calls() const;
  uint64_t errors() const;
};

// Thread-safe; counting costs a few atomic additions a call.
class TraceStore final : public Store {
 public:
  explicit TraceStore(std::shared_ptr<Store> inner) : inner_(std::move(inner)) {}
  // The counts so far. Calls in progress are not in it.
  TraceStats Snapshot() const;

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override;
  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override;
  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override;
  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override;
  Result<ListPage> List(const ListOptions& options, const CallContext& context) override;
  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override;
  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override;

 private:
  struct Counters {
    std::atomic<uint64_t> calls = 0;
    std::atomic<uint64_t> errors = 0;
    std::atomic<uint64_t> bytes = 0;
    std::atomic<base::Duration::rep> total_ns = 0;
    std::atomic<base::Duration::rep> slowest_ns = 0;
  };
  void Count(Operation operation, base::SteadyTime start, bool ok, uint64_t bytes);

  const std::shared_ptr<Store> inner_;
  std::array<Counters, kOperations> counters_;
};

}  // namespace seamount::store
