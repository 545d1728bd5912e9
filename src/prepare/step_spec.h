// A step as the recipe writes it: {resample: {to: day, how: mean}}. Which keys a step has, and of which kind their
// values are, is declared with the step (steps.h); parser and JSON Schema both follow from that.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace seamount::prepare {

// Numbers for a dimension.
struct NamedNumbers {
  std::string name;
  std::vector<double> numbers;
  bool listed = false;  // written as a list, though of one
};

// What stands behind one key. Only the members that its kind fills are set.
struct StepValue {
  std::vector<double> numbers;
  std::string text;
  std::vector<NamedNumbers> by_name;  // in the order written
};

struct StepSpec {
  std::string name;
  int line = 0;
  std::map<std::string, StepValue> values;

  bool Has(const std::string& key) const { return values.contains(key); }
  double Number(const std::string& key, double otherwise) const {
    const auto found = values.find(key);
    return found == values.end() ? otherwise : found->second.numbers[0];
  }
  std::string Text(const std::string& key, const std::string& otherwise) const {
    const auto found = values.find(key);
    return found == values.end() ? otherwise : found->second.text;
  }
  const StepValue& At(const std::string& key) const { return values.at(key); }
};

enum class FieldKind {
  kNumber,     // 2.5
  kCount,      // a whole number
  kText,       // a name, an expression
  kChoice,     // one of FieldSpec::choices
  kCountList,  // whole numbers, one or several
  kRange,      // [from, to]
  kTicks,      // {lat: [from, to, step]}
  kRanges,     // {lat: [from, to]}
  kCounts,     // {lat: 2}
  kPlaces,     // {level: 850} or {level: [500, 850]}
};

struct FieldSpec {
  std::string key;
  FieldKind kind = FieldKind::kNumber;
  bool required = false;
  std::vector<std::string> choices = {};
  double least = -1e12;  // of numbers
  double most = 1e12;
};

}  // namespace seamount::prepare
