#include "source/grib/index.h"

#include <algorithm>
#include <cmath>

#include "source/child/wire.h"

namespace seamount::source::grib {
namespace {

void Put(WireWriter& out, const Field& field) {
  out.Put(field.offset);
  out.Put(field.bytes);
  out.Put(field.number_in_message);
  for (const std::string* text : {&field.name, &field.short_name, &field.long_name, &field.standard_name, &field.units,
                                  &field.level_type, &field.step_type, &field.centre, &field.grid}) {
    out.Text(*text);
  }
  out.Put(field.edition);
  out.Put(field.param_id);
  out.Put(field.level);
  out.Put(field.member);
  out.Put(field.time);
  out.Put(field.step_hours);
}

Field GetField(WireReader& in) {
  Field field;
  field.offset = in.Get<uint64_t>();
  field.bytes = in.Get<uint64_t>();
  field.number_in_message = in.Get<uint32_t>();
  for (std::string* text : {&field.name, &field.short_name, &field.long_name, &field.standard_name, &field.units,
                            &field.level_type, &field.step_type, &field.centre, &field.grid}) {
    *text = in.Text();
  }
  field.edition = in.Get<int64_t>();
  field.param_id = in.Get<int64_t>();
  field.level = in.Get<double>();
  field.member = in.Get<int64_t>();
  field.time = in.Get<int64_t>();
  field.step_hours = in.Get<double>();
  return field;
}

void Put(WireWriter& out, const Grid& grid) {
  out.Text(grid.id);
  out.Text(grid.type);
  out.List(grid.dimensions, [&](const std::string& name) { out.Text(name); });
  out.Numbers(grid.shape);
  out.Put<uint8_t>(grid.columns_first);
  out.Numbers(grid.latitudes);
  out.Numbers(grid.longitudes);
  out.Text(grid.unreadable);
}

Grid GetGrid(WireReader& in) {
  Grid grid;
  grid.id = in.Text();
  grid.type = in.Text();
  in.List(grid.dimensions, [&] { return in.Text(); });
  grid.shape = in.Numbers<uint64_t>();
  grid.columns_first = in.GetBool();
  grid.latitudes = in.Numbers<double>();
  grid.longitudes = in.Numbers<double>();
  grid.unreadable = in.Text();
  return grid;
}

// Everything else believes a grid: its shape is that of its coordinates.
bool Sound(const Grid& grid) {
  if (grid.dimensions.size() != grid.shape.size() || grid.shape.empty() || grid.shape.size() > 2) return false;
  if (!grid.unreadable.empty()) return true;
  uint64_t points = 1;
  for (const uint64_t size : grid.shape) {
    if (size == 0 || size > (uint64_t{1} << 32)) return false;
    points *= size;
  }
  if (points > (uint64_t{1} << 32)) return false;
  const bool axes = grid.dimensions.front() == "latitude";
  if (axes && grid.shape.size() != 2) return false;
  if (!axes && grid.latitudes.empty() && grid.longitudes.empty()) return true;
  const uint64_t rows = axes ? grid.shape[0] : points;
  const uint64_t columns = axes ? grid.shape[1] : points;
  return grid.latitudes.size() == rows && grid.longitudes.size() == columns;
}

// Coordinates are compared and sorted: NaN is none, and times are told apart by double.
bool Sound(const Field& field) {
  constexpr double kMost = 1e15;
  return std::abs(field.level) <= kMost && std::abs(field.step_hours) <= kMost / 3600 &&
         std::abs(static_cast<double>(field.time)) <= kMost && std::abs(static_cast<double>(field.member)) <= kMost &&
         field.offset + field.bytes >= field.offset;
}

bool Sound(const Index& index) {
  return !index.fields.empty() &&
         std::all_of(index.grids.begin(), index.grids.end(), [](const Grid& grid) { return Sound(grid); }) &&
         std::all_of(index.fields.begin(), index.fields.end(),
                     [&](const Field& field) { return FindGrid(index, field.grid) != nullptr && Sound(field); });
}

Error Nonsense() { return base::DataLoss("its GRIB index makes no sense"); }

}  // namespace

const Grid* FindGrid(const Index& index, const std::string& id) {
  const auto found =
      std::find_if(index.grids.begin(), index.grids.end(), [&](const Grid& grid) { return grid.id == id; });
  return found == index.grids.end() ? nullptr : &*found;
}

std::vector<std::byte> Serialize(const std::vector<Field>& fields) {
  WireWriter out;
  out.List(fields, [&](const Field& field) { Put(out, field); });
  return out.Take();
}

std::vector<std::byte> Serialize(const Grid& grid) {
  WireWriter out;
  Put(out, grid);
  return out.Take();
}

std::vector<std::byte> Serialize(const Index& index) {
  WireWriter out;
  out.List(index.fields, [&](const Field& field) { Put(out, field); });
  out.List(index.grids, [&](const Grid& grid) { Put(out, grid); });
  return out.Take();
}

Result<std::vector<Field>> ParseFields(std::span<const std::byte> bytes) {
  WireReader in(bytes);
  std::vector<Field> fields;
  in.List(fields, [&] { return GetField(in); });
  const auto sound = [](const Field& field) { return Sound(field); };
  if (!in.whole() || !std::all_of(fields.begin(), fields.end(), sound)) return Nonsense();
  return fields;
}

Result<Grid> ParseGrid(std::span<const std::byte> bytes) {
  WireReader in(bytes);
  Grid grid = GetGrid(in);
  if (!in.whole() || !Sound(grid)) return Nonsense();
  return grid;
}

Result<Index> ParseIndex(std::span<const std::byte> bytes) {
  WireReader in(bytes);
  Index index;
  in.List(index.fields, [&] { return GetField(in); });
  in.List(index.grids, [&] { return GetGrid(in); });
  if (!in.whole() || !Sound(index)) return Nonsense();
  return index;
}

}  // namespace seamount::source::grib
