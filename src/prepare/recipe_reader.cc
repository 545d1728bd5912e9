#include "prepare/recipe_reader.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"

namespace seamount::prepare {
namespace {

constexpr uint64_t kMaxExtent = uint64_t{1} << 40;
constexpr uint64_t kMaxLeads = 1 << 20;  // more steps than any sample spans

// Whether a plain scalar is a number or a truth value, as YAML 1.2 and with it the JSON Schema have it.
bool IsNumber(const YAML::Node& node) {
  double unused = 0;
  return !IsQuoted(node) && YAML::convert<double>::decode(node, unused);
}

}  // namespace

int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

bool IsQuoted(const YAML::Node& node) { return node.Tag() == "!"; }

bool IsTruth(const std::string& text) {
  return text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" || text == "FALSE";
}

Error RecipeReader::Bad(const YAML::Node& node, const std::string& what) const {
  return base::InvalidArgument(name_ + " line " + std::to_string(LineOf(node)) + ": " + what);
}

Result<std::string> RecipeReader::Text(const YAML::Node& node, const std::string& key) const {
  if (!node.IsScalar() || node.Scalar().empty()) return Bad(node, "'" + key + "' must be a text");
  if (!IsQuoted(node) && (IsNumber(node) || IsTruth(node.Scalar()))) {
    return Bad(node, "'" + key + "' must be a text: put '" + node.Scalar() + "' in quotes if it is a name");
  }
  return node.Scalar();
}

Result<double> RecipeReader::Number(const YAML::Node& node, const std::string& key) const {
  double value = 0;
  if (!node.IsScalar() || !IsNumber(node) || !YAML::convert<double>::decode(node, value) || !std::isfinite(value)) {
    return Bad(node, "'" + key + "' must be a number");
  }
  return value;
}

// A whole number from `least` on; 16.0 is one too.
Result<uint64_t> RecipeReader::Count(const YAML::Node& node, const std::string& key, uint64_t least) const {
  const auto value = Number(node, key);
  if (!value || *value != std::floor(*value) || *value < static_cast<double>(least) ||
      *value > static_cast<double>(kMaxExtent)) {
    return Bad(node, "'" + key + "' must be a whole number of at least " + std::to_string(least));
  }
  return static_cast<uint64_t>(*value);
}

// Offsets from the sample: a list of them, or how many, which then follow one another and end (inputs) or begin
// (targets) at the sample.
Result<std::vector<int64_t>> RecipeReader::Leads(const YAML::Node& node, const std::string& key, bool inputs) const {
  std::vector<int64_t> leads;
  if (!node.IsSequence()) {
    SEAMOUNT_TRY_ASSIGN(const uint64_t count, Count(node, key, inputs ? 1 : 0));
    if (count > kMaxLeads) return Bad(node, "'" + key + "' must be at most " + std::to_string(kMaxLeads));
    for (uint64_t i = 0; i < count; ++i) {
      leads.push_back(inputs ? static_cast<int64_t>(i) + 1 - static_cast<int64_t>(count) : static_cast<int64_t>(i) + 1);
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

// Calls the field of every key; unknown and repeated keys are errors.
Result<void> RecipeReader::Map(const YAML::Node& node, const std::string& what,
                               const std::map<std::string, Field>& fields) const {
  return EachKey(node, what,
                 [&](const std::string& key, const YAML::Node& at, const YAML::Node& value) -> Result<void> {
                   const auto field = fields.find(key);
                   if (field != fields.end()) return field->second(value);
                   std::vector<std::string> known;
                   for (const auto& [name, unused] : fields) known.push_back(name);
                   return Bad(at, "unknown key '" + key + "' in " + what + base::NameHint(key, known));
                 });
}

Result<void> RecipeReader::EachKey(
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

Result<DateRange> RecipeReader::Dates(const YAML::Node& node, const std::string& key) const {
  if (!node.IsSequence() || node.size() != 2) return Bad(node, "'" + key + "' must be [from, to], two dates");
  DateRange range;
  range.line = LineOf(node);
  SEAMOUNT_TRY_ASSIGN(range.from, Date(node[0], key));
  SEAMOUNT_TRY_ASSIGN(range.to, Date(node[1], key));
  return range;
}

// A year is a number to YAML.
Result<std::string> RecipeReader::Date(const YAML::Node& node, const std::string& key) const {
  if (node.IsScalar() && IsNumber(node) && Count(node, key, 0)) return node.Scalar();
  return Text(node, key);
}

Result<std::vector<NamedLine>> RecipeReader::Names(const YAML::Node& node, const std::string& key) const {
  std::vector<NamedLine> names;
  std::set<std::string> seen;
  const auto add = [&](const YAML::Node& item) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(std::string name, Text(item, key));
    if (!seen.insert(name).second) return Bad(item, "'" + name + "' stands twice in '" + key + "'");
    names.push_back({std::move(name), LineOf(item)});
    return {};
  };
  if (!node.IsSequence()) {
    SEAMOUNT_TRY(add(node));
    return names;
  }
  for (const auto& item : node) SEAMOUNT_TRY(add(item));
  if (names.empty()) return Bad(node, "'" + key + "' is empty");
  return names;
}

}  // namespace seamount::prepare
