// Carries out one epoch's schedule with threads.
//
// How it works: fetch threads take residencies in the planned order, each as soon as the memory budget has room for the
// chunk encoded and decoded, and leave the encoded bytes for the workers. A worker decodes a chunk and copies it to its
// places in the batches that are being filled; batches that begin later find it decoded. What a worker does next is
// always the earliest thing in the order of use, so that the batch waited for is finished first. A chunk goes when its
// last planned use is done.
// One mutex guards everything; it is never held during a fetch, a decode or a copy. There are as many workers as cores.
// Fetch threads start few and grow while workers starve and the store has shown latency, for small chunks over a long
// way need many requests at once.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <vector>

#include "exec/byte_budget.h"
#include "loader/memory_pools.h"
#include "loader/schedule.h"
#include "loader/variable.h"

namespace seamount::loader {

// Where each field of a batch goes: inputs (sample, lead, variable, field…), then targets in the same form.
struct BatchLayout {
  uint64_t batch_size = 0;
  uint64_t input_leads = 0;
  uint64_t target_leads = 0;
  uint64_t variables = 0;
  uint64_t field_elements = 0;

  uint64_t inputs_elements() const { return batch_size * input_leads * variables * field_elements; }
  // Targets begin at a cache line.
  uint64_t targets_offset() const { return (inputs_elements() + 15) / 16 * 16; }
  uint64_t elements() const { return targets_offset() + batch_size * target_leads * variables * field_elements; }
  // lead: inputs first, then targets.
  uint64_t OffsetOf(uint64_t sample, uint64_t lead, uint64_t variable) const;
};

// What stays the same from epoch to epoch.
struct Dataset {
  std::vector<Variable> variables;
  ChunkNumbers chunks;
  std::vector<int64_t> leads;  // inputs, then targets
  BatchLayout layout;
};

// Counts since the loader was made; only ever added to.
struct Stats {
  uint64_t batches = 0;
  uint64_t samples = 0;
  uint64_t chunks_fetched = 0;
  uint64_t chunks_absent = 0;  // of these, not stored: filled with the fill value
  uint64_t bytes_fetched = 0;  // encoded
  uint64_t requests = 0;       // reads of the store for chunks
  uint64_t chunks_decoded = 0;
  uint64_t bytes_decoded = 0;
  uint64_t chunk_hits = 0;     // uses that found their chunk decoded already
  uint64_t fetch_threads = 0;  // most at a time
  uint64_t memory_peak = 0;    // bytes of the budget
  double wait_seconds = 0;     // that Next waited for a batch
};

// A chunk that stays decoded from one epoch to the next.
struct HeldChunk {
  Buffer decoded;
  exec::ByteLease lease;
};
using HeldChunks = std::unordered_map<uint32_t, HeldChunk>;

struct PipelineResources {
  std::shared_ptr<const Dataset> dataset;
  exec::ByteBudget* budget = nullptr;  // outlives the pipeline
  ChunkPool* chunk_pool = nullptr;     // outlives the pipeline
  std::shared_ptr<BatchPool> batch_pool;
  uint64_t batches_at_once = 1;
  int workers = 1;
  int fetch_threads = 8;  // to begin with
};

class Pipeline {
 public:
  Pipeline(PipelineResources resources, Schedule schedule, HeldChunks held, Stats stats);
  // Stops fetches that are under way and joins.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // The number of the next batch to be taken; batches() when all are.
  uint32_t head() const;
  uint32_t batches() const { return static_cast<uint32_t>(schedule_.batches.size()); }
  const Schedule& schedule() const { return schedule_; }

  // Waits until Take would not block; false past the deadline.
  bool Wait(base::SteadyTime deadline);
  // Blocks. The next batch's memory, or the error that keeps it from being complete. head() < batches().
  Result<std::shared_ptr<float>> Take();

  Stats stats() const;
  int fetch_threads() const;
  // Ends the threads and hands over what the plan keeps.
  HeldChunks Stop();

 private:
  enum class State { kPlanned, kDecoded };
  struct Resident {
    State state = State::kPlanned;
    std::optional<Bytes> encoded;
    exec::ByteLease encoded_lease;
    Buffer decoded;
    exec::ByteLease lease;
    uint32_t uses_left = 0;
  };
  struct OpenBatch {
    std::shared_ptr<float> memory;
    std::vector<Placement> placements;
    uint32_t uses_left = 0;
  };
  struct Task {
    uint32_t use;  // for a decode, the residency's first
    bool decode;
    bool operator<(const Task& other) const { return use > other.use; }  // earliest on top
  };
  struct Failure {
    uint32_t batch;
    uint32_t use;
    Error error;
  };
  // Residencies that one thread fetches together.
  struct Issue {
    std::vector<uint32_t> residencies;
  };
  using Lock = std::unique_lock<std::mutex>;

  void OpenBatches();  // as many as may be filled at once; mutex held
  bool HeadSettled() const;
  std::optional<Issue> TryIssue();
  bool TryReserve(uint32_t residency);
  uint64_t EncodedEstimate(uint32_t variable) const;
  void SpawnFetcher();
  void GrowFetchers();
  void FetchLoop();
  void FetchIssue(const Issue& issue, Lock& lock);
  void WorkLoop();
  void DecodeResident(uint32_t residency, Lock& lock);
  void RunCopy(uint32_t use, Lock& lock);
  void CopyUse(uint32_t use, const OpenBatch& batch, const std::byte* decoded) const;
  void FinishUse(uint32_t use);
  void Fail(uint32_t residency, Error error);
  Error Explain(uint32_t residency, const Error& error) const;

  const PipelineResources resources_;
  const Schedule schedule_;
  const Dataset& dataset_;

  mutable std::mutex mutex_;
  std::condition_variable head_wake_;
  std::condition_variable work_wake_;
  std::condition_variable fetch_wake_;
  std::stop_source stop_;
  std::vector<Resident> residents_;
  std::unordered_map<uint32_t, OpenBatch> open_;
  std::priority_queue<Task> tasks_;
  HeldChunks kept_;
  std::optional<Failure> failure_;
  uint32_t head_ = 0;
  uint32_t open_end_ = 0;
  uint32_t next_residency_ = 0;
  std::vector<double> encoded_ratio_;  // largest seen, of each variable
  int idle_fetchers_ = 0;
  int idle_workers_ = 0;
  double fetch_seconds_ = 0;  // of one fetch, a moving average
  Stats stats_;
  std::vector<std::thread> fetchers_;
  std::vector<std::thread> workers_;
};

}  // namespace seamount::loader
