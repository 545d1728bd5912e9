#include "loader/loader.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/text.h"

namespace seamount::loader {
namespace {

// Enough for a local disk; pipeline.h says when there are more.
constexpr int kFirstFetchThreads = 8;
// One free batch buffer, as PlanMemory reserves it: a training loop drops a batch when it has the next.
constexpr size_t kSpareBatches = 1;
constexpr int kMostThreads = 256;

Result<void> CheckOptions(const LoaderOptions& options) {
  if (options.variables.empty()) return base::InvalidArgument("variables: expected at least one name");
  if (options.inputs.empty()) return base::InvalidArgument("inputs: expected at least one lead, as [0]");
  if (options.batch_size == 0) return base::InvalidArgument("batch_size is 0: expected at least 1");
  if (options.world == 0 || options.rank >= options.world) {
    return base::InvalidArgument("rank " + std::to_string(options.rank) + " of world " + std::to_string(options.world) +
                                 ": expected 0 <= rank < world");
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

std::vector<int64_t> AllLeads(const LoaderOptions& options) {
  std::vector<int64_t> leads = options.inputs;
  leads.insert(leads.end(), options.targets.begin(), options.targets.end());
  return leads;
}

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::vector<std::string> parts;
  parts.reserve(shape.size());
  for (const uint64_t extent : shape) parts.push_back(std::to_string(extent));
  return "(" + base::Join(parts, ", ") + ")";
}

Result<void> CheckAlike(const Variable& first, const Variable& other, const std::string& sample_dim) {
  if (first.samples() != other.samples()) {
    return base::InvalidArgument("variables '" + first.name() + "' and '" + other.name() + "' differ along '" +
                                 sample_dim + "': " + std::to_string(first.samples()) + " and " +
                                 std::to_string(other.samples()));
  }
  if (first.field_shape() != other.field_shape()) {
    return base::InvalidArgument("variables '" + first.name() + "' and '" + other.name() +
                                 "' have fields of different shape, " + ShapeText(first.field_shape()) + " and " +
                                 ShapeText(other.field_shape()) + ": load them with two loaders");
  }
  return {};
}

// Elements of one batch, or InvalidArgument where that cannot be addressed.
Result<BatchLayout> MakeLayout(const LoaderOptions& options, const Variable& first) {
  const BatchLayout layout{.batch_size = options.batch_size,
                           .input_leads = options.inputs.size(),
                           .target_leads = options.targets.size(),
                           .variables = options.variables.size(),
                           .field_elements = first.field_elements()};
  const uint64_t leads = layout.input_leads + layout.target_leads;
  uint64_t bytes = sizeof(float);
  for (const uint64_t factor : {layout.batch_size, leads, layout.variables, layout.field_elements}) {
    if (__builtin_mul_overflow(bytes, factor, &bytes) || bytes > (uint64_t{1} << 60)) {
      return base::InvalidArgument("a batch of " + std::to_string(options.batch_size) + " samples is too large");
    }
  }
  return layout;
}

Result<Dataset> OpenDataset(const std::shared_ptr<Store>& store, const LoaderOptions& options,
                            const CallContext& context) {
  Dataset dataset{.variables = {}, .chunks = {}, .leads = AllLeads(options), .layout = {}};
  std::vector<ChunkGrid> grids;
  const auto from = options.normalize ? Variable::Normalize::kFromAttributes : Variable::Normalize::kNo;
  for (const std::string& name : options.variables) {
    const auto given = options.normalization.find(name);
    SEAMOUNT_TRY_ASSIGN(
        auto variable,
        Variable::Open(store, name, options.sample_dim, from,
                       given == options.normalization.end() ? std::nullopt : std::optional(given->second), context));
    if (variable.field_elements() == 0) {
      return base::InvalidArgument("variable '" + name + "' has no elements: its shape without '" + options.sample_dim +
                                   "' is " + ShapeText(variable.field_shape()));
    }
    const uint64_t field_chunks = variable.field_chunks();
    grids.push_back({variable.chunk_samples(), variable.chunks() / std::max<uint64_t>(1, field_chunks), field_chunks,
                     variable.array().chunk_bytes()});
    dataset.variables.push_back(std::move(variable));
    SEAMOUNT_TRY(CheckAlike(dataset.variables.front(), dataset.variables.back(), options.sample_dim));
  }
  SEAMOUNT_TRY_ASSIGN(dataset.layout, MakeLayout(options, dataset.variables.front()));
  SEAMOUNT_TRY_ASSIGN(dataset.chunks, ChunkNumbers::Make(std::move(grids)));
  return dataset;
}

Result<SampleRange> SelectSamples(const LoaderOptions& options, const Dataset& dataset) {
  const uint64_t length = dataset.variables.front().samples();
  const auto [begin, end] = options.select.value_or(std::pair<uint64_t, uint64_t>(0, length));
  if (begin > end || end > length) {
    return base::InvalidArgument("select " + std::to_string(begin) + ".." + std::to_string(end) + ": '" +
                                 options.sample_dim + "' has positions 0.." + std::to_string(length));
  }
  SEAMOUNT_TRY_ASSIGN(const SampleRange samples, SamplesInside(begin, end, dataset.leads));
  if (samples.count > kMostPlanned) {
    return base::InvalidArgument(std::to_string(samples.count) + " samples are more than one epoch can have (" +
                                 std::to_string(kMostPlanned) + "): select fewer");
  }
  return samples;
}

MemoryNeeds NeedsOf(const LoaderOptions& options, const Dataset& dataset, const SampleRange& samples) {
  MemoryNeeds needs{.memory_bytes = options.memory_bytes, .batch_bytes = dataset.layout.elements() * sizeof(float)};
  const auto [low, high] = std::minmax_element(dataset.leads.begin(), dataset.leads.end());
  const uint64_t first = samples.first + static_cast<uint64_t>(*low);
  const uint64_t last = samples.first + samples.count - 1 + static_cast<uint64_t>(*high);
  for (const ChunkGrid& grid : dataset.chunks.grids()) {
    needs.largest_chunk_bytes = std::max(needs.largest_chunk_bytes, grid.chunk_bytes);
    const uint64_t rows = last / grid.chunk_samples - first / grid.chunk_samples + 1;
    needs.all_chunks_bytes += rows * grid.field_chunks * grid.chunk_bytes;
  }
  return needs;
}

// The longest chunk decides, so that every variable's chunks lie in few blocks.
BlockShape BlocksOf(const Dataset& dataset) {
  uint64_t longest = 1;
  for (const ChunkGrid& grid : dataset.chunks.grids()) longest = std::max(longest, grid.chunk_samples);
  return ChooseBlocks(longest, dataset.leads);
}

std::string OrderId(const LoaderOptions& options, const SampleRange& samples, const BlockShape& blocks) {
  std::string id = "v1 samples " + std::to_string(samples.first) + "+" + std::to_string(samples.count) + " shuffle " +
                   std::string(NameOf(options.shuffle));
  if (options.shuffle == Shuffle::kBlock) {
    id += " " + std::to_string(blocks.block_samples) + "x" + std::to_string(blocks.window_blocks) + " from " +
          std::to_string(blocks.first_lead);
  }
  return id;
}

int Workers(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

Result<std::unique_ptr<Loader>> Loader::Open(const std::shared_ptr<Store>& store, LoaderOptions options,
                                             const CallContext& context) {
  SEAMOUNT_TRY(CheckOptions(options));
  SEAMOUNT_TRY_ASSIGN(auto dataset, OpenDataset(store, options, context));
  SEAMOUNT_TRY_ASSIGN(const SampleRange samples, SelectSamples(options, dataset));
  SEAMOUNT_TRY_ASSIGN(const MemoryPlan memory, PlanMemory(NeedsOf(options, dataset, samples)));
  return std::unique_ptr<Loader>(
      new Loader(std::move(options), std::make_shared<const Dataset>(std::move(dataset)), samples, memory));
}

Loader::Loader(LoaderOptions options, std::shared_ptr<const Dataset> dataset, SampleRange samples, MemoryPlan memory)
    : options_(std::move(options)),
      dataset_(std::move(dataset)),
      samples_(samples),
      memory_(memory),
      blocks_(BlocksOf(*dataset_)),
      order_id_(OrderId(options_, samples_, blocks_)),
      batches_(
          Batches(samples_.count, 0, {options_.batch_size, options_.drop_last, options_.rank, options_.world}).size()),
      process_(getpid()),
      state_{.seed = options_.seed},
      budget_(options_.memory_bytes),
      batch_lease_(budget_.TryAcquire(memory_.batch_bytes)),
      chunk_pool_(memory_.chunk_bytes),
      batch_pool_(BatchPool::Make(dataset_->layout.elements(), kSpareBatches)),
      fetch_threads_(kFirstFetchThreads) {}

Loader::~Loader() {
  // A forked child has the parent's thread objects, but not its threads: joining them would never end.
  if (CheckProcess()) {
    StopPipeline();
  } else {
    (void)pipeline_.release();  // NOLINT(bugprone-unused-return-value)
  }
}

Result<void> Loader::CheckProcess() const {
  if (getpid() == process_) return {};
  return base::PreconditionFailed(
      "this loader was made before the process forked, and its threads stayed in the parent: make a new one in the "
      "child (it needs no worker processes: with a torch DataLoader use num_workers=0)");
}

Result<void> Loader::StartPipeline() {
  auto order = EpochOrder(samples_, options_.shuffle, blocks_, state_.seed, state_.epoch);
  auto batches = Batches(samples_.count, state_.position,
                         {options_.batch_size, options_.drop_last, options_.rank, options_.world});
  std::vector<uint32_t> held;
  for (const auto& [number, chunk] : held_) held.push_back(number);
  SEAMOUNT_TRY_ASSIGN(auto schedule, MakeSchedule(std::move(order), std::move(batches), dataset_->leads,
                                                  dataset_->chunks, memory_.retain, held));
  pipeline_ = std::make_unique<Pipeline>(PipelineResources{.dataset = dataset_,
                                                           .budget = &budget_,
                                                           .chunk_pool = &chunk_pool_,
                                                           .batch_pool = batch_pool_,
                                                           .batches_at_once = memory_.batches,
                                                           .workers = Workers(options_.threads),
                                                           .fetch_threads = fetch_threads_},
                                         std::move(schedule), std::exchange(held_, {}), stats_);
  return {};
}

void Loader::StopPipeline() {
  if (!pipeline_) return;
  fetch_threads_ = std::max(fetch_threads_, pipeline_->fetch_threads());
  held_ = pipeline_->Stop();
  stats_ = pipeline_->stats();
  pipeline_.reset();
}

Result<bool> Loader::Wait(std::chrono::milliseconds timeout) {
  SEAMOUNT_TRY(CheckProcess());
  const std::scoped_lock lock(mutex_);
  if (!pipeline_) SEAMOUNT_TRY(StartPipeline());
  return pipeline_->Wait(std::chrono::steady_clock::now() + timeout);
}

Result<std::optional<Batch>> Loader::Next() {
  SEAMOUNT_TRY(CheckProcess());
  const std::scoped_lock lock(mutex_);
  if (!pipeline_) SEAMOUNT_TRY(StartPipeline());
  const uint32_t head = pipeline_->head();
  if (head >= pipeline_->batches()) {
    StopPipeline();
    ++state_.epoch;
    state_.position = 0;
    return std::optional<Batch>();
  }
  auto memory = pipeline_->Take();
  if (!memory) {
    StopPipeline();
    return memory.error();
  }
  const auto samples = pipeline_->schedule().SamplesOf(head);
  const BatchLayout& layout = dataset_->layout;
  Batch batch{.memory = *std::move(memory), .index = {samples.begin(), samples.end()}};
  batch.inputs = batch.memory.get();
  if (layout.target_leads > 0) batch.targets = batch.memory.get() + layout.targets_offset();
  state_.position = pipeline_->schedule().batches[head].position_after;
  return std::optional<Batch>(std::move(batch));
}

LoaderState Loader::state() const {
  const std::scoped_lock lock(mutex_);
  return state_;
}

Result<void> Loader::Seek(const LoaderState& state) {
  SEAMOUNT_TRY(CheckProcess());
  const std::scoped_lock lock(mutex_);
  if (state == state_) return {};
  if (state.position > samples_.count) {
    return base::InvalidArgument("position " + std::to_string(state.position) + " lies beyond the epoch, which has " +
                                 std::to_string(samples_.count) + " samples");
  }
  StopPipeline();
  state_ = state;
  return {};
}

const std::vector<uint64_t>& Loader::field_shape() const { return dataset_->variables.front().field_shape(); }

const std::vector<std::string>& Loader::field_dims() const { return dataset_->variables.front().field_dims(); }

Stats Loader::stats() const {
  const std::scoped_lock lock(mutex_);
  return pipeline_ ? pipeline_->stats() : stats_;
}

}  // namespace seamount::loader
