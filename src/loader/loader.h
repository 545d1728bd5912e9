// Minibatches of windows over Zarr variables, read in place and over the network.
//
// How it works: Open reads the variables' metadata. An epoch's order follows from (seed, epoch) alone (order.h); from
// it the schedule (schedule.h) says which chunk is needed when and how long it stays (plan.h); the pipeline
// (pipeline.h) carries that out with threads. Each batch is filled in place: a chunk is decoded once, then masked,
// unpacked, normalised and copied in one pass to every window that holds it.
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
#include "loader/order.h"
#include "loader/pipeline.h"
#include "loader/variable.h"
#include "store/store.h"

namespace seamount::loader {

struct LoaderOptions {
  std::vector<std::string> variables;
  std::string sample_dim = "time";
  std::vector<int64_t> inputs = {0};  // leads: positions relative to the sample
  std::vector<int64_t> targets = {};
  uint64_t batch_size = 16;
  bool drop_last = false;
  Shuffle shuffle = Shuffle::kGlobal;
  uint64_t seed = 0;
  // Half-open, along the sample dimension. A window lies inside it wholly.
  std::optional<std::pair<uint64_t, uint64_t>> select;
  bool normalize = true;                               // by each variable's attribute; its absence is an error
  std::map<std::string, Normalization> normalization;  // instead of the attribute, for the variables named
  int threads = 0;                                     // that decode and copy; 0: one for each core
  uint64_t memory_bytes = uint64_t{256} << 20;         // batches, chunks and fetches together
  uint64_t rank = 0;
  uint64_t world = 1;
};

struct LoaderState {
  uint64_t seed = 0;
  uint64_t epoch = 0;
  uint64_t position = 0;  // samples of the epoch that all ranks together have consumed
  bool operator==(const LoaderState&) const = default;
};

// inputs: (sample, lead, variable, field…), dense; targets likewise. The memory goes back to the loader when the last
// copy of `memory` is dropped, and is used again then.
struct Batch {
  std::shared_ptr<float> memory;
  float* inputs = nullptr;
  float* targets = nullptr;     // null without target leads
  std::vector<uint64_t> index;  // sample numbers: positions along the sample dimension
};

// Thread-safe; calls are served one after the other.
class Loader {
 public:
  // Reads metadata, starts no thread. InvalidArgument and NotFound say which option or variable is wrong.
  static Result<std::unique_ptr<Loader>> Open(const std::shared_ptr<Store>& store, LoaderOptions options,
                                              const CallContext& context);
  // Stops what is under way. In a forked child it leaves the parent's threads alone.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Waits until Next would not block; false when `timeout` has passed.
  Result<bool> Wait(std::chrono::milliseconds timeout);
  // The next batch; nullopt once at the end of the epoch, after which the next epoch begins. After an error the loader
  // stands at the batch that failed, and the next call tries it again. PreconditionFailed in a forked child.
  Result<std::optional<Batch>> Next();

  LoaderState state() const;
  // InvalidArgument where the position lies beyond the epoch. Seeking to where it stands changes nothing.
  Result<void> Seek(const LoaderState& state);
  // What the order depends on besides the state, as text: to be stored beside it and compared.
  const std::string& order_id() const { return order_id_; }

  uint64_t samples() const { return samples_.count; }      // of an epoch, all ranks
  uint64_t batches_per_epoch() const { return batches_; }  // of this rank
  const LoaderOptions& options() const { return options_; }
  const std::vector<uint64_t>& field_shape() const;
  const std::vector<std::string>& field_dims() const;
  Stats stats() const;

 private:
  Loader(LoaderOptions options, std::shared_ptr<const Dataset> dataset, SampleRange samples, MemoryPlan memory);
  Result<void> CheckProcess() const;
  Result<void> StartPipeline();
  void StopPipeline();

  const LoaderOptions options_;
  const std::shared_ptr<const Dataset> dataset_;
  const SampleRange samples_;
  const MemoryPlan memory_;
  const BlockShape blocks_;
  const std::string order_id_;
  const uint64_t batches_;
  const int process_;  // the one that opened it

  mutable std::mutex mutex_;
  LoaderState state_;
  exec::ByteBudget budget_;
  exec::ByteLease batch_lease_;
  ChunkPool chunk_pool_;
  std::shared_ptr<BatchPool> batch_pool_;
  HeldChunks held_;
  int fetch_threads_;
  Stats stats_;  // as of the last pipeline's end
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace seamount::loader
