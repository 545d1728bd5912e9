#include "loader/sample_source.h"

#include <algorithm>
#include <utility>

namespace seamount::loader {
namespace {

// The longest chunk decides, so that every variable's chunks lie in few blocks.
BlockShape BlocksOf(const Dataset& dataset) {
  uint64_t longest = 1;
  for (const ChunkGrid& grid : dataset.chunks.grids()) longest = std::max(longest, grid.chunk_samples);
  return ChooseBlocks(longest, dataset.Leads(), dataset.patches.per_position());
}

// The positions that samples touch through some leads, ascending, each once.
std::vector<uint64_t> Touched(std::span<const uint64_t> samples, std::span<const Reach> reaches) {
  std::vector<uint64_t> positions;
  positions.reserve(samples.size() * reaches.size());
  for (const uint64_t sample : samples) {
    for (const Reach& reach : reaches) positions.push_back(reach.From(sample));
  }
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

std::vector<Placement> PlacedStatic(uint32_t samples, uint32_t leads) {
  std::vector<Placement> placements;
  placements.reserve(size_t{samples} * leads);
  for (uint32_t sample = 0; sample < samples; ++sample) {
    for (uint32_t lead = 0; lead < leads; ++lead) placements.push_back({0, sample, lead});
  }
  return placements;
}

std::vector<Placement> Placed(std::span<const uint64_t> samples, std::span<const Reach> reaches) {
  std::vector<Placement> placements;
  placements.reserve(samples.size() * reaches.size());
  for (uint32_t sample = 0; sample < samples.size(); ++sample) {
    for (uint32_t lead = 0; lead < reaches.size(); ++lead) {
      placements.push_back({reaches[lead].From(samples[sample]), sample, lead});
    }
  }
  std::stable_sort(placements.begin(), placements.end(),
                   [](const Placement& a, const Placement& b) { return a.position < b.position; });
  return placements;
}

std::vector<std::vector<Reach>> ReachesOf(const Dataset& dataset) {
  std::vector<std::vector<Reach>> reaches(dataset.variables.size());
  for (size_t v = 0; v < reaches.size(); ++v) {
    for (const Destination& to : dataset.destinations[v]) {
      const auto& positions = dataset.slots[to.slot].positions;
      const bool mapped = !positions.empty() && !dataset.variables[v].is_static();
      reaches[v].push_back({to.lead, mapped ? positions[to.lead_number] : nullptr});
    }
  }
  return reaches;
}

// Rows of chunks that positions [begin, end] may touch.
uint64_t Rows(const ChunkGrid& grid, uint64_t begin, uint64_t end) {
  return end / grid.chunk_samples - begin / grid.chunk_samples + 1;
}

// Rows of chunks that one sample touches, at most.
uint64_t RowsOfSample(const ChunkGrid& grid, std::span<const Reach> reaches) {
  const bool mapped =
      std::any_of(reaches.begin(), reaches.end(), [](const Reach& r) { return r.positions != nullptr; });
  if (mapped || reaches.empty()) return reaches.size();
  const auto [low, high] = std::minmax_element(reaches.begin(), reaches.end(),
                                               [](const Reach& a, const Reach& b) { return a.lead < b.lead; });
  const uint64_t span = static_cast<uint64_t>(high->lead) - static_cast<uint64_t>(low->lead);
  return std::min<uint64_t>(reaches.size(), span / grid.chunk_samples + 2);
}

}  // namespace

SampleSource::SampleSource(std::shared_ptr<const Dataset> dataset, SampleSet samples, Shuffle shuffle)
    : dataset_(std::move(dataset)),
      samples_(std::move(samples)),
      shuffle_(shuffle),
      blocks_(BlocksOf(*dataset_)),
      reaches_(ReachesOf(*dataset_)) {}

std::vector<uint32_t> SampleSource::OrderOf(uint64_t seed, uint64_t epoch, OrderVersion version,
                                            const std::stop_token& stop) const {
  return EpochOrder(samples_, shuffle_, blocks_, seed, epoch, version, stop);
}

std::string SampleSource::OrderId(OrderVersion version) const {
  std::string id = "v" + std::to_string(static_cast<int>(version)) + " samples " + samples_.Text() + " shuffle " +
                   std::string(NameOf(shuffle_));
  if (dataset_->patches.dims() > 0) id += " patches " + dataset_->patches.Text();
  if (shuffle_ != Shuffle::kBlock) return id;
  id += " " + std::to_string(blocks_.block_samples) + "x" + std::to_string(blocks_.window_blocks) + " from " +
        std::to_string(blocks_.first_lead);
  if (version != OrderVersion::kFirst) id += " by " + std::to_string(blocks_.chunk_samples);
  return id;
}

std::vector<uint64_t> SampleSource::PositionsOf(std::span<const uint32_t> numbers) const {
  std::vector<uint64_t> positions;
  positions.reserve(numbers.size());
  const uint64_t patches = dataset_->patches.per_position();
  for (const uint32_t number : numbers) positions.push_back(samples_.PositionOf(number / patches));
  return positions;
}

std::vector<uint64_t> SampleSource::PlacesOf(std::span<const uint32_t> numbers, const EpochSeed& epoch) const {
  std::vector<uint64_t> places;
  places.reserve(numbers.size() * dataset_->patches.dims());
  for (const uint32_t number : numbers) dataset_->patches.AppendPlace(number, epoch, places);
  return places;
}

bool SampleSource::PlacedAsBefore(size_t variable) const {
  return variable > 0 && reaches_[variable] == reaches_[variable - 1] && Static(variable) == Static(variable - 1);
}

void SampleSource::AppendPatchChunks(uint32_t variable, std::span<const uint64_t> samples,
                                     std::span<const uint64_t> places, std::vector<uint32_t>& chunks) const {
  const ChunkGrid& grid = dataset_->chunks.grids()[variable];
  const size_t begin = chunks.size();
  std::vector<uint64_t> cells;
  for (size_t i = 0; i < samples.size(); ++i) {
    cells.clear();
    const size_t dims = dataset_->patches.dims();
    for (const auto& piece : dataset_->windows[variable].At(0, places.subspan(i * dims, dims))) {
      grid.AppendCells(piece, cells);
    }
    for (const Reach& reach : reaches_[variable]) {
      const uint64_t position = Static(variable) ? 0 : reach.From(samples[i]);
      const uint32_t row = dataset_->chunks.RowBegin(variable, position / grid.chunk_samples);
      for (const uint64_t cell : cells) chunks.push_back(row + static_cast<uint32_t>(cell));
    }
  }
  const auto added = chunks.begin() + static_cast<std::ptrdiff_t>(begin);
  std::sort(added, chunks.end());
  chunks.erase(std::unique(added, chunks.end()), chunks.end());
}

void SampleSource::AppendChunks(std::span<const uint32_t> numbers, const EpochSeed& epoch,
                                std::vector<uint32_t>& chunks) const {
  const std::vector<uint64_t> samples = PositionsOf(numbers);
  const std::vector<uint64_t> places = PlacesOf(numbers, epoch);
  const auto& grids = dataset_->chunks.grids();
  std::vector<uint64_t> positions;
  for (uint32_t v = 0; v < grids.size(); ++v) {
    if (!dataset_->windows[v].crops.empty()) {
      AppendPatchChunks(v, samples, places, chunks);
      positions.clear();
      continue;
    }
    if (!PlacedAsBefore(v) || positions.empty())
      positions = Static(v) ? std::vector<uint64_t>{0} : Touched(samples, reaches_[v]);
    const ChunkGrid& grid = grids[v];
    uint64_t before = UINT64_MAX;
    for (const uint64_t position : positions) {
      const uint64_t row = position / grid.chunk_samples;
      if (row == before) continue;
      before = row;
      const uint32_t begin = dataset_->chunks.RowBegin(v, row);
      for (uint32_t c = 0; c < grid.cells; ++c) chunks.push_back(begin + c);
    }
  }
}

Placements SampleSource::PlacementsOf(std::span<const uint32_t> numbers, const EpochSeed& epoch) const {
  const std::vector<uint64_t> samples = PositionsOf(numbers);
  Placements placements;
  placements.places = PlacesOf(numbers, epoch);
  placements.of_variable.resize(reaches_.size());
  for (size_t v = 0; v < reaches_.size(); ++v) {
    if (PlacedAsBefore(v)) continue;
    placements.of_variable[v] =
        Static(v) ? PlacedStatic(static_cast<uint32_t>(samples.size()), static_cast<uint32_t>(reaches_[v].size()))
                  : Placed(samples, reaches_[v]);
  }
  return placements;
}

std::span<const Placement> SampleSource::In(const ChunkNumbers::Place& chunk, const Placements& placements) const {
  uint32_t variable = chunk.variable;
  while (PlacedAsBefore(variable)) --variable;
  const auto& all = placements.of_variable[variable];
  const uint64_t samples = dataset_->chunks.grids()[chunk.variable].chunk_samples;
  const auto before = [](const Placement& placement, uint64_t position) { return placement.position < position; };
  const auto begin = std::lower_bound(all.begin(), all.end(), chunk.row * samples, before);
  return {begin, std::lower_bound(begin, all.end(), (chunk.row + 1) * samples, before)};
}

std::vector<Window::Piece> SampleSource::PiecesOf(uint32_t variable, const Placement& placement,
                                                  const Placements& placements) const {
  const size_t dims = dataset_->patches.dims();
  return dataset_->windows[variable].At(placement.position,
                                        std::span(placements.places).subspan(placement.sample * dims, dims));
}

uint64_t SampleSource::RowsOf(size_t variable) const {
  if (Static(variable)) return 1;
  const ChunkGrid& grid = dataset_->chunks.grids()[variable];
  uint64_t rows = 0;
  for (const SampleRange& range : samples_.ranges()) {
    // Later samples never reach to earlier positions.
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    for (const Reach& reach : reaches_[variable]) {
      low = std::min(low, reach.From(range.first));
      high = std::max(high, reach.From(range.first + range.count - 1));
    }
    rows += Rows(grid, low, high);
  }
  return std::min(rows, grid.rows);
}

Footprint SampleSource::FootprintOf(uint64_t batch_size) const {
  Footprint footprint;
  for (size_t v = 0; v < reaches_.size(); ++v) {
    const ChunkGrid& grid = dataset_->chunks.grids()[v];
    const uint64_t rows = RowsOf(v);
    footprint.largest_chunk_bytes = std::max(footprint.largest_chunk_bytes, grid.chunk_bytes);
    footprint.all_chunks_bytes += rows * grid.cells * grid.chunk_bytes;
    const uint64_t windows = std::min(batch_size, count()) * RowsOfSample(grid, reaches_[v]);
    footprint.batch_chunks += std::min(std::min(rows, windows) * grid.cells, windows * grid.window_cells);
  }
  return footprint;
}

}  // namespace seamount::loader
