#include "loader/order.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/text.h"

namespace seamount::loader {
namespace {

constexpr uint64_t kGamma = 0x9E3779B97F4A7C15u;  // SplitMix64's increment

uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

template <class T>
void ShuffleInPlace(std::span<T> items, Random& random, const std::stop_token& stop = {}) {
  constexpr size_t kBetweenLooks = 1 << 16;
  for (size_t i = items.size(); i > 1; --i) {
    if (i % kBetweenLooks == 0 && stop.stop_requested()) return;
    std::swap(items[i - 1], items[random.Below(i)]);
  }
}

// Consecutive sample numbers.
struct Run {
  uint32_t begin;
  uint32_t count;
};

// Runs of samples that share (position + first_lead) / length.
std::vector<Run> CutRuns(const SampleSet& samples, const Run& part, uint64_t length, const BlockShape& shape) {
  // Adding first_lead cannot go below zero for a sample whose leads all lie inside the array.
  const auto run_of = [&](uint32_t number) {
    return (samples.PositionOf(number / shape.per_position) + static_cast<uint64_t>(shape.first_lead)) / length;
  };
  std::vector<Run> runs;
  uint64_t before = 0;
  for (uint32_t i = part.begin; i < part.begin + part.count; ++i) {
    const uint64_t run = run_of(i);
    if (runs.empty() || run != before) runs.push_back({i, 0});
    before = run;
    ++runs.back().count;
  }
  return runs;
}

void Append(const Run& run, std::vector<uint32_t>& order) {
  for (uint32_t i = 0; i < run.count; ++i) order.push_back(run.begin + i);
}

// Rounds of one sample from each run. A run shorter than the longest is in as many rounds as it has samples, spread.
void AppendRounds(const std::vector<Run>& runs, Random& random, std::vector<uint32_t>& order) {
  uint64_t rounds = 0;
  for (const Run& run : runs) rounds = std::max<uint64_t>(rounds, run.count);
  std::vector<std::vector<uint32_t>> of_round(rounds);
  for (const Run& run : runs) {
    std::vector<uint32_t> numbers;
    Append(run, numbers);
    ShuffleInPlace<uint32_t>(numbers, random);
    for (uint64_t j = 0; j < run.count; ++j) {
      of_round[(2 * j + 1) * rounds / (2 * uint64_t{run.count})].push_back(numbers[j]);
    }
  }
  for (auto& round : of_round) {
    ShuffleInPlace<uint32_t>(round, random);
    order.insert(order.end(), round.begin(), round.end());
  }
}

std::vector<uint32_t> BlockOrder(const SampleSet& samples, const BlockShape& shape, Random& random,
                                 OrderVersion version, const std::stop_token& stop) {
  const Run all{0, static_cast<uint32_t>(samples.count() * shape.per_position)};
  std::vector<Run> blocks = CutRuns(samples, all, shape.block_samples, shape);
  ShuffleInPlace<Run>(blocks, random);
  std::vector<uint32_t> order;
  order.reserve(all.count);
  for (size_t begin = 0; begin < blocks.size() && !stop.stop_requested(); begin += shape.window_blocks) {
    const size_t end = std::min<size_t>(blocks.size(), begin + shape.window_blocks);
    const size_t group = order.size();
    std::vector<Run> chunks;
    for (size_t b = begin; b < end; ++b) {
      if (version == OrderVersion::kFirst) {
        Append(blocks[b], order);
      } else {
        const auto cut = CutRuns(samples, blocks[b], shape.chunk_samples, shape);
        chunks.insert(chunks.end(), cut.begin(), cut.end());
      }
    }
    if (version == OrderVersion::kFirst) {
      ShuffleInPlace(std::span(order).subspan(group), random);
    } else {
      AppendRounds(chunks, random, order);
    }
  }
  return order;
}

}  // namespace

Result<Shuffle> ShuffleFromName(std::string_view name) {
  if (name == "none") return Shuffle::kNone;
  if (name == "block") return Shuffle::kBlock;
  if (name == "global") return Shuffle::kGlobal;
  return base::InvalidArgument("shuffle '" + std::string(name) + "': expected 'global', 'block' or none");
}

std::string_view NameOf(Shuffle shuffle) {
  switch (shuffle) {
    case Shuffle::kNone: return "none";
    case Shuffle::kBlock: return "block";
    case Shuffle::kGlobal: return "global";
  }
  return "none";
}

Random::Random(uint64_t seed, uint64_t epoch) : state_(Mix(Mix(seed) + epoch)) {}

uint64_t Random::Next() { return Mix(state_ += kGamma); }

uint64_t Random::Below(uint64_t n) {
  __extension__ using Wide = unsigned __int128;
  const uint64_t biased = (0 - n) % n;  // 2^64 mod n
  for (;;) {
    const Wide product = static_cast<Wide>(Next()) * n;
    if (static_cast<uint64_t>(product) >= biased) return static_cast<uint64_t>(product >> 64);
  }
}

BlockShape ChooseBlocks(uint64_t chunk_samples, std::span<const int64_t> leads, uint64_t per_position) {
  const uint64_t block_samples = std::max<uint64_t>(1, 64 / per_position);
  const uint64_t window_samples = std::max<uint64_t>(8, 128 / per_position);
  BlockShape shape{.per_position = per_position};
  const uint64_t chunk = std::max<uint64_t>(1, chunk_samples);
  uint64_t chunks = (block_samples + chunk - 1) / chunk;
  if (!leads.empty()) {
    const auto [low, high] = std::minmax_element(leads.begin(), leads.end());
    shape.first_lead = *low;
    if (*high > *low) chunks = std::max<uint64_t>(chunks, 4);
  }
  shape.chunk_samples = chunk;
  shape.block_samples = chunks * chunk;
  shape.window_blocks = std::max<uint64_t>(1, window_samples / shape.block_samples);
  return shape;
}

std::vector<uint32_t> EpochOrder(const SampleSet& samples, Shuffle shuffle, const BlockShape& blocks, uint64_t seed,
                                 uint64_t epoch, OrderVersion version, const std::stop_token& stop) {
  Random random(seed, epoch);
  if (shuffle == Shuffle::kBlock) return BlockOrder(samples, blocks, random, version, stop);
  std::vector<uint32_t> order(samples.count() * blocks.per_position);
  std::iota(order.begin(), order.end(), 0);
  if (shuffle == Shuffle::kGlobal) ShuffleInPlace<uint32_t>(order, random, stop);
  return order;
}

BatchSequence::BatchSequence(uint64_t samples, uint64_t position, const BatchOptions& options)
    : samples_(samples), position_(position), options_(options) {
  const uint64_t step = options.batch_size * options.world;
  const uint64_t rest = (samples - position) % step;
  const bool short_step = rest >= options.world || (rest > 0 && options.version != OrderVersion::kFirst);
  size_ = (samples - position) / step + (short_step && !options.drop_last ? 1 : 0);
}

BatchRange BatchSequence::operator[](uint64_t number) const {
  const uint64_t step = options_.batch_size * options_.world;
  BatchRange batch{.step_begin = position_ + number * step};
  const uint64_t taken = std::min(step, samples_ - batch.step_begin);
  batch.step_end = batch.step_begin + taken;
  batch.sorted = options_.world > 1 && options_.version != OrderVersion::kFirst;
  if (taken < options_.world) {
    batch.padding = options_.rank < taken ? 0 : 1;
    batch.begin = batch.step_begin + options_.rank % taken;
    batch.end = batch.begin + 1;
    return batch;
  }
  const uint64_t share = taken / options_.world;
  const uint64_t longer = taken % options_.world;  // so many ranks get one sample more
  batch.begin = batch.step_begin + options_.rank * share + std::min(options_.rank, longer);
  batch.end = batch.begin + share + (options_.rank < longer ? 1 : 0);
  return batch;
}

std::vector<uint32_t> SamplesOf(const BatchRange& batch, std::span<const uint32_t> order) {
  const auto own = [&](std::span<const uint32_t> step) {
    const auto part = step.subspan(batch.begin - batch.step_begin, batch.end - batch.begin);
    return std::vector<uint32_t>(part.begin(), part.end());
  };
  const auto step = order.subspan(batch.step_begin, batch.step_end - batch.step_begin);
  if (!batch.sorted) return own(step);
  std::vector<uint32_t> sorted(step.begin(), step.end());
  std::sort(sorted.begin(), sorted.end());
  return own(sorted);
}

}  // namespace seamount::loader
