// Attributes: what a file says of its variables, whatever format it has.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "nd/data_type.h"

namespace seamount::cf {

struct Attribute {
  std::string name;
  nd::DataType type = nd::DataType::kChar;
  std::string text;             // of kChar
  std::vector<double> numbers;  // of the others; 64-bit integers beyond 2^53 are rounded
};

// Null: there is none.
const Attribute* FindAttribute(std::span<const Attribute> attributes, std::string_view name);
std::optional<std::string> TextOf(std::span<const Attribute> attributes, std::string_view name);
// Of a numeric attribute's first value.
std::optional<double> NumberOf(std::span<const Attribute> attributes, std::string_view name);

// Whether they say the same; NaN is NaN.
bool SameValue(const Attribute& a, const Attribute& b);

// One of the eight that say how numbers are stored: _FillValue, missing_value, scale_factor, add_offset, valid_min,
// valid_max, valid_range, _Unsigned.
bool IsPackingAttribute(std::string_view name);

// From a JSON object, as Zarr keeps attributes: integers become int64, other numbers float64, lists of numbers lists,
// and what is neither number nor text is left out. In packing attributes
// "NaN", "Infinity", "-Infinity" and xarray's base64 of a little-endian float64 are read as such. DataLoss when it is
// no JSON object.
Result<std::vector<Attribute>> AttributesFromJson(std::string_view object);

}  // namespace seamount::cf
