#include "source/grib/cube.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>

namespace seamount::source::grib {
namespace {

cf::Attribute TextAttribute(std::string name, std::string text) {
  return {.name = std::move(name), .type = nd::DataType::kChar, .text = std::move(text)};
}

cf::Attribute NumberAttribute(std::string name, int64_t number) {
  return {.name = std::move(name), .type = nd::DataType::kInt64, .numbers = {static_cast<double>(number)}};
}

template <class Number>
std::vector<std::byte> BytesOf(const std::vector<Number>& numbers) {
  const auto bytes = std::as_bytes(std::span(numbers));
  return {bytes.begin(), bytes.end()};
}

// Of a variable: its fields, there or not. A year of hours with ten members on 137 levels is 12 million.
constexpr size_t kMostPlaces = size_t{1} << 26;

// What one of a variable's dimensions before the grid is made of.
struct Axis {
  const char* name;
  double (*of)(const Field& field);
};

constexpr Axis kMember = {"number", [](const Field& f) { return static_cast<double>(f.member); }};
constexpr Axis kTime = {"time", [](const Field& f) { return static_cast<double>(f.time); }};
constexpr Axis kStep = {"step", [](const Field& f) { return f.step_hours; }};
constexpr Axis kLevel = {"level", [](const Field& f) { return f.level; }};

// Pressure falls with height, and is listed so.
bool Falls(const std::string& level_type) { return level_type == "isobaricInhPa" || level_type == "isobaricInPa"; }

const char* LevelUnits(const std::string& level_type) {
  if (level_type == "isobaricInhPa") return "hPa";
  if (level_type == "isobaricInPa") return "Pa";
  if (level_type == "heightAboveGround" || level_type == "heightAboveSea" || level_type == "depthBelowLand" ||
      level_type == "depthBelowSea") {
    return "m";
  }
  if (level_type == "theta") return "K";
  if (level_type == "potentialVorticity") return "10**-9 K m**2 kg**-1 s**-1";
  return "1";
}

std::vector<cf::Attribute> CoordinateAttributes(const std::string& name) {
  const auto named = [](const char* long_name, const char* units, const char* standard_name) {
    std::vector<cf::Attribute> attributes = {TextAttribute("long_name", long_name), TextAttribute("units", units)};
    if (*standard_name != 0) attributes.push_back(TextAttribute("standard_name", standard_name));
    return attributes;
  };
  const auto time = [&](const char* long_name, const char* standard_name) {
    auto attributes = named(long_name, "seconds since 1970-01-01T00:00:00", standard_name);
    attributes.push_back(TextAttribute("calendar", "proleptic_gregorian"));
    return attributes;
  };
  if (name == "number") return named("ensemble member numerical id", "1", "realization");
  if (name == "time") return time("initial time of forecast", "time");
  if (name == "valid_time") return time("time", "");
  if (name == "step") return named("time since forecast_reference_time", "hours", "forecast_period");
  if (name == "latitude") return named("latitude", "degrees_north", "latitude");
  if (name == "longitude") return named("longitude", "degrees_east", "longitude");
  auto attributes = named(name.c_str(), LevelUnits(name), Falls(name) ? "air_pressure" : "");
  attributes.push_back(TextAttribute("positive", Falls(name) || name.rfind("depth", 0) == 0 ? "down" : "up"));
  return attributes;
}

// Puts coordinates into the cube, each once.
class Coordinates {
 public:
  explicit Coordinates(Cube& cube) : cube_(cube) {}

  // A dimension with its coordinate; its name, which has a suffix where others took the plain one.
  template <class Number>
  std::string Along(const std::string& name, nd::DataType type, const std::vector<Number>& values) {
    const std::string unique = Unique(name, name + "@", BytesOf(values));
    if (!unique.empty()) {
      cube_.dimensions.push_back({.name = unique, .size = values.size()});
      Add(unique, name, type, {unique}, {values.size()}, BytesOf(values));
    }
    return last_;
  }
  // A dimension without one.
  std::string Bare(const std::string& name, uint64_t size) {
    const std::string unique = Unique(name, "", BytesOf(std::vector{size}));
    if (!unique.empty()) cube_.dimensions.push_back({.name = unique, .size = size});
    return last_;
  }
  template <class Number>
  std::string Over(const std::string& name, nd::DataType type, const std::vector<std::string>& dimensions,
                   const nd::Index& shape, const std::vector<Number>& values) {
    std::string where;
    for (const std::string& dimension : dimensions) where += "," + dimension;
    const std::string unique = Unique(name, where, BytesOf(values));
    if (!unique.empty()) Add(unique, name, type, dimensions, shape, BytesOf(values));
    return last_;
  }

 private:
  // Empty where it is there already; `last_` is its name in any case.
  std::string Unique(const std::string& name, const std::string& where, std::vector<std::byte> values) {
    auto& known = known_[name];
    const auto there = std::find(known.begin(), known.end(), std::pair(where, values));
    const auto number = static_cast<size_t>(there - known.begin()) + 1;
    last_ = number == 1 ? name : name + "_" + std::to_string(number);
    if (there != known.end()) return {};
    known.emplace_back(where, std::move(values));
    return last_;
  }

  void Add(const std::string& unique, const std::string& name, nd::DataType type, std::vector<std::string> dimensions,
           nd::Index shape, std::vector<std::byte> values) {
    CubeVariable coordinate;
    coordinate.variable.name = unique;
    coordinate.variable.type = type;
    coordinate.variable.dimensions = std::move(dimensions);
    coordinate.variable.shape = std::move(shape);
    coordinate.variable.attributes = CoordinateAttributes(name);
    coordinate.values = std::move(values);
    cube_.variables.push_back(std::move(coordinate));
  }

  Cube& cube_;
  std::map<std::string, std::vector<std::pair<std::string, std::vector<std::byte>>>> known_;
  std::string last_;
};

// Fields that become one variable.
using GroupKey = std::tuple<std::string, std::string, std::string, std::string>;

std::vector<std::pair<GroupKey, std::vector<size_t>>> GroupsOf(const Index& index) {
  std::vector<std::pair<GroupKey, std::vector<size_t>>> groups;
  std::map<GroupKey, size_t> places;
  for (size_t i = 0; i < index.fields.size(); ++i) {
    const Field& field = index.fields[i];
    const GroupKey key(field.name, field.level_type, field.step_type, field.grid);
    const auto [place, inserted] = places.try_emplace(key, groups.size());
    if (inserted) groups.emplace_back(key, std::vector<size_t>());
    groups[place->second].second.push_back(i);
  }
  return groups;
}

// The plain name where it is the only one, else with what tells it apart.
std::vector<std::string> NamesOf(const std::vector<std::pair<GroupKey, std::vector<size_t>>>& groups) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  const auto count = [&](const auto& same) {
    return std::count_if(groups.begin(), groups.end(), [&](const auto& group) { return same(group.first); });
  };
  for (const auto& [key, fields] : groups) {
    const auto& [name, level_type, step_type, grid] = key;
    std::string full = name;
    const bool alone = count([&, n = name](const GroupKey& k) { return std::get<0>(k) == n; }) == 1;
    if (!alone) {
      const auto levels = count(
          [&, n = name, l = level_type](const GroupKey& k) { return std::get<0>(k) == n && std::get<1>(k) != l; });
      const auto steps = count([&, n = name, l = level_type, s = step_type](const GroupKey& k) {
        return std::get<0>(k) == n && std::get<1>(k) == l && std::get<2>(k) != s;
      });
      if (levels > 0 && !level_type.empty()) full += "_" + level_type;
      if (steps > 0 && !step_type.empty()) full += "_" + step_type;
    }
    std::string unique = full;
    for (int number = 2; !taken.insert(unique).second; ++number) unique = full + "_" + std::to_string(number);
    names.push_back(std::move(unique));
  }
  return names;
}

std::vector<double> ValuesAlong(const Index& index, const std::vector<size_t>& fields, const Axis& axis, bool falls) {
  std::vector<double> values;
  for (const size_t i : fields) values.push_back(axis.of(index.fields[i]));
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (falls) std::reverse(values.begin(), values.end());
  return values;
}

std::vector<int64_t> Integers(const std::vector<double>& values) { return {values.begin(), values.end()}; }

// Makes one variable of a group, with its coordinates.
class VariableMaker {
 public:
  VariableMaker(const Index& index, Coordinates& coordinates, const std::vector<size_t>& fields)
      : index_(index), coordinates_(coordinates), fields_(fields), first_(index.fields[fields.front()]) {}

  CubeVariable Make(std::string name) {
    made_.variable.name = std::move(name);
    made_.variable.type = nd::DataType::kFloat32;
    if (first_.member >= 0) AddAxis(kMember, "number", false);
    AddAxis(kTime, "time", true);
    AddAxis(kStep, "step", false);
    AddAxis(kLevel, first_.level_type.empty() ? "level" : first_.level_type, false);
    AddValidTime();
    PlaceFields();
    AddGrid();
    AddAttributes();
    return std::move(made_);
  }

 private:
  void AddAxis(const Axis& axis, const std::string& name, bool always) {
    const bool integer = &axis == &kMember || &axis == &kTime;
    const std::vector<double> values = ValuesAlong(index_, fields_, axis, Falls(name));
    axes_.push_back({axis, values});
    const nd::DataType type = integer ? nd::DataType::kInt64 : nd::DataType::kFloat64;
    if (values.size() > 1 || always) {
      made_.variable.dimensions.push_back(integer ? coordinates_.Along(name, type, Integers(values))
                                                  : coordinates_.Along(name, type, values));
      made_.variable.shape.push_back(values.size());
    } else {
      others_.push_back(integer ? coordinates_.Over(name, type, {}, {}, Integers(values))
                                : coordinates_.Over(name, type, {}, {}, values));
    }
  }

  // When the fields are of: along time, and along step where there are several.
  void AddValidTime() {
    std::vector<double> times, steps;
    std::vector<std::string> dimensions;
    nd::Index shape;
    for (const auto& [axis, values] : axes_) {
      if (axis.of == kTime.of) times = values;
      if (axis.of == kStep.of) steps = values;
    }
    for (size_t d = 0; d < made_.variable.dimensions.size(); ++d) {
      const std::string& name = made_.variable.dimensions[d];
      if (name.rfind("time", 0) != 0 && name.rfind("step", 0) != 0) continue;
      dimensions.push_back(name);
      shape.push_back(made_.variable.shape[d]);
    }
    if (times.size() * steps.size() > kMostPlaces) return;
    std::vector<int64_t> valid;
    for (const double time : times) {
      for (const double step : steps) valid.push_back(static_cast<int64_t>(time) + std::llround(step * 3600));
    }
    others_.push_back(coordinates_.Over("valid_time", nd::DataType::kInt64, dimensions, shape, valid));
  }

  void PlaceFields() {
    size_t count = 1;
    for (const auto& [axis, values] : axes_) {
      // Each field may be of another time, another step, and another level.
      if (values.size() > kMostPlaces / count) {
        made_.variable.unreadable = "its " + std::to_string(fields_.size()) +
                                    " fields are too few for all combinations of their coordinates: split the file";
        made_.fields.assign(1, kNoField);
        return;
      }
      count *= values.size();
    }
    made_.fields.assign(count, kNoField);
    size_t placed = 0;
    for (const size_t i : fields_) {
      size_t at = 0;
      for (const auto& [axis, values] : axes_) {
        const double value = axis.of(index_.fields[i]);
        at = at * values.size() + static_cast<size_t>(std::find(values.begin(), values.end(), value) - values.begin());
      }
      placed += made_.fields[at] == kNoField ? 1 : 0;
      made_.fields[at] = i;
    }
    auto& remarks = made_.variable.remarks;
    if (placed < fields_.size()) {
      remarks.push_back(std::to_string(fields_.size() - placed) +
                        " of its fields are of the same time, step, level and member as another: the last is taken");
    }
    if (placed < count) {
      remarks.push_back(std::to_string(count - placed) + " of " + std::to_string(count) +
                        " combinations of its coordinates are not in the file: NaN");
    }
  }

  void AddGrid() {
    const Grid& grid = *FindGrid(index_, first_.grid);
    made_.grid = static_cast<size_t>(&grid - index_.grids.data());
    if (made_.variable.unreadable.empty()) made_.variable.unreadable = grid.unreadable;
    auto& dimensions = made_.variable.dimensions;
    const size_t outer = dimensions.size();
    if (grid.dimensions.front() == "latitude") {
      dimensions.push_back(coordinates_.Along("latitude", nd::DataType::kFloat64, grid.latitudes));
      dimensions.push_back(coordinates_.Along("longitude", nd::DataType::kFloat64, grid.longitudes));
    } else {
      for (size_t d = 0; d < grid.shape.size(); ++d) {
        dimensions.push_back(coordinates_.Bare(grid.dimensions[d], grid.shape[d]));
      }
      const std::vector<std::string> own(dimensions.begin() + static_cast<ptrdiff_t>(outer), dimensions.end());
      if (grid.unreadable.empty() && grid.latitudes.empty()) {
        made_.variable.remarks.push_back("ecCodes does not know where the points of its grid (" + grid.type + ") are");
      } else if (grid.unreadable.empty()) {
        others_.push_back(coordinates_.Over("latitude", nd::DataType::kFloat64, own, grid.shape, grid.latitudes));
        others_.push_back(coordinates_.Over("longitude", nd::DataType::kFloat64, own, grid.shape, grid.longitudes));
      }
    }
    made_.variable.chunk_shape.assign(outer, 1);
    for (const uint64_t size : grid.shape) {
      made_.variable.shape.push_back(size);
      made_.variable.chunk_shape.push_back(size);
    }
    made_.variable.filters = "GRIB";
  }

  void AddAttributes() {
    auto& attributes = made_.variable.attributes;
    const auto text = [&](const char* name, const std::string& value) {
      if (!value.empty()) attributes.push_back(TextAttribute(name, value));
    };
    text("long_name", first_.long_name);
    text("units", first_.units);
    text("standard_name", first_.standard_name);
    text("GRIB_shortName", first_.short_name);
    text("GRIB_typeOfLevel", first_.level_type);
    text("GRIB_stepType", first_.step_type);
    text("GRIB_gridType", FindGrid(index_, first_.grid)->type);
    attributes.push_back(NumberAttribute("GRIB_paramId", first_.param_id));
    std::string coordinates;
    for (const std::string& name : others_) coordinates += (coordinates.empty() ? "" : " ") + name;
    text("coordinates", coordinates);
  }

  const Index& index_;
  Coordinates& coordinates_;
  const std::vector<size_t>& fields_;
  const Field& first_;
  std::vector<std::pair<Axis, std::vector<double>>> axes_;
  std::vector<std::string> others_;  // coordinates that are no dimension
  CubeVariable made_;
};

}  // namespace

Cube MakeCube(const Index& index) {
  Cube cube;
  Coordinates coordinates(cube);
  const auto groups = GroupsOf(index);
  const auto names = NamesOf(groups);
  std::vector<CubeVariable> variables;
  for (size_t i = 0; i < groups.size(); ++i) {
    variables.push_back(VariableMaker(index, coordinates, groups[i].second).Make(names[i]));
  }
  for (CubeVariable& variable : variables) cube.variables.push_back(std::move(variable));
  const Field& first = index.fields.front();
  cube.attributes = {TextAttribute("Conventions", "CF-1.7"), NumberAttribute("GRIB_edition", first.edition)};
  if (!first.centre.empty()) cube.attributes.push_back(TextAttribute("GRIB_centre", first.centre));
  return cube;
}

}  // namespace seamount::source::grib
