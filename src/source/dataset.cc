#include "source/dataset.h"

#include "base/text.h"

namespace seamount::source {

const cf::Attribute* Variable::FindAttribute(std::string_view attribute) const {
  return cf::FindAttribute(attributes, attribute);
}

std::optional<std::string> Variable::Text(std::string_view attribute) const {
  return cf::TextOf(attributes, attribute);
}

std::optional<double> Variable::Number(std::string_view attribute) const { return cf::NumberOf(attributes, attribute); }

std::optional<size_t> Variable::DimensionIndex(std::string_view dimension) const {
  for (size_t d = 0; d < dimensions.size(); ++d) {
    if (dimensions[d] == dimension) return d;
  }
  return std::nullopt;
}

Result<cf::Packing> PackingOf(const Variable& variable, const cf::Options& options) {
  auto packing = cf::ParsePacking(variable.attributes, variable.type, variable.fill, options);
  if (!packing) return packing.error().Wrap("variable '" + variable.name + "'");
  return packing;
}

std::optional<size_t> VariableIndex(const Dataset& dataset, std::string_view name) {
  for (size_t i = 0; i < dataset.variables().size(); ++i) {
    if (dataset.variables()[i].name == name) return i;
  }
  return std::nullopt;
}

Result<size_t> FindVariable(const Dataset& dataset, std::string_view name) {
  if (const auto found = VariableIndex(dataset, name)) return *found;
  std::vector<std::string> names;
  for (const Variable& variable : dataset.variables()) names.push_back(variable.name);
  return base::InvalidArgument(dataset.files().front().path + " has no variable '" + std::string(name) + "'" +
                               base::NameHint(name, names));
}

const Dimension* FindDimension(const Dataset& dataset, std::string_view name) {
  for (const Dimension& dimension : dataset.dimensions()) {
    if (dimension.name == name) return &dimension;
  }
  return nullptr;
}

Result<void> CheckBox(const Variable& variable, const nd::Box& box, size_t bytes, const std::string& file) {
  const auto fail = [&](const std::string& what) {
    return base::InvalidArgument("reading variable '" + variable.name + "' of " + file + ": " + what);
  };
  if (!variable.unreadable.empty()) return fail(variable.unreadable);
  const size_t rank = variable.shape.size();
  if (box.origin.size() != rank || box.shape.size() != rank) return fail("the box has another rank");
  for (size_t d = 0; d < rank; ++d) {
    if (box.origin[d] > variable.shape[d] || box.shape[d] > variable.shape[d] - box.origin[d]) {
      return fail("the box ends beyond dimension '" + variable.dimensions[d] + "' of size " +
                  std::to_string(variable.shape[d]));
    }
  }
  if (nd::Elements(box.shape) * nd::SizeOf(variable.type) != bytes) return fail("the buffer is not of the box's size");
  return {};
}

}  // namespace seamount::source
