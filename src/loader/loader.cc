#include "loader/loader.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/text.h"
#include "exec/for_each.h"
#include "exec/thread_pool.h"

namespace seamount::loader {
namespace {

// Enough for a local disk; pipeline.h says when there are more.
constexpr int kFirstFetchThreads = 8;
// One free batch buffer, as PlanMemory reserves it: a training loop drops a batch when it has the next.
constexpr size_t kSpareBatches = 1;
constexpr int kMostThreads = 256;
constexpr size_t kMostOpening = 16;  // variables at a time

Result<void> CheckOptions(const LoaderOptions& options) {
  if (options.variables.empty()) return base::InvalidArgument("variables: expected at least one name");
  if (options.inputs.empty()) return base::InvalidArgument("inputs: expected at least one lead, as [0]");
  if (options.batch_size == 0) return base::InvalidArgument("batch_size is 0: expected at least 1");
  if (options.world == 0 || options.rank >= options.world) {
    return base::InvalidArgument("rank " + std::to_string(options.rank) + " of world " + std::to_string(options.world) +
                                 ": expected 0 <= rank < world");
  }
  if (options.batch_size > (uint64_t{1} << 40) || options.world > (uint64_t{1} << 20)) {
    return base::InvalidArgument("a batch of " + std::to_string(options.batch_size) + " samples, " +
                                 std::to_string(options.world) + " ranks: too large");
  }
  if (options.threads < 0 || options.threads > kMostThreads) {
    return base::InvalidArgument("threads is " + std::to_string(options.threads) +
                                 ": expected 0 (one for each core) to " + std::to_string(kMostThreads));
  }
  for (const auto& [name, normalization] : options.normalization) {
    if (std::find(options.variables.begin(), options.variables.end(), name) != options.variables.end()) continue;
    return base::InvalidArgument("normalize names '" + name + "', which is not among the variables" +
                                 base::NameHint(name, options.variables));
  }
  return {};
}

std::vector<OutputSlot> SlotsOf(const LoaderOptions& options) {
  std::vector<OutputSlot> slots = {{.name = "inputs", .leads = options.inputs, .missing = options.missing}};
  if (!options.targets.empty()) {
    slots.push_back({.name = "targets", .leads = options.targets, .missing = options.missing});
  }
  return slots;
}

Result<std::vector<Variable>> OpenVariables(const Group& group, const LoaderOptions& options,
                                            const CallContext& context) {
  const auto from = options.normalize ? Variable::Normalize::kFromAttributes : Variable::Normalize::kNo;
  const size_t count = options.variables.size();
  std::vector<std::optional<Variable>> opened(count);
  // All wait for the store, so they wait together.
  exec::ThreadPool pool(static_cast<int>(std::min(count, kMostOpening)));
  SEAMOUNT_TRY(exec::ForEachItem(pool, static_cast<size_t>(pool.threads()), count, context,
                                 [&](size_t i, size_t, const CallContext& inner) -> Result<void> {
                                   const std::string& name = options.variables[i];
                                   const auto given = options.normalization.find(name);
                                   SEAMOUNT_TRY_ASSIGN(opened[i], Variable::Open(group, name, options.sample_dim, from,
                                                                                 given == options.normalization.end()
                                                                                     ? std::nullopt
                                                                                     : std::optional(given->second),
                                                                                 options.missing_chunks, inner));
                                   return {};
                                 }));
  std::vector<Variable> variables;
  variables.reserve(count);
  for (auto& variable : opened) variables.push_back(*std::move(variable));
  return variables;
}

Result<SampleSet> SelectSamples(const LoaderOptions& options, const Group& group, const Dataset& dataset) {
  const uint64_t length = dataset.variables.front().samples();
  for (const auto& [begin, end] : options.select) {
    if (begin <= end && end <= length) continue;
    return base::InvalidArgument("select " + std::to_string(begin) + ".." + std::to_string(end) + ": '" +
                                 options.sample_dim + "' has positions 0.." + std::to_string(length));
  }
  const auto selected = options.select.empty() ? std::vector<Interval>{{0, length}} : options.select;
  // The notes are about the dimension that the group says samples run along, and no other.
  const bool gaps = !options.across_gaps && options.sample_dim == group.notes().sample_dim;
  auto segments = gaps ? group.notes().segments : std::vector<Interval>();
  if (segments.empty()) segments = {{0, length}};
  if (segments.back().end > length) {
    return base::DataLoss("the group's attribute seamount.segments reaches to position " +
                          std::to_string(segments.back().end) + ", and '" + options.sample_dim + "' to " +
                          std::to_string(length) + ": prepare the data anew, or pass across_gaps=True");
  }
  SEAMOUNT_TRY_ASSIGN(auto samples, SamplesWithin(selected, segments, dataset.Leads()));
  if (samples.count() > kMostPlanned) {
    return base::InvalidArgument(std::to_string(samples.count()) + " samples are more than one epoch can have (" +
                                 std::to_string(kMostPlanned) + "): select fewer");
  }
  return samples;
}

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

int Workers(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

Result<std::unique_ptr<Loader>> Loader::Open(Group group, LoaderOptions options, const CallContext& context) {
  SEAMOUNT_TRY(CheckOptions(options));
  if (options.sample_dim.empty()) {
    options.sample_dim = group.notes().sample_dim.empty() ? "time" : group.notes().sample_dim;
  }
  SEAMOUNT_TRY_ASSIGN(auto variables, OpenVariables(group, options, context));
  SEAMOUNT_TRY_ASSIGN(auto dataset,
                      MakeDataset(std::move(variables), SlotsOf(options), options.batch_size, options.sample_dim));
  SEAMOUNT_TRY_ASSIGN(auto samples, SelectSamples(options, group, dataset));
  const uint64_t step = options.batch_size * options.world;
  if (options.drop_last && samples.count() < step) {
    return base::InvalidArgument("drop_last leaves no batch: an epoch has " + std::to_string(samples.count()) +
                                 " samples, and a step takes " + std::to_string(step) + " (batch_size " +
                                 std::to_string(options.batch_size) + ", world " + std::to_string(options.world) + ")");
  }
  auto source = std::make_shared<const SampleSource>(std::make_shared<const Dataset>(std::move(dataset)),
                                                     std::move(samples), options.shuffle);
  SEAMOUNT_TRY_ASSIGN(const MemoryPlan memory, PlanMemory(NeedsOf(options, *source)));
  return std::unique_ptr<Loader>(new Loader(std::move(options), std::move(group), std::move(source), memory));
}

Loader::Loader(LoaderOptions options, Group group, std::shared_ptr<const SampleSource> source, MemoryPlan memory)
    : options_(std::move(options)),
      group_(std::move(group)),
      source_(std::move(source)),
      memory_(memory),
      process_(getpid()),
      state_{.seed = options_.seed},
      budget_(options_.memory_bytes),
      batch_lease_(budget_.TryAcquire(memory_.batch_bytes)),
      plan_lease_(budget_.TryAcquire(memory_.plan_bytes)),
      chunk_pool_(memory_.chunk_bytes),
      batch_pool_(BatchPool::Make(source_->dataset().layout.bytes(), kSpareBatches)),
      fetch_threads_(kFirstFetchThreads),
      planner_(std::make_unique<Planner>(PlannerOptions{
          .source = source_, .batches = BatchesOf(), .retain = memory_.retain, .stretch_uses = memory_.stretch_uses})) {
}

Loader::~Loader() {
  // A forked child has the parent's thread objects, but not its threads: joining them would never end.
  if (CheckProcess()) {
    StopPipeline();
  } else {
    (void)pipeline_.release();  // NOLINT(bugprone-unused-return-value)
    (void)planner_.release();   // NOLINT(bugprone-unused-return-value)
  }
}

Result<void> Loader::CheckProcess() const {
  if (getpid() == process_) return {};
  return base::PreconditionFailed(
      "this loader was made before the process forked, and its threads stayed in the parent: make a new one in the "
      "child (it needs no worker processes: with a torch DataLoader use num_workers=0)");
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
  if (!planner_->Wait(deadline)) return false;
  SEAMOUNT_TRY_ASSIGN(auto stretch, planner_->Take());
  const PlanStart next = After(stretch);
  // The next stretch is planned while this one runs; where it is the same epoch's, with the same order.
  planner_->Begin(next, stretch.schedule.Kept(), &stretch);
  std::function<Result<void>(const CallContext&)> look;
  if (group_.CanTell()) look = [this](const CallContext& context) { return group_.CheckSame(context); };
  pipeline_ = std::make_unique<Pipeline>(PipelineResources{.source = source_,
                                                           .budget = &budget_,
                                                           .chunk_pool = &chunk_pool_,
                                                           .batch_pool = batch_pool_,
                                                           .batches_at_once = memory_.batches,
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
  SEAMOUNT_TRY_ASSIGN(const bool ready, Ready(deadline));
  return ready && pipeline_->Wait(deadline);
}

Result<std::optional<Batch>> Loader::Next(std::optional<uint64_t> epoch) {
  SEAMOUNT_TRY(CheckProcess());
  const std::scoped_lock lock(mutex_);
  if (epoch && *epoch != state_.epoch) return std::optional<Batch>();
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
  const Dataset& dataset = source_->dataset();
  Batch batch{.memory = std::move(filled->memory),
              .index = source_->PositionsOf(pipeline_->stretch().NumbersOf(head)),
              .padding = range.padding,
              .missing = filled->missing};
  const auto slot = [&](uint32_t number) {
    const auto mask = dataset.layout.mask_offset(number);
    return BatchSlot{reinterpret_cast<float*>(batch.memory.get() + dataset.layout.data_offset(number)),
                     mask ? reinterpret_cast<uint8_t*>(batch.memory.get() + *mask) : nullptr};
  };
  batch.inputs = slot(0);
  if (dataset.slots.size() > 1) batch.targets = slot(1);
  state_.position = range.step_end;
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

const std::vector<uint64_t>& Loader::field_shape() const { return source_->dataset().variables.front().field_shape(); }

const std::vector<std::string>& Loader::field_dims() const { return source_->dataset().variables.front().field_dims(); }

Stats Loader::stats() const {
  const std::scoped_lock lock(mutex_);
  return pipeline_ ? pipeline_->stats() : stats_;
}

}  // namespace seamount::loader
