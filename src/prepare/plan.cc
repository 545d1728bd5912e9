#include "prepare/plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "base/text.h"
#include "prepare/attributes.h"
#include "prepare/climatology.h"
#include "prepare/expression.h"
#include "prepare/fingerprints.h"
#include "prepare/layout.h"
#include "source/copy_box.h"

namespace seamount::prepare {
namespace {

constexpr double kMaxTasks = 4'000'000;  // each takes some 250 bytes here and in the record

zarr::DataType ZarrType(source::DataType type) {
  switch (type) {
    case source::DataType::kInt8: return zarr::DataType::kInt8;
    case source::DataType::kChar:
    case source::DataType::kUInt8: return zarr::DataType::kUInt8;
    case source::DataType::kInt16: return zarr::DataType::kInt16;
    case source::DataType::kUInt16: return zarr::DataType::kUInt16;
    case source::DataType::kInt32: return zarr::DataType::kInt32;
    case source::DataType::kUInt32: return zarr::DataType::kUInt32;
    case source::DataType::kInt64: return zarr::DataType::kInt64;
    case source::DataType::kUInt64: return zarr::DataType::kUInt64;
    case source::DataType::kFloat32: return zarr::DataType::kFloat32;
    case source::DataType::kFloat64:
    case source::DataType::kOther: return zarr::DataType::kFloat64;
  }
  return zarr::DataType::kFloat64;
}

template <class T>
Bytes OneElement(T value) {
  return Bytes::Copy(std::as_bytes(std::span(&value, 1)));
}

// NaN for floating point, so that what is missing stays missing; zero otherwise.
Bytes FillValue(zarr::DataType type) {
  if (type == zarr::DataType::kFloat32) return OneElement(std::numeric_limits<float>::quiet_NaN());
  if (type == zarr::DataType::kFloat64) return OneElement(std::numeric_limits<double>::quiet_NaN());
  Buffer zero(zarr::SizeOf(type));
  std::memset(zero.data(), 0, zero.size());
  return Bytes(std::move(zero));
}

bool IsFloat(zarr::DataType type) { return type == zarr::DataType::kFloat32 || type == zarr::DataType::kFloat64; }

// "a/b" of a NetCDF-4 group would be a path in Zarr, with groups of its own.
std::string OutputName(const std::string& name) {
  std::string out = name;
  std::replace(out.begin(), out.end(), '/', '.');
  return out;
}

class Planner {
 public:
  Planner(const Recipe& recipe, const SourceFacts& facts) : recipe_(recipe), facts_(facts) {}
  Result<Plan> Run();

 private:
  Error At(int line, const std::string& what) const {
    return base::InvalidArgument(recipe_.name + " line " + std::to_string(line) + ": " + what);
  }
  Result<size_t> Variable(const std::string& name, int line) const;
  Result<void> CheckExtents(const std::vector<Extent>& extents, const char* key) const;
  Result<void> AddVariable(const NamedLine& named);
  Result<void> AddDerived(const Derived& derived);
  Result<void> Add(DataArray array, source::DataType type, const std::string& attributes, int line);
  Result<void> PlanBasis();
  void AddCoordinates();
  void AddCoordinate(const PlannedDimension& dimension);
  void AddSmall(const std::string& name, zarr::DataType type, std::vector<std::string> dimensions, source::Index shape,
                std::vector<std::byte> values, const std::string& attributes);
  Result<void> AddTasks();

  const Recipe& recipe_;
  const SourceFacts& facts_;
  Plan plan_;
};

Result<size_t> Planner::Variable(const std::string& name, int line) const {
  const auto unreadable = [&](const std::string& why) {
    return At(line, "the variable '" + name + "' cannot be read: " + why);
  };
  std::vector<std::string> names;
  for (size_t i = 0; i < facts_.variables.size(); ++i) {
    if (facts_.variables[i].name == name) {
      if (!facts_.variables[i].unreadable.empty()) return unreadable(facts_.variables[i].unreadable);
      if (facts_.variables[i].type == source::DataType::kChar) return unreadable("it holds text");
      return i;
    }
    names.push_back(facts_.variables[i].name);
  }
  return At(line, facts_.files.front().path + " has no variable '" + name + "'" + base::NameHint(name, names));
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

Result<void> Planner::AddVariable(const NamedLine& named) {
  SEAMOUNT_TRY_ASSIGN(const size_t index, Variable(named.name, named.line));
  if (facts_.FindCoordinate(named.name) != nullptr) return {};  // coordinates are written anyhow
  const source::Variable& variable = facts_.variables[index];
  auto packing = source::PackingOf(variable);
  if (!packing) return At(named.line, packing.error().message());
  DataArray array;
  array.name = OutputName(named.name);
  array.inputs = {index};
  source::DataType type = packing->identity() ? variable.type : source::DecodedType(variable.type);
  const bool computed = variable.dimensions.empty() ? false : recipe_.anomaly.has_value();
  if (computed && type != source::DataType::kFloat64) type = source::DecodedType(variable.type);
  if (!recipe_.dtype.empty()) {
    type = recipe_.dtype == "float32" ? source::DataType::kFloat32 : source::DataType::kFloat64;
  }
  array.as_stored = packing->identity() && type == variable.type;
  return Add(std::move(array), type, ArrayAttributesJson(variable.attributes), named.line);
}

Result<void> Planner::AddDerived(const Derived& derived) {
  auto expression = Expression::Parse(derived.expression);
  if (!expression) return At(derived.line, expression.error().message());
  DataArray array;
  array.name = OutputName(derived.name);
  array.expression = derived.expression;
  bool single = true;
  for (const std::string& name : expression->names()) {
    SEAMOUNT_TRY_ASSIGN(const size_t index, Variable(name, derived.line));
    auto packing = source::PackingOf(facts_.variables[index]);
    if (!packing) return At(derived.line, packing.error().message());
    array.inputs.push_back(index);
    single = single && source::DecodedType(facts_.variables[index].type) == source::DataType::kFloat32;
    if (facts_.variables[index].dimensions != facts_.variables[array.inputs[0]].dimensions) {
      return At(derived.line, "'" + name + "' has other dimensions than '" + expression->names()[0] + "'");
    }
  }
  if (array.inputs.empty()) return At(derived.line, "'" + derived.name + "' uses no variable of the source");
  source::DataType type = single ? source::DataType::kFloat32 : source::DataType::kFloat64;
  if (!recipe_.dtype.empty()) {
    type = recipe_.dtype == "float32" ? source::DataType::kFloat32 : source::DataType::kFloat64;
  }
  std::map<std::string, std::string> attributes;
  if (!derived.units.empty()) attributes["units"] = derived.units;
  attributes["long_name"] = derived.long_name.empty() ? derived.expression : derived.long_name;
  return Add(std::move(array), type, WithText("{}", attributes), derived.line);
}

// How the source stores the variable, in the output's dimensions: what a task should cover to read it once.
source::Index SourceChunk(const source::Variable& variable, const std::vector<size_t>& kept, size_t element_bytes) {
  source::Index chunk;
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

Result<void> Planner::Add(DataArray array, source::DataType type, const std::string& attributes, int line) {
  for (const DataArray& before : plan_.arrays) {
    if (before.name == array.name) return At(line, "the output would have two arrays '" + array.name + "'");
  }
  const source::Variable& first = facts_.variables[array.inputs[0]];
  array.source_dimensions = first.dimensions;
  zarr::ArrayMetadata& metadata = array.metadata;
  metadata.format = recipe_.format;
  metadata.data_type = ZarrType(type);
  metadata.fill_value = FillValue(metadata.data_type);
  metadata.fill_value_null = !IsFloat(metadata.data_type);
  metadata.attributes_json = attributes;
  std::vector<size_t> kept;
  for (size_t d = 0; d < first.dimensions.size(); ++d) {
    const PlannedDimension& dimension = plan_.selection.Find(first.dimensions[d]);
    if (dimension.dropped) continue;
    if (plan_.selection.time && dimension.name == plan_.selection.time->dimension) array.time = kept.size();
    kept.push_back(d);
    metadata.dimension_names.push_back(dimension.name);
    metadata.shape.push_back(dimension.size);
  }
  array.anomaly = recipe_.anomaly && array.time;
  array.standardize = recipe_.standardize.has_value();
  array.as_stored = array.as_stored && !array.anomaly;
  if (array.standardize && !IsFloat(metadata.data_type)) {
    return At(line, "'" + array.name + "' holds whole numbers: standardizing needs 'dtype: float32'");
  }
  LayoutRequest request;
  request.dimensions = metadata.dimension_names;
  request.shape = metadata.shape;
  request.element_bytes = zarr::SizeOf(metadata.data_type);
  request.sample_dimension = array.time;
  request.minibatch = recipe_.minibatch;
  for (const size_t d : kept) {
    if (!first.chunk_shape.empty()) request.source_chunk.push_back(first.chunk_shape[d]);
  }
  request.chunks = recipe_.chunks;
  request.shards = recipe_.shards;
  request.may_shard = recipe_.format == 3;
  Layout layout = SolveLayout(request);
  metadata.chunk_shape = layout.chunk;
  metadata.shard_shape = layout.shard;
  array.reason = layout.reason;
  auto codecs = zarr::CodecsFromName(recipe_.codec, metadata.data_type, false);
  if (!codecs) return codecs.error().Wrap(recipe_.name + ", 'codec'");
  metadata.codecs = *std::move(codecs);
  if (auto checked = zarr::CheckArrayMetadata(metadata); !checked) {
    return checked.error().Wrap(recipe_.name + ", array '" + array.name + "'");
  }
  const source::Index& unit = metadata.shard_shape ? *metadata.shard_shape : metadata.chunk_shape;
  array.source_chunk = SourceChunk(first, kept, request.element_bytes);
  array.task_shape = TaskShape(metadata.shape, unit, array.source_chunk, request.element_bytes);
  plan_.arrays.push_back(std::move(array));
  return {};
}

Result<void> Planner::PlanBasis() {
  if (!recipe_.anomaly) return {};
  const Anomaly& anomaly = *recipe_.anomaly;
  SEAMOUNT_TRY_ASSIGN(plan_.anomaly_over, FindSplit(recipe_, plan_.selection, anomaly.over, anomaly.line));
  const TimeAxis& time = *plan_.selection.time;
  const size_t steps = time.moments.size();
  Basis basis;
  basis.exclusive = anomaly.harmonics == 0;
  basis.dimension = basis.exclusive ? "month" : "harmonic";
  basis.terms = basis.exclusive ? 12 : 1 + 2 * static_cast<size_t>(anomaly.harmonics);
  basis.weights.assign(steps * basis.terms, 0);
  std::vector<bool> seen(12, false);
  for (size_t t = 0; t < steps; ++t) {
    double* row = basis.weights.data() + t * basis.terms;
    if (basis.exclusive) {
      const auto month = static_cast<size_t>(source::DateOf(time.calendar, time.moments[t]).month - 1);
      row[month] = 1;
      if (t >= plan_.anomaly_over.start && t < plan_.anomaly_over.stop) seen[month] = true;
      continue;
    }
    const double phase = 2 * std::numbers::pi * source::YearFraction(time.calendar, time.moments[t]);
    row[0] = 1;
    for (int k = 1; k <= anomaly.harmonics; ++k) {
      row[2 * k - 1] = std::cos(k * phase);
      row[2 * k] = std::sin(k * phase);
    }
  }
  for (size_t t = 0; basis.exclusive && t < steps; ++t) {
    const size_t month = static_cast<size_t>(source::DateOf(time.calendar, time.moments[t]).month - 1);
    if (!seen[month]) {
      return At(anomaly.line, "the split '" + anomaly.over + "' has no step in month " + std::to_string(month + 1) +
                                  ", which the data have: no climatology for it");
    }
  }
  if (plan_.anomaly_over.stop - plan_.anomaly_over.start < basis.terms) {
    return At(anomaly.line, "the split '" + anomaly.over + "' has fewer steps than the climatology has terms");
  }
  plan_.basis = std::move(basis);
  return {};
}

void Planner::AddSmall(const std::string& name, zarr::DataType type, std::vector<std::string> dimensions,
                       source::Index shape, std::vector<std::byte> values, const std::string& attributes) {
  SmallArray small;
  small.name = name;
  small.metadata.format = recipe_.format;
  small.metadata.data_type = type;
  small.metadata.chunk_shape = shape;
  for (uint64_t& extent : small.metadata.chunk_shape) extent = std::max<uint64_t>(1, extent);
  small.metadata.shape = std::move(shape);
  small.metadata.dimension_names = std::move(dimensions);
  small.metadata.fill_value = FillValue(type);
  small.metadata.fill_value_null = !IsFloat(type);
  small.metadata.attributes_json = attributes;
  if (auto codecs = zarr::CodecsFromName("zstd", type, false)) small.metadata.codecs = *std::move(codecs);
  small.values = std::move(values);
  plan_.coordinates.push_back(std::move(small));
}

std::vector<std::byte> AsBytesVector(const std::vector<double>& values, zarr::DataType type) {
  std::vector<std::byte> out(values.size() * zarr::SizeOf(type));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto narrow = static_cast<float>(values[i]);
    if (type == zarr::DataType::kFloat32) std::memcpy(out.data() + i * sizeof narrow, &narrow, sizeof narrow);
    if (type == zarr::DataType::kFloat64) std::memcpy(out.data() + i * sizeof(double), &values[i], sizeof(double));
  }
  return out;
}

void Planner::AddCoordinate(const PlannedDimension& dimension) {
  const Coordinate* coordinate = facts_.FindCoordinate(dimension.name);
  if (coordinate == nullptr) return;
  const source::Variable& variable = facts_.variables[coordinate->variable];
  const auto packing = source::PackingOf(variable);
  const bool plain = packing && packing->identity() && dimension.relabeled.empty();
  const size_t element = source::SizeOf(variable.type);
  std::vector<std::byte> stored;
  std::vector<double> values = dimension.relabeled;
  for (const IndexRun& run : dimension.runs) {
    const auto* from = coordinate->stored.data() + run.start * element;
    stored.insert(stored.end(), from, from + run.count * element);
    if (!dimension.relabeled.empty()) continue;
    const auto first = coordinate->values.begin() + static_cast<std::ptrdiff_t>(run.start);
    values.insert(values.end(), first, first + static_cast<std::ptrdiff_t>(run.count));
  }
  zarr::DataType type = ZarrType(variable.type);
  if (!plain) {
    if (type != zarr::DataType::kFloat32) type = zarr::DataType::kFloat64;
    stored = AsBytesVector(values, type);
  }
  AddSmall(dimension.name, type, {dimension.name}, {dimension.size}, std::move(stored),
           ArrayAttributesJson(variable.attributes));
}

void Planner::AddCoordinates() {
  for (const PlannedDimension& dimension : plan_.selection.dimensions) {
    const bool used = std::any_of(plan_.arrays.begin(), plan_.arrays.end(), [&](const DataArray& array) {
      const auto& names = array.metadata.dimension_names;
      return std::find(names.begin(), names.end(), dimension.name) != names.end();
    });
    if (used) AddCoordinate(dimension);
  }
  if (!plan_.basis) return;
  const Basis& basis = *plan_.basis;
  std::vector<int32_t> terms(basis.terms);
  for (size_t i = 0; i < terms.size(); ++i) terms[i] = static_cast<int32_t>(basis.exclusive ? i + 1 : i);
  const auto* bytes = reinterpret_cast<const std::byte*>(terms.data());
  AddSmall(
      basis.dimension, zarr::DataType::kInt32, {basis.dimension}, {basis.terms},
      {bytes, bytes + terms.size() * sizeof(int32_t)},
      WithText("{}", {{"long_name", basis.exclusive ? "month of the year"
                                                    : "terms of the annual harmonics: mean, cos 1, sin 1, cos 2, …"}}));
  AddSmall("climatology_weights", zarr::DataType::kFloat64, {plan_.selection.time->dimension, basis.dimension},
           {plan_.selection.time->moments.size(), basis.terms}, AsBytesVector(basis.weights, zarr::DataType::kFloat64),
           WithText("{}", {{"long_name", "climatology of a step = sum over terms of weight times coefficient"}}));
}

Result<void> Planner::AddTasks() {
  const Fingerprints fingerprints(recipe_, facts_, plan_);
  for (size_t a = 0; a < plan_.arrays.size(); ++a) {
    DataArray& array = plan_.arrays[a];
    array.fingerprint = fingerprints.OfArray(array);
    if (array.anomaly || array.standardize) array.statistics_fingerprint = fingerprints.OfStatistics(array);
    const source::Index& shape = array.metadata.shape;
    if (source::Elements(shape) == 0) continue;
    double regions = static_cast<double>(plan_.tasks.size());
    double here = 1;
    for (size_t d = 0; d < shape.size(); ++d)
      here *= std::ceil(static_cast<double>(shape[d]) / static_cast<double>(array.task_shape[d]));
    regions += here;
    if (regions > kMaxTasks) {
      return At(1, "'" + array.name + "' would be written in " + std::to_string(static_cast<uint64_t>(here)) +
                       " regions: larger 'chunks' make fewer");
    }
    source::Index at(shape.size(), 0);
    for (bool more = true; more;) {
      Task task;
      task.array = a;
      task.region.origin = at;
      for (size_t d = 0; d < shape.size(); ++d) {
        task.region.shape.push_back(std::min(array.task_shape[d], shape[d] - at[d]));
      }
      task.bytes = source::Elements(task.region.shape) * zarr::SizeOf(array.metadata.data_type);
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
  for (const NamedLine& named : recipe_.variables) SEAMOUNT_TRY(AddVariable(named));
  for (const Derived& derived : recipe_.derive) SEAMOUNT_TRY(AddDerived(derived));
  if (plan_.arrays.empty()) return At(1, "'variables' names nothing but coordinates");
  SEAMOUNT_TRY(PlanBasis());
  if (recipe_.standardize) {
    SEAMOUNT_TRY_ASSIGN(plan_.standardize_over,
                        FindSplit(recipe_, plan_.selection, recipe_.standardize->over, recipe_.standardize->line));
  }
  AddCoordinates();
  for (const DataArray& array : plan_.arrays) {
    for (const SmallArray& small : plan_.coordinates) {
      if (small.name == array.name || (plan_.basis && small.name == ClimatologyName(array))) {
        return At(1, "the output would have two arrays '" + small.name + "'");
      }
    }
  }
  SEAMOUNT_TRY(AddTasks());
  plan_.fingerprint = Fingerprints(recipe_, facts_, plan_).OfPlan();
  plan_.group_attributes_json = GroupAttributes(recipe_, facts_, plan_.selection, plan_.fingerprint);
  return std::move(plan_);
}

}  // namespace

std::vector<size_t> TasksOf(const Plan& plan, size_t array) {
  std::vector<size_t> tasks;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    if (plan.tasks[t].array == array) tasks.push_back(t);
  }
  return tasks;
}

Result<Plan> MakePlan(const Recipe& recipe, const SourceFacts& facts) { return Planner(recipe, facts).Run(); }

}  // namespace seamount::prepare
