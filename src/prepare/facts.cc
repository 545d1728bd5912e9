#include "prepare/facts.h"

#include <algorithm>

#include "base/text.h"
#include "cf/axis.h"
#include "cf/decode.h"
#include "cf/packing.h"
#include "nd/data_type.h"

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

Result<size_t> FindReadable(const SourceFacts& facts, const std::string& name) {
  const auto unreadable = [&](const std::string& why) {
    return base::InvalidArgument("the variable '" + name + "' cannot be read: " + why);
  };
  std::vector<std::string> names;
  for (size_t i = 0; i < facts.variables.size(); ++i) {
    const source::Variable& variable = facts.variables[i];
    names.push_back(variable.name);
    if (variable.name != name) continue;
    if (!variable.unreadable.empty()) return unreadable(variable.unreadable);
    if (variable.type == nd::DataType::kChar) return unreadable("it holds text");
    return i;
  }
  return base::InvalidArgument(facts.files.front().path + " has no variable '" + name + "'" +
                               base::NameHint(name, names));
}

Result<SourceFacts> Describe(const source::Dataset& dataset, const cf::Options& reading) {
  SourceFacts facts{dataset.files(), dataset.dimensions(), dataset.variables(), dataset.attributes(), {}, reading, {}};
  for (size_t i = 0; i < facts.variables.size(); ++i) {
    source::Variable& variable = facts.variables[i];
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
