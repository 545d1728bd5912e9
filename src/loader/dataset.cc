#include "loader/dataset.h"

#include <numeric>

#include "base/text.h"

namespace seamount::loader {
namespace {

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::vector<std::string> parts;
  parts.reserve(shape.size());
  for (const uint64_t extent : shape) parts.push_back(std::to_string(extent));
  return "(" + base::Join(parts, ", ") + ")";
}

Result<void> CheckAlike(const Variable& first, const Variable& other, const std::string& sample_dim) {
  if (first.samples() != other.samples()) {
    return base::InvalidArgument("variables '" + first.name() + "' and '" + other.name() + "' differ along '" +
                                 sample_dim + "': " + std::to_string(first.samples()) + " and " +
                                 std::to_string(other.samples()));
  }
  if (first.field_shape() != other.field_shape()) {
    return base::InvalidArgument("variables '" + first.name() + "' and '" + other.name() +
                                 "' have fields of different shape, " + ShapeText(first.field_shape()) + " and " +
                                 ShapeText(other.field_shape()) + ": load them with two loaders");
  }
  return {};
}

}  // namespace

nd::Index Dataset::IndexOf(const ChunkNumbers::Place& place) const {
  return ChunkIndex(variables[place.variable].array().grid_shape(), windows[place.variable].axis, place.row,
                    place.cell);
}

std::vector<int64_t> Dataset::Leads() const {
  std::vector<int64_t> leads;
  for (const OutputSlot& slot : slots) leads.insert(leads.end(), slot.leads.begin(), slot.leads.end());
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
  for (const Variable& variable : variables) {
    if (variable.field_elements() == 0) {
      return base::InvalidArgument("variable '" + variable.name() + "' has no elements: its shape without '" +
                                   sample_dim + "' is " + ShapeText(variable.field_shape()));
    }
    SEAMOUNT_TRY(CheckAlike(variables.front(), variable, sample_dim));
    dataset.windows.push_back(Window::Whole(variable.array().metadata().shape, variable.axis()));
    grids.push_back(GridOf(variable.array(), dataset.windows.back()));
  }
  for (OutputSlot& slot : slots) {
    slot.variables.resize(variables.size());
    std::iota(slot.variables.begin(), slot.variables.end(), 0);
    slot.field_shape = variables.front().field_shape();
  }
  for (uint32_t v = 0; v < variables.size(); ++v) dataset.destinations.push_back(DestinationsOf(v, slots));
  SEAMOUNT_TRY_ASSIGN(dataset.layout, BatchLayout::Make(slots, batch_size));
  SEAMOUNT_TRY_ASSIGN(dataset.chunks, ChunkNumbers::Make(std::move(grids)));
  dataset.variables = std::move(variables);
  dataset.slots = std::move(slots);
  return dataset;
}

}  // namespace seamount::loader
