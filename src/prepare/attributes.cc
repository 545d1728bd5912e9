#include "prepare/attributes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "nd/data_type.h"

namespace seamount::prepare {
namespace {

using Json = nlohmann::ordered_json;
using namespace nlohmann::literals;  // "/a/b"_json_pointer

constexpr std::array<std::string_view, 8> kPacking = {"_FillValue", "missing_value", "scale_factor", "add_offset",
                                                      "valid_min",  "valid_max",     "valid_range",  "_Unsigned"};

std::string Dump(const Json& json, int indent = -1) {
  // Source files may hold text that is not UTF-8.
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json NumberJson(double value, nd::DataType type) {
  const bool whole = type != nd::DataType::kFloat32 && type != nd::DataType::kFloat64;
  if (whole && std::abs(value) < 9e15) return static_cast<int64_t>(value);
  if (std::isnan(value)) return "NaN";  // JSON has no such numbers; Zarr writes them as text
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

Json AttributeJson(const cf::Attribute& attribute) {
  if (attribute.type == nd::DataType::kChar) return attribute.text;
  if (attribute.numbers.size() == 1) return NumberJson(attribute.numbers[0], attribute.type);
  Json list = Json::array();
  for (const double number : attribute.numbers) list.push_back(NumberJson(number, attribute.type));
  return list;
}

Json AttributesObject(const std::vector<cf::Attribute>& attributes) {
  Json out = Json::object();
  for (const cf::Attribute& attribute : attributes) out[attribute.name] = AttributeJson(attribute);
  return out;
}

Json Parsed(const std::string& object) {
  Json out = base::NestsDeeper(object) ? Json() : Json::parse(object, nullptr, false);
  return out.is_object() ? out : Json::object();
}

}  // namespace

bool IsPacking(std::string_view attribute) {
  return std::find(kPacking.begin(), kPacking.end(), attribute) != kPacking.end();
}

std::string AttributesJson(const std::vector<cf::Attribute>& attributes) { return Dump(AttributesObject(attributes)); }

std::string ArrayAttributesJson(const std::vector<cf::Attribute>& attributes) {
  Json out = AttributesObject(attributes);
  for (const std::string_view name : kPacking) out.erase(std::string(name));
  return Dump(out);
}

std::string WithText(const std::string& object, const std::map<std::string, std::string>& members) {
  Json out = Parsed(object);
  for (const auto& [name, text] : members) {
    if (text.empty()) out.erase(name);
    if (!text.empty()) out[name] = text;
  }
  return Dump(out);
}

std::string TextIn(const std::string& object, const std::string& member) {
  const Json parsed = Parsed(object);
  const auto found = parsed.find(member);
  return found != parsed.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string WithRemarks(const std::string& attributes, const ArrayRemarks& remarks) {
  Json own = {{"every_object", true}};  // zarr/whole_group.h
  if (remarks.mean && remarks.std) own["normalize"] = {{"mean", *remarks.mean}, {"std", *remarks.std}};
  // Every reader subtracts and divides; where these are no moments, it is said.
  if (remarks.quantiles) own["normalize"]["quantiles"] = {remarks.quantiles->first, remarks.quantiles->second};
  if (!remarks.climatology.empty()) {
    own["anomaly"] = {{"climatology", remarks.climatology}, {"kind", remarks.climatology_kind}, {"over", remarks.over}};
  }
  Json out = Parsed(attributes);
  out["seamount"] = std::move(own);
  if (remarks.pack) {
    out["scale_factor"] = remarks.pack->scale();
    out["add_offset"] = remarks.pack->offset();
    out["_FillValue"] = Pack::kMissing;
  }
  return Dump(out);
}

ArrayRemarks ParseRemarks(const std::string& attributes) {
  const Json normalize = Parsed(attributes).value("/seamount/normalize"_json_pointer, Json());
  ArrayRemarks out;
  if (!normalize.is_object()) return out;
  const Json mean = normalize.value("mean", Json());
  const Json std = normalize.value("std", Json());
  if (mean.is_number()) out.mean = mean.get<double>();
  if (std.is_number()) out.std = std.get<double>();
  return out;
}

}  // namespace seamount::prepare
