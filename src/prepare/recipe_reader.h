// Within the parser of recipes: reads one YAML document, and knows where it is, so that every message names the line.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/recipe.h"

namespace YAML {
class Node;
}

namespace seamount::prepare {

int LineOf(const YAML::Node& node);
bool IsQuoted(const YAML::Node& node);
bool IsTruth(const std::string& text);

class RecipeReader {
 public:
  explicit RecipeReader(const std::string& name) : name_(name) {}

  Error Bad(const YAML::Node& node, const std::string& what) const;
  Result<std::string> Text(const YAML::Node& node, const std::string& key) const;
  Result<double> Number(const YAML::Node& node, const std::string& key) const;
  // A whole number from `least` on; 16.0 is one too.
  Result<uint64_t> Count(const YAML::Node& node, const std::string& key, uint64_t least) const;
  // Offsets from the sample: a list of them, or how many, which then follow one another and end (inputs) or begin
  // (targets) at the sample.
  Result<std::vector<int64_t>> Leads(const YAML::Node& node, const std::string& key, bool inputs) const;
  Result<DateRange> Dates(const YAML::Node& node, const std::string& key) const;
  // One or several, none of them twice.
  Result<std::vector<NamedLine>> Names(const YAML::Node& node, const std::string& key) const;

  using Field = std::function<Result<void>(const YAML::Node&)>;
  // Calls the field of every key; unknown and repeated keys are errors.
  Result<void> Map(const YAML::Node& node, const std::string& what, const std::map<std::string, Field>& fields) const;
  Result<void> EachKey(
      const YAML::Node& node, const std::string& what,
      const std::function<Result<void>(const std::string&, const YAML::Node&, const YAML::Node&)>& each) const;

  // recipe_variables.cc: steps, and variables with what is said of them.
  Result<std::vector<StepSpec>> Steps(const YAML::Node& node) const;
  Result<StepSpec> StepNamed(const std::string& name, const YAML::Node& at, const YAML::Node& value) const;
  Result<std::vector<Requested>> Variables(const YAML::Node& node) const;
  Result<std::vector<Requested>> Derive(const YAML::Node& node) const;

 private:
  Result<std::string> Date(const YAML::Node& node, const std::string& key) const;

  const std::string& name_;
};

}  // namespace seamount::prepare
