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
void ShuffleInPlace(std::span<T> items, Random& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

std::vector<uint64_t> BlockOrder(const SampleRange& samples, const BlockShape& shape, Random& random) {
  // Adding first_lead cannot go below zero for a sample whose leads all lie inside the array.
  const auto block_of = [&](uint64_t sample) {
    return (sample + static_cast<uint64_t>(shape.first_lead)) / shape.block_samples;
  };
  std::vector<SampleRange> blocks;
  for (uint64_t i = 0; i < samples.count; ++i) {
    const uint64_t sample = samples.first + i;
    if (i == 0 || block_of(sample) != block_of(sample - 1)) blocks.push_back({sample, 0});
    ++blocks.back().count;
  }
  ShuffleInPlace<SampleRange>(blocks, random);
  std::vector<uint64_t> order;
  order.reserve(samples.count);
  for (size_t begin = 0; begin < blocks.size(); begin += shape.window_blocks) {
    const size_t end = std::min<size_t>(blocks.size(), begin + shape.window_blocks);
    const size_t group = order.size();
    for (size_t b = begin; b < end; ++b) {
      for (uint64_t i = 0; i < blocks[b].count; ++i) order.push_back(blocks[b].first + i);
    }
    ShuffleInPlace(std::span(order).subspan(group), random);
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

Result<SampleRange> SamplesInside(uint64_t begin, uint64_t end, std::span<const int64_t> leads) {
  int64_t earliest = 0;
  int64_t latest = 0;
  if (!leads.empty()) {
    earliest = *std::min_element(leads.begin(), leads.end());
    latest = *std::max_element(leads.begin(), leads.end());
  }
  // A lead beyond 2^62 either way is nonsense; refusing it here keeps the sums below from overflowing.
  constexpr int64_t kFar = int64_t{1} << 62;
  if (earliest < -kFar || latest > kFar || end > static_cast<uint64_t>(kFar)) {
    return base::InvalidArgument("leads from " + std::to_string(earliest) + " to " + std::to_string(latest) +
                                 ": too far from the sample");
  }
  // Sample s is inside when begin <= s + earliest and s + latest < end; s itself need not lie inside the range, but is
  // never negative.
  const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(begin) - earliest);
  const int64_t past = static_cast<int64_t>(end) - latest;
  if (past <= first) {
    return base::InvalidArgument("no sample fits: leads " + std::to_string(earliest) + ".." + std::to_string(latest) +
                                 " need " + std::to_string(latest - earliest + 1) +
                                 " consecutive positions inside the selected range " + std::to_string(begin) + ".." +
                                 std::to_string(end) + ", which has " + std::to_string(end > begin ? end - begin : 0));
  }
  return SampleRange{static_cast<uint64_t>(first), static_cast<uint64_t>(past - first)};
}

BlockShape ChooseBlocks(uint64_t chunk_samples, std::span<const int64_t> leads) {
  constexpr uint64_t kBlockSamples = 64;
  constexpr uint64_t kWindowSamples = 128;
  BlockShape shape;
  const uint64_t chunk = std::max<uint64_t>(1, chunk_samples);
  uint64_t chunks = (kBlockSamples + chunk - 1) / chunk;
  if (!leads.empty()) {
    const auto [low, high] = std::minmax_element(leads.begin(), leads.end());
    shape.first_lead = *low;
    if (*high > *low) chunks = std::max<uint64_t>(chunks, 4);
  }
  shape.block_samples = chunks * chunk;
  shape.window_blocks = std::max<uint64_t>(1, kWindowSamples / shape.block_samples);
  return shape;
}

std::vector<uint64_t> EpochOrder(const SampleRange& samples, Shuffle shuffle, const BlockShape& blocks, uint64_t seed,
                                 uint64_t epoch) {
  Random random(seed, epoch);
  if (shuffle == Shuffle::kBlock) return BlockOrder(samples, blocks, random);
  std::vector<uint64_t> order(samples.count);
  std::iota(order.begin(), order.end(), samples.first);
  if (shuffle == Shuffle::kGlobal) ShuffleInPlace<uint64_t>(order, random);
  return order;
}

std::vector<BatchRange> Batches(uint64_t samples, uint64_t position, const BatchOptions& options) {
  std::vector<BatchRange> batches;
  const uint64_t step = options.batch_size * options.world;
  while (position < samples) {
    const uint64_t taken = std::min(step, samples - position);
    if (taken < step && (options.drop_last || taken < options.world)) break;
    const uint64_t share = taken / options.world;
    const uint64_t longer = taken % options.world;  // so many ranks get one sample more
    const uint64_t begin = position + options.rank * share + std::min(options.rank, longer);
    batches.push_back({begin, begin + share + (options.rank < longer ? 1 : 0), position + taken});
    position += taken;
  }
  return batches;
}

}  // namespace seamount::loader
