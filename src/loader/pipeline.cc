#include "loader/pipeline.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "nd/box.h"

namespace seamount::loader {
namespace {

// At 64 requests at once small chunks over 10 ms still gain; servers and file descriptors suffer beyond.
constexpr size_t kMostFetchThreads = 64;
// A fetch that takes longer than this waited for a network, and more of them at once help. A local file never does.
constexpr double kRemoteSeconds = 0.001;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

uint64_t BatchLayout::OffsetOf(uint64_t sample, uint64_t lead, uint64_t variable) const {
  if (lead < input_leads) return ((sample * input_leads + lead) * variables + variable) * field_elements;
  const uint64_t slot = (sample * target_leads + lead - input_leads) * variables + variable;
  return targets_offset() + slot * field_elements;
}

Pipeline::Pipeline(PipelineResources resources, Schedule schedule, HeldChunks held, Stats stats)
    : resources_(std::move(resources)),
      schedule_(std::move(schedule)),
      dataset_(*resources_.dataset),
      residents_(schedule_.cache.residencies.size()),
      encoded_ratio_(dataset_.variables.size(), 0),
      stats_(stats) {
  for (size_t r = 0; r < residents_.size(); ++r) {
    const Residency& residency = schedule_.cache.residencies[r];
    residents_[r].uses_left = residency.uses;
    if (!residency.held) continue;
    HeldChunk& chunk = held.at(residency.chunk);
    residents_[r].state = State::kDecoded;
    residents_[r].decoded = std::move(chunk.decoded);
    residents_[r].lease = std::move(chunk.lease);
    held.erase(residency.chunk);
  }
  for (auto& [number, chunk] : held) resources_.chunk_pool->Give(std::move(chunk.decoded));
  held.clear();  // their leases too, before anything is fetched
  const Lock lock(mutex_);
  OpenBatches();
  for (int i = 0; i < resources_.workers; ++i) workers_.emplace_back([this] { WorkLoop(); });
  const uint64_t fetchers =
      std::min<uint64_t>(static_cast<uint64_t>(resources_.fetch_threads), schedule_.cache.fetches);
  for (uint64_t i = 0; i < fetchers; ++i) SpawnFetcher();
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
  for (Resident& resident : residents_) {
    if (resident.decoded.data() != nullptr) resources_.chunk_pool->Give(std::move(resident.decoded));
  }
  residents_.clear();
  open_.clear();
  return std::exchange(kept_, {});
}

uint32_t Pipeline::head() const {
  const Lock lock(mutex_);
  return head_;
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

bool Pipeline::HeadSettled() const {
  if (head_ >= batches()) return true;
  if (open_.at(head_).uses_left == 0) return true;
  return failure_ && failure_->batch <= head_;
}

bool Pipeline::Wait(base::SteadyTime deadline) {
  Lock lock(mutex_);
  if (HeadSettled()) return true;
  const auto start = std::chrono::steady_clock::now();
  const bool settled = head_wake_.wait_until(lock, deadline, [&] { return HeadSettled(); });
  stats_.wait_seconds += SecondsSince(start);
  return settled;
}

Result<std::shared_ptr<float>> Pipeline::Take() {
  Lock lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  if (!HeadSettled()) {
    head_wake_.wait(lock, [&] { return HeadSettled(); });
    stats_.wait_seconds += SecondsSince(start);
  }
  const auto batch = open_.find(head_);
  if (batch->second.uses_left > 0) return failure_->error;
  auto memory = std::move(batch->second.memory);
  open_.erase(batch);
  ++stats_.batches;
  stats_.samples += schedule_.SamplesOf(head_).size();
  stats_.memory_peak = resources_.budget->peak();
  ++head_;
  OpenBatches();
  return memory;
}

void Pipeline::OpenBatches() {
  const uint64_t end = std::min<uint64_t>(batches(), head_ + resources_.batches_at_once);
  for (; open_end_ < end; ++open_end_) {
    OpenBatch& batch = open_[open_end_];
    batch.memory = resources_.batch_pool->Take();
    batch.placements = PlacementsOf(schedule_.SamplesOf(open_end_), dataset_.leads);
    const uint32_t first = schedule_.first_use[open_end_];
    const uint32_t past = schedule_.first_use[open_end_ + 1];
    batch.uses_left = past - first;
    for (uint32_t use = first; use < past; ++use) {
      const Resident& resident = residents_[schedule_.cache.residency_of[use]];
      if (resident.state == State::kDecoded) tasks_.push({use, false});
    }
  }
  work_wake_.notify_all();
}

// --- fetching ---

uint64_t Pipeline::EncodedEstimate(uint32_t variable) const {
  const uint64_t decoded = dataset_.chunks.grids()[variable].chunk_bytes;
  const double ratio = encoded_ratio_[variable];
  // Until something was seen, and beyond it, as large as decoded: what does not compress is stored about so.
  return ratio == 0 ? decoded : static_cast<uint64_t>(std::min(1.0, ratio * 1.1) * static_cast<double>(decoded)) + 1;
}

bool Pipeline::TryReserve(uint32_t residency) {
  const auto place = dataset_.chunks.PlaceOf(schedule_.cache.residencies[residency].chunk);
  Resident& resident = residents_[residency];
  auto lease = resources_.budget->TryAcquire(dataset_.chunks.grids()[place.variable].chunk_bytes);
  if (lease.bytes() == 0) return false;
  auto encoded = resources_.budget->TryAcquire(EncodedEstimate(place.variable));
  if (encoded.bytes() == 0) return false;
  resident.lease = std::move(lease);
  resident.encoded_lease = std::move(encoded);
  return true;
}

std::optional<Pipeline::Issue> Pipeline::TryIssue() {
  // Chunks of one shard that follow each other are read by one request, as long as sending it takes about as long as
  // waiting for it: 1 MiB is 10 ms at 100 MB/s.
  constexpr uint64_t kTogetherBytes = uint64_t{1} << 20;
  const auto& residencies = schedule_.cache.residencies;
  Issue issue;
  uint64_t together = 0;
  uint32_t variable = 0;
  std::optional<uint64_t> shard;
  for (; next_residency_ < residencies.size() && !failure_; ++next_residency_) {
    if (residencies[next_residency_].held) continue;
    const auto place = dataset_.chunks.PlaceOf(residencies[next_residency_].chunk);
    const auto in_shard = dataset_.variables[place.variable].ShardOf(place.row, place.field_chunk);
    if (!issue.residencies.empty() &&
        (!in_shard || in_shard != shard || place.variable != variable || together >= kTogetherBytes)) {
      break;
    }
    if (!TryReserve(next_residency_)) break;
    variable = place.variable;
    shard = in_shard;
    together += EncodedEstimate(variable);
    issue.residencies.push_back(next_residency_);
  }
  if (issue.residencies.empty()) return std::nullopt;
  return issue;
}

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
  const bool starving = idle_workers_ > 0 && idle_fetchers_ == 0 && fetch_seconds_ > kRemoteSeconds;
  const bool waiting = head_ < batches() && open_.at(head_).uses_left > 0;
  const bool more = next_residency_ < residents_.size() && !failure_;
  if (starving && waiting && more && fetchers_.size() < kMostFetchThreads && !stop_.stop_requested()) SpawnFetcher();
}

void Pipeline::FetchLoop() {
  Lock lock(mutex_);
  for (;;) {
    std::optional<Issue> issue;
    fetch_wake_.wait(
        lock, [&] { return stop_.stop_requested() || next_residency_ >= residents_.size() || (issue = TryIssue()); });
    --idle_fetchers_;
    if (stop_.stop_requested() || !issue) return;
    if (idle_fetchers_ > 0) fetch_wake_.notify_one();  // there may be room for more
    GrowFetchers();
    const auto start = std::chrono::steady_clock::now();
    FetchIssue(*issue, lock);
    constexpr double kWeight = 0.2;
    const double seconds = SecondsSince(start);
    fetch_seconds_ = fetch_seconds_ == 0 ? seconds : (1 - kWeight) * fetch_seconds_ + kWeight * seconds;
    ++idle_fetchers_;
  }
}

void Pipeline::FetchIssue(const Issue& issue, Lock& lock) {
  std::vector<nd::Index> chunks;
  const auto& residencies = schedule_.cache.residencies;
  const auto first = dataset_.chunks.PlaceOf(residencies[issue.residencies.front()].chunk);
  const Variable& variable = dataset_.variables[first.variable];
  for (const uint32_t residency : issue.residencies) {
    const auto place = dataset_.chunks.PlaceOf(residencies[residency].chunk);
    chunks.push_back(variable.ChunkIndex(place.row, place.field_chunk));
  }
  lock.unlock();
  auto fetched = variable.FetchTogether(chunks, {.stop = stop_.get_token()});
  lock.lock();
  if (!fetched) return Fail(issue.residencies.front(), Explain(issue.residencies.front(), fetched.error()));
  stats_.requests += fetched->requests;
  for (size_t i = 0; i < issue.residencies.size(); ++i) {
    Resident& resident = residents_[issue.residencies[i]];
    resident.encoded = std::move(fetched->chunks[i]);
    ++stats_.chunks_fetched;
    if (resident.encoded) {
      stats_.bytes_fetched += resident.encoded->size();
      const double decoded = static_cast<double>(variable.array().chunk_bytes());
      double& ratio = encoded_ratio_[first.variable];
      ratio = std::max(ratio, static_cast<double>(resident.encoded->size()) / decoded);
    } else {
      ++stats_.chunks_absent;
      resident.encoded_lease.Release();
    }
    tasks_.push({residencies[issue.residencies[i]].first_use, true});
    work_wake_.notify_one();
  }
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
      DecodeResident(schedule_.cache.residency_of[task.use], lock);
    } else {
      RunCopy(task.use, lock);
    }
  }
}

void Pipeline::DecodeResident(uint32_t residency, Lock& lock) {
  const Residency& planned = schedule_.cache.residencies[residency];
  const auto place = dataset_.chunks.PlaceOf(planned.chunk);
  const Variable& variable = dataset_.variables[place.variable];
  Resident& resident = residents_[residency];
  std::optional<Bytes> encoded = std::exchange(resident.encoded, std::nullopt);
  lock.unlock();
  Buffer decoded = resources_.chunk_pool->Take(variable.array().chunk_bytes());
  Result<void> done;
  if (encoded) {
    done = variable.array().Decode(variable.ChunkIndex(place.row, place.field_chunk), *encoded, decoded.span());
    encoded.reset();
  } else {
    variable.array().Fill(decoded.span());
  }
  lock.lock();
  resident.decoded = std::move(decoded);  // on failure too, so that it goes back to the pool
  resident.encoded_lease.Release();
  fetch_wake_.notify_one();
  if (!done) return Fail(residency, done.error().Wrap("loading variable '" + variable.name() + "'"));
  resident.state = State::kDecoded;
  ++stats_.chunks_decoded;
  stats_.bytes_decoded += resident.decoded.size();
  stats_.chunk_hits += planned.uses - 1;
  // All batches that are open get their copy now, while the chunk is in the processor's cache. Later ones find it.
  std::vector<uint32_t> uses;
  for (uint32_t use = planned.first_use; use != kNoUse; use = schedule_.cache.next_use[use]) {
    if (schedule_.batch_of[use] < open_end_) uses.push_back(use);
  }
  for (const uint32_t use : uses) RunCopy(use, lock);
}

void Pipeline::RunCopy(uint32_t use, Lock& lock) {
  const OpenBatch& batch = open_.at(schedule_.batch_of[use]);  // stays: it has a use left
  const std::byte* decoded = residents_[schedule_.cache.residency_of[use]].decoded.data();
  lock.unlock();
  CopyUse(use, batch, decoded);
  lock.lock();
  FinishUse(use);
}

void Pipeline::CopyUse(uint32_t use, const OpenBatch& batch, const std::byte* decoded) const {
  const auto place = dataset_.chunks.PlaceOf(schedule_.uses[use]);
  const Variable& variable = dataset_.variables[place.variable];
  const nd::Index chunk = variable.ChunkIndex(place.row, place.field_chunk);
  const uint64_t begin = place.row * variable.chunk_samples();
  const uint64_t end = begin + variable.chunk_samples();
  // What a core may hope to find in its caches later on.
  constexpr uint64_t kCachedBytes = uint64_t{8} << 20;
  const bool large = dataset_.layout.elements() * sizeof(float) > kCachedBytes;
  const Written written = large ? Written::kPastCache : Written::kIntoCache;
  auto placement = std::lower_bound(batch.placements.begin(), batch.placements.end(), begin,
                                    [](const Placement& p, uint64_t position) { return p.position < position; });
  for (; placement != batch.placements.end() && placement->position < end; ++placement) {
    const uint64_t offset = dataset_.layout.OffsetOf(placement->sample, placement->lead, place.variable);
    variable.CopyField(chunk, decoded, placement->position, batch.memory.get() + offset, written);
  }
}

void Pipeline::FinishUse(uint32_t use) {
  const uint32_t number = schedule_.batch_of[use];
  if (--open_.at(number).uses_left == 0 && number == head_) head_wake_.notify_all();
  const uint32_t r = schedule_.cache.residency_of[use];
  Resident& resident = residents_[r];
  if (--resident.uses_left > 0) return;
  const Residency& planned = schedule_.cache.residencies[r];
  if (planned.kept) {
    kept_[planned.chunk] = {std::move(resident.decoded), std::move(resident.lease)};
    return;
  }
  resources_.chunk_pool->Give(std::move(resident.decoded));
  resident.lease.Release();
  fetch_wake_.notify_one();
}

void Pipeline::Fail(uint32_t residency, Error error) {
  const uint32_t use = schedule_.cache.residencies[residency].first_use;
  if (!failure_ || use < failure_->use) failure_ = Failure{schedule_.batch_of[use], use, std::move(error)};
  head_wake_.notify_all();
}

Error Pipeline::Explain(uint32_t residency, const Error& error) const {
  const auto place = dataset_.chunks.PlaceOf(schedule_.cache.residencies[residency].chunk);
  const Variable& variable = dataset_.variables[place.variable];
  std::vector<std::string> index;
  for (const uint64_t i : variable.ChunkIndex(place.row, place.field_chunk)) index.push_back(std::to_string(i));
  return error.Wrap("loading variable '" + variable.name() + "', chunk (" + base::Join(index, ", ") + ")");
}

}  // namespace seamount::loader
