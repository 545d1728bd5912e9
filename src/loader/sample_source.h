// Which samples there are, in which order an epoch has them, where each lies in the data and which chunks it needs.
//
// The one type that knows what a sample is: a position along the sample dimension, the same in every variable that has
// it (a static field is at position 0 for every sample; a group of other steps where its times say), and one of the
// patches there. Planning takes chunk numbers from it, filling takes placements, and neither looks inside a sample; so
// another kind of sample is made here, in Placement and in the dataset's windows.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "loader/dataset.h"
#include "loader/order.h"
#include "loader/samples.h"

namespace seamount::loader {

// How a position of a variable follows from a sample's.
struct Reach {
  int64_t lead = 0;
  std::shared_ptr<const std::vector<uint32_t>> positions;  // of a group with steps of its own, by the first one's
  uint64_t From(uint64_t sample) const {
    return positions ? (*positions)[sample] : sample + static_cast<uint64_t>(lead);
  }
  bool operator==(const Reach&) const = default;
};

// One field of one sample: where its window lies in its variable, and where in the batch it goes.
struct Placement {
  uint64_t position = 0;     // of the window
  uint32_t sample = 0;       // within the batch
  uint32_t destination = 0;  // among the variable's
};

// All fields of one batch. SampleSource makes and reads it.
struct Placements {
  std::vector<uint64_t> places;  // of each sample's patch, a number for each of the patches' dimensions
  std::vector<std::vector<Placement>> of_variable;  // sorted by position; empty: as the variable before
};

// What samples take, at most.
struct Footprint {
  uint64_t largest_chunk_bytes = 0;  // decoded, as the next
  uint64_t all_chunks_bytes = 0;     // that an epoch touches
  uint64_t batch_chunks = 0;         // that one batch uses
};

// Immutable, so thread-safe.
class SampleSource {
 public:
  SampleSource(std::shared_ptr<const Dataset> dataset, SampleSet samples, Shuffle shuffle);

  const Dataset& dataset() const { return *dataset_; }
  uint64_t count() const { return samples_.count() * dataset_->patches.per_position(); }

  // The samples of an epoch, as numbers below count(). Cut short when `stop` is requested.
  std::vector<uint32_t> OrderOf(uint64_t seed, uint64_t epoch, OrderVersion version, const std::stop_token& stop) const;
  // What the order depends on besides seed and epoch, as text.
  std::string OrderId(OrderVersion version) const;
  // What users know samples by: positions along the sample dimension.
  std::vector<uint64_t> PositionsOf(std::span<const uint32_t> numbers) const;
  // And where their patches begin: for each sample a number for each of the patches' dimensions.
  std::vector<uint64_t> PlacesOf(std::span<const uint32_t> numbers, const EpochSeed& epoch) const;

  // Appends the chunks that these samples need, each once: variable by variable, row by row.
  void AppendChunks(std::span<const uint32_t> numbers, const EpochSeed& epoch, std::vector<uint32_t>& chunks) const;
  Placements PlacementsOf(std::span<const uint32_t> numbers, const EpochSeed& epoch) const;
  // Those of which the chunk may hold something: all that are in its row.
  std::span<const Placement> In(const ChunkNumbers::Place& chunk, const Placements& placements) const;
  // What of the array one of them is.
  std::vector<Window::Piece> PiecesOf(uint32_t variable, const Placement& placement,
                                      const Placements& placements) const;

  Footprint FootprintOf(uint64_t batch_size) const;

 private:
  bool Static(size_t variable) const { return dataset_->windows[variable].axis == kNoAxis; }
  bool PlacedAsBefore(size_t variable) const;
  void AppendPatchChunks(uint32_t variable, std::span<const uint64_t> samples, std::span<const uint64_t> places,
                         std::vector<uint32_t>& chunks) const;
  uint64_t RowsOf(size_t variable) const;  // of chunks that an epoch touches, at most
  const std::shared_ptr<const Dataset> dataset_;
  const SampleSet samples_;
  const Shuffle shuffle_;
  const BlockShape blocks_;
  const std::vector<std::vector<Reach>> reaches_;  // of each variable, as its destinations
};

}  // namespace seamount::loader
