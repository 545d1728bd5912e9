#include "prepare/facts.h"

#include "cf/axis.h"
#include "cf/decode.h"
#include "cf/packing.h"
#include "nd/data_type.h"

namespace seamount::prepare {
namespace {
// Hours of nineteen centuries. HDF5 files may claim any length for what was never written, and this is held in memory.
constexpr uint64_t kMaxCoordinateValues = 1 << 24;
}  // namespace

const Coordinate* SourceFacts::FindCoordinate(std::string_view dimension) const {
  for (const Coordinate& coordinate : coordinates) {
    if (variables[coordinate.variable].name == dimension) return &coordinate;
  }
  return nullptr;
}

Result<SourceFacts> Describe(const source::Dataset& dataset) {
  SourceFacts facts{dataset.files(), dataset.dimensions(), dataset.variables(), dataset.attributes(), {}};
  for (size_t i = 0; i < facts.variables.size(); ++i) {
    const source::Variable& variable = facts.variables[i];
    const bool own = variable.dimensions.size() == 1 && variable.dimensions[0] == variable.name;
    if (!own || !variable.unreadable.empty() || variable.type == nd::DataType::kChar) continue;
    if (variable.shape[0] > kMaxCoordinateValues) {
      return base::InvalidArgument(facts.files.front().path + " claims " + std::to_string(variable.shape[0]) +
                                   " values for the coordinate '" + variable.name + "', more than " +
                                   std::to_string(kMaxCoordinateValues));
    }
    Coordinate coordinate;
    coordinate.variable = i;
    coordinate.axis = cf::AxisOf(variable.name, variable.attributes);
    coordinate.stored.resize(variable.shape[0] * nd::SizeOf(variable.type));
    SEAMOUNT_TRY(dataset.ReadBox(i, {{0}, variable.shape}, coordinate.stored));
    SEAMOUNT_TRY_ASSIGN(const cf::Packing packing, source::PackingOf(variable));
    coordinate.values.resize(variable.shape[0]);
    if (!coordinate.values.empty()) {
      cf::Decode(coordinate.stored, packing, std::span<double>(coordinate.values));
    }
    facts.coordinates.push_back(std::move(coordinate));
  }
  return facts;
}

}  // namespace seamount::prepare
