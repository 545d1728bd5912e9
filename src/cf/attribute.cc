#include "cf/attribute.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace seamount::cf {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 8> kPackingAttributes = {
    "_FillValue", "missing_value", "scale_factor", "add_offset", "valid_min", "valid_max", "valid_range", "_Unsigned"};

std::optional<double> NumberFromText(const std::string& text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const auto bytes = base::Base64Decode(text);
  if (!bytes || bytes->size() != sizeof(double)) return std::nullopt;
  double number = 0;
  std::memcpy(&number, bytes->data(), sizeof number);
  return number;
}

std::optional<double> NumberFromJson(const Json& value, bool packs) {
  if (value.is_number()) return value.get<double>();
  if (packs && value.is_string()) return NumberFromText(value.get_ref<const std::string&>());
  return std::nullopt;
}

std::optional<Attribute> FromJson(const std::string& name, const Json& value) {
  const bool packs = IsPackingAttribute(name);
  Attribute out{name};
  const bool list = value.is_array();
  const size_t count = list ? value.size() : 1;
  bool whole = true;
  for (size_t i = 0; i < count; ++i) {
    const Json& item = list ? value[i] : value;
    const auto number = NumberFromJson(item, packs);
    if (!number) break;
    whole = whole && item.is_number_integer();
    out.numbers.push_back(*number);
  }
  if (out.numbers.size() == count) {
    out.type = whole ? nd::DataType::kInt64 : nd::DataType::kFloat64;
    return out;
  }
  if (!value.is_string()) return std::nullopt;
  out.text = value.get<std::string>();
  return out;
}

}  // namespace

const Attribute* FindAttribute(std::span<const Attribute> attributes, std::string_view name) {
  const auto found =
      std::find_if(attributes.begin(), attributes.end(), [&](const Attribute& a) { return a.name == name; });
  return found == attributes.end() ? nullptr : &*found;
}

std::optional<std::string> TextOf(std::span<const Attribute> attributes, std::string_view name) {
  const Attribute* found = FindAttribute(attributes, name);
  if (found == nullptr || found->type != nd::DataType::kChar) return std::nullopt;
  return found->text;
}

std::optional<double> NumberOf(std::span<const Attribute> attributes, std::string_view name) {
  const Attribute* found = FindAttribute(attributes, name);
  if (found == nullptr || found->numbers.empty()) return std::nullopt;
  return found->numbers.front();
}

bool SameValue(const Attribute& a, const Attribute& b) {
  const auto same = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return a.text == b.text && std::equal(a.numbers.begin(), a.numbers.end(), b.numbers.begin(), b.numbers.end(), same);
}

bool IsPackingAttribute(std::string_view name) {
  return std::find(kPackingAttributes.begin(), kPackingAttributes.end(), name) != kPackingAttributes.end();
}

Result<std::vector<Attribute>> AttributesFromJson(std::string_view object) {
  const Json json = Json::parse(object, nullptr, false);
  if (!json.is_object()) return base::DataLoss("attributes are not a JSON object");
  std::vector<Attribute> out;
  for (const auto& [name, value] : json.items()) {
    if (auto attribute = FromJson(name, value)) out.push_back(*std::move(attribute));
  }
  return out;
}

}  // namespace seamount::cf
