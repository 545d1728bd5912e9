#include "prepare/facts.h"

namespace seamount::prepare {

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
    if (!own || !variable.unreadable.empty() || variable.type == source::DataType::kChar) continue;
    Coordinate coordinate;
    coordinate.variable = i;
    coordinate.axis = source::AxisOf(variable);
    coordinate.stored.resize(variable.shape[0] * source::SizeOf(variable.type));
    SEAMOUNT_TRY(dataset.ReadBox(i, {{0}, variable.shape}, coordinate.stored));
    SEAMOUNT_TRY_ASSIGN(const source::Packing packing, source::PackingOf(variable));
    coordinate.values.resize(variable.shape[0]);
    if (!coordinate.values.empty()) {
      source::Decode(coordinate.stored, variable.type, packing, std::span<double>(coordinate.values));
    }
    facts.coordinates.push_back(std::move(coordinate));
  }
  return facts;
}

}  // namespace seamount::prepare
