#include "prepare/planner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "cf/decode.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "prepare/attributes.h"
#include "prepare/climatology.h"
#include "prepare/fingerprints.h"
#include "prepare/group_attributes.h"
#include "prepare/layout.h"
#include "prepare/node.h"

namespace seamount::prepare {
namespace {

constexpr double kMaxTasks = 4'000'000;  // each takes some 250 bytes here and in the record

}  // namespace

Result<size_t> Planner::Variable(const std::string& name, int line) const {
  auto index = FindReadable(facts_, name);
  if (!index) return At(line, index.error().message());
  return index;
}

Result<void> Planner::CheckExtents(const std::vector<Extent>& extents, const char* key) const {
  std::vector<std::string> names;
  for (const PlannedDimension& dimension : plan_.selection.dimensions) names.push_back(dimension.name);
  for (const Extent& extent : extents) {
    if (std::find(names.begin(), names.end(), extent.dimension) != names.end()) continue;
    return At(extent.line, std::string("'") + key + "' names the dimension '" + extent.dimension +
                               "', which the source does not have" + base::NameHint(extent.dimension, names));
  }
  return {};
}

Result<void> Planner::CheckCoordinate(const Requested& named) const {
  const std::string said = named.Said();
  if (said.empty()) return {};
  const std::string coordinate = "'" + named.name + "' is a coordinate, which is written as it is, ";
  if (said == "derive") return At(named.line, coordinate + "beside all variables: give what is derived another name");
  std::string others;
  for (const Requested& other : recipe_.variables) {
    if (facts_.FindCoordinate(other.name) == nullptr) others += (others.empty() ? "" : ", ") + other.name;
  }
  return At(named.line, coordinate + "and '" + said + "' is for variables" +
                            (others.empty() ? "" : " (here: " + others + ")") +
                            ". To write its values as a variable too, give that another name: '" + named.name +
                            "_values: {from: " + named.name + ", …}'");
}

Result<void> Planner::AddVariable(const Requested& named) {
  SEAMOUNT_TRY_ASSIGN(const size_t index, Variable(named.name, named.line));
  if (facts_.FindCoordinate(named.name) != nullptr) return CheckCoordinate(named);
  const source::Variable& variable = facts_.variables[index];
  auto packing = facts_.PackingOf(variable);
  if (!packing) return At(named.line, packing.error().message());
  AddRemarks(variable, *packing);
  DataArray array;
  array.name = OutputName(named.name);
  array.input = index;
  nd::DataType type = packing->identity(variable.type) ? variable.type : cf::DecodedType(variable.type);
  const bool computed = variable.dimensions.empty() ? false : recipe_.anomaly.has_value();
  if (computed && type != nd::DataType::kFloat64) type = cf::DecodedType(variable.type);
  if (const auto made = facts_.MadeOf(index)) {
    type = made->grid().single ? nd::DataType::kFloat32 : nd::DataType::kFloat64;
  }
  const std::string& dtype = named.dtype.empty() ? recipe_.dtype : named.dtype;
  if (!dtype.empty()) type = dtype == "float32" ? nd::DataType::kFloat32 : nd::DataType::kFloat64;
  array.as_stored = packing->identity(variable.type) && type == variable.type && !named.pack;
  if (named.pack) {
    array.pack = Pack{named.pack->first, named.pack->second};
    type = nd::DataType::kInt16;
    char note[64];
    std::snprintf(note, sizeof note, "%.2g", array.pack->error());
    plan_.notes.push_back("'" + named.name + "' is packed into 16 bits: a value changes by at most " + note);
  }
  const std::string& codec = named.codec.empty() ? recipe_.codec : named.codec;
  return Add(std::move(array), type, codec, ArrayAttributesJson(variable.attributes), named.line);
}

void Planner::AddRemarks(const source::Variable& variable, const cf::Packing& packing) {
  std::vector<std::string> remarks = variable.remarks;
  for (const std::string& remark : packing.remarks) remarks.push_back("variable '" + variable.name + "': " + remark);
  for (std::string& remark : remarks) {
    if (std::find(plan_.notes.begin(), plan_.notes.end(), remark) == plan_.notes.end()) {
      plan_.notes.push_back(std::move(remark));
    }
  }
}

namespace {

bool Names(const std::vector<NamedLine>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(), [&](const NamedLine& named) { return named.name == name; });
}

// How the source stores the variable, in the output's dimensions: what a task should cover to read it once.
nd::Index SourceChunk(const source::Variable& variable, const std::vector<size_t>& kept, size_t element_bytes) {
  nd::Index chunk;
  if (!variable.chunk_shape.empty()) {
    for (const size_t d : kept) chunk.push_back(variable.chunk_shape[d]);
    return chunk;
  }
  // Contiguous: reading whole inner dimensions makes reads worth their call.
  constexpr uint64_t kReadBytes = 64 << 10;
  uint64_t bytes = element_bytes;
  chunk.assign(kept.size(), 1);
  for (size_t k = kept.size(); k-- > 0;) {
    const uint64_t extent = std::max<uint64_t>(1, variable.shape[kept[k]]);
    chunk[k] = std::min(extent, std::max<uint64_t>(1, kReadBytes / bytes));
    bytes *= chunk[k];
    if (chunk[k] < extent) break;
  }
  return chunk;
}

bool OnMap(const Coordinate* coordinate) {
  if (coordinate == nullptr) return true;  // y and x of a projection, most often
  return coordinate->axis == cf::Axis::kLatitude || coordinate->axis == cf::Axis::kLongitude;
}

}  // namespace

Result<void> Planner::Add(DataArray array, nd::DataType type, const std::string& codec, const std::string& attributes,
                          int line) {
  for (const DataArray& before : plan_.arrays) {
    if (before.name == array.name) return At(line, "the output would have two arrays '" + array.name + "'");
  }
  const source::Variable& first = facts_.variables[array.input];
  array.source_dimensions = first.dimensions;
  zarr::ArrayMetadata& metadata = array.metadata;
  metadata.format = recipe_.format;
  metadata.data_type = type;
  metadata.fill_value = FillValue(metadata.data_type);
  metadata.fill_value_null = !nd::IsFloat(metadata.data_type);
  if (array.pack) {
    metadata.fill_value = Bytes::Copy(std::as_bytes(std::span(&Pack::kMissing, 1)));
    metadata.fill_value_null = false;
  }
  metadata.attributes_json = attributes;
  LayoutRequest request;
  std::vector<size_t> kept;
  for (size_t d = 0; d < first.dimensions.size(); ++d) {
    const PlannedDimension& dimension = plan_.selection.Find(first.dimensions[d]);
    if (dimension.dropped) continue;
    const Coordinate* coordinate = facts_.FindCoordinate(dimension.name);
    const bool time = plan_.selection.time && dimension.name == plan_.selection.time->dimension;
    if (time) array.time = kept.size();
    if (!time && !array.level && !OnMap(coordinate)) array.level = kept.size();
    kept.push_back(d);
    request.dimensions.push_back(dimension.name);
    metadata.dimension_names.push_back(OutputName(dimension.name));
    metadata.shape.push_back(dimension.size);
  }
  array.anomaly = recipe_.anomaly && array.time && !array.auxiliary;
  array.standardize = recipe_.standardize && !array.auxiliary && !Names(recipe_.standardize->except, array.name);
  if (array.standardize) {
    array.quantiles = recipe_.standardize->how;
    for (const auto& [name, how] : recipe_.standardize->how_of) {
      if (name.name == array.name) array.quantiles = how;
    }
  }
  array.as_stored = array.as_stored && !array.anomaly;
  if (array.standardize && !nd::IsFloat(metadata.data_type) && !array.pack) {
    return At(line, "'" + array.name +
                        "' holds whole numbers: standardizing needs 'dtype: float32', or to leave it out by "
                        "'except: [" +
                        array.name + "]'");
  }
  request.shape = metadata.shape;
  request.element_bytes = nd::SizeOf(metadata.data_type);
  request.sample_dimension = array.time;
  request.minibatch = recipe_.minibatch;
  for (const size_t d : kept) {
    if (!first.chunk_shape.empty()) request.source_chunk.push_back(first.chunk_shape[d]);
  }
  request.chunks = recipe_.chunks;
  request.shards = recipe_.shards;
  request.may_shard = recipe_.format == 3;
  request.arrays = std::max<size_t>(1, recipe_.variables.size());
  for (const OwnedArray& before : before_.arrays) {
    if (before.name != array.name || before.format != recipe_.format) continue;
    if (before.chunk.empty() || before.chunk.size() != request.shape.size()) continue;
    const bool same = before_.minibatch.empty() || before_.minibatch == plan_.minibatch;
    request.before = {before.chunk, before.shard, same};
  }
  const Layout& layout = LayoutOf(request);
  metadata.chunk_shape = layout.chunk;
  metadata.shard_shape = layout.shard;
  array.reason = layout.reason;
  SEAMOUNT_TRY_ASSIGN(metadata.codecs, Codecs(metadata.data_type, codec));
  if (auto checked = zarr::CheckArrayMetadata(metadata); !checked) {
    return checked.error().Wrap(recipe_.name + ", array '" + array.name + "'");
  }
  const nd::Index& unit = metadata.shard_shape ? *metadata.shard_shape : metadata.chunk_shape;
  array.source_chunk = SourceChunk(first, kept, request.element_bytes);
  array.task_shape = TaskShape(metadata.shape, unit, array.source_chunk, request.element_bytes);
  plan_.arrays.push_back(std::move(array));
  return {};
}

// Solved once for all variables that are alike.
const Layout& Planner::LayoutOf(const LayoutRequest& request) {
  std::string key;
  const auto add = [&](const nd::Index& numbers) {
    key += "|";
    for (const uint64_t number : numbers) key += std::to_string(number) + " ";
  };
  for (const std::string& name : request.dimensions) key += std::to_string(name.size()) + ":" + name;
  add({request.element_bytes, request.sample_dimension.value_or(SIZE_MAX)});
  add(request.shape);
  add(request.source_chunk);
  if (request.before) {
    add(request.before->chunk);
    add(request.before->shard.value_or(nd::Index{}));
  }
  const auto known = layouts_.find(key);
  return known != layouts_.end() ? known->second : layouts_.emplace(key, SolveLayout(request)).first->second;
}

// In format 3 every chunk ends in its CRC32C; "zstd:3+crc32c" says so.
Result<std::vector<zarr::CodecSpec>> Planner::Codecs(nd::DataType type, std::string_view name) const {
  constexpr std::string_view kChecksum = "+crc32c";
  if (name.empty()) name = "blosc-zstd:1";
  if (name.ends_with(kChecksum)) {
    if (recipe_.format != 3) return At(1, "'codec': a crc32c needs 'format: 3'");
    name.remove_suffix(kChecksum.size());
  }
  auto codecs = zarr::CodecsFromName(name, type, recipe_.format == 3);
  if (!codecs) return codecs.error().Wrap(recipe_.name + ", 'codec'");
  return codecs;
}

Result<void> Planner::CheckStandardize() const {
  if (!recipe_.standardize) return {};
  std::vector<std::string> names;
  for (const DataArray& array : plan_.arrays) names.push_back(array.name);
  const auto written = [&](const NamedLine& named, const std::string& key) -> Result<void> {
    if (std::find(names.begin(), names.end(), named.name) != names.end()) return {};
    return At(named.line,
              "'" + key + "' names '" + named.name + "', which is not written" + base::NameHint(named.name, names));
  };
  for (const NamedLine& except : recipe_.standardize->except) SEAMOUNT_TRY(written(except, "except"));
  for (const auto& [name, how] : recipe_.standardize->how_of) {
    SEAMOUNT_TRY(written(name, "how"));
    if (!Names(recipe_.standardize->except, name.name)) continue;
    return At(name.line, "'how' names '" + name.name + "', which 'except' leaves as it is");
  }
  return {};
}

Result<void> Planner::CheckPatches() const {
  SEAMOUNT_TRY(CheckExtents(recipe_.minibatch->patches, "patches"));
  for (const Extent& patch : recipe_.minibatch->patches) {
    const uint64_t length = plan_.selection.Find(patch.dimension).size;
    if (patch.size <= length) continue;
    return At(patch.line, "'patches' of " + std::to_string(patch.size) + " along '" + patch.dimension +
                              "', which has " + std::to_string(length) + " positions");
  }
  return {};
}

Result<void> Planner::CheckMinibatch() {
  const bool sampled = std::any_of(plan_.arrays.begin(), plan_.arrays.end(),
                                   [](const DataArray& array) { return array.time && !array.auxiliary; });
  if (!recipe_.minibatch || !plan_.selection.time || !sampled) return {};
  SEAMOUNT_TRY(CheckPatches());
  const uint64_t span = recipe_.minibatch->Span();
  const std::vector<Stretch>& segments = plan_.selection.time->segments;
  uint64_t longest = 0;
  for (const Stretch& segment : segments) longest = std::max(longest, segment.stop - segment.start);
  if (!segments.empty() && span > longest) {
    return At(recipe_.minibatch->line, "'minibatch' needs " + std::to_string(span) + " steps in a row, and there are " +
                                           std::to_string(longest) + (segments.size() > 1 ? " between two gaps" : ""));
  }
  for (const SplitRange& split : plan_.selection.splits) {
    longest = 0;
    for (const Stretch& segment : segments) {
      for (const Stretch& stretch : split.stretches()) {
        const uint64_t from = std::max(segment.start, stretch.start);
        const uint64_t to = std::min(segment.stop, stretch.stop);
        if (from < to) longest = std::max(longest, to - from);
      }
    }
    if (span <= longest) continue;
    plan_.notes.push_back("no sample of 'minibatch' fits into the split '" + split.name + "': it needs " +
                          std::to_string(span) + " steps in a row, and there are " + std::to_string(longest));
  }
  return {};
}

Result<void> Planner::AddTasks() {
  const Fingerprints fingerprints(facts_, plan_);
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    DataArray& array = plan_.arrays[a];
    array.fingerprint = fingerprints.OfEncoding(array);
    if (array.anomaly) array.climatology_fingerprint = fingerprints.OfClimatology(a);
    if (array.anomaly || array.standardize) array.statistics_fingerprint = fingerprints.OfStatistics(a);
    const nd::Index& shape = array.metadata.shape;
    if (nd::Elements(shape) == 0) continue;
    double regions = static_cast<double>(plan_.tasks.size());
    double here = 1;
    for (size_t d = 0; d < shape.size(); ++d)
      here *= std::ceil(static_cast<double>(shape[d]) / static_cast<double>(array.task_shape[d]));
    regions += here;
    if (regions > kMaxTasks) {
      return At(1, "'" + array.name + "' would be written in " + std::to_string(static_cast<uint64_t>(here)) +
                       " regions: larger 'chunks' make fewer");
    }
    nd::Index at(shape.size(), 0);
    for (bool more = true; more;) {
      Task task;
      task.array = a;
      task.region.origin = at;
      for (size_t d = 0; d < shape.size(); ++d) {
        task.region.shape.push_back(std::min(array.task_shape[d], shape[d] - at[d]));
      }
      task.bytes = nd::Elements(task.region.shape) * nd::SizeOf(array.metadata.data_type);
      task.fingerprint = fingerprints.OfTask(array, task.region);
      plan_.output_bytes += task.bytes;
      plan_.tasks.push_back(std::move(task));
      more = false;
      for (size_t d = shape.size(); d-- > 0 && !more;) {
        at[d] += array.task_shape[d];
        more = at[d] < shape[d];
        if (!more) at[d] = 0;
      }
    }
  }
  return {};
}

Result<Plan> Planner::Run() {
  SEAMOUNT_TRY_ASSIGN(plan_.selection, PlanSelection(recipe_, facts_));
  SEAMOUNT_TRY(CheckExtents(recipe_.chunks, "chunks"));
  SEAMOUNT_TRY(CheckExtents(recipe_.shards, "shards"));
  if (!recipe_.shards.empty() && recipe_.format != 3) {
    return At(recipe_.shards[0].line, "'shards' need 'format: 3'");
  }
  plan_.format = recipe_.format;
  plan_.minibatch = recipe_.minibatch ? recipe_.minibatch->Text() : "none";
  for (const Requested& named : recipe_.variables) SEAMOUNT_TRY(AddVariable(named));
  if (plan_.arrays.empty()) return At(1, "'variables' names nothing but coordinates");
  SEAMOUNT_TRY(CheckStandardize());
  plan_.notes.insert(plan_.notes.begin(), plan_.selection.notes.begin(), plan_.selection.notes.end());
  SEAMOUNT_TRY(PlanBasis());
  if (recipe_.standardize) {
    SEAMOUNT_TRY_ASSIGN(plan_.standardize_over,
                        FindSplit(recipe_, plan_.selection, recipe_.standardize->over, recipe_.standardize->line));
  }
  AddCoordinates();
  SEAMOUNT_TRY(AddAuxiliaries());
  CleanReferences();
  SEAMOUNT_TRY(CheckMinibatch());
  for (const DataArray& array : plan_.arrays) {
    for (const SmallArray& small : plan_.coordinates) {
      if (small.name == array.name || (plan_.basis && small.name == ClimatologyName(array))) {
        return At(1, "the output would have two arrays '" + small.name + "'");
      }
    }
  }
  SEAMOUNT_TRY(AddTasks());
  plan_.fingerprint = Fingerprints(facts_, plan_).OfPlan();
  plan_.group_attributes_json = GroupAttributes(recipe_, facts_, plan_.selection, plan_.fingerprint);
  return std::move(plan_);
}

Result<Plan> MakePlan(const Recipe& recipe, const SourceFacts& facts, const Record& before) {
  return Planner(recipe, facts, before).Run();
}

}  // namespace seamount::prepare
