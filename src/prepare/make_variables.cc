#include "prepare/make_variables.h"

#include <algorithm>
#include <map>
#include <set>

#include "cf/decode.h"
#include "prepare/common_axes.h"
#include "prepare/coordinate_names.h"
#include "prepare/expression.h"
#include "prepare/made_dataset.h"
#include "prepare/node.h"
#include "prepare/steps.h"
#include "prepare/steps/derive.h"
#include "prepare/time_axis.h"
#include "source/united.h"

namespace seamount::prepare {
namespace {

// Several named sources are put together even where all is taken as it is.
bool MakesNothing(const Recipe& recipe) {
  return recipe.steps.empty() && recipe.named_sources.empty() &&
         std::all_of(recipe.variables.begin(), recipe.variables.end(),
                     [](const Requested& one) { return one.plain() && (one.from.empty() || one.from == one.name); });
}

class Builder {
 public:
  Builder(const Recipe& recipe, const source::Dataset& dataset, const SourceFacts& facts)
      : recipe_(recipe), dataset_(dataset), facts_(std::make_shared<const SourceFacts>(facts)) {}

  Result<MadeVariables> Run();

 private:
  Error At(int line, const std::string& what) const {
    return base::InvalidArgument(recipe_.name + " line " + std::to_string(line) + ": " + what);
  }
  std::string NameOf(const source::Dimension& dimension) const;
  Result<void> AddAxes();
  Result<NodePtr> Source(const std::string& name);
  // What the name means in an expression or a step of `user`: a variable of the recipe, else one of the source.
  Result<NodePtr> Named(const std::string& name, const std::string& user);
  // A variable of the recipe after its own steps.
  Result<NodePtr> Own(const Requested& one);
  Result<NodePtr> Derived(const Requested& one);
  Result<NodePtr> Beside(const Node& node, NodePtr other, const std::string& name) const;
  Result<NodePtr> Through(NodePtr node, const Requested& one, const std::vector<StepSpec>& steps, bool for_all);
  Result<void> CheckTimes(const Grid& own, const Grid& last);

  // A variable after all its steps.
  struct Whole {
    const Requested& requested;
    NodePtr node;
    bool as_it_is = false;
  };

  const Recipe& recipe_;
  const source::Dataset& dataset_;
  const std::shared_ptr<const SourceFacts> facts_;
  std::map<std::string, AxisPtr> axes_;  // of the source's dimensions
  std::map<std::string, NodePtr> own_;
  std::set<std::string> making_;  // being built: what asks for one of these goes in a circle
  std::vector<std::string> notes_;
};

// Of several sources, one calls latitude "lat" and another "latitude": the first that has one names it, unless a source
// has two.
std::string Builder::NameOf(const source::Dimension& dimension) const {
  const auto kind_of = [&](const source::Dimension& one) {
    const Coordinate* coordinate = facts_->FindCoordinate(one.name);
    return coordinate == nullptr ? cf::Axis::kOther : coordinate->axis;
  };
  std::string own = source::ShortName(dimension.name, dimension.source);
  const cf::Axis kind = kind_of(dimension);
  const bool map = kind == cf::Axis::kLatitude || kind == cf::Axis::kLongitude || kind == cf::Axis::kTime;
  if (dimension.source.empty() || !map) return own;
  std::map<std::string, size_t> count;
  const source::Dimension* first = nullptr;
  for (const source::Dimension& one : facts_->dimensions) {
    if (kind_of(one) != kind) continue;
    if (first == nullptr) first = &one;
    ++count[one.source];
  }
  std::string name = source::ShortName(first->name, first->source);
  const bool taken =
      name != own && std::any_of(facts_->dimensions.begin(), facts_->dimensions.end(), [&](const auto& one) {
        return one.source == dimension.source && source::ShortName(one.name, one.source) == name;
      });
  return count[dimension.source] == 1 && count[first->source] == 1 && !taken ? name : own;
}

// Order and gaps of time are looked at here, since steps may change them: as far as the recipe's 'time' reaches.
Result<void> Builder::AddAxes() {
  for (const source::Dimension& dimension : facts_->dimensions) {
    GridAxis axis;
    axis.name = NameOf(dimension);
    axis.origin = dimension.name;
    axis.source = dimension.source;
    axis.size = dimension.size;
    axis.of_source = true;
    if (const Coordinate* coordinate = facts_->FindCoordinate(dimension.name)) {
      const source::Variable& variable = facts_->variables[coordinate->variable];
      axis.kind = coordinate->axis;
      axis.values = coordinate->values;
      axis.attributes = variable.attributes;
      const auto units =
          cf::TimeUnits::Parse(variable.Text("units").value_or(""), variable.Text("calendar").value_or(""));
      if (axis.kind == cf::Axis::kTime && units) {
        auto moments = units->ToMoments(axis.values);
        if (moments) axis.moments = *std::move(moments);
        axis.calendar = units->calendar();
        std::set<uint64_t> seams;
        for (const source::FileIdentity& file : facts_->files) {
          if (file.join_dimension == dimension.name && file.join_start > 0) seams.insert(file.join_start);
        }
        axis.gaps = GapsIn(axis.moments, seams);
      }
    }
    axes_[dimension.name] = std::make_shared<const GridAxis>(std::move(axis));
  }
  return {};
}

Result<NodePtr> Builder::Source(const std::string& name) {
  SEAMOUNT_TRY_ASSIGN(const size_t index, FindReadable(*facts_, name));
  const source::Variable& variable = facts_->variables[index];
  SEAMOUNT_TRY_ASSIGN(cf::Packing packing, facts_->PackingOf(variable));
  Grid grid;
  for (const std::string& dimension : variable.dimensions) grid.axes.push_back(axes_.at(dimension));
  grid.chunk = variable.chunk_shape;
  for (const cf::Attribute& attribute : variable.attributes) {
    if (!cf::IsPackingAttribute(attribute.name)) grid.attributes.push_back(attribute);
  }
  grid.single = cf::DecodedType(variable.type) == nd::DataType::kFloat32;
  for (const std::string& remark : packing.remarks) notes_.push_back("variable '" + name + "': " + remark);
  notes_.insert(notes_.end(), variable.remarks.begin(), variable.remarks.end());
  return NodePtr(std::make_shared<const SourceNode>(std::move(grid), dataset_, facts_, index, std::move(packing)));
}

Result<NodePtr> Builder::Named(const std::string& name, const std::string& user) {
  for (const Requested& one : recipe_.variables) {
    if (one.name == name && name != user) return Own(one);
  }
  return Source(name);
}

Result<NodePtr> Builder::Derived(const Requested& one) {
  SEAMOUNT_TRY_ASSIGN(const Expression expression, Expression::Parse(one.expression));
  if (expression.names().empty()) return base::InvalidArgument("'" + one.name + "' uses no variable of the source");
  std::vector<NodePtr> inputs(expression.names().size());
  std::vector<AxisPtr> axes;
  // Names of coordinates mean those of the variables beside them.
  for (const bool coordinates : {false, true}) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::string& name = expression.names()[i];
      if (IsCoordinateName(name, *facts_) != coordinates) continue;
      if (coordinates) {
        SEAMOUNT_TRY_ASSIGN(inputs[i], CoordinateNamed(name, axes, axes_));
      } else {
        SEAMOUNT_TRY_ASSIGN(inputs[i], Named(name, one.name));
      }
      for (const AxisPtr& axis : inputs[i]->grid().axes) axes.push_back(axis);
    }
  }
  CommonAxes common;
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (const AxisPtr& axis : inputs[i]->grid().axes) SEAMOUNT_TRY(common.Add(expression.names()[i], axis));
  }
  for (NodePtr& input : inputs) input = common.On(std::move(input));
  for (std::string& note : common.Notes()) notes_.push_back("'" + one.name + "': " + std::move(note));
  SEAMOUNT_TRY_ASSIGN(NodePtr made, MakeDerived(one.expression, expression.names(), inputs));
  Grid grid = made->grid();
  SetText(grid.attributes, "long_name", one.long_name.empty() ? one.expression : one.long_name);
  SetText(grid.attributes, "units", one.units);
  return WithGrid(std::move(made), std::move(grid));
}

// Another source's variable at the places of `node`, where it has them.
Result<NodePtr> Builder::Beside(const Node& node, NodePtr other, const std::string& name) const {
  CommonAxes common;
  for (const AxisPtr& axis : node.grid().axes) SEAMOUNT_TRY(common.Add("the variable itself", axis));
  for (const AxisPtr& axis : other->grid().axes) SEAMOUNT_TRY(common.Add(name, axis));
  return common.On(std::move(other));
}

Result<NodePtr> Builder::Through(NodePtr node, const Requested& one, const std::vector<StepSpec>& steps, bool for_all) {
  const auto find = [&](const std::string& name) -> Result<NodePtr> {
    SEAMOUNT_TRY_ASSIGN(NodePtr found, Named(name, one.name));
    return Beside(*node, std::move(found), name);
  };
  const StepScope scope{for_all, find, notes_};
  for (const StepSpec& spec : steps) {
    // Of several dimensions each is selected for itself.
    std::vector<StepSpec> parts = {spec};
    if (spec.name == "select") {
      const std::vector<NamedNumbers> places = spec.At("places").by_name;
      parts.assign(places.size(), spec);
      for (size_t i = 0; i < places.size(); ++i) parts[i].values.at("places").by_name = {places[i]};
    }
    for (const StepSpec& part : parts) {
      auto made = FindStepKind(part.name)->make(part, node->grid(), scope);
      if (!made) {
        return Error(made.error().code(), recipe_.name + " line " + std::to_string(part.line) + ": the step '" +
                                              part.name + "' of '" + one.name + "': " + made.error().message());
      }
      if (!*made) continue;
      std::vector<NodePtr> inputs = {node};
      inputs.insert(inputs.end(), (*made)->more.begin(), (*made)->more.end());
      node = std::make_shared<const StepNode>(part.name, std::move((*made)->grid), std::move((*made)->step),
                                              std::move(inputs));
    }
  }
  return node;
}

Result<NodePtr> Builder::Own(const Requested& one) {
  if (const auto found = own_.find(one.name); found != own_.end()) return found->second;
  if (!making_.insert(one.name).second) return At(one.line, "'" + one.name + "' is made of itself");
  auto begun = one.expression.empty() ? Source(one.from.empty() ? one.name : one.from) : Derived(one);
  if (!begun) {
    const bool placed = begun.error().message().starts_with(recipe_.name);
    return placed ? begun.error() : At(one.line, begun.error().message());
  }
  SEAMOUNT_TRY_ASSIGN(NodePtr node, Through(*std::move(begun), one, one.steps, false));
  if (one.expression.empty() && !one.units.empty() && one.units != node->grid().units()) {
    StepSpec convert{"convert", one.line, {}};
    convert.values["to"].text = one.units;
    SEAMOUNT_TRY_ASSIGN(node, Through(std::move(node), one, {convert}, false));
  }
  if (one.expression.empty() && !one.long_name.empty()) {
    Grid grid = node->grid();
    SetText(grid.attributes, "long_name", one.long_name);
    node = WithGrid(std::move(node), std::move(grid));
  }
  making_.erase(one.name);
  own_[one.name] = node;
  return node;
}

// One that is changed was looked at by nobody yet.
Result<void> Builder::CheckTimes(const Grid& own, const Grid& last) {
  for (size_t d = 0; d < own.axes.size(); ++d) {
    const AxisPtr& axis = own.axes[d];
    const auto source = axes_.find(axis->origin);
    const bool as_it_is = axis->of_source && axis == last.axes[d];
    if (as_it_is || source == axes_.end() || !source->second->dated()) continue;
    SEAMOUNT_TRY(CheckSteps(recipe_, *facts_, axis->origin, source->second->calendar, source->second->moments));
  }
  return {};
}

Result<MadeVariables> Builder::Run() {
  SEAMOUNT_TRY(AddAxes());
  std::vector<Whole> all;
  CommonAxes common;
  for (const Requested& one : recipe_.variables) {
    const std::string& from = one.from.empty() ? one.name : one.from;
    const bool itself = from == one.name || from.ends_with("/" + one.name);
    if (itself && facts_->IsCoordinate(from) && one.plain()) continue;
    SEAMOUNT_TRY_ASSIGN(const NodePtr node, Own(one));
    SEAMOUNT_TRY_ASSIGN(const NodePtr last, Through(node, one, recipe_.steps, true));
    all.push_back({one, last, one.plain() && last == node});
    for (const AxisPtr& axis : last->grid().axes) {
      if (auto added = common.Add(one.name, axis); !added) return At(one.line, added.error().message());
    }
  }
  for (std::string& note : common.Notes()) notes_.push_back(std::move(note));
  MadeDatasetBuilder out(dataset_, facts_, axes_);
  for (const Whole& whole : all) {
    const Requested& one = whole.requested;
    const NodePtr last = common.On(whole.node);
    SEAMOUNT_TRY(CheckTimes(whole.node->grid(), last->grid()));
    const bool moved = last->From() != whole.node->From();
    const std::string& from = one.from.empty() ? one.name : one.from;
    const auto added = whole.as_it_is && !moved ? out.AddStored(one.name, *FindReadable(*facts_, from), last->grid())
                                                : out.AddMade(one.name, last);
    if (!added) return At(one.line, added.error().message());
  }
  MadeVariables made = out.Finish();
  made.notes = std::move(notes_);
  return made;
}

}  // namespace

Result<MadeVariables> MakeVariables(const Recipe& recipe, const source::Dataset& dataset, const SourceFacts& facts) {
  if (MakesNothing(recipe)) return MadeVariables{nullptr, facts, {}};
  return Builder(recipe, dataset, facts).Run();
}

}  // namespace seamount::prepare
