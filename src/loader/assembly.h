// The batches that are being filled: which are open, where each use of a chunk goes in them, and how much of each is
// still to come.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loader/dataset.h"
#include "loader/memory_pools.h"
#include "loader/missing_rows.h"
#include "loader/planner.h"
#include "loader/sample_source.h"

namespace seamount::loader {

// The content of a whole batch.
struct Filled {
  std::shared_ptr<std::byte> memory;
  std::vector<bool> skip;  // of each sample, whether it is to be left out; empty: none
  bool missing = false;    // whether a value is missing that neither `fill` nor a mask stands for
};

// Not thread-safe: the pipeline's mutex guards it. Only Copy is called without.
class Assembly {
  struct OpenBatch;

 public:
  Assembly(const SampleSource& source, const Stretch& stretch, std::shared_ptr<BatchPool> pool,
           uint64_t batches_at_once);

  // The batch of the stretch that is to be taken next.
  uint32_t head() const { return head_; }
  bool done() const { return head_ >= stretch_.schedule.batches(); }
  // Opens as many batches as may be filled at once; the uses that are now wanted, as [begin, end).
  std::pair<uint32_t, uint32_t> Open();
  bool Wants(uint32_t use) const { return use < stretch_.schedule.first_use[open_end_]; }

  // What one use of a chunk is to be copied to. It stays until that use is finished.
  struct Job {
    const OpenBatch* batch = nullptr;
    ChunkNumbers::Place place;
  };
  Job JobOf(uint32_t use) const;
  // What was found while copying.
  struct Found {
    bool missing = false;              // as Filled has it
    std::vector<uint32_t> skip;        // samples that are to be left out
    std::optional<Placement> refused;  // has missing values, where its slot allows none
  };
  // Copies what the decoded chunk has of the batch.
  Found Copy(const Job& job, const std::byte* decoded, MissingRows& rows) const;
  // `fetched`: as Residents::fetched_as.
  void FinishUse(uint32_t use, const Found& found, uint64_t fetched);
  // Why the batch of that job cannot be handed out.
  Error Refusal(const Job& job, const Placement& refused) const;

  bool HeadComplete() const;
  // What must have been looked at (pipeline.h) before the head may go: the largest `fetched` of its chunks.
  uint64_t HeadFetched() const { return open_.at(head_).fetched; }
  Filled TakeHead();

 private:
  struct OpenBatch {
    std::shared_ptr<std::byte> memory;
    Placements placements;
    size_t samples = 0;
    uint32_t uses_left = 0;
    uint64_t fetched = 0;
    std::vector<bool> skip;
    bool missing = false;
  };

  const SampleSource& source_;
  const Dataset& dataset_;
  const Stretch& stretch_;
  const std::shared_ptr<BatchPool> pool_;
  const uint64_t batches_at_once_;
  std::unordered_map<uint32_t, OpenBatch> open_;
  uint32_t head_ = 0;
  uint32_t open_end_ = 0;
};

}  // namespace seamount::loader
