#include "loader/pipeline.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace seamount::loader {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Pipeline::Pipeline(PipelineResources resources, Stretch stretch, HeldChunks held, Stats stats)
    : resources_(std::move(resources)),
      stretch_(std::move(stretch)),
      schedule_(stretch_.schedule),
      dataset_(resources_.source->dataset()),
      stats_(stats),
      fetched_(held.empty() ? 0 : 1),
      residents_(dataset_, schedule_, *resources_.budget, resources_.ahead_bytes, *resources_.chunk_pool,
                 std::move(held)),
      assembly_(*resources_.source, stretch_, resources_.batch_pool, resources_.batches_at_once),
      arrivals_(schedule_),
      policy_(dataset_, schedule_, residents_) {
  const Lock lock(mutex_);
  OpenBatches();
  for (int i = 0; i < resources_.workers; ++i) workers_.emplace_back([this] { WorkLoop(); });
  const uint64_t fetchers =
      std::min<uint64_t>(static_cast<uint64_t>(resources_.fetch_threads), schedule_.cache.fetches);
  for (uint64_t i = 0; i < fetchers; ++i) SpawnFetcher();
  if (fetchers == 0 && LookIsDue()) SpawnFetcher();
}

Pipeline::~Pipeline() { Stop(); }

HeldChunks Pipeline::Stop() {
  stop_.request_stop();
  {
    const Lock lock(mutex_);  // so that nobody is between checking for the stop and going to sleep
    head_wake_.notify_all();
    work_wake_.notify_all();
    fetch_wake_.notify_all();
  }
  // Workers first: with them nobody adds fetchers any more.
  for (auto& worker : workers_) worker.join();
  workers_.clear();
  for (auto& fetcher : fetchers_) fetcher.join();
  fetchers_.clear();
  return residents_.Release();
}

uint32_t Pipeline::head() const {
  const Lock lock(mutex_);
  return assembly_.head();
}

Stats Pipeline::stats() const {
  const Lock lock(mutex_);
  return stats_;
}

int Pipeline::fetch_threads() const {
  const Lock lock(mutex_);
  return static_cast<int>(fetchers_.size());
}

// --- the consumer's side ---

bool Pipeline::HeadReady() const {
  return assembly_.HeadComplete() && (!resources_.look || assembly_.HeadFetched() <= looked_);
}

bool Pipeline::HeadSettled() const {
  return assembly_.done() || HeadReady() || (failure_ && failure_->batch <= assembly_.head());
}

bool Pipeline::HeadIsWorkedOn() const {
  if (assembly_.done()) return false;
  const uint32_t end = schedule_.first_use[assembly_.head() + 1];
  return (!at_work_.empty() && *at_work_.begin() < end) || (!tasks_.empty() && tasks_.top().use < end);
}

void Pipeline::TellClock() {
  if (wait_clock_.running()) wait_clock_.Change(HeadIsWorkedOn(), std::chrono::steady_clock::now());
}

bool Pipeline::Wait(base::SteadyTime deadline) {
  Lock lock(mutex_);
  if (HeadSettled()) return true;
  wait_clock_.Start(HeadIsWorkedOn(), std::chrono::steady_clock::now());
  const bool settled = head_wake_.wait_until(lock, deadline, [&] { return HeadSettled(); });
  wait_clock_.Stop(std::chrono::steady_clock::now());
  return settled;
}

Result<Filled> Pipeline::Take() {
  Lock lock(mutex_);
  if (!HeadSettled()) {
    wait_clock_.Start(HeadIsWorkedOn(), std::chrono::steady_clock::now());
    head_wake_.wait(lock, [&] { return HeadSettled(); });
    wait_clock_.Stop(std::chrono::steady_clock::now());
  }
  if (!HeadReady()) return failure_->error;
  const BatchRange range = stretch_.RangeOf(assembly_.head());
  Filled filled = assembly_.TakeHead();
  ++stats_.batches;
  const auto skipped = std::count(filled.skip.begin(), filled.skip.end(), true);
  stats_.samples += range.end - range.begin - range.padding - static_cast<uint64_t>(skipped);
  stats_.memory_peak = resources_.budget->peak();
  OpenBatches();
  return filled;
}

void Pipeline::OpenBatches() {
  const auto [begin, end] = assembly_.Open();
  for (uint32_t use = begin; use < end; ++use) {
    if (residents_.Decoded(schedule_.cache.residency_of[use]) != nullptr) tasks_.push({use, false});
  }
  work_wake_.notify_all();
}

// --- fetching ---

void Pipeline::SpawnFetcher() {
  // At the machine's limit of threads the ones there are must do; without any there is no way on.
  try {
    fetchers_.emplace_back([this] { FetchLoop(); });
    ++idle_fetchers_;
    stats_.fetch_threads = std::max<uint64_t>(stats_.fetch_threads, fetchers_.size());
  } catch (const std::system_error&) {
    if (fetchers_.empty()) throw;
  }
}

void Pipeline::GrowFetchers() {
  const bool head_waits = !assembly_.done() && !assembly_.HeadComplete();
  if (!head_waits || failure_ || stop_.stop_requested()) return;
  if (policy_.WantsThread({fetchers_.size(), idle_fetchers_, idle_workers_})) SpawnFetcher();
}

bool Pipeline::Pointless() const { return failure_ && policy_.next_use() >= failure_->use; }

void Pipeline::FetchLoop() {
  Lock lock(mutex_);
  for (;;) {
    while (LookIsDue()) Look(lock);
    std::optional<FetchPolicy::Issue> issue;
    fetch_wake_.wait(lock, [&] {
      return stop_.stop_requested() || policy_.exhausted() || (!Pointless() && (issue = policy_.TryIssue()));
    });
    --idle_fetchers_;
    if (stop_.stop_requested() || !issue) return;
    if (policy_.exhausted()) fetch_wake_.notify_all();  // so that all end
    if (idle_fetchers_ > 0) fetch_wake_.notify_one();   // there may be room for more
    GrowFetchers();
    const auto start = std::chrono::steady_clock::now();
    Fetch(*issue, lock);
    policy_.Took(SecondsSince(start));
    ++idle_fetchers_;
  }
}

void Pipeline::Fetch(const FetchPolicy::Issue& issue, Lock& lock) {
  std::vector<nd::Index> chunks;
  const Variable& variable = dataset_.variables[dataset_.chunks.PlaceOf(schedule_.ChunkOf(issue.front())).variable];
  for (const uint32_t residency : issue) {
    chunks.push_back(dataset_.IndexOf(dataset_.chunks.PlaceOf(schedule_.ChunkOf(residency))));
  }
  lock.unlock();
  auto fetched = variable.array().FetchMany(chunks, {.stop = stop_.get_token()});
  lock.lock();
  if (!fetched) {
    const uint32_t use = schedule_.cache.residencies[issue.front()].first_use;
    return Fail(use, fetched.error().Wrap("loading variable '" + variable.name() + "'"), lock);
  }
  stats_.requests += fetched->requests;
  for (size_t i = 0; i < issue.size(); ++i) {
    ++stats_.chunks_fetched;
    if (fetched->chunks[i]) {
      stats_.bytes_fetched += fetched->chunks[i]->size();
    } else {
      ++stats_.chunks_absent;
    }
    residents_.PutEncoded(issue[i], std::move(fetched->chunks[i]), ++fetched_);
    if (residents_.HasRoom(issue[i])) {
      tasks_.push({schedule_.cache.residencies[issue[i]].first_use, true});
      work_wake_.notify_one();
    }
    arrivals_.Came(issue[i]);
  }
  TellClock();
}

void Pipeline::UseRoom() {
  for (const uint32_t residency : residents_.GiveRoom()) {
    tasks_.push({schedule_.cache.residencies[residency].first_use, true});
    work_wake_.notify_one();
  }
  TellClock();
  fetch_wake_.notify_one();
}

// --- decoding and copying ---

void Pipeline::WorkLoop() {
  Lock lock(mutex_);
  for (;;) {
    while (tasks_.empty() && !stop_.stop_requested()) {
      ++idle_workers_;
      GrowFetchers();
      work_wake_.wait(lock);
      --idle_workers_;
    }
    if (stop_.stop_requested()) return;
    const Task task = tasks_.top();
    tasks_.pop();
    if (task.decode) {
      Decode(schedule_.cache.residency_of[task.use], lock);
    } else {
      Copy(task.use, lock);
    }
  }
}

void Pipeline::Decode(uint32_t residency, Lock& lock) {
  const Residency& planned = schedule_.cache.residencies[residency];
  const auto place = dataset_.chunks.PlaceOf(schedule_.ChunkOf(residency));
  const Variable& variable = dataset_.variables[place.variable];
  std::optional<Bytes> encoded = residents_.TakeEncoded(residency);
  std::optional<AtWork> at_work(std::in_place, *this, planned.first_use);
  lock.unlock();
  Buffer decoded = resources_.chunk_pool->Take(variable.array().chunk_bytes());
  Result<void> done;
  if (encoded) {
    done = variable.array().Decode(dataset_.IndexOf(place), *encoded, decoded.span());
    encoded.reset();
  } else {
    variable.array().Fill(decoded.span());
  }
  lock.lock();
  if (!done) {
    residents_.GiveBack(residency, std::move(decoded));
    return Fail(planned.first_use, done.error().Wrap("loading variable '" + variable.name() + "'"), lock);
  }
  ++stats_.chunks_decoded;
  stats_.bytes_decoded += decoded.size();
  stats_.chunk_hits += planned.uses - 1;
  residents_.PutDecoded(residency, std::move(decoded));
  at_work.reset();
  UseRoom();
  // All batches that are open get their copy now, while the chunk is in the processor's cache. Later ones find it.
  std::vector<uint32_t> uses;
  for (uint32_t use = planned.first_use; use != kNoUse; use = schedule_.cache.next_use[use]) {
    if (assembly_.Wants(use)) uses.push_back(use);
  }
  for (const uint32_t use : uses) Copy(use, lock);
}

void Pipeline::Copy(uint32_t use, Lock& lock) {
  const uint32_t residency = schedule_.cache.residency_of[use];
  const std::byte* decoded = residents_.Decoded(residency);
  MissingRows& rows = residents_.missing(residency);
  const Assembly::Job job = assembly_.JobOf(use);
  const AtWork at_work(*this, use);
  lock.unlock();
  const Assembly::Found found = assembly_.Copy(job, decoded, rows);
  lock.lock();
  if (found.refused) return Fail(use, assembly_.Refusal(job, *found.refused), lock);
  assembly_.FinishUse(use, found, residents_.fetched_as(residency));
  if (HeadReady()) head_wake_.notify_all();
  if (residents_.FinishUse(residency)) UseRoom();
}

// --- looking whether the data are still the same ---

// When a batch has all its chunks, the thread that brought the last of them looks at once, on the connection that it
// has: while that chunk is decoded and copied, and the batches before it are taken, the answer is on its way. A look is
// for all batches that have their chunks when it begins. While one is under way the next waits for it, unless the batch
// to be taken next would have to wait too.
bool Pipeline::LookIsDue() const {
  if (!resources_.look || replaced_ || stop_.stop_requested() || arrivals_.batches() <= look_begun_for_) return false;
  return looking_ == 0 || assembly_.head() >= look_begun_for_;
}

void Pipeline::Look(Lock& lock) {
  const uint64_t fetched = fetched_;
  look_begun_for_ = arrivals_.batches();
  ++looking_;
  lock.unlock();
  auto same = resources_.look({.stop = stop_.get_token()});
  lock.lock();
  --looking_;
  if (same) {
    looked_ = std::max(looked_, fetched);
  } else if (!stop_.stop_requested()) {
    replaced_ = true;
    failure_ = Failure{assembly_.head(), 0, same.error()};
  }
  if (HeadSettled()) head_wake_.notify_all();
}

void Pipeline::Fail(uint32_t use, Error error, Lock& lock) {
  if (resources_.look && error.code() != ErrorCode::kCancelled && error.code() != ErrorCode::kUnavailable) {
    // What does not decode, or is gone, may just have been replaced.
    lock.unlock();
    const auto same = resources_.look({.stop = stop_.get_token()});
    lock.lock();
    if (!same && same.error().code() == ErrorCode::kPreconditionFailed) error = same.error();
  }
  if (!failure_ || use < failure_->use) failure_ = Failure{schedule_.BatchOf(use), use, std::move(error)};
  head_wake_.notify_all();
}

}  // namespace seamount::loader
