#include "prepare/made_dataset.h"

#include <algorithm>
#include <cstring>

#include "nd/data_type.h"
#include "prepare/common_axes.h"
#include "prepare/selection.h"
#include "source/united.h"

namespace seamount::prepare {
namespace {

class MadeDataset final : public source::Dataset {
 public:
  MadeDataset(const source::Dataset& dataset, const SourceFacts& facts, std::vector<size_t> of_source)
      : dataset_(dataset),
        files_(facts.files),
        dimensions_(facts.dimensions),
        variables_(facts.variables),
        attributes_(facts.attributes),
        made_(facts.made),
        of_source_(std::move(of_source)) {}

  const std::vector<source::FileIdentity>& files() const override { return files_; }
  const std::vector<source::Dimension>& dimensions() const override { return dimensions_; }
  const std::vector<source::Variable>& variables() const override { return variables_; }
  const std::vector<cf::Attribute>& attributes() const override { return attributes_; }
  Result<void> ReadBox(size_t variable, const nd::Box& box, std::span<std::byte> into) const override {
    if (made_[variable] == nullptr) return dataset_.ReadBox(of_source_[variable], box, into);
    SEAMOUNT_TRY(source::CheckBox(variables_[variable], box, into.size(), files_.front().path));
    if (into.empty()) return {};
    if (reinterpret_cast<uintptr_t>(into.data()) % alignof(double) != 0) {
      return base::Internal("values are to be made where no float64 can lie");
    }
    auto* values = reinterpret_cast<double*>(into.data());
    return made_[variable]->Read(box, std::span(values, into.size() / sizeof(double)));
  }

 private:
  const source::Dataset& dataset_;
  const std::vector<source::FileIdentity> files_;
  const std::vector<source::Dimension> dimensions_;
  const std::vector<source::Variable> variables_;
  const std::vector<cf::Attribute> attributes_;
  const std::vector<NodePtr> made_;
  const std::vector<size_t> of_source_;
};

std::string Places(const GridAxis& axis) {
  std::string text = std::to_string(axis.size);
  if (!axis.values.empty()) {
    text += " from " + PlainNumber(axis.values.front()) + " to " + PlainNumber(axis.values.back());
  }
  return text;
}

}  // namespace

Result<void> MadeDatasetBuilder::Unite(const std::string& name, const Grid& grid) {
  for (const AxisPtr& axis : grid.axes) {
    const auto found =
        std::find_if(axes_.begin(), axes_.end(), [&](const AxisPtr& other) { return other->name == axis->name; });
    if (found == axes_.end()) {
      axes_.push_back(axis);
      first_[axis->name] = name;
      continue;
    }
    if (SameAxis(**found, *axis)) continue;
    return base::InvalidArgument("'" + name + "' has other places along '" + axis->name + "' than '" +
                                 first_.at(axis->name) + "' (" + Places(*axis) + ", and " + Places(**found) +
                                 "): one group has one of each; give them the same steps, or a recipe of their own");
  }
  return {};
}

bool MadeDatasetBuilder::Has(const std::string& name) const {
  return std::any_of(out_.variables.begin(), out_.variables.end(),
                     [&](const source::Variable& variable) { return variable.name == name; });
}

void MadeDatasetBuilder::Add(source::Variable variable, NodePtr made, size_t of_source) {
  out_.variables.push_back(std::move(variable));
  out_.made.push_back(std::move(made));
  of_source_.push_back(of_source);
}

const GridAxis* MadeDatasetBuilder::Find(const std::string& name) const {
  const auto found = std::find_if(axes_.begin(), axes_.end(), [&](const AxisPtr& one) { return one->name == name; });
  return found == axes_.end() ? nullptr : found->get();
}

std::string MadeDatasetBuilder::Placed(const std::string& dimension) const {
  const GridAxis& axis = *source_axes_.at(dimension);
  const GridAxis* there = Find(axis.name);
  if (there != nullptr) return there->of_source && SamePlaces(*there, axis) ? axis.name : "";
  const auto found = free_.find(dimension);
  return found == free_.end() ? "" : found->second;
}

Result<void> MadeDatasetBuilder::AddStored(const std::string& name, size_t variable, const Grid& grid) {
  SEAMOUNT_TRY(Unite(name, grid));
  source::Variable stored = facts_->variables[variable];
  named_.emplace(stored.name, name);
  stored.name = name;
  stored.source.clear();
  for (size_t d = 0; d < grid.axes.size(); ++d) stored.dimensions[d] = grid.axes[d]->name;
  Add(std::move(stored), nullptr, variable);
  return {};
}

Result<void> MadeDatasetBuilder::AddMade(const std::string& name, NodePtr node) {
  const Grid& grid = node->grid();
  SEAMOUNT_TRY(Unite(name, grid));
  source::Variable variable;
  variable.name = name;
  variable.type = nd::DataType::kFloat64;
  variable.shape = grid.shape();
  for (const AxisPtr& axis : grid.axes) variable.dimensions.push_back(axis->name);
  variable.chunk_shape = grid.chunk;
  variable.attributes = grid.attributes;
  Add(std::move(variable), std::move(node), 0);
  return {};
}

void MadeDatasetBuilder::AddCoordinate(const GridAxis& axis) {
  if (axis.values.empty()) return;
  Coordinate coordinate;
  if (axis.of_source) {
    coordinate = *facts_->FindCoordinate(axis.origin);
    const size_t of_source = coordinate.variable;
    coordinate.variable = out_.variables.size();
    source::Variable variable = facts_->variables[of_source];
    named_.emplace(variable.name, axis.name);
    variable.name = axis.name;
    variable.source.clear();
    variable.dimensions = {axis.name};
    Add(std::move(variable), nullptr, of_source);
    out_.coordinates.push_back(std::move(coordinate));
    return;
  }
  coordinate.axis = axis.kind;
  coordinate.values = axis.values;
  coordinate.stored.resize(axis.size * sizeof(double));
  std::memcpy(coordinate.stored.data(), axis.values.data(), coordinate.stored.size());
  coordinate.gaps = axis.gaps;
  coordinate.variable = out_.variables.size();
  Grid grid;
  grid.axes = {std::make_shared<const GridAxis>(axis)};
  source::Variable variable;
  variable.name = axis.name;
  variable.type = nd::DataType::kFloat64;
  variable.dimensions = {axis.name};
  variable.shape = {axis.size};
  variable.attributes = axis.attributes;
  Add(std::move(variable), std::make_shared<const AxisNode>(std::move(grid), axis.values), 0);
  out_.coordinates.push_back(std::move(coordinate));
}

// Those of the variables, then the source's other ones, each name once.
void MadeDatasetBuilder::AddDimensions() {
  for (const AxisPtr& axis : axes_) {
    const auto source = std::find_if(facts_->dimensions.begin(), facts_->dimensions.end(),
                                     [&](const source::Dimension& one) { return one.name == axis->origin; });
    const bool unlimited = source != facts_->dimensions.end() && source->unlimited;
    out_.dimensions.push_back({axis->name, axis->size, unlimited});
  }
  for (const source::Dimension& dimension : facts_->dimensions) {
    const std::string name = source_axes_.at(dimension.name)->name;
    const bool taken = std::any_of(out_.dimensions.begin(), out_.dimensions.end(),
                                   [&](const source::Dimension& one) { return one.name == name; });
    if (taken) continue;
    free_.emplace(dimension.name, name);
    out_.dimensions.push_back({name, dimension.size, dimension.unlimited});
  }
  // Where files begin is known of the source's own places only.
  for (source::FileIdentity& file : out_.files) {
    if (!file.join_dimension.empty()) file.join_dimension = Placed(file.join_dimension);
  }
}

// They may come along as coordinates of what is written. Of several sources the first keeps a name for itself, where
// another has something else under it.
void MadeDatasetBuilder::AddOther(size_t index) {
  source::Variable variable = facts_->variables[index];
  const bool fits = std::all_of(variable.dimensions.begin(), variable.dimensions.end(),
                                [&](const std::string& name) { return !Placed(name).empty(); });
  const std::string brief = source::ShortName(variable.name, variable.source);
  const Coordinate* coordinate = facts_->FindCoordinate(variable.name);
  if (!fits || named_.contains(variable.name) || (Has(brief) && (coordinate != nullptr || variable.source.empty()))) {
    return;
  }
  named_.emplace(variable.name, Has(brief) ? variable.name : brief);
  if (!Has(brief)) variable.name = brief;
  variable.source.clear();
  for (std::string& dimension : variable.dimensions) dimension = Placed(dimension);
  if (const auto text = facts_->texts.find(facts_->variables[index].name); text != facts_->texts.end()) {
    out_.texts[variable.name] = text->second;
  }
  if (coordinate != nullptr) {
    Coordinate kept = *coordinate;
    kept.variable = out_.variables.size();
    out_.coordinates.push_back(std::move(kept));
  }
  Add(std::move(variable), nullptr, index);
}

// What attributes refer to is called as it is here.
void MadeDatasetBuilder::NameReferences() {
  for (source::Variable& variable : out_.variables) {
    for (cf::Attribute& attribute : variable.attributes) {
      if (!source::IsReference(attribute.name)) continue;
      attribute.text = source::WithNames(attribute.text, [&](const std::string& name) {
        const auto found = named_.find(name);
        return found == named_.end() ? name : found->second;
      });
    }
  }
}

MadeVariables MadeDatasetBuilder::Finish() {
  out_.files = facts_->files;
  out_.attributes = facts_->attributes;
  out_.reading = facts_->reading;
  out_.stored = facts_->stored;
  AddDimensions();
  for (const AxisPtr& axis : axes_) AddCoordinate(*axis);
  for (size_t i = 0; i < facts_->variables.size(); ++i) AddOther(i);
  const bool several = std::any_of(facts_->variables.begin(), facts_->variables.end(),
                                   [](const source::Variable& variable) { return !variable.source.empty(); });
  if (several) NameReferences();
  MadeVariables made;
  made.dataset = std::make_unique<const MadeDataset>(dataset_, out_, of_source_);
  made.facts = std::move(out_);
  return made;
}

}  // namespace seamount::prepare
