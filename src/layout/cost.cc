#include "layout/cost.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "loader/group.h"
#include "loader/loader.h"
#include "loader/open_source.h"
#include "loader/plan.h"
#include "loader/schedule.h"
#include "nd/box.h"
#include "store/memory/memory_store.h"
#include "zarr/array.h"
#include "zarr/group.h"

namespace seamount::layout {
namespace {

// As loader/fetch_policy.cc has it: chunks of one shard go together up to here, and so many threads fetch at most.
constexpr uint64_t kTogetherBytes = uint64_t{1} << 20;
constexpr double kMostConnections = 64;

// The arrays' documents, and no chunk.
Result<loader::Group> GroupOf(const Data& data) {
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  for (const NamedArray& array : data.arrays) {
    zarr::ArrayMetadata metadata = array.metadata;
    metadata.attributes_json = "{}";
    SEAMOUNT_TRY(zarr::Array::Create(store, array.name, std::move(metadata), false, {}));
  }
  const zarr::GroupMetadata group{.attributes_json = data.group_attributes_json};
  SEAMOUNT_TRY(zarr::CreateGroup(*store, "", group, false, {}));
  return loader::Group::Open(store, {}, {});
}

// What one stretch of the epoch fetches.
struct Tally {
  double samples = 0;
  double chunks = 0;
  double requests = 0;
  double decoded_bytes = 0;
  double index_requests = 0;

  void Add(const Tally& other, double times) {
    samples += times * other.samples;
    chunks += times * other.chunks;
    requests += times * other.requests;
    decoded_bytes += times * other.decoded_bytes;
    index_requests += times * other.index_requests;
  }
};

// What memory has for chunks that are being fetched: all of it, where they all stay.
uint64_t RoomToFetch(const loader::MemoryNeeds& needs, const loader::MemoryPlan& memory) {
  return needs.all_chunks_bytes <= memory.retain.bytes ? memory.chunk_bytes : memory.chunk_bytes - memory.retain.bytes;
}

// Counts requests as the loader makes them: chunks of one shard that are wanted one after the other go together, those
// of them that lie side by side in one request.
class Requests {
 public:
  // room: of memory, for what is being fetched.
  Requests(const loader::Dataset& dataset, double stored_share, uint64_t room)
      : dataset_(dataset), stored_share_(stored_share), most_together_(std::min(kTogetherBytes, room / 2)) {}

  void Fetch(uint32_t chunk, Tally& tally) {
    const auto place = dataset_.chunks.PlaceOf(chunk);
    const zarr::Array& array = dataset_.variables[place.variable].array();
    const uint64_t bytes = dataset_.chunks.BytesOf(chunk);
    ++tally.chunks;
    tally.decoded_bytes += static_cast<double>(bytes);
    if (!array.metadata().shard_shape) {
      Flush(tally);
      ++tally.requests;
      return;
    }
    const nd::Index index = dataset_.IndexOf(place);
    const std::pair shard(place.variable, array.UnitNumber(index));
    if (together_.empty() || shard != shard_ || bytes_together_ >= most_together_) Flush(tally);
    if (known_.insert(shard).second) ++tally.index_requests;
    shard_ = shard;
    bytes_together_ += static_cast<uint64_t>(static_cast<double>(bytes) * stored_share_);
    together_.push_back(PlaceInShard(array, index));
  }

  void Flush(Tally& tally) {
    std::sort(together_.begin(), together_.end());
    for (size_t i = 0; i < together_.size(); ++i) {
      if (i == 0 || together_[i] != together_[i - 1] + 1) ++tally.requests;
    }
    together_.clear();
    bytes_together_ = 0;
  }

 private:
  static uint64_t PlaceInShard(const zarr::Array& array, const nd::Index& index) {
    const nd::Index in_shard = nd::GridShape(array.unit_shape(), array.metadata().chunk_shape);
    nd::Index within(index.size());
    for (size_t d = 0; d < index.size(); ++d) within[d] = index[d] % in_shard[d];
    return nd::LinearIndex(within, in_shard);
  }

  const loader::Dataset& dataset_;
  const double stored_share_;
  const uint64_t most_together_;
  std::pair<uint32_t, uint64_t> shard_;  // that `together_` lies in
  std::vector<uint64_t> together_;
  uint64_t bytes_together_ = 0;
  std::set<std::pair<uint32_t, uint64_t>> known_;  // shards whose index was read
};

// The epoch's stretches, as far as `most_uses` go.
Result<std::vector<Tally>> TalliesOf(const loader::SampleSource& source, const loader::LoaderOptions& options,
                                     const loader::MemoryNeeds& needs, const loader::MemoryPlan& memory,
                                     const Data& data, uint64_t most_uses) {
  constexpr uint64_t kStretches = 4;  // of a part of an epoch: enough to see how it goes on, each far enough ahead
  const loader::EpochSeed seed{options.seed, 0};
  const auto order = source.OrderOf(seed.seed, seed.epoch, loader::OrderVersion::kSecond, {});
  loader::ScheduleInput input{
      .source = &source,
      .order = order,
      .epoch = seed,
      .batches = loader::BatchSequence(source.count(), 0,
                                       {options.batch_size, options.drop_last, options.rank, options.world}),
      .limits = memory.retain,
      .most_uses = memory.stretch_uses};
  if (needs.epoch_uses > most_uses)
    input.most_uses = std::min(input.most_uses, std::max<uint64_t>(1, most_uses / kStretches));
  std::vector<Tally> tallies;
  std::vector<uint32_t> held;
  Requests requests(source.dataset(), data.stored_share, RoomToFetch(needs, memory));
  uint64_t uses = 0;
  for (uint64_t batch = 0; batch < input.batches.size() && uses < most_uses;) {
    SEAMOUNT_TRY_ASSIGN(const loader::Schedule schedule, loader::MakeSchedule(input, batch, held));
    Tally tally;
    for (uint32_t r = 0; r < schedule.cache.residencies.size(); ++r) {
      if (!schedule.cache.residencies[r].held) requests.Fetch(schedule.ChunkOf(r), tally);
    }
    requests.Flush(tally);
    for (uint32_t b = 0; b < schedule.batches(); ++b) {
      const loader::BatchRange range = input.batches[batch + b];
      tally.samples += static_cast<double>(range.end - range.begin);
    }
    tallies.push_back(tally);
    uses += schedule.first_use.back();
    batch += schedule.batches();
    held = schedule.Kept();
  }
  return tallies;
}

// What was planned through, and the rest of the epoch as its second half, in which memory was full already.
Tally Whole(const std::vector<Tally>& tallies, double samples) {
  Tally all;
  Tally late;
  for (size_t i = 0; i < tallies.size(); ++i) {
    all.Add(tallies[i], 1);
    if (i >= tallies.size() / 2) late.Add(tallies[i], 1);
  }
  if (all.samples < samples && late.samples > 0) all.Add(late, (samples - all.samples) / late.samples);
  return all;
}

// How many requests memory has room for at a time, each with what it brings as stored and as decoded.
double Connections(uint64_t room, const Tally& tally, double stored_share) {
  const double each = tally.decoded_bytes / std::max(1.0, tally.requests) * (1 + stored_share);
  return std::clamp(std::floor(static_cast<double>(room) / std::max(1.0, each)), 1.0, kMostConnections);
}

}  // namespace

Result<Costs> CostOf(const Data& data, loader::LoaderOptions options, const Terms& terms) {
  options.normalize = false;
  for (loader::SlotOptions& slot : options.slots) slot.normalize = false;
  SEAMOUNT_TRY_ASSIGN(loader::Group group, GroupOf(data));
  const std::vector<loader::Group> groups = {std::move(group)};
  SEAMOUNT_TRY_ASSIGN(const auto opened, loader::OpenSource(groups, options, {}));
  const loader::SampleSource& source = *opened.source;
  const loader::MemoryNeeds needs = loader::NeedsOf(options, source);
  SEAMOUNT_TRY_ASSIGN(const loader::MemoryPlan memory, loader::PlanMemory(needs));
  SEAMOUNT_TRY_ASSIGN(const std::vector<Tally> tallies,
                      TalliesOf(source, options, needs, memory, data, terms.most_uses));
  const loader::BatchSequence batches(source.count(), 0,
                                      {options.batch_size, options.drop_last, options.rank, options.world});
  double samples = 0;
  for (uint64_t b = 0; b < batches.size(); ++b) {
    samples += static_cast<double>(batches[b].end - batches[b].begin);
  }
  const Tally whole = Whole(tallies, samples);
  const auto rounded = [](double value) { return static_cast<uint64_t>(std::llround(value)); };
  const double bytes = whole.decoded_bytes * data.stored_share;
  Costs costs{.samples = rounded(samples),
              .chunks = rounded(whole.chunks),
              .requests = rounded(whole.requests),
              .index_requests = rounded(whole.index_requests),
              .bytes = rounded(bytes),
              .decoded_bytes = rounded(whole.decoded_bytes),
              .batch_bytes =
                  rounded(static_cast<double>(needs.batch_bytes) / static_cast<double>(options.batch_size) * samples)};
  costs.reread = whole.decoded_bytes / std::max(1.0, static_cast<double>(needs.all_chunks_bytes));
  const double connections = Connections(RoomToFetch(needs, memory), whole, data.stored_share);
  costs.connections = rounded(connections);
  const double requests = whole.requests + whole.index_requests;
  const double each = terms.latency_seconds + bytes / std::max(1.0, requests) / terms.connection_bytes_per_second;
  const double fetching = std::max(std::ceil(requests / connections) * each, bytes / terms.link_bytes_per_second);
  const double working = (whole.decoded_bytes + static_cast<double>(costs.batch_bytes)) /
                         (terms.core_bytes_per_second * std::max(1, terms.cores));
  costs.seconds = std::max(fetching, working);
  costs.usd = requests / 10'000 * terms.usd_per_10k_reads + bytes / (1024.0 * 1024 * 1024) * terms.usd_per_gib;
  return costs;
}

}  // namespace seamount::layout
