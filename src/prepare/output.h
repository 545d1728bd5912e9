// The place that is prepared into: what lies there, its record, and what makes it visible. zarr/whole_group.h says what
// readers may rely on.
//
// How it works: the record is written first, and names every array before the first of its objects is written. Then the
// group's document is deleted, objects are written, and at last the document is written again. What an earlier plan
// wrote is known from its record alone: only that is replaced or deleted, and whatever else lies in the folder stays.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "exec/thread_pool.h"
#include "prepare/changes.h"
#include "prepare/plan.h"
#include "prepare/record.h"
#include "store/store.h"
#include "zarr/group.h"

namespace seamount::prepare {

// The record that lies in the store; nullopt where there is none that can be read.
Result<std::optional<Record>> RecordAt(Store& store, const CallContext& context);

// Thread-safe where it says so.
class Output {
 public:
  // Looks at the place; PreconditionFailed when it must not be written to. Nothing is changed yet.
  static Result<std::unique_ptr<Output>> Open(std::shared_ptr<Store> store, const Plan& plan, bool overwrite,
                                              const CallContext& context);

  bool complete() const { return complete_; }
  // Whether objects of an older output may lie there: this run replaces it, or goes on with one that did.
  bool replacing() const { return !record_.replaced.empty(); }
  const Changes& changes() const { return changes_; }
  bool IsDone(const std::string& fingerprint) const { return done_before_.contains(fingerprint); }

  // Takes the old group out of sight and writes the first record.
  Result<void> Begin(const CallContext& context);
  // Thread-safe. The region is recorded with the next write of the record, about a second later.
  Result<void> MarkDone(const std::string& fingerprint, const CallContext& context, const RegionMissing& missing = {});
  // Of all that is done, by this run or before; none where an earlier version did not note it.
  std::optional<MissingByTask> Missing();
  // Writes the record now, as far as things have come.
  Result<void> Save(const CallContext& context);
  // Deletes what plans before wrote and this one does not have, writes the group's document, then the final record.
  Result<void> Finish(const zarr::GroupMetadata& group, exec::ThreadPool& pool, const CallContext& context);

 private:
  explicit Output(std::shared_ptr<Store> store) : store_(std::move(store)) {}
  Result<void> CheckEmpty(const CallContext& context) const;
  // Nothing of others lies where arrays come that no record has named so far.
  Result<void> CheckFree(const Record& before, const CallContext& context) const;
  Result<void> DeleteReplaced(exec::ThreadPool& pool, const CallContext& context);
  Result<void> WriteRecord(const CallContext& context);

  const std::shared_ptr<Store> store_;
  bool complete_ = false;
  Changes changes_;
  std::vector<std::string> group_keys_;  // documents that make an old group visible
  std::set<std::string> done_before_;

  std::mutex write_mutex_;  // one writer of the record at a time
  store::Generation generation_ = store::kAbsent;
  std::mutex mutex_;  // guards what follows
  Record record_;
  std::chrono::steady_clock::time_point next_write_;
};

}  // namespace seamount::prepare
