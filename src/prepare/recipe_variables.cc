#include <yaml-cpp/yaml.h>

#include <cmath>
#include <set>

#include "base/text.h"
#include "prepare/recipe_reader.h"
#include "prepare/source_text.h"
#include "prepare/steps.h"

namespace seamount::prepare {
namespace {

// Reads what stands behind one key of a step, by what the step declares of it.
class FieldReader {
 public:
  FieldReader(const RecipeReader& in, const FieldSpec& field) : in_(in), field_(field) {}

  Result<StepValue> Read(const YAML::Node& node) const {
    StepValue out;
    switch (field_.kind) {
      case FieldKind::kNumber: {
        SEAMOUNT_TRY_ASSIGN(out.numbers.emplace_back(), in_.Number(node, field_.key));
        return out;
      }
      case FieldKind::kCount: {
        SEAMOUNT_TRY_ASSIGN(out.numbers.emplace_back(), Whole(node));
        return out;
      }
      case FieldKind::kText: {
        SEAMOUNT_TRY_ASSIGN(out.text, in_.Text(node, field_.key));
        return out;
      }
      case FieldKind::kChoice: return Choice(node);
      case FieldKind::kCountList:
        if (!node.IsSequence()) {
          SEAMOUNT_TRY_ASSIGN(out.numbers.emplace_back(), Whole(node));
          return out;
        }
        if (node.size() == 0) return in_.Bad(node, "'" + field_.key + "' is empty");
        for (const auto& item : node) {
          SEAMOUNT_TRY_ASSIGN(out.numbers.emplace_back(), Whole(item));
        }
        return out;
      case FieldKind::kRange: {
        SEAMOUNT_TRY_ASSIGN(out.numbers, Numbers(node, field_.key, 2, "[from, to]"));
        return out;
      }
      case FieldKind::kTicks:
      case FieldKind::kRanges:
      case FieldKind::kCounts:
      case FieldKind::kPlaces: return ByName(node);
    }
    return out;
  }

 private:
  Result<double> Whole(const YAML::Node& node) const {
    const auto value = in_.Number(node, field_.key);
    if (value && *value == std::floor(*value) && *value >= field_.least && *value <= field_.most) return *value;
    return in_.Bad(node, "'" + field_.key + "' must be a whole number from " +
                             std::to_string(static_cast<int64_t>(field_.least)) + " to " +
                             std::to_string(static_cast<int64_t>(field_.most)));
  }

  Result<StepValue> Choice(const YAML::Node& node) const {
    StepValue out;
    SEAMOUNT_TRY_ASSIGN(out.text, in_.Text(node, field_.key));
    std::string choices;
    for (const std::string& choice : field_.choices) {
      if (choice == out.text) return out;
      choices += (choices.empty() ? "" : ", ") + choice;
    }
    return in_.Bad(node, "'" + field_.key + "' must be one of " + choices + base::NameHint(out.text, field_.choices));
  }

  Result<std::vector<double>> Numbers(const YAML::Node& node, const std::string& key, size_t count,
                                      const std::string& form) const {
    if (!node.IsSequence() || node.size() != count) return in_.Bad(node, "'" + key + "' must be " + form);
    std::vector<double> out;
    for (const auto& item : node) {
      SEAMOUNT_TRY_ASSIGN(out.emplace_back(), in_.Number(item, key));
    }
    return out;
  }

  Result<StepValue> ByName(const YAML::Node& node) const {
    StepValue out;
    const auto each = [&](const std::string& name, const YAML::Node&, const YAML::Node& value) -> Result<void> {
      NamedNumbers one;
      one.name = name;
      if (field_.kind == FieldKind::kTicks) {
        SEAMOUNT_TRY_ASSIGN(one.numbers, Numbers(value, name, 3, "[from, to, step]"));
      } else if (field_.kind == FieldKind::kRanges) {
        SEAMOUNT_TRY_ASSIGN(one.numbers, Numbers(value, name, 2, "[from, to]"));
      } else if (field_.kind == FieldKind::kCounts) {
        SEAMOUNT_TRY_ASSIGN(const uint64_t count, in_.Count(value, name, 1));
        one.numbers.push_back(static_cast<double>(count));
      } else if (value.IsSequence() && value.size() > 0) {
        one.listed = true;
        for (const auto& item : value) {
          SEAMOUNT_TRY_ASSIGN(one.numbers.emplace_back(), in_.Number(item, name));
        }
      } else if (value.IsSequence()) {
        return in_.Bad(value, "'" + name + "' is empty");
      } else {
        SEAMOUNT_TRY_ASSIGN(one.numbers.emplace_back(), in_.Number(value, name));
      }
      out.by_name.push_back(std::move(one));
      return {};
    };
    SEAMOUNT_TRY(in_.EachKey(node, "'" + field_.key + "'", each));
    if (out.by_name.empty()) return in_.Bad(node, "'" + field_.key + "' names no dimension");
    return out;
  }

  const RecipeReader& in_;
  const FieldSpec& field_;
};

const FieldSpec* FieldOf(const StepKind& kind, const std::string& key) {
  for (const FieldSpec& field : kind.fields) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

// Every selected place of a list as a variable of its own: z_500, z_850.
std::vector<Requested> ByPlaces(const Requested& one) {
  std::vector<Requested> out = {one};
  for (size_t s = 0; s < one.steps.size(); ++s) {
    if (one.steps[s].name != "select") continue;
    const std::vector<NamedNumbers>& dimensions = one.steps[s].At("places").by_name;
    for (size_t d = 0; d < dimensions.size(); ++d) {
      if (!dimensions[d].listed) continue;
      std::vector<Requested> more;
      for (const Requested& before : out) {
        for (const double place : dimensions[d].numbers) {
          Requested next = before;
          next.name += "_" + PlainNumber(place);
          NamedNumbers& chosen = next.steps[s].values.at("places").by_name[d];
          chosen.numbers = {place};
          chosen.listed = false;
          more.push_back(std::move(next));
        }
      }
      out = std::move(more);
    }
  }
  for (Requested& next : out) {
    if (next.from.empty() && next.expression.empty()) next.from = one.name;
  }
  return out;
}

}  // namespace

Result<StepSpec> RecipeReader::StepNamed(const std::string& name, const YAML::Node& at, const YAML::Node& value) const {
  const StepKind* kind = FindStepKind(name);
  if (kind == nullptr) {
    std::vector<std::string> names;
    for (const StepKind& one : StepKinds()) names.push_back(one.name);
    std::string all;
    for (const std::string& one : names) all += (all.empty() ? "" : ", ") + one;
    return Bad(at, "there is no step '" + name + "'" + base::NameHint(name, names) + " (there are " + all + ")");
  }
  StepSpec out;
  out.name = name;
  out.line = LineOf(at);
  const auto read = [&](const FieldSpec& field, const YAML::Node& node) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(out.values[field.key], FieldReader(*this, field).Read(node));
    return {};
  };
  // A map by dimension is written directly where it is all that there is to say; else a map holds the step's keys.
  const FieldSpec* brief = FieldOf(*kind, kind->short_key);
  const bool directly = brief != nullptr && (brief->kind == FieldKind::kPlaces || !value.IsMap());
  if (directly) {
    SEAMOUNT_TRY(read(*brief, value));
    return out;
  }
  if (!value.IsMap()) return Bad(value.IsDefined() ? value : at, "the step '" + name + "' must be a map of its keys");
  std::map<std::string, Field> fields;
  for (const FieldSpec& field : kind->fields) {
    fields[field.key] = [&](const YAML::Node& node) { return read(field, node); };
  }
  SEAMOUNT_TRY(Map(value, "the step '" + name + "'", fields));
  for (const FieldSpec& field : kind->fields) {
    if (field.required && !out.Has(field.key)) return Bad(at, "the step '" + name + "' needs '" + field.key + "'");
  }
  return out;
}

Result<std::vector<StepSpec>> RecipeReader::Steps(const YAML::Node& node) const {
  if (!node.IsSequence()) return Bad(node, "'steps' must be a list");
  std::vector<StepSpec> out;
  for (const auto& item : node) {
    if (item.IsScalar()) {
      const StepKind* kind = FindStepKind(item.Scalar());
      if (kind != nullptr && !kind->fields.empty()) return Bad(item, "the step '" + kind->name + "' needs its keys");
      SEAMOUNT_TRY_ASSIGN(const std::string name, Text(item, "steps"));
      SEAMOUNT_TRY_ASSIGN(out.emplace_back(), StepNamed(name, item, YAML::Node(YAML::NodeType::Map)));
      continue;
    }
    if (!item.IsMap() || item.size() != 1)
      return Bad(item, "a step is one name and what is said of it: {clip: [0, 1]}");
    SEAMOUNT_TRY(EachKey(item, "a step",
                         [&](const std::string& name, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
                           SEAMOUNT_TRY_ASSIGN(out.emplace_back(), StepNamed(name, at, value));
                           return {};
                         }));
  }
  return out;
}

Result<std::vector<Requested>> RecipeReader::Variables(const YAML::Node& node) const {
  std::vector<Requested> out;
  std::set<std::string> seen;
  const auto add = [&](Requested one, const YAML::Node& at, bool by_places) -> Result<void> {
    for (Requested& next : by_places ? ByPlaces(one) : std::vector{one}) {
      if (!seen.insert(next.name).second) return Bad(at, "'" + next.name + "' stands twice in 'variables'");
      out.push_back(std::move(next));
    }
    return {};
  };
  const auto named = [&](const std::string& name, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
    Requested one;
    one.name = name;
    one.line = LineOf(at);
    bool by_places = false;
    StepSpec select;
    StepSpec times;
    const auto text = [&](std::string& into, const char* key) {
      return [this, &into, key](const YAML::Node& n) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(into, Text(n, key));
        return {};
      };
    };
    const auto step = [&](StepSpec& into, const char* key) {
      return [this, &into, key](const YAML::Node& n) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(into, StepNamed(key, n, n));
        return {};
      };
    };
    const auto choice = [&](std::string& into, const char* key, std::vector<std::string> choices) {
      return [this, &into, key, choices = std::move(choices)](const YAML::Node& n) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(into, Text(n, key));
        for (const std::string& allowed : choices) {
          if (allowed == into) return {};
        }
        return Bad(n, std::string("'") + key + "' must be " + choices[0] + " or " + choices[1]);
      };
    };
    std::string levels;
    SEAMOUNT_TRY(Map(value, "'variables: " + name + "'",
                     {{"from", text(one.from, "from")},
                      {"derive", text(one.expression, "derive")},
                      {"select", step(select, "select")},
                      {"time", step(times, "time")},
                      {"levels", choice(levels, "levels", {"dimension", "variables"})},
                      {"steps",
                       [&](const YAML::Node& n) -> Result<void> {
                         SEAMOUNT_TRY_ASSIGN(one.steps, Steps(n));
                         return {};
                       }},
                      {"units", text(one.units, "units")},
                      {"long_name", text(one.long_name, "long_name")},
                      {"codec", text(one.codec, "codec")},
                      {"pack",
                       [&](const YAML::Node& n) -> Result<void> {
                         const FieldSpec field{"pack", FieldKind::kRange};
                         SEAMOUNT_TRY_ASSIGN(const StepValue range, FieldReader(*this, field).Read(n));
                         if (!(range.numbers[0] < range.numbers[1])) {
                           return Bad(n, "'pack' must be [from, to], the lower end first");
                         }
                         one.pack = {range.numbers[0], range.numbers[1]};
                         return {};
                       }},
                      {"dtype", choice(one.dtype, "dtype", {"float32", "float64"})}}));
    if (!one.from.empty() && !one.expression.empty()) {
      return Bad(at, "'" + name + "' is either taken 'from' a variable or by 'derive'");
    }
    if (one.pack && !one.dtype.empty()) return Bad(at, "'" + name + "' has either a 'dtype' or 'pack', which is int16");
    if (!times.name.empty()) one.steps.insert(one.steps.begin(), times);
    if (!select.name.empty()) one.steps.insert(one.steps.begin(), select);
    by_places = levels == "variables";
    if (!levels.empty() && select.name.empty()) return Bad(at, "'levels' goes with 'select'");
    return add(std::move(one), at, by_places);
  };
  if (node.IsMap()) {
    SEAMOUNT_TRY(EachKey(node, "'variables'",
                         [&](const std::string& name, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
                           if (!value.IsNull()) return named(name, at, value);
                           Requested one;
                           one.name = name;
                           one.line = LineOf(at);
                           return add(std::move(one), at, false);
                         }));
    if (out.empty()) return Bad(node, "'variables' is empty");
    return out;
  }
  const auto item = [&](const YAML::Node& at) -> Result<void> {
    if (at.IsMap() && at.size() == 1) return EachKey(at, "'variables'", named);
    if (at.IsMap()) return Bad(at, "each of 'variables' is a name, or one name and what is said of it: {u: {…}}");
    Requested one;
    SEAMOUNT_TRY_ASSIGN(one.name, Text(at, "variables"));
    one.line = LineOf(at);
    return add(std::move(one), at, false);
  };
  if (!node.IsSequence()) {
    SEAMOUNT_TRY(item(node));
    return out;
  }
  for (const auto& at : node) SEAMOUNT_TRY(item(at));
  if (out.empty()) return Bad(node, "'variables' is empty");
  return out;
}

Result<std::vector<Requested>> RecipeReader::Derive(const YAML::Node& node) const {
  std::vector<Requested> out;
  const auto each = [&](const std::string& name, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
    Requested derived;
    derived.name = name;
    derived.line = LineOf(at);
    const auto text = [&](std::string& into, const char* key) {
      return [this, &into, key](const YAML::Node& n) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(into, Text(n, key));
        return {};
      };
    };
    if (value.IsMap()) {
      SEAMOUNT_TRY(Map(value, "'derive: " + name + "'",
                       {{"expression", text(derived.expression, "expression")},
                        {"units", text(derived.units, "units")},
                        {"long_name", text(derived.long_name, "long_name")}}));
      if (derived.expression.empty()) return Bad(value, "'derive: " + name + "' needs an 'expression'");
    } else {
      SEAMOUNT_TRY_ASSIGN(derived.expression, Text(value, name));
    }
    out.push_back(std::move(derived));
    return {};
  };
  SEAMOUNT_TRY(EachKey(node, "'derive'", each));
  if (out.empty()) return Bad(node, "'derive' is empty");
  return out;
}

}  // namespace seamount::prepare
