// Minibatches of windows over Zarr variables, read in place and over the network.
//
// How it works: Open reads the variables' metadata. An epoch's order follows from (seed, epoch) alone (order.h); from
// it a planner (planner.h) lays out one stretch of the epoch after the other: which chunk is needed when and how long
// it stays (schedule.h, plan.h). The pipeline (pipeline.h) carries a stretch out with threads. Each batch is filled in
// place: a chunk is decoded once, then masked, unpacked, normalised and copied in one pass to every window that holds
// it.
//
// The state of a run is (seed, epoch, position). The sequence of batches is a function of it and of the options, bit
// for bit, whatever the number of threads, the memory or the machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "exec/byte_budget.h"
#include "loader/explain.h"
#include "loader/group.h"
#include "loader/live.h"
#include "loader/open_source.h"
#include "loader/options.h"
#include "loader/order.h"
#include "loader/pipeline.h"
#include "loader/sample_source.h"
#include "store/store.h"

namespace seamount::loader {

struct LoaderState {
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t position = 0;  // samples of the epoch that all ranks together have consumed
  bool operator==(const LoaderState&) const = default;
};

// One tensor of a batch: (sample, lead, variable, field…), dense, of the slot's dtype.
struct BatchSlot {
  std::byte* data = nullptr;
  uint8_t* mask = nullptr;  // 1 where a value was missing; null without `fill`

  const float* floats() const { return reinterpret_cast<const float*>(data); }  // of a slot of kFloat32
};

// The memory goes back to the loader when the last copy of `memory` is dropped, and is used again then.
struct Batch {
  std::shared_ptr<std::byte> memory;
  std::vector<BatchSlot> slots;  // as Loader::slots
  std::vector<uint64_t> index;   // sample numbers: positions along the sample dimension
  std::vector<uint64_t> patch;   // where each sample's patch begins: a number for each of Loader::patches' dimensions
  uint64_t skipped = 0;  // samples left out, as a value of theirs is missing (MissingPolicy); it may be all of them
  uint64_t padding = 0;  // of them, the last ones that repeat another rank's sample
  bool missing = false;  // whether a value is missing in a slot without `fill`
};

// What a loader with these options plans its memory for.
MemoryNeeds NeedsOf(const LoaderOptions& options, const SampleSource& source);

// Thread-safe; calls are served one after the other.
class Loader {
 public:
  // Reads metadata, of many variables at a time, and leaves no thread. InvalidArgument and NotFound say which option or
  // variable is wrong.
  static Result<std::unique_ptr<Loader>> Open(std::vector<Group> groups, LoaderOptions options,
                                              const CallContext& context);
  // Stops what is under way. In a forked child it leaves the parent's threads alone.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Waits until Next would not block; false when `timeout` has passed.
  Result<bool> Wait(std::chrono::milliseconds timeout, std::optional<uint64_t> epoch = std::nullopt);
  // The next batch; nullopt once at the end of the epoch, after which the next epoch begins. After an error the loader
  // stands at the batch that failed, and the next call tries it again. PreconditionFailed in a forked child, and when
  // the data were replaced since the loader was opened.
  // epoch: the one that the caller iterates over; nullopt too when the loader is not in it (any more), so that callers
  // on several threads share an epoch.
  Result<std::optional<Batch>> Next(std::optional<uint64_t> epoch = std::nullopt);

  LoaderState state() const;
  // InvalidArgument where the position lies beyond the epoch. Seeking to where it stands changes nothing.
  Result<void> Seek(const LoaderState& state);
  // Seeks in the order that `order_id` names: this loader's own, or an older version of it, in which it then goes on.
  // InvalidArgument for any other.
  Result<void> Resume(const LoaderState& state, const std::string& order_id);
  // What the order depends on besides the state, as text: to be stored beside it and compared.
  std::string order_id() const;

  uint64_t samples() const { return source_->count(); }  // of an epoch, all ranks
  uint64_t batches_per_epoch() const;                    // of this rank
  // Positions that are no samples, as other groups have other steps, and not the times that they need.
  uint64_t unmatched() const { return unmatched_; }
  const LoaderOptions& options() const { return options_; }
  const std::string& sample_dim() const { return options_.sample_dim; }  // of the first group
  const std::vector<OutputSlot>& slots() const { return source_->dataset().slots; }
  const std::vector<std::string>& field_dims(size_t slot) const;
  const Patches& patches() const { return source_->dataset().patches; }
  Stats stats() const;

  // What the epoch takes that it stands in, read from its beginning with nothing in memory, and the one after it.
  // Reads a few chunks, and takes no part of the memory that is for loading.
  struct Explanation {
    std::array<PlannedReads, 2> epochs;
    MeasuredReads measured;
    MemoryPlan memory;
    int threads = 1;                    // that decode
    std::vector<uint64_t> chunk_bytes;  // of each variable, decoded
  };
  Result<Explanation> Explain(const CallContext& context) const;

 private:
  Loader(LoaderOptions options, std::vector<Group> groups, OpenedSource opened, MemoryPlan memory);
  Result<void> CheckProcess() const;
  Result<void> CheckSame(const CallContext& context) const;
  BatchOptions BatchesOf() const;
  PlanStart Here() const;
  PlannerOptions Planning() const;
  // Both: false when a plan takes longer than until the deadline. Ready: the pipeline has a batch, or the epoch's end.
  Result<bool> Ready(base::SteadyTime deadline);
  Result<bool> StartPipeline(base::SteadyTime deadline);
  Stats StatsLocked() const;
  void CountTrainer();
  void Show(bool waiting);
  void StopPipeline();
  void EndStretch();
  Result<void> SeekLocked(const LoaderState& state, OrderVersion version);

  const LoaderOptions options_;
  const std::vector<Group> groups_;
  const std::shared_ptr<const SampleSource> source_;
  const uint64_t unmatched_;
  const MemoryPlan memory_;
  const int process_;  // the one that opened it

  mutable std::mutex mutex_;
  OrderVersion version_ = OrderVersion::kSecond;
  LoaderState state_;
  exec::ByteBudget budget_;
  exec::ByteLease batch_lease_;
  exec::ByteLease plan_lease_;
  ChunkPool chunk_pool_;
  std::shared_ptr<BatchPool> batch_pool_;
  HeldChunks held_;
  std::optional<LiveFile> live_;
  int fetch_threads_;
  Stats stats_;  // as of the last pipeline's end, but for the next two
  double plan_seconds_ = 0;
  double trainer_seconds_ = 0;
  std::optional<base::SteadyTime> handed_out_;  // the batch that the trainer has
  std::unique_ptr<Planner> planner_;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace seamount::loader
