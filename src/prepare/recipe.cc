#include "prepare/recipe.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "base/text.h"
#include "prepare/recipe_schema.h"

namespace seamount::prepare {
namespace {

constexpr uint64_t kMaxExtent = uint64_t{1} << 40;
constexpr int kMaxHarmonics = 12;
constexpr uint64_t kMaxLeads = 1 << 20;  // more steps than any sample spans

int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

bool IsQuoted(const YAML::Node& node) { return node.Tag() == "!"; }

bool IsTruth(const std::string& text) {
  return text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" || text == "FALSE";
}

// Whether a plain scalar is a number or a truth value, as YAML 1.2 and with it the JSON Schema have it.
bool IsNumber(const YAML::Node& node) {
  double unused = 0;
  return !IsQuoted(node) && YAML::convert<double>::decode(node, unused);
}

// Reads one document; remembers where it is, so that every message names the line.
class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  Error Bad(const YAML::Node& node, const std::string& what) const {
    return base::InvalidArgument(name_ + " line " + std::to_string(LineOf(node)) + ": " + what);
  }

  Result<std::string> Text(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar() || node.Scalar().empty()) return Bad(node, "'" + key + "' must be a text");
    if (!IsQuoted(node) && (IsNumber(node) || IsTruth(node.Scalar()))) {
      return Bad(node, "'" + key + "' must be a text: put '" + node.Scalar() + "' in quotes if it is a name");
    }
    return node.Scalar();
  }

  Result<double> Number(const YAML::Node& node, const std::string& key) const {
    double value = 0;
    if (!node.IsScalar() || !IsNumber(node) || !YAML::convert<double>::decode(node, value) || !std::isfinite(value)) {
      return Bad(node, "'" + key + "' must be a number");
    }
    return value;
  }

  // A whole number from `least` on; 16.0 is one too.
  Result<uint64_t> Count(const YAML::Node& node, const std::string& key, uint64_t least) const {
    const auto value = Number(node, key);
    if (!value || *value != std::floor(*value) || *value < static_cast<double>(least) ||
        *value > static_cast<double>(kMaxExtent)) {
      return Bad(node, "'" + key + "' must be a whole number of at least " + std::to_string(least));
    }
    return static_cast<uint64_t>(*value);
  }

  // Offsets from the sample: a list of them, or how many, which then follow one another and end (inputs) or begin
  // (targets) at the sample.
  Result<std::vector<int64_t>> Leads(const YAML::Node& node, const std::string& key, bool inputs) const {
    std::vector<int64_t> leads;
    if (!node.IsSequence()) {
      SEAMOUNT_TRY_ASSIGN(const uint64_t count, Count(node, key, inputs ? 1 : 0));
      if (count > kMaxLeads) return Bad(node, "'" + key + "' must be at most " + std::to_string(kMaxLeads));
      for (uint64_t i = 0; i < count; ++i) {
        leads.push_back(inputs ? static_cast<int64_t>(i) + 1 - static_cast<int64_t>(count)
                               : static_cast<int64_t>(i) + 1);
      }
      return leads;
    }
    if (node.size() == 0) return Bad(node, "'" + key + "' is empty");
    for (const auto& item : node) {
      SEAMOUNT_TRY_ASSIGN(const double lead, Number(item, key));
      if (lead != std::floor(lead)) return Bad(item, "'" + key + "' must be whole numbers");
      if (std::abs(lead) > static_cast<double>(kMaxExtent)) return Bad(item, "'" + key + "' reaches too far");
      leads.push_back(static_cast<int64_t>(lead));
    }
    return leads;
  }

  using Field = std::function<Result<void>(const YAML::Node&)>;

  // Calls the field of every key; unknown and repeated keys are errors.
  Result<void> Map(const YAML::Node& node, const std::string& what, const std::map<std::string, Field>& fields) const {
    return EachKey(node, what,
                   [&](const std::string& key, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
                     const auto field = fields.find(key);
                     if (field != fields.end()) return field->second(value);
                     std::vector<std::string> known;
                     for (const auto& [name, unused] : fields) known.push_back(name);
                     return Bad(at, "unknown key '" + key + "' in " + what + base::NameHint(key, known));
                   });
  }

  Result<void> EachKey(
      const YAML::Node& node, const std::string& what,
      const std::function<Result<void>(const std::string&, const YAML::Node&, const YAML::Node&)>& each) const {
    if (!node.IsMap()) return Bad(node, what + " must be a map of keys and values");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (key.empty()) return Bad(entry.first, "a key in " + what + " is no text");
      if (!seen.insert(key).second) return Bad(entry.first, "the key '" + key + "' stands twice in " + what);
      SEAMOUNT_TRY(each(key, entry.first, entry.second));
    }
    return {};
  }

  Result<DateRange> Dates(const YAML::Node& node, const std::string& key) const {
    if (!node.IsSequence() || node.size() != 2) return Bad(node, "'" + key + "' must be [from, to], two dates");
    DateRange range;
    range.name = key;
    range.line = LineOf(node);
    SEAMOUNT_TRY_ASSIGN(range.from, Date(node[0], key));
    SEAMOUNT_TRY_ASSIGN(range.to, Date(node[1], key));
    return range;
  }

  // A year is a number to YAML.
  Result<std::string> Date(const YAML::Node& node, const std::string& key) const {
    if (node.IsScalar() && IsNumber(node) && Count(node, key, 0)) return node.Scalar();
    return Text(node, key);
  }

 private:
  const std::string& name_;
};

Result<std::vector<NamedLine>> Names(const Reader& in, const YAML::Node& node, const std::string& key) {
  std::vector<NamedLine> names;
  std::set<std::string> seen;
  const auto add = [&](const YAML::Node& item) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(std::string name, in.Text(item, key));
    if (!seen.insert(name).second) return in.Bad(item, "'" + name + "' stands twice in '" + key + "'");
    names.push_back({std::move(name), LineOf(item)});
    return {};
  };
  if (!node.IsSequence()) {
    SEAMOUNT_TRY(add(node));
    return names;
  }
  for (const auto& item : node) SEAMOUNT_TRY(add(item));
  if (names.empty()) return in.Bad(node, "'" + key + "' is empty");
  return names;
}

Result<std::vector<Selection>> ReadSelect(const Reader& in, const YAML::Node& node) {
  std::vector<Selection> out;
  const auto each = [&](const std::string& dimension, const YAML::Node&, const YAML::Node& value) -> Result<void> {
    Selection selection;
    selection.dimension = dimension;
    selection.line = LineOf(value);
    if (value.IsMap()) {
      SEAMOUNT_TRY(in.Map(value, "'select: " + dimension + "'",
                          {{"index",
                            [&](const YAML::Node& n) -> Result<void> {
                              SEAMOUNT_TRY_ASSIGN(selection.index, in.Count(n, "index", 0));
                              return {};
                            }},
                           {"value",
                            [&](const YAML::Node& n) -> Result<void> {
                              SEAMOUNT_TRY_ASSIGN(selection.value, in.Number(n, "value"));
                              return {};
                            }},
                           {"method", [&](const YAML::Node& n) -> Result<void> {
                              SEAMOUNT_TRY_ASSIGN(const std::string method, in.Text(n, "method"));
                              if (method != "nearest") return in.Bad(n, "'method' must be 'nearest'");
                              selection.nearest = true;
                              return {};
                            }}}));
      if (selection.index.has_value() == selection.value.has_value()) {
        return in.Bad(value, "'select: " + dimension + "' needs either 'index' or 'value'");
      }
      if (selection.nearest && selection.index) return in.Bad(value, "'method' goes with 'value'");
    } else {
      SEAMOUNT_TRY_ASSIGN(selection.value, in.Number(value, dimension));
    }
    out.push_back(std::move(selection));
    return {};
  };
  SEAMOUNT_TRY(in.EachKey(node, "'select'", each));
  return out;
}

Result<std::vector<BoxRange>> ReadBox(const Reader& in, const YAML::Node& node) {
  std::vector<BoxRange> out;
  SEAMOUNT_TRY(in.EachKey(node, "'box'",
                          [&](const std::string& key, const YAML::Node&, const YAML::Node& value) -> Result<void> {
                            if (!value.IsSequence() || value.size() != 2)
                              return in.Bad(value, "'box: " + key + "' must be [from, to]");
                            BoxRange range;
                            range.key = key;
                            range.line = LineOf(value);
                            SEAMOUNT_TRY_ASSIGN(range.from, in.Number(value[0], key));
                            SEAMOUNT_TRY_ASSIGN(range.to, in.Number(value[1], key));
                            out.push_back(std::move(range));
                            return {};
                          }));
  return out;
}

Result<std::vector<Derived>> ReadDerive(const Reader& in, const YAML::Node& node) {
  std::vector<Derived> out;
  const auto each = [&](const std::string& name, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
    Derived derived;
    derived.name = name;
    derived.line = LineOf(at);
    const auto text = [&](std::string& into, const char* key) {
      return [&in, &into, key](const YAML::Node& n) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(into, in.Text(n, key));
        return {};
      };
    };
    if (value.IsMap()) {
      SEAMOUNT_TRY(in.Map(value, "'derive: " + name + "'",
                          {{"expression", text(derived.expression, "expression")},
                           {"units", text(derived.units, "units")},
                           {"long_name", text(derived.long_name, "long_name")}}));
      if (derived.expression.empty()) return in.Bad(value, "'derive: " + name + "' needs an 'expression'");
    } else {
      SEAMOUNT_TRY_ASSIGN(derived.expression, in.Text(value, name));
    }
    out.push_back(std::move(derived));
    return {};
  };
  SEAMOUNT_TRY(in.EachKey(node, "'derive'", each));
  if (out.empty()) return in.Bad(node, "'derive' is empty");
  return out;
}

Result<std::vector<Extent>> ReadExtents(const Reader& in, const YAML::Node& node, const std::string& what) {
  std::vector<Extent> out;
  SEAMOUNT_TRY(
      in.EachKey(node, "'" + what + "'",
                 [&](const std::string& dimension, const YAML::Node&, const YAML::Node& value) -> Result<void> {
                   SEAMOUNT_TRY_ASSIGN(const uint64_t size, in.Count(value, dimension, 1));
                   out.push_back({dimension, size, LineOf(value)});
                   return {};
                 }));
  return out;
}

Result<Anomaly> ReadAnomaly(const Reader& in, const YAML::Node& node) {
  Anomaly out;
  out.line = LineOf(node);
  bool month = false;
  SEAMOUNT_TRY(in.Map(node, "'anomaly'",
                      {{"climatology",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(const std::string kind, in.Text(n, "climatology"));
                          if (kind != "month") return in.Bad(n, "'climatology' must be 'month' (or use 'harmonics')");
                          month = true;
                          return {};
                        }},
                       {"harmonics",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(const uint64_t count, in.Count(n, "harmonics", 1));
                          if (count > kMaxHarmonics) return in.Bad(n, "'harmonics' must be at most 12");
                          out.harmonics = static_cast<int>(count);
                          return {};
                        }},
                       {"over", [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.over, in.Text(n, "over"));
                          return {};
                        }}}));
  if (month == (out.harmonics > 0)) {
    return in.Bad(node, "'anomaly' needs either 'climatology: month' or 'harmonics: N'");
  }
  if (out.over.empty()) return in.Bad(node, "'anomaly' needs 'over': the split to take the climatology from, or 'all'");
  return out;
}

Result<Standardize> ReadStandardize(const Reader& in, const YAML::Node& node) {
  Standardize out;
  out.line = LineOf(node);
  SEAMOUNT_TRY(in.Map(node, "'standardize'",
                      {{"over",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.over, in.Text(n, "over"));
                          return {};
                        }},
                       {"except", [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.except, Names(in, n, "except"));
                          return {};
                        }}}));
  if (out.over.empty())
    return in.Bad(node, "'standardize' needs 'over': the split to take mean and std from, or 'all'");
  return out;
}

Result<Minibatch> ReadMinibatch(const Reader& in, const YAML::Node& node) {
  Minibatch out;
  out.line = LineOf(node);
  const auto leads = [&](std::vector<int64_t>& into, const char* key, bool inputs) {
    return [&in, &into, key, inputs](const YAML::Node& n) -> Result<void> {
      SEAMOUNT_TRY_ASSIGN(into, in.Leads(n, key, inputs));
      return {};
    };
  };
  SEAMOUNT_TRY(in.Map(node, "'minibatch'",
                      {{"inputs", leads(out.inputs, "inputs", true)},
                       {"targets", leads(out.targets, "targets", false)},
                       {"batch",
                        [&](const YAML::Node& n) -> Result<void> {
                          SEAMOUNT_TRY_ASSIGN(out.batch, in.Count(n, "batch", 1));
                          return {};
                        }},
                       {"shuffle", [&](const YAML::Node& n) -> Result<void> {
                          if (!n.IsScalar() || IsQuoted(n) || !IsTruth(n.Scalar())) {
                            return in.Bad(n, "'shuffle' must be true or false");
                          }
                          YAML::convert<bool>::decode(n, out.shuffle);
                          return {};
                        }}}));
  return out;
}

// Every top-level key with what reads it.
Result<void> ReadDocument(const Reader& in, const YAML::Node& root, Recipe& out) {
  const auto list = [](auto& into, auto read) {
    return [&into, read](const YAML::Node& n) -> Result<void> {
      SEAMOUNT_TRY_ASSIGN(into, read(n));
      return {};
    };
  };
  const std::map<std::string, Reader::Field> fields = {
      {"source",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const auto names, Names(in, n, "source"));
         for (const NamedLine& name : names) out.sources.push_back(name.name);
         return {};
       }},
      {"variables", list(out.variables, [&](const YAML::Node& n) { return Names(in, n, "variables"); })},
      {"select", list(out.select, [&](const YAML::Node& n) { return ReadSelect(in, n); })},
      {"box", list(out.box, [&](const YAML::Node& n) { return ReadBox(in, n); })},
      {"time", list(out.time, [&](const YAML::Node& n) { return in.Dates(n, "time"); })},
      {"gaps",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const std::string gaps, in.Text(n, "gaps"));
         if (gaps != "allow") return in.Bad(n, "'gaps' must be 'allow' (left out: missing steps are an error)");
         out.gaps_allowed = true;
         return {};
       }},
      {"disorder",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const std::string disorder, in.Text(n, "disorder"));
         if (disorder != "allow") {
           return in.Bad(n, "'disorder' must be 'allow' (left out: times that repeat or go back are an error)");
         }
         out.disorder_allowed = true;
         return {};
       }},
      {"derive", list(out.derive, [&](const YAML::Node& n) { return ReadDerive(in, n); })},
      {"split",
       [&](const YAML::Node& n) {
         return in.EachKey(n, "'split'",
                           [&](const std::string& key, const YAML::Node&, const YAML::Node& value) -> Result<void> {
                             SEAMOUNT_TRY_ASSIGN(DateRange range, in.Dates(value, key));
                             out.split.push_back(std::move(range));
                             return {};
                           });
       }},
      {"anomaly", list(out.anomaly, [&](const YAML::Node& n) { return ReadAnomaly(in, n); })},
      {"standardize", list(out.standardize, [&](const YAML::Node& n) { return ReadStandardize(in, n); })},
      {"minibatch", list(out.minibatch, [&](const YAML::Node& n) { return ReadMinibatch(in, n); })},
      {"chunks", list(out.chunks, [&](const YAML::Node& n) { return ReadExtents(in, n, "chunks"); })},
      {"shards", list(out.shards, [&](const YAML::Node& n) { return ReadExtents(in, n, "shards"); })},
      {"codec", list(out.codec, [&](const YAML::Node& n) { return in.Text(n, "codec"); })},
      {"dtype",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(out.dtype, in.Text(n, "dtype"));
         if (out.dtype != "float32" && out.dtype != "float64") {
           return in.Bad(n, "'dtype' must be float32 or float64");
         }
         return {};
       }},
      {"valid_range",
       [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const std::string how, in.Text(n, "valid_range"));
         if (how != "apply" && how != "ignore") return in.Bad(n, "'valid_range' must be apply (the default) or ignore");
         out.reading.valid_range = how == "apply" ? cf::ValidRange::kApply : cf::ValidRange::kIgnore;
         return {};
       }},
      {"format", [&](const YAML::Node& n) -> Result<void> {
         SEAMOUNT_TRY_ASSIGN(const uint64_t format, in.Count(n, "format", 2));
         if (format > 3) return in.Bad(n, "'format' must be 2 or 3, a version of Zarr");
         out.format = static_cast<int>(format);
         return {};
       }}};
  SEAMOUNT_TRY(in.Map(root, "the recipe", fields));
  if (out.sources.empty()) return in.Bad(root, "there is no 'source': a file, a pattern or a list of them");
  if (out.variables.empty() && out.derive.empty()) return in.Bad(root, "there are no 'variables' to prepare");
  return {};
}

}  // namespace

Result<Recipe> ParseRecipe(std::string_view yaml, const std::string& name) {
  if (yaml.size() > kMaxRecipeBytes) return base::InvalidArgument(name + ": longer than any recipe (1 MiB)");
  Recipe recipe;
  recipe.name = name;
  recipe.text = std::string(yaml);
  // yaml-cpp throws; nothing leaves this function.
  try {
    const YAML::Node root = YAML::Load(recipe.text);
    if (!root.IsDefined() || root.IsNull()) return base::InvalidArgument(name + ": the recipe is empty");
    SEAMOUNT_TRY(ReadDocument(Reader(name), root, recipe));
  } catch (const YAML::Exception& error) {
    return base::InvalidArgument(name + " line " + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
  return recipe;
}

uint64_t Minibatch::Span() const {
  std::vector<int64_t> leads = inputs;
  leads.insert(leads.end(), targets.begin(), targets.end());
  const auto [first, last] = std::minmax_element(leads.begin(), leads.end());
  return static_cast<uint64_t>(*last - *first) + 1;
}

uint64_t Minibatch::LongestRun() const {
  std::vector<int64_t> leads = inputs;
  leads.insert(leads.end(), targets.begin(), targets.end());
  std::sort(leads.begin(), leads.end());
  leads.erase(std::unique(leads.begin(), leads.end()), leads.end());
  uint64_t longest = 1;
  uint64_t run = 1;
  for (size_t i = 1; i < leads.size(); ++i) {
    run = leads[i] == leads[i - 1] + 1 ? run + 1 : 1;
    longest = std::max(longest, run);
  }
  return longest;
}

std::string_view RecipeSchema() { return kRecipeSchema; }

}  // namespace seamount::prepare
