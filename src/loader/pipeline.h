// Carries out one stretch of an epoch with threads.
//
// How it works: fetch threads take residencies as the fetch policy has them (fetch_policy.h) and leave the encoded
// bytes with the residents (residents.h). A worker decodes a chunk and copies it to its places in the batches that are
// being filled (assembly.h); batches that begin later find it decoded. What a worker does next is always the earliest
// thing in the order of use, so that the batch waited for is finished first. A chunk goes when its last planned use is
// done. Data that are replaced while they are read must not mix: when a batch's last chunk has come, its thread looks
// whether they are still those that were opened, and a batch may go only when a look that began after that has said so.
// One mutex guards everything; it is never held during a fetch, a look, a decode or a copy. There are as many
// workers as cores.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <set>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "exec/byte_budget.h"
#include "loader/arrivals.h"
#include "loader/assembly.h"
#include "loader/fetch_policy.h"
#include "loader/memory_pools.h"
#include "loader/planner.h"
#include "loader/residents.h"
#include "loader/stats.h"
#include "loader/wait_clock.h"

namespace seamount::loader {

struct PipelineResources {
  std::shared_ptr<const SampleSource> source;
  exec::ByteBudget* budget = nullptr;  // outlives the pipeline, as does the next
  ChunkPool* chunk_pool = nullptr;
  std::shared_ptr<BatchPool> batch_pool;
  uint64_t batches_at_once = 1;
  uint64_t ahead_bytes = 0;  // as MemoryPlan has it
  int workers = 1;
  int fetch_threads = 8;  // to begin with
  // An error when the data are no longer those that were opened. Empty: they cannot be told apart.
  std::function<Result<void>(const CallContext&)> look;
};

class Pipeline {
 public:
  Pipeline(PipelineResources resources, Stretch stretch, HeldChunks held, Stats stats);
  // Stops fetches that are under way and joins.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // The number of the next batch to be taken, within the stretch; batches() when all are.
  uint32_t head() const;
  uint32_t batches() const { return stretch_.schedule.batches(); }
  const Stretch& stretch() const { return stretch_; }

  // Waits until Take would not block; false past the deadline.
  bool Wait(base::SteadyTime deadline);
  // Blocks. The next batch's memory, or the error that keeps it from being complete. head() < batches().
  Result<Filled> Take();

  Stats stats() const;
  int fetch_threads() const;
  // Ends the threads and hands over what the plan keeps.
  HeldChunks Stop();

 private:
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
  using Lock = std::unique_lock<std::mutex>;
  // While it lives a worker is at that use. Made and destroyed with the mutex held.
  class AtWork {
   public:
    AtWork(Pipeline& pipeline, uint32_t use) : pipeline_(pipeline), place_(pipeline.at_work_.insert(use)) {}
    ~AtWork() {
      pipeline_.at_work_.erase(place_);
      pipeline_.TellClock();
    }
    AtWork(const AtWork&) = delete;
    AtWork& operator=(const AtWork&) = delete;

   private:
    Pipeline& pipeline_;
    const std::multiset<uint32_t>::iterator place_;
  };

  void OpenBatches();  // as many as may be filled at once; mutex held, as in all below with a Lock
  bool HeadReady() const;
  bool HeadSettled() const;
  bool HeadIsWorkedOn() const;  // or stands in line for a worker
  void TellClock();
  void SpawnFetcher();
  void GrowFetchers();
  void FetchLoop();
  void Fetch(const FetchPolicy::Issue& issue, Lock& lock);
  void UseRoom();  // that was made
  void WorkLoop();
  void Decode(uint32_t residency, Lock& lock);
  void Copy(uint32_t use, Lock& lock);
  bool LookIsDue() const;
  void Look(Lock& lock);
  void Fail(uint32_t use, Error error, Lock& lock);
  bool Pointless() const;  // to fetch: what comes next is used after a failure only

  const PipelineResources resources_;
  const Stretch stretch_;
  const Schedule& schedule_;
  const Dataset& dataset_;

  mutable std::mutex mutex_;
  std::condition_variable head_wake_;
  std::condition_variable work_wake_;
  std::condition_variable fetch_wake_;
  std::stop_source stop_;
  Stats stats_;
  WaitClock wait_clock_{stats_};
  uint64_t fetched_ = 0;         // chunks; those held from before are the first
  uint64_t looked_ = 0;          // of these, those known to be of the data that were opened
  uint32_t look_begun_for_ = 0;  // batches that had all their chunks when the last look began
  int looking_ = 0;              // looks under way
  bool replaced_ = false;
  Residents residents_;
  Assembly assembly_;
  Arrivals arrivals_;
  FetchPolicy policy_;
  std::priority_queue<Task> tasks_;
  std::multiset<uint32_t> at_work_;  // uses that workers are at
  std::optional<Failure> failure_;
  int idle_fetchers_ = 0;
  int idle_workers_ = 0;
  std::vector<std::thread> fetchers_;
  std::vector<std::thread> workers_;
};

}  // namespace seamount::loader
