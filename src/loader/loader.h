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
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "exec/byte_budget.h"
#include "loader/group.h"
#include "loader/order.h"
#include "loader/pipeline.h"
#include "loader/sample_source.h"
#include "loader/variable.h"
#include "store/store.h"

namespace seamount::loader {

struct LoaderOptions {
  std::vector<std::string> variables;
  std::string sample_dim = {};        // empty: the one that the group notes, or "time"
  std::vector<int64_t> inputs = {0};  // leads: positions relative to the sample
  std::vector<int64_t> targets = {};
  uint64_t batch_size = 16;
  bool drop_last = false;
  Shuffle shuffle = Shuffle::kGlobal;
  uint64_t seed = 0;
  // Half-open, along the sample dimension, apart from each other. A window lies inside one of them wholly. Empty: all.
  std::vector<Interval> select = {};
  bool across_gaps = false;                            // whether windows may reach over the gaps that the group notes
  bool normalize = true;                               // by each variable's attribute; its absence is an error
  std::map<std::string, Normalization> normalization;  // instead of the attribute, for the variables named
  MissingPolicy missing;                               // of inputs and targets
  MissingChunks missing_chunks = MissingChunks::kByRecord;
  int threads = 0;                              // that decode and copy; 0: one for each core
  uint64_t memory_bytes = uint64_t{256} << 20;  // batches, chunks, fetches and plans together
  uint64_t rank = 0;
  uint64_t world = 1;
};

struct LoaderState {
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t position = 0;  // samples of the epoch that all ranks together have consumed
  bool operator==(const LoaderState&) const = default;
};

// One tensor of a batch, with its number among the loader's slots.
struct BatchSlot {
  float* data = nullptr;
  uint8_t* mask = nullptr;  // 1 where a value was missing; null without `fill`
};

// The memory goes back to the loader when the last copy of `memory` is dropped, and is used again then.
struct Batch {
  std::shared_ptr<std::byte> memory;
  BatchSlot inputs;             // (sample, lead, variable, field…), dense
  BatchSlot targets;            // likewise; empty without target leads
  std::vector<uint64_t> index;  // sample numbers: positions along the sample dimension
  uint64_t padding = 0;         // of them, the last ones that repeat another rank's sample
  bool missing = false;         // whether any value of it is missing
};

// Thread-safe; calls are served one after the other.
class Loader {
 public:
  // Reads metadata, of many variables at a time, and leaves no thread. InvalidArgument and NotFound say which option or
  // variable is wrong.
  static Result<std::unique_ptr<Loader>> Open(Group group, LoaderOptions options, const CallContext& context);
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
  const LoaderOptions& options() const { return options_; }
  const std::vector<uint64_t>& field_shape() const;
  const std::vector<std::string>& field_dims() const;
  Stats stats() const;

 private:
  Loader(LoaderOptions options, Group group, std::shared_ptr<const SampleSource> source, MemoryPlan memory);
  Result<void> CheckProcess() const;
  BatchOptions BatchesOf() const;
  PlanStart Here() const;
  // Both: false when a plan takes longer than until the deadline. Ready: the pipeline has a batch, or the epoch's end.
  Result<bool> Ready(base::SteadyTime deadline);
  Result<bool> StartPipeline(base::SteadyTime deadline);
  void StopPipeline();
  void EndStretch();
  Result<void> SeekLocked(const LoaderState& state, OrderVersion version);

  const LoaderOptions options_;
  const Group group_;
  const std::shared_ptr<const SampleSource> source_;
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
  int fetch_threads_;
  Stats stats_;  // as of the last pipeline's end
  std::unique_ptr<Planner> planner_;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace seamount::loader
