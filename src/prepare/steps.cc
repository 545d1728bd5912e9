#include "prepare/steps.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace seamount::prepare {

using enum FieldKind;

const std::vector<StepKind>& StepKinds() {
  const std::vector<std::string> how = {"mean", "sum", "min", "max"};
  static const std::vector<StepKind> kinds = {
      {"check", "Stops where values lie outside a range.", "range", {{"range", kRange, true}}, MakeCheck},
      {"clip",
       "Values below the range become its start, those above its end.",
       "range",
       {{"range", kRange, true}},
       MakeClip},
      {"coarsen",
       "Blocks of grid cells as one; means are weighted by area along latitude.",
       "by",
       {{"by", kCounts, true}, {"how", kChoice, false, how}},
       MakeCoarsen},
      {"convert", "To other units, by UDUNITS.", "to", {{"to", kText, true}}, MakeConvert},
      {"deaccumulate",
       "From sums since a start to what each place along a dimension adds.",
       "along",
       {{"along", kText, true}, {"reset", kChoice, false, {"never", "falls"}}},
       MakeDeaccumulate},
      {"fill",
       "Values where there are none: a number, or those nearby along a dimension.",
       "value",
       {{"value", kNumber},
        {"along", kText},
        {"method", kChoice, false, {"nearest", "previous", "linear"}},
        {"reach", kCount, false, {}, 1, 1e6}},
       MakeFill},
      {"lag", "The value of so many time steps before.", "steps", {{"steps", kCount, true, {}, -1e6, 1e6}}, MakeLag},
      {"log", "The natural logarithm of the value plus an offset.", "offset", {{"offset", kNumber, true}}, MakeLog},
      {"log1p", "The natural logarithm of one plus the value.", "", {}, MakeLog1p},
      {"mask",
       "Only where another variable, a box or an area allows it.",
       "by",
       {{"by", kText},
        {"above", kNumber},
        {"below", kNumber},
        {"box", kRanges},
        {"geojson", kText},
        {"keep", kChoice, false, {"inside", "outside"}}},
       MakeMask},
      {"regrid",
       "To other latitudes and longitudes.",
       "",
       {{"to", kTicks, true}, {"method", kChoice, true, {"nearest", "bilinear", "conservative"}}},
       MakeRegrid},
      {"resample",
       "One value for each day, month or other period.",
       "to",
       {{"to", kText, true}, {"how", kChoice, false, {"mean", "sum", "min", "max", "first", "last"}}},
       MakeResample},
      {"rolling",
       "The mean or another of so many steps, the last of them this one.",
       "steps",
       {{"steps", kCount, true, {}, 1, 1e6},
        {"how", kChoice, false, how},
        {"align", kChoice, false, {"end", "center"}}},
       MakeRolling},
      {"round",
       "So many bits of each value's mantissa are kept; what is rounded away compresses well.",
       "keepbits",
       {{"keepbits", kCount, true, {}, 1, 23}},
       MakeRound},
      {"scale", "Times a factor, plus an offset.", "factor", {{"factor", kNumber}, {"offset", kNumber}}, MakeScale},
      {"select",
       "Places along a dimension, by coordinate value: of one the dimension is gone.",
       "places",
       {{"places", kPlaces, true}},
       MakeSelect},
      {"time",
       "The steps in these months, or at these hours.",
       "",
       {{"months", kCountList, false, {}, 1, 12}, {"hours", kCountList, false, {}, 0, 23}},
       MakeTimes},
  };
  return kinds;
}

const StepKind* FindStepKind(const std::string& name) {
  const auto found =
      std::find_if(StepKinds().begin(), StepKinds().end(), [&](const StepKind& kind) { return kind.name == name; });
  return found == StepKinds().end() ? nullptr : &*found;
}

Result<std::optional<size_t>> DimensionFor(const Grid& input, const std::string& dimension, const StepScope& scope) {
  const std::optional<size_t> found = input.Find(dimension);
  if (found || scope.for_all) return found;
  std::vector<std::string> names;
  for (const AxisPtr& axis : input.axes) names.push_back(axis->name);
  std::string there;
  for (const std::string& name : names) there += (there.empty() ? " (it has " : ", ") + name;
  return base::InvalidArgument("there is no dimension '" + dimension + "'" + base::NameHint(dimension, names) + there +
                               (there.empty() ? "" : ")"));
}

Result<std::optional<size_t>> TimeFor(const Grid& input, const StepScope& scope) {
  for (size_t d = 0; d < input.axes.size(); ++d) {
    if (input.axes[d]->dated()) return std::optional(d);
  }
  if (scope.for_all) return std::optional<size_t>();
  return base::InvalidArgument("there is no time dimension whose dates are known (units 'UNIT since DATE')");
}

namespace {

using Json = nlohmann::ordered_json;

// Whole numbers without a point.
Json CountSchema(const FieldSpec& field) {
  return {{"type", "integer"},
          {"minimum", static_cast<int64_t>(field.least)},
          {"maximum", static_cast<int64_t>(field.most)}};
}

Json ByName(const Json& each) { return {{"type", "object"}, {"minProperties", 1}, {"additionalProperties", each}}; }

Json Numbers(size_t count) {
  return {{"type", "array"}, {"items", {{"type", "number"}}}, {"minItems", count}, {"maxItems", count}};
}

Json FieldSchema(const FieldSpec& field) {
  switch (field.kind) {
    case kNumber: return {{"type", "number"}};
    case kCount: return CountSchema(field);
    case kText: return {{"$ref", "#/$defs/text"}};
    case kChoice: return {{"enum", field.choices}};
    case kCountList: {
      const Json one = CountSchema(field);
      return {{"anyOf", {one, {{"type", "array"}, {"items", one}, {"minItems", 1}}}}};
    }
    case kRange: return Numbers(2);
    case kTicks: return ByName(Numbers(3));
    case kRanges: return ByName(Numbers(2));
    case kCounts: return ByName({{"$ref", "#/$defs/size"}});
    case kPlaces:
      return ByName(
          {{"anyOf", {{{"type", "number"}}, {{"type", "array"}, {"items", {{"type", "number"}}}, {"minItems", 1}}}}});
  }
  return {};
}

// What may stand behind the step's name. A field that is itself a map is written directly, and only so where it is the
// step's only one.
Json KindSchema(const StepKind& kind) {
  Json properties = Json::object();
  Json required = Json::array();
  Json brief;
  for (const FieldSpec& field : kind.fields) {
    properties[field.key] = FieldSchema(field);
    if (field.required) required.push_back(field.key);
    if (field.key == kind.short_key) brief = properties[field.key];
  }
  if (kind.fields.size() == 1 && kind.fields[0].kind == kPlaces) return brief;
  Json whole = {{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
  if (!required.empty()) whole["required"] = required;
  if (brief.is_null() || brief.value("type", "") == "object") return whole;
  return {{"anyOf", {brief, whole}}};
}

}  // namespace

std::string StepSchema() {
  Json properties = Json::object();
  Json bare = Json::array();
  for (const StepKind& kind : StepKinds()) {
    Json schema = KindSchema(kind);
    Json described = {{"description", kind.says}};
    described.update(schema);
    properties[kind.name] = described;
    if (kind.fields.empty()) bare.push_back(kind.name);
  }
  const Json step = {{"anyOf",
                      {{{"enum", bare}},
                       {{"type", "object"},
                        {"minProperties", 1},
                        {"maxProperties", 1},
                        {"additionalProperties", false},
                        {"properties", properties}}}}};
  return step.dump(2);
}

}  // namespace seamount::prepare
