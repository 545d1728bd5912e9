// Which samples an epoch has, in which order, and how they fall into batches and ranks. Pure functions: the same
// arguments give the same order on every machine, compiler and release, because training runs resume from it.
//
// How the order is made (never change it; order_test.cc holds golden values):
// - Random numbers: SplitMix64, started at Mix(Mix(seed) + epoch), where Mix is SplitMix64's finaliser. A number below
//   n is the high half of a 64 x 64 bit product, redrawn while its low half falls into the biased part (Lemire 2019).
// - Shuffling: Fisher-Yates from the last element down, swapping element i with element Below(i + 1).
// - kGlobal shuffles all samples. kBlock cuts the samples into runs along the sample dimension, aligned to the first
//   time a sample touches, shuffles the runs, then mixes the samples inside each group of `window_blocks` runs: what is
//   read together is stored together, so that each chunk is fetched and decoded about once.
// - How a group is mixed depends on the version. kFirst shuffles all of it. kSecond shuffles the samples of each chunk,
//   then deals rounds of one sample from each chunk, each round shuffled: a step then holds as much of every chunk, and
//   ranks can share it by chunk.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "loader/samples.h"

namespace seamount::loader {

enum class Shuffle { kNone, kBlock, kGlobal };
// "none", "block", "global".
Result<Shuffle> ShuffleFromName(std::string_view name);
std::string_view NameOf(Shuffle shuffle);

// New runs take kSecond; a run that began with kFirst resumes in it.
enum class OrderVersion { kFirst = 1, kSecond = 2 };

class Random {
 public:
  Random(uint64_t seed, uint64_t epoch);
  uint64_t Next();
  // Uniform in [0, n); n > 0.
  uint64_t Below(uint64_t n);

 private:
  uint64_t state_;
};

struct BlockShape {
  uint64_t block_samples = 64;
  uint64_t window_blocks = 2;
  int64_t first_lead = 0;  // the smallest lead: blocks are aligned to multiples of block_samples in sample + first_lead
  uint64_t chunk_samples = 1;  // of the longest chunk; divides block_samples
  uint64_t per_position = 1;   // samples at each position: patches. They are numbered position by position
};

// Blocks for chunks of `chunk_samples` positions: whole chunks, at least 64 samples and, where windows overlap into the
// next chunk, at least four chunks, so that the chunk shared by two blocks adds at most a quarter to the decoding.
// Groups of blocks hold about 128 samples: eight batches of 16 drawn at random, and still small in memory. Where there
// are several samples at each position, so many times fewer positions do, but eight at least: patches of one time are
// much alike.
BlockShape ChooseBlocks(uint64_t chunk_samples, std::span<const int64_t> leads, uint64_t per_position = 1);

// The samples of one epoch in order, as numbers within the set (times per_position). Cut short when `stop` is
// requested.
std::vector<uint32_t> EpochOrder(const SampleSet& samples, Shuffle shuffle, const BlockShape& blocks, uint64_t seed,
                                 uint64_t epoch, OrderVersion version, const std::stop_token& stop = {});

struct BatchOptions {
  uint64_t batch_size = 1;  // of each rank
  bool drop_last = false;
  uint64_t rank = 0;
  uint64_t world = 1;
  OrderVersion version = OrderVersion::kSecond;
};

// One batch of one rank: samples [begin, end) of the step [step_begin, step_end) of the epoch's order. In kSecond the
// step of several ranks is sorted first, so that each rank gets neighbours.
struct BatchRange {
  uint64_t step_begin = 0;
  uint64_t step_end = 0;  // samples that all ranks together have consumed once this batch is done
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t padding = 0;  // of its samples, the last ones that repeat another rank's: for steps of fewer than one each
  bool sorted = false;
  bool operator==(const BatchRange&) const = default;
};

// The batches of one rank from `position` (samples consumed by all ranks) to the end. Step by step the ranks share
// batch_size * world consecutive samples; the last, shorter step is shared as evenly as possible, so that every rank
// makes the same number of steps. With drop_last it is left out. Where it has fewer samples than there are ranks, the
// others repeat one of them (kSecond), or it is left out too (kFirst).
class BatchSequence {
 public:
  BatchSequence() = default;
  BatchSequence(uint64_t samples, uint64_t position, const BatchOptions& options);
  uint64_t size() const { return size_; }
  BatchRange operator[](uint64_t number) const;

 private:
  uint64_t samples_ = 0;
  uint64_t position_ = 0;
  uint64_t size_ = 0;
  BatchOptions options_;
};

// The numbers of a batch's samples.
std::vector<uint32_t> SamplesOf(const BatchRange& batch, std::span<const uint32_t> order);

}  // namespace seamount::loader
