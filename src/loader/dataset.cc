#include "loader/dataset.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

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
    if (variable.is_static() || variable.own_steps()) continue;
    if (first == nullptr) first = &variable;
    if (first->samples() == variable.samples()) continue;
    return base::InvalidArgument("variables '" + first->name() + "' and '" + variable.name() + "' differ along '" +
                                 sample_dim + "': " + std::to_string(first->samples()) + " and " +
                                 std::to_string(variable.samples()));
  }
  if (first != nullptr) return {};
  if (std::any_of(variables.begin(), variables.end(), [](const Variable& v) { return v.own_steps(); })) {
    return base::InvalidArgument(
        "no slot has the steps of the first group, by which samples are counted: give a slot of "
        "it, or open the loader at another group");
  }
  return base::InvalidArgument("variable '" + variables.front().name() + "' has no dimension '" + sample_dim + "'" +
                               (variables.size() > 1 ? ", nor has any other," : "") +
                               base::NameHint(sample_dim, variables.front().field_dims()));
}

Result<void> CheckFields(const Dataset& dataset, const OutputSlot& slot) {
  const uint32_t first = slot.variables.front();
  const nd::Index shape = dataset.windows[first].FieldShape();
  for (const uint32_t other : slot.variables) {
    const nd::Index other_shape = dataset.windows[other].FieldShape();
    if (shape == other_shape) continue;
    return base::InvalidArgument("variables '" + dataset.variables[first].name() + "' and '" +
                                 dataset.variables[other].name() + "' have fields of different shape, " +
                                 ShapeText(shape) + " and " + ShapeText(other_shape) + ": '" + slot.name +
                                 "' is one tensor; give each a slot of its own");
  }
  return {};
}

Result<void> CheckType(const Dataset& dataset, const OutputSlot& slot) {
  for (const uint32_t number : slot.variables) {
    const Variable& variable = dataset.variables[number];
    if (slot.floating() || variable.KeepsIntegers(slot.dtype)) continue;
    return base::InvalidArgument(
        "'" + slot.name + "': dtype is " + std::string(nd::NameOf(slot.dtype)) + ", and '" + variable.name() +
        "' is stored as " + std::string(nd::NameOf(variable.stored_type())) +
        ", perhaps packed or normalised: integers are kept as they are, of their own type or a "
        "wider one, with normalize=False; else take a type of floating point");
  }
  return {};
}

// Which dimension of the variable is the one that patches crop; nullopt: it has none, or is not cropped.
std::optional<size_t> DimOf(const Variable& variable, const std::string& name) {
  const auto& dims = variable.array().metadata().dimension_names;
  const auto found = std::find(dims.begin(), dims.end(), name);
  if (variable.patch_scale() == 0 || found == dims.end()) return std::nullopt;
  return static_cast<size_t>(found - dims.begin());
}

Result<Patches> PatchesOf(const std::vector<Variable>& variables, const PatchOptions& options,
                          const std::string& sample_dim) {
  std::vector<uint64_t> lengths;
  for (const PatchOptions::Dim& dim : options.dims) {
    if (dim.name == sample_dim) {
      return base::InvalidArgument("patches: '" + dim.name + "' is what samples run along: leads make windows there");
    }
    const Variable* first = nullptr;
    uint64_t length = 0;
    std::vector<std::string> names;
    for (const Variable& variable : variables) {
      const auto& dims = variable.field_dims();
      std::copy_if(dims.begin(), dims.end(), std::back_inserter(names),
                   [&](const std::string& name) { return std::find(names.begin(), names.end(), name) == names.end(); });
      const auto d = DimOf(variable, dim.name);
      if (!d) continue;
      const uint64_t here = variable.array().metadata().shape[*d];
      if (first == nullptr) length = here / variable.patch_scale();
      if (first == nullptr) first = &variable;
      if (here == length * variable.patch_scale()) continue;
      return base::InvalidArgument(
          "patches: '" + variable.name() + "' has " + std::to_string(here) + " positions along '" + dim.name +
          "', and '" + first->name() + "' " + std::to_string(length * first->patch_scale()) +
          ": a patch is at the same place in all; a slot on a finer grid says how many times, as patch=2, and "
          "patch=False gives it the whole field");
    }
    if (first == nullptr) {
      return base::InvalidArgument("patches: no variable has a dimension '" + dim.name + "'" +
                                   base::NameHint(dim.name, names));
    }
    lengths.push_back(length);
  }
  return Patches::Make(options, lengths);
}

Window WindowOf(const Variable& variable, const Patches& patches) {
  const nd::Index& shape = variable.array().metadata().shape;
  Window window = Window::Whole(shape, variable.axis());
  for (size_t p = 0; p < patches.dims(); ++p) {
    const auto d = DimOf(variable, patches.name(p));
    if (!d) continue;
    window.extent[*d] = patches.size(p) * variable.patch_scale();
    window.crops.push_back({*d, p, variable.patch_scale(), shape[*d]});
  }
  return window;
}

}  // namespace

nd::Index Dataset::IndexOf(const ChunkNumbers::Place& place) const {
  return ChunkIndex(variables[place.variable].array().grid_shape(), windows[place.variable].axis, place.row,
                    place.cell);
}

uint64_t Dataset::length() const {
  for (const Variable& variable : variables) {
    if (!variable.is_static() && !variable.own_steps()) return variable.samples();
  }
  return 0;
}

std::vector<int64_t> Dataset::Leads() const {
  std::vector<int64_t> leads;
  for (size_t v = 0; v < variables.size(); ++v) {
    if (variables[v].is_static() || variables[v].own_steps()) continue;
    for (const Destination& destination : destinations[v]) leads.push_back(destination.lead);
  }
  return leads;
}

Result<Dataset> MakeDataset(std::vector<Variable> variables, std::vector<OutputSlot> slots, uint64_t batch_size,
                            const std::string& sample_dim, const PatchOptions& patches) {
  Dataset dataset;
  std::vector<ChunkGrid> grids;
  SEAMOUNT_TRY(CheckLengths(variables, sample_dim));
  SEAMOUNT_TRY_ASSIGN(dataset.patches, PatchesOf(variables, patches, sample_dim));
  for (const Variable& variable : variables) {
    if (variable.field_elements() == 0) {
      return base::InvalidArgument("variable '" + variable.name() + "' has no elements: its shape without '" +
                                   sample_dim + "' is " + ShapeText(variable.field_shape()));
    }
    dataset.windows.push_back(WindowOf(variable, dataset.patches));
    grids.push_back(GridOf(variable.array(), dataset.windows.back()));
  }
  dataset.variables = std::move(variables);
  for (OutputSlot& slot : slots) {
    SEAMOUNT_TRY(CheckFields(dataset, slot));
    SEAMOUNT_TRY(CheckType(dataset, slot));
    slot.field_shape = dataset.windows[slot.variables.front()].FieldShape();
  }
  for (uint32_t v = 0; v < dataset.variables.size(); ++v) dataset.destinations.push_back(DestinationsOf(v, slots));
  SEAMOUNT_TRY_ASSIGN(dataset.layout, BatchLayout::Make(slots, batch_size));
  SEAMOUNT_TRY_ASSIGN(dataset.chunks, ChunkNumbers::Make(std::move(grids)));
  dataset.slots = std::move(slots);
  return dataset;
}

}  // namespace seamount::loader
