// Carrying a plan out: statistics, then every region read, transformed, encoded and written by threads.
//
// How it works: beside the data lies one small object, the record (record.h): the plan's fingerprint, the arrays that
// are ours, the fingerprints of the regions that are written, and whether all is complete. It is written before the
// first region, then every second or so, always after the regions that it names. The group's own document is written
// last (output.h). Running the same plan again skips the regions recorded: after a kill it goes on, and when all is
// complete it does nothing. Writes of the record are conditional on its generation, so that two runs into one place
// notice each other.
//
// An output that holds what no prepare has made is refused, another plan's unless `overwrite` is set. Overwriting keeps
// regions whose fingerprints still hold, and deletes what the old record names and the new plan does not have.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/changes.h"
#include "prepare/missing.h"
#include "prepare/plan.h"
#include "source/dataset.h"
#include "store/store.h"

namespace seamount::prepare {

struct ExecuteOptions {
  bool overwrite = false;
  uint64_t memory_bytes = uint64_t{1} << 30;
  int threads = 1;
  std::string spill_directory;  // for what does not fit in memory; empty: $TMPDIR, or /var/tmp
  bool show_progress = true;
  std::chrono::nanoseconds keep_sums_after = std::chrono::seconds(1);  // kept_sums.h
};

struct Report {
  bool up_to_date = false;  // nothing was done
  uint64_t regions = 0;
  uint64_t regions_kept = 0;   // done by an earlier run
  Changes changes;             // of what lay there
  uint64_t decoded_bytes = 0;  // of the regions written now
  uint64_t written_bytes = 0;  // encoded
  uint64_t equal_bytes = 0;    // encoded, and found to lie there already
  std::vector<MissingShare> missing;
  uint64_t spilled_bytes = 0;      // that went through the spill file
  size_t statistics_kept = 0;      // arrays whose statistics an earlier run had taken
  uint64_t peak_memory_bytes = 0;  // booked
  double seconds = 0;
};

// PreconditionFailed when the output is refused; Cancelled, Unavailable and others when it was interrupted, and then
// the message says that running it again continues.
Result<Report> Execute(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset,
                       std::shared_ptr<Store> store, const ExecuteOptions& options, const CallContext& context);

}  // namespace seamount::prepare
