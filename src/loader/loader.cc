#include "loader/loader.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

namespace seamount::loader {
namespace {

// Enough for a local disk; pipeline.h says when there are more.
constexpr int kFirstFetchThreads = 8;
// One free batch buffer, as PlanMemory reserves it: a training loop drops a batch when it has the next.
constexpr size_t kSpareBatches = 1;

// Closes the ranks of the samples that stay.
void LeaveOut(const Dataset& dataset, const std::vector<bool>& skip, Batch& batch) {
  size_t kept = 0;
  const size_t own = skip.size() - batch.padding;
  const size_t dims = dataset.patches.dims();
  for (size_t sample = 0; sample < skip.size(); ++sample) {
    if (skip[sample]) {
      ++batch.skipped;
      if (sample >= own) --batch.padding;
      continue;
    }
    for (size_t s = 0; s < batch.slots.size() && kept < sample; ++s) {
      const uint64_t elements = dataset.slots[s].sample_elements();
      const uint64_t bytes = elements * nd::SizeOf(dataset.slots[s].dtype);
      const BatchSlot& slot = batch.slots[s];
      std::memcpy(slot.data + kept * bytes, slot.data + sample * bytes, bytes);
      if (slot.mask != nullptr) std::memcpy(slot.mask + kept * elements, slot.mask + sample * elements, elements);
    }
    std::copy_n(batch.patch.begin() + static_cast<std::ptrdiff_t>(sample * dims), dims,
                batch.patch.begin() + static_cast<std::ptrdiff_t>(kept * dims));
    batch.index[kept++] = batch.index[sample];
  }
  batch.index.resize(kept);
  batch.patch.resize(kept * dims);
}

double SecondsBetween(base::SteadyTime from, base::SteadyTime to) {
  return std::chrono::duration<double>(to - from).count();
}

int Workers(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

MemoryNeeds NeedsOf(const LoaderOptions& options, const SampleSource& source) {
  const Footprint footprint = source.FootprintOf(options.batch_size);
  const BatchSequence batches(source.count(), 0,
                              {.batch_size = options.batch_size, .rank = options.rank, .world = options.world});
  return {.memory_bytes = options.memory_bytes,
          .batch_bytes = source.dataset().layout.bytes(),
          .largest_chunk_bytes = footprint.largest_chunk_bytes,
          .all_chunks_bytes = footprint.all_chunks_bytes,
          .samples = source.count(),
          .batch_uses = footprint.batch_chunks,
          .epoch_uses = footprint.batch_chunks * batches.size()};
}

Result<std::unique_ptr<Loader>> Loader::Open(std::vector<Group> groups, LoaderOptions options,
                                             const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto opened, OpenSource(groups, options, context));
  options.sample_dim = SampleDimOf(groups, options, 0);
  SEAMOUNT_TRY_ASSIGN(const MemoryPlan memory, PlanMemory(NeedsOf(options, *opened.source)));
  return std::unique_ptr<Loader>(new Loader(std::move(options), std::move(groups), std::move(opened), memory));
}

Loader::Loader(LoaderOptions options, std::vector<Group> groups, OpenedSource opened, MemoryPlan memory)
    : options_(std::move(options)),
      groups_(std::move(groups)),
      source_(std::move(opened.source)),
      unmatched_(opened.unmatched),
      memory_(memory),
      process_(getpid()),
      state_{.seed = options_.seed},
      budget_(options_.memory_bytes),
      batch_lease_(budget_.TryAcquire(memory_.batch_bytes)),
      plan_lease_(budget_.TryAcquire(memory_.plan_bytes)),
      chunk_pool_(memory_.chunk_bytes),
      batch_pool_(BatchPool::Make(source_->dataset().layout.bytes(), kSpareBatches)),
      live_(options_.shown_as.empty() ? std::nullopt : LiveFile::Make(RunFolder())),
      fetch_threads_(kFirstFetchThreads),
      planner_(std::make_unique<Planner>(Planning())) {}

PlannerOptions Loader::Planning() const {
  return {.source = source_, .batches = BatchesOf(), .retain = memory_.retain, .stretch_uses = memory_.stretch_uses};
}

Loader::~Loader() {
  // A forked child has the parent's thread objects, but not its threads: joining them would never end.
  if (CheckProcess()) {
    StopPipeline();
  } else {
    (void)pipeline_.release();  // NOLINT(bugprone-unused-return-value)
    (void)planner_.release();   // NOLINT(bugprone-unused-return-value)
    if (live_) live_->Forget();
  }
}

Result<void> Loader::CheckProcess() const {
  if (getpid() == process_) return {};
  return base::PreconditionFailed(
      "this loader was made before the process forked, and its threads stayed in the parent: make a new one in the "
      "child (it needs no worker processes: with a torch DataLoader use num_workers=0)");
}

Result<void> Loader::CheckSame(const CallContext& context) const {
  for (const Group& group : groups_) SEAMOUNT_TRY(group.CheckSame(context));
  return {};
}

BatchOptions Loader::BatchesOf() const {
  return {options_.batch_size, options_.drop_last, options_.rank, options_.world, version_};
}

PlanStart Loader::Here() const { return {version_, state_.seed, state_.epoch, state_.position, 0}; }

Result<bool> Loader::StartPipeline(base::SteadyTime deadline) {
  if (pipeline_) return true;
  if (!planner_->Planning()) {
    std::vector<uint32_t> held;
    for (const auto& [number, chunk] : held_) held.push_back(number);
    planner_->Begin(Here(), std::move(held), nullptr);
  }
  const auto start = std::chrono::steady_clock::now();
  const bool planned = planner_->Wait(deadline);
  plan_seconds_ += SecondsBetween(start, std::chrono::steady_clock::now());
  if (!planned) return false;
  SEAMOUNT_TRY_ASSIGN(auto stretch, planner_->Take());
  const PlanStart next = After(stretch);
  // The next stretch is planned while this one runs; where it is the same epoch's, with the same order.
  planner_->Begin(next, stretch.schedule.Kept(), &stretch);
  std::function<Result<void>(const CallContext&)> look;
  if (std::any_of(groups_.begin(), groups_.end(), [](const Group& group) { return group.CanTell(); })) {
    look = [this](const CallContext& context) { return CheckSame(context); };
  }
  pipeline_ = std::make_unique<Pipeline>(PipelineResources{.source = source_,
                                                           .budget = &budget_,
                                                           .chunk_pool = &chunk_pool_,
                                                           .batch_pool = batch_pool_,
                                                           .batches_at_once = memory_.batches,
                                                           .ahead_bytes = memory_.ahead_bytes,
                                                           .workers = Workers(options_.threads),
                                                           .fetch_threads = fetch_threads_,
                                                           .look = std::move(look)},
                                         std::move(stretch), std::exchange(held_, {}), stats_);
  return true;
}

Result<bool> Loader::Ready(base::SteadyTime deadline) {
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const bool started, StartPipeline(deadline));
    if (!started) return false;
    if (pipeline_->head() < pipeline_->batches() || pipeline_->stretch().schedule.last) return true;
    EndStretch();
  }
}

// Ends what is under way; what was planned to follow it no longer does.
void Loader::StopPipeline() {
  planner_->Drop();
  EndStretch();
}

void Loader::EndStretch() {
  if (!pipeline_) return;
  fetch_threads_ = std::max(fetch_threads_, pipeline_->fetch_threads());
  held_ = pipeline_->Stop();
  stats_ = pipeline_->stats();
  pipeline_.reset();
}

Result<bool> Loader::Wait(std::chrono::milliseconds timeout, std::optional<uint64_t> epoch) {
  SEAMOUNT_TRY(CheckProcess());
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::scoped_lock lock(mutex_);
  if (epoch && *epoch != state_.epoch) return true;
  CountTrainer();
  SEAMOUNT_TRY_ASSIGN(const bool planned, Ready(deadline));
  const bool ready = planned && pipeline_->Wait(deadline);
  if (!ready) Show(true);
  return ready;
}

Result<std::optional<Batch>> Loader::Next(std::optional<uint64_t> epoch) {
  SEAMOUNT_TRY(CheckProcess());
  const std::scoped_lock lock(mutex_);
  if (epoch && *epoch != state_.epoch) return std::optional<Batch>();
  CountTrainer();
  SEAMOUNT_TRY(Ready(base::SteadyTime::max()));
  const uint32_t head = pipeline_->head();
  if (head >= pipeline_->batches()) {
    EndStretch();
    ++state_.epoch;
    state_.position = 0;
    return std::optional<Batch>();
  }
  auto filled = pipeline_->Take();
  if (!filled) {
    StopPipeline();
    return filled.error();
  }
  const BatchRange range = pipeline_->stretch().RangeOf(head);
  const std::vector<uint32_t> numbers = pipeline_->stretch().NumbersOf(head);
  const Dataset& dataset = source_->dataset();
  Batch batch{.memory = std::move(filled->memory),
              .index = source_->PositionsOf(numbers),
              .patch = source_->PlacesOf(numbers, pipeline_->stretch().Seed()),
              .padding = range.padding,
              .missing = filled->missing};
  for (uint32_t slot = 0; slot < dataset.slots.size(); ++slot) {
    const auto mask = dataset.layout.mask_offset(slot);
    batch.slots.push_back({batch.memory.get() + dataset.layout.data_offset(slot),
                           mask ? reinterpret_cast<uint8_t*>(batch.memory.get() + *mask) : nullptr});
  }
  if (!filled->skip.empty()) LeaveOut(dataset, filled->skip, batch);
  state_.position = range.step_end;
  handed_out_ = std::chrono::steady_clock::now();
  Show(false);
  return std::optional<Batch>(std::move(batch));
}

LoaderState Loader::state() const {
  const std::scoped_lock lock(mutex_);
  return state_;
}

Result<void> Loader::SeekLocked(const LoaderState& state, OrderVersion version) {
  if (state == state_ && version == version_) return {};
  if (state.position > source_->count()) {
    return base::InvalidArgument("position " + std::to_string(state.position) + " lies beyond the epoch, which has " +
                                 std::to_string(source_->count()) + " samples");
  }
  StopPipeline();
  handed_out_.reset();
  state_ = state;
  version_ = version;
  return {};
}

Result<void> Loader::Seek(const LoaderState& state) {
  SEAMOUNT_TRY(CheckProcess());
  const std::scoped_lock lock(mutex_);
  return SeekLocked(state, version_);
}

Result<void> Loader::Resume(const LoaderState& state, const std::string& order_id) {
  SEAMOUNT_TRY(CheckProcess());
  const std::scoped_lock lock(mutex_);
  for (const OrderVersion version : {OrderVersion::kFirst, OrderVersion::kSecond}) {
    if (order_id == source_->OrderId(version)) return SeekLocked(state, version);
  }
  return base::InvalidArgument("loader state is of another order of samples ('" + order_id +
                               "') than this loader's ('" + source_->OrderId(version_) +
                               "'): use the selection, leads and shuffle that it was saved with");
}

std::string Loader::order_id() const {
  const std::scoped_lock lock(mutex_);
  return source_->OrderId(version_);
}

uint64_t Loader::batches_per_epoch() const {
  const std::scoped_lock lock(mutex_);
  return BatchSequence(source_->count(), 0, BatchesOf()).size();
}

const std::vector<std::string>& Loader::field_dims(size_t slot) const {
  const Dataset& dataset = source_->dataset();
  return dataset.variables[dataset.slots[slot].variables.front()].field_dims();
}

Stats Loader::stats() const {
  const std::scoped_lock lock(mutex_);
  return StatsLocked();
}

Result<Loader::Explanation> Loader::Explain(const CallContext& context) const {
  SEAMOUNT_TRY(CheckProcess());
  std::unique_lock lock(mutex_);
  PlanStart start = Here();
  const PlannerOptions planning = Planning();
  lock.unlock();
  start.position = 0;
  Explanation explanation{.memory = memory_, .threads = Workers(options_.threads)};
  for (const ChunkGrid& grid : source_->dataset().chunks.grids()) explanation.chunk_bytes.push_back(grid.chunk_bytes);
  SEAMOUNT_TRY_ASSIGN(explanation.epochs, PlanReads(planning, start, context));
  SEAMOUNT_TRY_ASSIGN(explanation.measured,
                      MeasureReads(source_->dataset(), explanation.epochs.front().first, groups_.front(), context));
  return explanation;
}

Stats Loader::StatsLocked() const {
  Stats stats = pipeline_ ? pipeline_->stats() : stats_;
  stats.wait_plan_seconds = plan_seconds_;
  stats.wait_seconds += plan_seconds_;
  stats.trainer_seconds = trainer_seconds_;
  return stats;
}

// Somebody asks for a batch: until now the trainer was at work.
void Loader::CountTrainer() {
  if (!handed_out_) return;
  trainer_seconds_ += SecondsBetween(*handed_out_, std::chrono::steady_clock::now());
  handed_out_.reset();
}

void Loader::Show(bool waiting) {
  const auto now = std::chrono::steady_clock::now();
  if (!live_ || !live_->Due(now)) return;
  live_->Show({.name = options_.shown_as,
               .rank = options_.rank,
               .world = options_.world,
               .epoch = state_.epoch,
               .position = state_.position,
               .samples = source_->count(),
               .memory_bytes = options_.memory_bytes,
               .waiting = waiting},
              StatsLocked(), now);
}

}  // namespace seamount::loader
