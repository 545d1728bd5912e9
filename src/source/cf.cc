#include "source/cf.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "source/calendar.h"
#include "source/copy_box.h"

namespace seamount::source {
namespace {

DataType Unsigned(DataType type) {
  switch (type) {
    case DataType::kInt8: return DataType::kUInt8;
    case DataType::kInt16: return DataType::kUInt16;
    case DataType::kInt32: return DataType::kUInt32;
    case DataType::kInt64: return DataType::kUInt64;
    default: return type;
  }
}

// Attributes of an "_Unsigned" variable are stored signed as well.
double AsUnsigned(double value, DataType type) {
  return value < 0 ? value + std::ldexp(1.0, static_cast<int>(8 * SizeOf(type))) : value;
}

// A fill value of a float32 variable may be written as float64 (-99.9): it means the float32 nearest to it.
double AsStored(double value, DataType type) {
  return type == DataType::kFloat32 ? static_cast<double>(static_cast<float>(value)) : value;
}

template <class Stored, class Out>
void DecodeAs(const std::byte* from, const Packing& packing, std::span<Out> into) {
  const auto load = [&](size_t i) {
    Stored value;
    std::memcpy(&value, from + i * sizeof value, sizeof value);
    return value;
  };
  if (packing.identity()) {
    for (size_t i = 0; i < into.size(); ++i) into[i] = static_cast<Out>(load(i));
    return;
  }
  constexpr Out kNan = std::numeric_limits<Out>::quiet_NaN();
  const double low = packing.valid_min.value_or(-std::numeric_limits<double>::infinity());
  const double high = packing.valid_max.value_or(std::numeric_limits<double>::infinity());
  // Two missing values are the rule; NaN compares unequal to everything and so stands for "none".
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double first = !packing.missing.empty() ? packing.missing[0] : nan;
  const double second = packing.missing.size() > 1 ? packing.missing[1] : first;
  const bool more = packing.missing.size() > 2;
  const bool scales = packing.scales();
  for (size_t i = 0; i < into.size(); ++i) {
    const auto value = static_cast<double>(load(i));
    bool keep = value >= low && value <= high && value != first && value != second;
    if (more && keep) {
      keep = std::find(packing.missing.begin(), packing.missing.end(), value) == packing.missing.end();
    }
    const double scaled = scales ? value * packing.scale + packing.offset : value;
    into[i] = keep ? static_cast<Out>(scaled) : kNan;
  }
}

template <class Out>
void DecodeAny(std::span<const std::byte> stored, DataType type, const Packing& packing, std::span<Out> into) {
  const std::byte* from = stored.data();
  switch (packing.is_unsigned ? Unsigned(type) : type) {
    case DataType::kInt8: return DecodeAs<int8_t>(from, packing, into);
    case DataType::kChar:
    case DataType::kUInt8: return DecodeAs<uint8_t>(from, packing, into);
    case DataType::kInt16: return DecodeAs<int16_t>(from, packing, into);
    case DataType::kUInt16: return DecodeAs<uint16_t>(from, packing, into);
    case DataType::kInt32: return DecodeAs<int32_t>(from, packing, into);
    case DataType::kUInt32: return DecodeAs<uint32_t>(from, packing, into);
    case DataType::kInt64: return DecodeAs<int64_t>(from, packing, into);
    case DataType::kUInt64: return DecodeAs<uint64_t>(from, packing, into);
    case DataType::kFloat32: return DecodeAs<float>(from, packing, into);
    case DataType::kFloat64: return DecodeAs<double>(from, packing, into);
    case DataType::kOther: return;
  }
}

}  // namespace

Result<Packing> PackingOf(const Variable& variable) {
  Packing packing;
  const auto fail = [&](const char* attribute, const char* expected) {
    return base::InvalidArgument("variable '" + variable.name + "': attribute '" + attribute + "' is not " + expected);
  };
  packing.is_unsigned = variable.Text("_Unsigned").value_or("") == "true";
  const auto stored = [&](double value) {
    return packing.is_unsigned ? AsUnsigned(value, variable.type) : AsStored(value, variable.type);
  };
  for (const char* name : {"_FillValue", "missing_value"}) {
    const Attribute* attribute = variable.FindAttribute(name);
    if (attribute == nullptr || variable.type == DataType::kChar) continue;
    for (const double number : attribute->numbers) {
      const double value = stored(number);
      if (std::isnan(value)) continue;  // is NaN already
      if (std::find(packing.missing.begin(), packing.missing.end(), value) == packing.missing.end()) {
        packing.missing.push_back(value);
      }
    }
  }
  if (const Attribute* range = variable.FindAttribute("valid_range")) {
    if (range->numbers.size() != 2) return fail("valid_range", "two numbers");
    packing.valid_min = stored(range->numbers[0]);
    packing.valid_max = stored(range->numbers[1]);
  }
  if (const auto low = variable.Number("valid_min")) packing.valid_min = stored(*low);
  if (const auto high = variable.Number("valid_max")) packing.valid_max = stored(*high);
  for (const char* name : {"scale_factor", "add_offset"}) {
    const Attribute* attribute = variable.FindAttribute(name);
    if (attribute == nullptr) continue;
    if (attribute->numbers.size() != 1) return fail(name, "one number");
    (std::string_view(name) == "scale_factor" ? packing.scale : packing.offset) = attribute->numbers.front();
  }
  return packing;
}

DataType DecodedType(DataType stored) {
  return stored == DataType::kFloat32 || SizeOf(stored) <= 2 ? DataType::kFloat32 : DataType::kFloat64;
}

void Decode(std::span<const std::byte> stored, DataType type, const Packing& packing, std::span<float> into) {
  DecodeAny(stored, type, packing, into);
}

void Decode(std::span<const std::byte> stored, DataType type, const Packing& packing, std::span<double> into) {
  DecodeAny(stored, type, packing, into);
}

Result<std::vector<double>> ReadDecoded(const Dataset& dataset, size_t variable, const Box& box) {
  const Variable& v = dataset.variables()[variable];
  std::vector<std::byte> stored(Elements(box.shape) * SizeOf(v.type));
  SEAMOUNT_TRY(dataset.ReadBox(variable, box, stored));
  SEAMOUNT_TRY_ASSIGN(const Packing packing, PackingOf(v));
  std::vector<double> values(Elements(box.shape));
  if (!values.empty()) Decode(stored, v.type, packing, values);
  return values;
}

Result<std::vector<double>> ReadDecoded(const Dataset& dataset, size_t variable) {
  const Variable& v = dataset.variables()[variable];
  return ReadDecoded(dataset, variable, Box{Index(v.shape.size(), 0), v.shape});
}

Axis AxisOf(const Variable& coordinate) {
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
  };
  const std::string units = lower(coordinate.Text("units").value_or(""));
  const std::string axis = lower(coordinate.Text("axis").value_or(""));
  const std::string standard = lower(coordinate.Text("standard_name").value_or(""));
  const std::string name = lower(coordinate.name);
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

}  // namespace seamount::source
