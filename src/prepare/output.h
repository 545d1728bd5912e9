// The place that is prepared into: what lies there, its record, and what makes it visible.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "prepare/documents.h"
#include "store/store.h"
#include "zarr/group.h"

namespace seamount::prepare {

// Thread-safe where it says so.
class Output {
 public:
  // Looks at the place; PreconditionFailed when it must not be written to. Nothing is changed yet.
  static Result<std::unique_ptr<Output>> Open(std::shared_ptr<Store> store, const Plan& plan, bool overwrite,
                                              const CallContext& context);

  bool complete() const { return complete_; }
  // Whether objects of an older output may lie there: this run replaces it, or goes on with one that did.
  bool replacing() const { return record_.replacing; }
  bool IsDone(const std::string& fingerprint) const { return done_before_.contains(fingerprint); }

  // Takes the old group out of sight and writes the first record.
  Result<void> Begin(const CallContext& context);
  // Thread-safe. The region is recorded with the next write of the record, about a second later.
  Result<void> MarkDone(const std::string& fingerprint, const CallContext& context);
  // Writes the record now, as far as things have come.
  Result<void> Save(const CallContext& context);
  // Deletes what is not among `keys` (when replacing), writes the group's document, then the final record.
  Result<void> Finish(const std::set<std::string>& keys, const zarr::GroupMetadata& group, const CallContext& context);

 private:
  explicit Output(std::shared_ptr<Store> store) : store_(std::move(store)) {}
  Result<void> WriteRecord(const CallContext& context);

  const std::shared_ptr<Store> store_;
  bool complete_ = false;
  std::vector<std::string> group_keys_;  // documents that make an old group visible
  std::set<std::string> done_before_;

  std::mutex write_mutex_;  // one writer of the record at a time
  store::Generation generation_ = store::kAbsent;
  std::mutex mutex_;  // guards what follows
  Record record_;
  std::chrono::steady_clock::time_point next_write_;
};

}  // namespace seamount::prepare
