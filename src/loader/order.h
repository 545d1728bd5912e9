// Which samples an epoch has, in which order, and how they fall into batches and ranks. Pure functions: the same
// arguments give the same order on every machine, compiler and release, because training runs resume from it.
//
// How the order is made (never change it; order_test.cc holds golden values):
// - Random numbers: SplitMix64, started at Mix(Mix(seed) + epoch), where Mix is SplitMix64's finaliser. A number below
//   n is the high half of a 64 x 64 bit product, redrawn while its low half falls into the biased part (Lemire 2019).
// - Shuffling: Fisher-Yates from the last element down, swapping element i with element Below(i + 1).
// - kGlobal shuffles all samples. kBlock cuts the samples into runs along the sample dimension, aligned to the first
//   time a sample touches, shuffles the runs, then shuffles the samples inside each group of `window_blocks` runs: what
//   is read together is stored together, so that each chunk is fetched and decoded about once.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::loader {

enum class Shuffle { kNone, kBlock, kGlobal };
// "none", "block", "global".
Result<Shuffle> ShuffleFromName(std::string_view name);
std::string_view NameOf(Shuffle shuffle);

class Random {
 public:
  Random(uint64_t seed, uint64_t epoch);
  uint64_t Next();
  // Uniform in [0, n); n > 0.
  uint64_t Below(uint64_t n);

 private:
  uint64_t state_;
};

// Sample numbers first, first + 1, … : positions along the sample dimension.
struct SampleRange {
  uint64_t first = 0;
  uint64_t count = 0;
};

// The positions for which every lead lies inside [begin, end). InvalidArgument when there is none: it says how long the
// window is and how long the range.
Result<SampleRange> SamplesInside(uint64_t begin, uint64_t end, std::span<const int64_t> leads);

struct BlockShape {
  uint64_t block_samples = 64;
  uint64_t window_blocks = 2;
  int64_t first_lead = 0;  // the smallest lead: blocks are aligned to multiples of block_samples in sample + first_lead
};

// Blocks for chunks of `chunk_samples` positions: whole chunks, at least 64 samples and, where windows overlap into the
// next chunk, at least four chunks, so that the chunk shared by two blocks adds at most a quarter to the decoding.
// Groups of blocks hold about 128 samples: eight batches of 16 drawn at random, and still small in memory.
BlockShape ChooseBlocks(uint64_t chunk_samples, std::span<const int64_t> leads);

// The sample numbers of one epoch, in order.
std::vector<uint64_t> EpochOrder(const SampleRange& samples, Shuffle shuffle, const BlockShape& blocks, uint64_t seed,
                                 uint64_t epoch);

struct BatchOptions {
  uint64_t batch_size = 1;  // of each rank
  bool drop_last = false;
  uint64_t rank = 0;
  uint64_t world = 1;
};

// One batch of this rank: samples [begin, end) of the epoch's order.
struct BatchRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t position_after = 0;  // samples that all ranks together have consumed once this batch is done
  bool operator==(const BatchRange&) const = default;
};

// The batches of one rank from `position` (samples consumed by all ranks) to the end. Step by step the ranks share
// batch_size * world consecutive samples; the last, shorter step is shared as evenly as possible, and left out with
// drop_last, or when it has fewer samples than there are ranks, so that every rank makes the same number of steps.
std::vector<BatchRange> Batches(uint64_t samples, uint64_t position, const BatchOptions& options);

}  // namespace seamount::loader
