#include "prepare/region_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cf/decode.h"
#include "cf/packing.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "prepare/node.h"
#include "prepare/source_text.h"

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
  SEAMOUNT_TRY_ASSIGN(reader.packing_, facts.PackingOf(facts.variables[planned.input]));
  if (planned.anomaly && climatology != nullptr) {
    reader.anomaly_ = std::make_unique<AnomalyStep>(plan, planned, climatology);
  }
  return reader;
}

// The output region is, in the source, one box for every combination of runs that it touches: nearly always one.
Result<void> RegionReader::ReadStored(const nd::Box& region, std::span<std::byte> into) {
  const DataArray& array = plan_->arrays[array_];
  nd::Index shape;  // with the dropped dimensions
  size_t kept = 0;
  for (const std::string& name : array.source_dimensions) {
    shape.push_back(plan_->selection.Find(name).dropped ? 1 : region.shape[kept++]);
  }
  const size_t element = nd::SizeOf(facts_->variables[array.input].type);
  Result<void> done;
  ForEachBox(RunsOf(plan_->selection, array.source_dimensions, region), [&](const nd::Box& box, const nd::Index& at) {
    if (!done) return;
    if (box.shape == shape) {
      done = dataset_->ReadBox(array.input, box, into);
      return;
    }
    box_.resize(Elements(box.shape) * element);
    done = dataset_->ReadBox(array.input, box, box_);
    const nd::Box part{at, box.shape};
    if (done) nd::CopyBox(part, part, box_, nd::Whole(shape), into, element);
  });
  return done;
}

Result<void> RegionReader::ReadValues(const nd::Box& region, std::vector<double>& into) {
  const nd::DataType type = facts_->variables[plan_->arrays[array_].input].type;
  const uint64_t count = Elements(region.shape);
  stored_.resize(count * nd::SizeOf(type));
  SEAMOUNT_TRY(ReadStored(region, stored_));
  into.resize(count);
  cf::Decode(stored_, packing_, std::span<double>(into));
  return anomaly_ == nullptr ? Result<void>() : anomaly_->Change(region, into, into);
}

Result<void> RegionReader::Read(const nd::Box& region, std::span<std::byte> into) {
  const DataArray& array = plan_->arrays[array_];
  if (array.as_stored) return ReadStored(region, into);
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
  if (array.pack) {
    SEAMOUNT_TRY(ReadValues(piece, values_));
    return PackValues(*array.pack, values_, into, array.name);
  }
  if (anomaly_ == nullptr) {  // one pass from stored to written
    const nd::DataType type = facts_->variables[array.input].type;
    stored_.resize(count * nd::SizeOf(type));
    SEAMOUNT_TRY(ReadStored(piece, stored_));
    if (narrow) {
      cf::Decode(stored_, packing_, std::span(floats, count));
    } else {
      cf::Decode(stored_, packing_, std::span(reinterpret_cast<double*>(into.data()), count));
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

uint64_t RegionReader::ReadValuesBytes(const Plan& plan, const SourceFacts& facts, size_t array,
                                       const nd::Index& shape) {
  const DataArray& planned = plan.arrays[array];
  const auto made = facts.MadeOf(planned.input);
  const uint64_t elements = Elements(shape);
  // As stored, and a part of it where the region is of several runs of the source.
  const uint64_t own = elements * sizeof(double) * 2;
  if (made == nullptr) return DecodingBytes(facts.variables[planned.input]) + own;
  // How much lies behind a box differs from place to place (months have 28 days or 31): some are tried.
  uint64_t behind = 0;
  for (const uint64_t part : {0, 1, 2}) {
    nd::Box box;
    size_t kept = 0;
    for (const std::string& name : planned.source_dimensions) {
      const PlannedDimension& dimension = plan.selection.Find(name);
      const uint64_t all = facts.variables[planned.input].shape[box.shape.size()];
      const uint64_t extent = dimension.dropped ? 1 : shape[kept++];
      box.origin.push_back((all - std::min(all, extent)) * part / 2);
      box.shape.push_back(std::min(all, extent));
    }
    behind = std::max(behind, nd::IsEmpty(box) ? 0 : made->Bytes(box));
  }
  return behind + own;
}

uint64_t RegionReader::ReadBytes(const Plan& plan, const SourceFacts& facts, size_t array) {
  if (plan.arrays[array].as_stored) return DecodingBytes(facts.variables[plan.arrays[array].input]);
  const nd::Index piece = SlabGrid(plan, array, kPieceElements).LargestShape();
  return ReadValuesBytes(plan, facts, array, piece) + 2 * Elements(piece) * sizeof(double);  // values and elements
}

}  // namespace seamount::prepare
