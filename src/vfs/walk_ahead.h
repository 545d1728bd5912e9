// Small files of a folder that is being walked, fetched before they are opened.
//
// A program that opens the files of a folder one after the other (a copy, an archive, an import) waits a round trip for
// each. After a few of them, those that follow in the folder's listing are fetched whole, twice as many with each that
// was of use, inside the budget of read-ahead. What was fetched serves one open of a file that this mount has not
// opened before, and that only for as long as attributes are believed: it is newer than what a listing says.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "exec/byte_budget.h"
#include "store/store.h"
#include "vfs/listing.h"
#include "vfs/object_reader.h"
#include "vfs/soon_after.h"

namespace seamount::vfs {

// Files up to this size are fetched whole.
inline constexpr uint64_t kSmallFile = 256 << 10;

// How the walks through a mount's folders went. Thread-safe.
class WalkHistory {
 public:
  WalkHistory(base::Clock& clock, base::Duration ttl) : clock_(clock), ttl_(ttl) {}
  // A file was opened that had been fetched or asked for ahead.
  void WasOfUse();
  // Enough of them, and not long ago.
  bool Walking() const;

  base::Clock& clock() const { return clock_; }
  base::Duration ttl() const { return ttl_; }

 private:
  base::Clock& clock_;
  const base::Duration ttl_;
  mutable std::mutex mutex_;
  uint32_t of_use_ = 0;  // each soon after the one before
  base::SteadyTime last_;
};

// The walk through one folder. Thread-safe; kept by shared_ptr, which its tasks hold too.
class WalkAhead : public std::enable_shared_from_this<WalkAhead> {
 public:
  // Both must outlive it.
  WalkAhead(Fetcher& fetcher, WalkHistory& history);

  // The content of a file at a generation, once, if it was fetched ahead and still counts. Waits for one on its way.
  std::optional<Bytes> Take(const std::string& name, const store::Generation& generation, const CallContext& context);
  // A file was opened: those after it in the listing may be next. `candidates` are names that were not opened yet.
  void Opened(const std::vector<DirectoryEntry>& candidates);
  // A file is being opened. How many candidates are of use now: none before a few were opened soon after each other.
  size_t Wanted();
  // Files of the folder are being opened one after the other.
  bool Walking() const;

 private:
  struct Item {
    store::Generation generation;
    base::SteadyTime asked;
    exec::ByteLease lease;
    std::optional<Bytes> data;
    bool done = false;
  };

  void Fetch(const store::ObjectInfo& info, const std::shared_ptr<Item>& item);
  void DropOld();

  bool LongAgo(base::SteadyTime time) const { return !SoonAfter(time, clock_.Now(), ttl_); }

  Fetcher& fetcher_;
  WalkHistory& history_;
  base::Clock& clock_;
  const base::Duration ttl_;
  mutable std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::map<std::string, std::shared_ptr<Item>, std::less<>> items_;
  uint32_t opened_ = 0;
  base::SteadyTime opened_at_;
  size_t depth_;
};

}  // namespace seamount::vfs
