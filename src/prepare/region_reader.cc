#include "prepare/region_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cf/decode.h"
#include "cf/packing.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "prepare/pipeline.h"

namespace seamount::prepare {

using nd::Elements;

namespace {
constexpr uint64_t kPieceElements = 1 << 19;  // 4 MiB of float64: out of the cache, but cheap to hold twice
}  // namespace

RegionReader::RegionReader(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset, size_t array)
    : plan_(&plan), facts_(&facts), dataset_(&dataset), array_(array), pieces_(plan, array, kPieceElements) {}

Result<RegionReader> RegionReader::Make(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset,
                                        size_t array, const Climatology* climatology) {
  RegionReader reader(plan, facts, dataset, array);
  const DataArray& planned = plan.arrays[array];
  for (const size_t input : planned.inputs) {
    SEAMOUNT_TRY_ASSIGN(cf::Packing packing, facts.PackingOf(facts.variables[input]));
    reader.packing_.push_back(std::move(packing));
  }
  SEAMOUNT_TRY_ASSIGN(reader.steps_, MakeSteps(plan, array, climatology, climatology == nullptr));
  return reader;
}

// The output region is, in the source, one box for every combination of runs that it touches: nearly always one.
Result<void> RegionReader::ReadStored(size_t variable, const nd::Box& region, std::span<std::byte> into) {
  const DataArray& array = plan_->arrays[array_];
  const size_t rank = array.source_dimensions.size();
  struct Piece {
    uint64_t from;  // in the source
    uint64_t count;
    uint64_t at;  // in the region
  };
  std::vector<std::vector<Piece>> pieces(rank);
  nd::Index region_shape(rank, 1);  // with the dropped dimensions
  size_t kept = 0;
  for (size_t d = 0; d < rank; ++d) {
    const PlannedDimension& dimension = plan_->selection.Find(array.source_dimensions[d]);
    const uint64_t origin = dimension.dropped ? 0 : region.origin[kept];
    const uint64_t extent = dimension.dropped ? 1 : region.shape[kept];
    if (!dimension.dropped) ++kept;
    region_shape[d] = extent;
    uint64_t start = 0;
    for (const IndexRun& run : dimension.runs) {
      const uint64_t from = std::max(origin, start);
      const uint64_t to = std::min(origin + extent, start + run.count);
      if (from < to) pieces[d].push_back({run.start + from - start, to - from, from - origin});
      start += run.count;
    }
  }
  const size_t element = nd::SizeOf(facts_->variables[variable].type);
  std::vector<size_t> choice(rank, 0);
  for (;;) {
    nd::Box box{nd::Index(rank), nd::Index(rank)};
    nd::Index at(rank);
    for (size_t d = 0; d < rank; ++d) {
      const Piece& piece = pieces[d][choice[d]];
      box.origin[d] = piece.from;
      box.shape[d] = piece.count;
      at[d] = piece.at;
    }
    if (box.shape == region_shape) return dataset_->ReadBox(variable, box, into);
    box_.resize(Elements(box.shape) * element);
    SEAMOUNT_TRY(dataset_->ReadBox(variable, box, box_));
    const nd::Box part{at, box.shape};
    nd::CopyBox(part, part, box_, nd::Whole(region_shape), into, element);
    size_t d = rank;
    while (d > 0) {
      --d;
      if (++choice[d] < pieces[d].size()) break;
      choice[d] = 0;
      if (d == 0) return {};
    }
  }
}

Result<void> RegionReader::ReadInput(size_t input, const nd::Box& region, std::vector<double>& into) {
  const size_t variable = plan_->arrays[array_].inputs[input];
  const nd::DataType type = facts_->variables[variable].type;
  const uint64_t count = Elements(region.shape);
  stored_.resize(count * nd::SizeOf(type));
  SEAMOUNT_TRY(ReadStored(variable, region, stored_));
  into.resize(count);
  cf::Decode(stored_, packing_[input], std::span<double>(into));
  return {};
}

Result<void> RegionReader::ReadValues(const nd::Box& region, std::vector<double>& into) {
  if (steps_.empty()) return ReadInput(0, region, into);
  std::vector<nd::Box> regions(steps_.size());  // what each step makes
  regions.back() = region;
  for (size_t i = steps_.size() - 1; i > 0; --i) regions[i - 1] = steps_[i]->InputRegion(regions[i]);
  const nd::Box first = steps_[0]->InputRegion(regions[0]);
  inputs_.resize(plan_->arrays[array_].inputs.size());
  for (size_t i = 0; i < inputs_.size(); ++i) SEAMOUNT_TRY(ReadInput(i, first, inputs_[i]));
  for (size_t i = 0; i < steps_.size(); ++i) {
    into.resize(Elements(regions[i].shape));
    const std::vector<std::span<const double>> inputs(inputs_.begin(), inputs_.end());
    SEAMOUNT_TRY(steps_[i]->Apply(regions[i], inputs, into));
    if (i + 1 == steps_.size()) break;
    inputs_.resize(1);
    std::swap(inputs_[0], into);
  }
  return {};
}

Result<void> RegionReader::Read(const nd::Box& region, std::span<std::byte> into) {
  const DataArray& array = plan_->arrays[array_];
  if (array.as_stored) return ReadStored(array.inputs[0], region, into);
  const size_t element = nd::SizeOf(array.metadata.data_type);
  return pieces_.ForEach(region, [&](const nd::Box& piece) -> Result<void> {
    if (piece.shape == region.shape) return ReadPiece(piece, into);
    elements_.resize(Elements(piece.shape) * element);
    SEAMOUNT_TRY(ReadPiece(piece, elements_));
    nd::CopyBox(piece, piece, elements_, region, into, element);
    return {};
  });
}

Result<void> RegionReader::ReadPiece(const nd::Box& piece, std::span<std::byte> into) {
  const DataArray& array = plan_->arrays[array_];
  const bool narrow = array.metadata.data_type == nd::DataType::kFloat32;
  const uint64_t count = Elements(piece.shape);
  auto* floats = reinterpret_cast<float*>(into.data());
  if (steps_.empty()) {  // one pass from stored to written
    const nd::DataType type = facts_->variables[array.inputs[0]].type;
    stored_.resize(count * nd::SizeOf(type));
    SEAMOUNT_TRY(ReadStored(array.inputs[0], piece, stored_));
    if (narrow) {
      cf::Decode(stored_, packing_[0], std::span(floats, count));
    } else {
      cf::Decode(stored_, packing_[0], std::span(reinterpret_cast<double*>(into.data()), count));
    }
    return {};
  }
  SEAMOUNT_TRY(ReadValues(piece, values_));
  if (narrow) {
    for (uint64_t i = 0; i < count; ++i) floats[i] = static_cast<float>(values_[i]);
  } else {
    std::memcpy(into.data(), values_.data(), into.size());
  }
  return {};
}

uint64_t RegionReader::ReadValuesBytes(const Plan& plan, const SourceFacts& facts, size_t array, uint64_t elements) {
  const DataArray& planned = plan.arrays[array];
  uint64_t chunk = 0;
  for (const size_t input : planned.inputs) {
    const source::Variable& variable = facts.variables[input];
    // A chunk as stored, and up to two stages of its decoding.
    if (!variable.chunk_shape.empty()) {
      chunk = std::max(chunk, 3 * Elements(variable.chunk_shape) * nd::SizeOf(variable.type));
    }
  }
  // As stored, a part of it where a longitude range crosses the seam, and the inputs of the steps.
  const bool steps = planned.anomaly || !planned.expression.empty();
  const uint64_t inputs = steps ? planned.inputs.size() : 0;
  return chunk + elements * sizeof(double) * (2 + inputs);
}

uint64_t RegionReader::ReadBytes(const Plan& plan, const SourceFacts& facts, size_t array) {
  if (plan.arrays[array].as_stored) return ReadValuesBytes(plan, facts, array, 0);
  const uint64_t piece = SlabGrid(plan, array, kPieceElements).LargestElements();
  return ReadValuesBytes(plan, facts, array, piece) + 2 * piece * sizeof(double);  // and the values, and the elements
}

}  // namespace seamount::prepare
