// Reads one generation of one object for everybody who has it open, with read-ahead.
//
// How it works. The bytes on hand or on their way are *parts*: ranges of the object, each one GET, kept in a map by
// offset and never overlapping. A read
//   1. tells the ReadPattern, and puts the parts it advises into the map, as queued tasks of the fetcher's threads;
//   2. walks over its own range: where a part covers it, waits for that part and takes a slice (no copy); where none
//      does, makes a part of exactly what is missing and fetches it on the calling thread. So a random read is one GET
//      of what was asked, at once, and never stands in a queue behind read-ahead;
//   3. when it finds a part still queued, fetches that one itself, for the same reason;
//   4. when it had to wait, tells the ReadPattern, which widens the window.
// A part is dropped as soon as all of it was handed out, for the kernel's page cache has it then; and when the reader
// has left it behind. What read-ahead holds, and only that, is charged to the fetcher's one byte budget: a read that
// somebody waits for is never refused for lack of budget, and their number is bounded by the kernel's requests.
//
// The generation is pinned: if the object was replaced in the bucket, reads of what is not in memory fail with ESTALE
// rather than mix two contents. A failed part is forgotten, so that the next read tries again.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "exec/byte_budget.h"
#include "exec/thread_pool.h"
#include "store/store.h"
#include "vfs/fault.h"
#include "vfs/read_pattern.h"
#include "vfs/stats.h"

namespace seamount::vfs {

class ObjectReader;

// What all readers of a mount share: the store, the threads, the memory. Thread-safe. Its destructor waits for what is
// under way.
class Fetcher {
 public:
  struct Options {
    uint64_t memory_bytes = 256 << 20;
    int threads = 64;
    base::Clock* clock = nullptr;  // the machine's if null
  };
  Fetcher(std::shared_ptr<Store> store, const Options& options, Stats* stats);

  Store& store() { return *store_; }
  exec::ThreadPool& pool() { return pool_; }
  exec::ByteBudget& budget() { return budget_; }
  Stats& stats() { return *stats_; }

  // The largest window of a reader that reads now: an equal share of the budget among those that lately read.
  uint64_t Share(ObjectReader* reader);
  void Forget(ObjectReader* reader);
  // Room for read-ahead; idle readers give theirs up first. An empty lease when there is none.
  exec::ByteLease Reserve(uint64_t bytes, ObjectReader* reader);

 private:
  std::shared_ptr<Store> store_;
  Stats* stats_;
  base::Clock* clock_;
  exec::ByteBudget budget_;
  std::mutex mutex_;
  std::map<ObjectReader*, base::SteadyTime> last_read_;
  exec::ThreadPool pool_;  // last: its tasks use the rest
};

// Thread-safe. Kept by shared_ptr, which its queued tasks hold too.
class ObjectReader : public std::enable_shared_from_this<ObjectReader> {
 public:
  // The fetcher must outlive the reader.
  ObjectReader(Fetcher* fetcher, const store::ObjectInfo& info);
  ~ObjectReader();

  uint64_t size() const { return size_; }
  // The bytes of [offset, offset + length) that exist, in slices of what was fetched.
  // EINTR when stop is requested while it waits.
  Outcome<std::vector<Bytes>> Read(uint64_t offset, uint64_t length, const CallContext& context = {});
  // Takes a part that somebody already has, so that it is not fetched again.
  void Provide(uint64_t offset, Bytes data);
  // The object is about to be renamed: until Retarget says where it is, its absence means nothing.
  void BeginMove();
  // The same bytes are now found under another key and generation (after a rename).
  void Retarget(std::string key, store::Generation generation);
  // Where the bytes are found now.
  store::ComposeSource Where() const;
  // Nobody will read on: gives up what is under way and what is held.
  void Close();
  // Drops what is held and nobody waits for.
  void Shed();

 private:
  enum class State { kQueued, kFetching, kDone };
  struct Part {
    Extent range;
    State state = State::kQueued;
    Bytes data;
    std::optional<Fault> fault;
    uint64_t handed_out = 0;
    int waiters = 0;
    exec::ByteLease lease;
  };
  using PartPtr = std::shared_ptr<Part>;

  void StartAhead(const ReadPattern::Advice& advice, std::unique_lock<std::mutex>& lock);
  void Queue(const PartPtr& part);
  PartPtr Covering(uint64_t offset) const;
  Outcome<Bytes> Take(const PartPtr& part, Extent wanted, std::unique_lock<std::mutex>& lock,
                      const CallContext& context);
  void Fetch(const PartPtr& part, std::unique_lock<std::mutex>& lock, std::stop_token stop);
  void DropBehind(const ReadPattern::Advice& advice);
  void DropOutside();
  void Erase(const PartPtr& part);

  Fetcher* const fetcher_;
  const uint64_t size_;
  mutable std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::string key_;
  store::Generation generation_;
  bool moving_ = false;
  ReadPattern pattern_;
  std::map<uint64_t, PartPtr> parts_;  // by the offset at which they begin
  std::stop_source stop_;
};

}  // namespace seamount::vfs
