#include "prepare/facts.h"

#include <algorithm>

#include "base/text.h"
#include "cf/axis.h"
#include "cf/decode.h"
#include "cf/packing.h"
#include "nd/box.h"
#include "nd/data_type.h"
#include "source/united.h"

namespace seamount::prepare {
namespace {
// Hours of nineteen centuries. HDF5 files may claim any length for what was never written, and this is held in memory.
constexpr uint64_t kMaxCoordinateValues = 1 << 24;
}  // namespace

std::string OutputName(const std::string& name) {
  std::string out = name;
  std::replace(out.begin(), out.end(), '/', '.');
  return out;
}

const Coordinate* SourceFacts::FindCoordinate(std::string_view dimension) const {
  for (const Coordinate& coordinate : coordinates) {
    if (variables[coordinate.variable].name == dimension) return &coordinate;
  }
  return nullptr;
}

std::string SourceFacts::WhyNoCoordinate(std::string_view dimension) const {
  for (const source::Variable& variable : variables) {
    if (variable.name == dimension && !variable.unreadable.empty()) return ": " + variable.unreadable;
  }
  return {};
}

bool SourceFacts::IsCoordinate(std::string_view name) const {
  return std::any_of(coordinates.begin(), coordinates.end(), [&](const Coordinate& coordinate) {
    const source::Variable& variable = variables[coordinate.variable];
    return variable.name == name || source::ShortName(variable.name, variable.source) == name;
  });
}

namespace {

// What a name without its source may stand for.
std::vector<size_t> CalledSo(const SourceFacts& facts, const std::string& name) {
  std::vector<size_t> found;
  for (size_t i = 0; i < facts.variables.size(); ++i) {
    const source::Variable& variable = facts.variables[i];
    if (!variable.source.empty() && source::ShortName(variable.name, variable.source) == name) found.push_back(i);
  }
  return found;
}

Error NoVariable(const SourceFacts& facts, const std::string& name) {
  std::vector<std::string> names;
  std::vector<std::string> sources;
  for (const source::Variable& variable : facts.variables) {
    names.push_back(source::ShortName(variable.name, variable.source));
    if (!variable.source.empty()) names.push_back(variable.name);
    if (std::find(sources.begin(), sources.end(), variable.source) == sources.end()) sources.push_back(variable.source);
  }
  const bool named = std::any_of(sources.begin(), sources.end(), [](const std::string& one) { return !one.empty(); });
  if (!named) {
    return base::InvalidArgument(facts.files.front().path + " has no variable '" + name + "'" +
                                 base::NameHint(name, names));
  }
  const std::string before = name.substr(0, name.find('/'));
  const bool known = std::find(sources.begin(), sources.end(), before) != sources.end();
  if (name.find('/') != std::string::npos && !known) {
    return base::InvalidArgument("'" + name + "': there is no source '" + before + "' (there are " +
                                 base::Join(sources, ", ") + ")" + base::NameHint(before, sources));
  }
  return base::InvalidArgument(
      (known ? "the source '" + before + "' has no variable '" : "no source has a variable '") +
      (known ? name.substr(name.find('/') + 1) : name) + "'" + base::NameHint(name, names));
}

}  // namespace

Result<size_t> FindReadable(const SourceFacts& facts, const std::string& name) {
  std::optional<size_t> found;
  for (size_t i = 0; i < facts.variables.size() && !found; ++i) {
    if (facts.variables[i].name == name) found = i;
  }
  if (!found) {
    const std::vector<size_t> candidates = CalledSo(facts, name);
    if (candidates.size() > 1) {
      const source::Variable& first = facts.variables[candidates[0]];
      return base::InvalidArgument("the sources '" + first.source + "' and '" + facts.variables[candidates[1]].source +
                                   "' both have a variable '" + name + "': say which one, by 'from: " + first.name +
                                   "'");
    }
    if (candidates.empty()) return NoVariable(facts, name);
    found = candidates[0];
  }
  const source::Variable& variable = facts.variables[*found];
  std::string why = variable.unreadable;
  if (why.empty() && variable.type == nd::DataType::kChar) why = "it holds text";
  if (why == "it holds text") {
    why +=
        ", and only numbers can be prepared (text that a variable names among its 'coordinates' comes along by itself)";
  }
  if (!why.empty()) return base::InvalidArgument("the variable '" + name + "' cannot be read: " + why);
  return *found;
}

namespace {

constexpr uint64_t kMaxTextBytes = 1 << 20;  // names of stations or regions

// What others may name as a coordinate; larger, it is left out.
Result<void> ReadText(const source::Dataset& dataset, size_t index, SourceFacts& facts) {
  const source::Variable& variable = facts.variables[index];
  const bool text = variable.type == nd::DataType::kChar && variable.unreadable.empty() && !variable.shape.empty();
  if (!text || nd::Elements(variable.shape) > kMaxTextBytes) return {};
  std::vector<std::byte> stored(nd::Elements(variable.shape));
  SEAMOUNT_TRY(dataset.ReadBox(index, nd::Whole(variable.shape), stored));
  facts.texts[variable.name] = std::move(stored);
  return {};
}

}  // namespace

Result<SourceFacts> Describe(const source::Dataset& dataset, const cf::Options& reading) {
  SourceFacts facts;
  facts.files = dataset.files();
  facts.dimensions = dataset.dimensions();
  facts.variables = dataset.variables();
  facts.attributes = dataset.attributes();
  facts.reading = reading;
  facts.stored = dataset.variables();
  for (size_t i = 0; i < facts.variables.size(); ++i) {
    source::Variable& variable = facts.variables[i];
    SEAMOUNT_TRY(ReadText(dataset, i, facts));
    const bool own = variable.dimensions.size() == 1 && variable.dimensions[0] == variable.name;
    if (!own || !variable.unreadable.empty() || variable.type == nd::DataType::kChar) continue;
    if (variable.shape[0] > kMaxCoordinateValues) {
      variable.unreadable = facts.files.front().path + " claims " + std::to_string(variable.shape[0]) +
                            " values for it, more than " + std::to_string(kMaxCoordinateValues);
      continue;
    }
    const auto packing = facts.PackingOf(variable);
    if (!packing) {
      variable.unreadable = packing.error().message();
      continue;
    }
    Coordinate coordinate;
    coordinate.variable = i;
    coordinate.axis = cf::AxisOf(variable.name, variable.attributes);
    coordinate.stored.resize(variable.shape[0] * nd::SizeOf(variable.type));
    SEAMOUNT_TRY(dataset.ReadBox(i, {{0}, variable.shape}, coordinate.stored));
    coordinate.values.resize(variable.shape[0]);
    if (!coordinate.values.empty()) {
      cf::Decode(coordinate.stored, *packing, std::span<double>(coordinate.values));
    }
    facts.coordinates.push_back(std::move(coordinate));
  }
  return facts;
}

}  // namespace seamount::prepare
