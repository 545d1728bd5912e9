#include "loader/dataset.h"

#include "base/text.h"

namespace seamount::loader {
namespace {

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::vector<std::string> parts;
  parts.reserve(shape.size());
  for (const uint64_t extent : shape) parts.push_back(std::to_string(extent));
  return "(" + base::Join(parts, ", ") + ")";
}

Result<void> CheckLengths(const std::vector<Variable>& variables, const std::string& sample_dim) {
  const Variable* first = nullptr;
  for (const Variable& variable : variables) {
    if (variable.is_static()) continue;
    if (first == nullptr) first = &variable;
    if (first->samples() == variable.samples()) continue;
    return base::InvalidArgument("variables '" + first->name() + "' and '" + variable.name() + "' differ along '" +
                                 sample_dim + "': " + std::to_string(first->samples()) + " and " +
                                 std::to_string(variable.samples()));
  }
  if (first != nullptr) return {};
  return base::InvalidArgument("variable '" + variables.front().name() + "' has no dimension '" + sample_dim + "'" +
                               (variables.size() > 1 ? ", nor has any other," : "") +
                               base::NameHint(sample_dim, variables.front().field_dims()));
}

Result<void> CheckFields(const std::vector<Variable>& variables, const OutputSlot& slot) {
  const Variable& first = variables[slot.variables.front()];
  for (const uint32_t number : slot.variables) {
    const Variable& other = variables[number];
    if (first.field_shape() == other.field_shape()) continue;
    return base::InvalidArgument("variables '" + first.name() + "' and '" + other.name() +
                                 "' have fields of different shape, " + ShapeText(first.field_shape()) + " and " +
                                 ShapeText(other.field_shape()) + ": '" + slot.name +
                                 "' is one tensor; give each a slot of its own");
  }
  return {};
}

}  // namespace

nd::Index Dataset::IndexOf(const ChunkNumbers::Place& place) const {
  return ChunkIndex(variables[place.variable].array().grid_shape(), windows[place.variable].axis, place.row,
                    place.cell);
}

uint64_t Dataset::length() const {
  for (const Variable& variable : variables) {
    if (!variable.is_static()) return variable.samples();
  }
  return 0;
}

std::vector<int64_t> Dataset::Leads() const {
  std::vector<int64_t> leads;
  for (size_t v = 0; v < variables.size(); ++v) {
    if (variables[v].is_static()) continue;
    for (const Destination& destination : destinations[v]) leads.push_back(destination.lead);
  }
  return leads;
}

std::vector<std::vector<int64_t>> Dataset::LeadsOfVariables() const {
  std::vector<std::vector<int64_t>> leads(variables.size());
  for (size_t v = 0; v < variables.size(); ++v) {
    for (const Destination& destination : destinations[v]) leads[v].push_back(destination.lead);
  }
  return leads;
}

Result<Dataset> MakeDataset(std::vector<Variable> variables, std::vector<OutputSlot> slots, uint64_t batch_size,
                            const std::string& sample_dim) {
  Dataset dataset;
  std::vector<ChunkGrid> grids;
  SEAMOUNT_TRY(CheckLengths(variables, sample_dim));
  for (const Variable& variable : variables) {
    if (variable.field_elements() == 0) {
      return base::InvalidArgument("variable '" + variable.name() + "' has no elements: its shape without '" +
                                   sample_dim + "' is " + ShapeText(variable.field_shape()));
    }
    dataset.windows.push_back(Window::Whole(variable.array().metadata().shape, variable.axis()));
    grids.push_back(GridOf(variable.array(), dataset.windows.back()));
  }
  for (OutputSlot& slot : slots) {
    SEAMOUNT_TRY(CheckFields(variables, slot));
    slot.field_shape = variables[slot.variables.front()].field_shape();
  }
  for (uint32_t v = 0; v < variables.size(); ++v) dataset.destinations.push_back(DestinationsOf(v, slots));
  SEAMOUNT_TRY_ASSIGN(dataset.layout, BatchLayout::Make(slots, batch_size));
  SEAMOUNT_TRY_ASSIGN(dataset.chunks, ChunkNumbers::Make(std::move(grids)));
  dataset.variables = std::move(variables);
  dataset.slots = std::move(slots);
  return dataset;
}

}  // namespace seamount::loader
