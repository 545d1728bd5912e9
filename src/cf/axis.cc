#include "cf/axis.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string_view>

namespace seamount::cf {

Axis AxisOf(const std::string& coordinate, std::span<const Attribute> attributes) {
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  const std::string units = lower(TextOf(attributes, "units").value_or(""));
  const std::string axis = lower(TextOf(attributes, "axis").value_or(""));
  const std::string standard = lower(TextOf(attributes, "standard_name").value_or(""));
  const std::string name = lower(coordinate);
  const auto among = [](const std::string& text, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), text) != words.end();
  };
  if (units.find(" since ") != std::string::npos || standard == "time" || axis == "t") return Axis::kTime;
  if (among(units, {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}) ||
      standard == "latitude") {
    return Axis::kLatitude;
  }
  if (among(units, {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}) ||
      standard == "longitude") {
    return Axis::kLongitude;
  }
  if (among(name, {"lat", "latitude"})) return Axis::kLatitude;
  if (among(name, {"lon", "longitude"})) return Axis::kLongitude;
  return name == "time" ? Axis::kTime : Axis::kOther;
}

}  // namespace seamount::cf
