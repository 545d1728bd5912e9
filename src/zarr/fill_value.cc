#include "zarr/fill_value.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encoding.h"
#include "nd/data_type.h"
#include "zarr/codecs/half.h"
#include "zarr/fill_element.h"

namespace seamount::zarr {
namespace {

Error BadFill(const ElementType& type, const Json& value) {
  return base::DataLoss("fill_value " + DumpJson(value).substr(0, 64) + " is not a value of " + NameOf(type));
}

template <class T>
std::optional<Bytes> ParseInteger(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<T>::max())) return std::nullopt;
    return ElementOf(static_cast<T>(number));
  }
  if (value.is_number_integer()) {  // negative
    const auto number = value.get<int64_t>();
    if (!std::is_signed_v<T> || number < static_cast<int64_t>(std::numeric_limits<T>::min())) return std::nullopt;
    return ElementOf(static_cast<T>(number));
  }
  if (value.is_number_float()) {  // some writers of v2 put 0.0 for an integer array
    const double number = value.get<double>();
    constexpr double kExact = 9007199254740992.0;
    if (number != std::trunc(number) || std::abs(number) > kExact) return std::nullopt;
    return ParseInteger<T>(Json(static_cast<int64_t>(number) < 0 ? Json(static_cast<int64_t>(number))
                                                                 : Json(static_cast<uint64_t>(number))));
  }
  return std::nullopt;
}

std::optional<uint64_t> ParseHexBits(const std::string& text, size_t size) {
  if (text.size() != 2 + 2 * size || !text.starts_with("0x")) return std::nullopt;
  uint64_t bits = 0;
  for (const char c : text.substr(2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    bits = bits << 4 | static_cast<uint64_t>(digit);
  }
  return bits;
}

Bytes FloatElement(double value, size_t size) {
  if (size == 2) return ElementOf(HalfFromDouble(value));
  if (size == 4) return ElementOf(static_cast<float>(value));
  return ElementOf(value);
}

std::optional<Bytes> ParseFloat(const Json& value, size_t size) {
  if (value.is_number()) {
    const double number = value.get<double>();
    Bytes element = FloatElement(number, size);
    const bool overflows = std::isinf(size == 2   ? DoubleFromHalf(ValueOf<uint16_t>(element))
                                      : size == 4 ? static_cast<double>(ValueOf<float>(element))
                                                  : number);
    if (overflows) return std::nullopt;
    return element;
  }
  if (!value.is_string()) return std::nullopt;
  const auto text = value.get<std::string>();
  if (text == "NaN") return FloatElement(std::numeric_limits<double>::quiet_NaN(), size);
  if (text == "Infinity") return FloatElement(std::numeric_limits<double>::infinity(), size);
  if (text == "-Infinity") return FloatElement(-std::numeric_limits<double>::infinity(), size);
  const auto bits = ParseHexBits(text, size);
  if (!bits) return std::nullopt;
  if (size == 2) return ElementOf(static_cast<uint16_t>(*bits));
  if (size == 4) return ElementOf(static_cast<uint32_t>(*bits));
  return ElementOf(*bits);
}

std::optional<Bytes> ParseComplex(const Json& value, size_t part_size) {
  if (!value.is_array() || value.size() != 2) return std::nullopt;
  const auto re = ParseFloat(value[0], part_size);
  const auto im = ParseFloat(value[1], part_size);
  if (!re || !im) return std::nullopt;
  Buffer both(2 * part_size);
  std::memcpy(both.data(), re->data(), part_size);
  std::memcpy(both.data() + part_size, im->data(), part_size);
  return Bytes(std::move(both));
}

std::optional<Bytes> ParseBool(const Json& value) {
  if (value.is_boolean()) return ElementOf(static_cast<uint8_t>(value.get<bool>()));
  if (value.is_number_unsigned() && value.get<uint64_t>() <= 1) return ElementOf(value.get<uint8_t>());
  return std::nullopt;
}

std::optional<Bytes> ParseBase64(const ElementType& type, const Json& value, bool big_endian) {
  if (!value.is_string()) return std::nullopt;
  const auto decoded = base::Base64Decode(value.get<std::string>());
  if (!decoded || decoded->size() != type.size) return std::nullopt;
  Buffer element(decoded->size());
  std::memcpy(element.data(), decoded->data(), decoded->size());
  if (big_endian) SwapElements(type, element.span());
  return Bytes(std::move(element));
}

std::optional<Bytes> ParseSpelling(nd::DataType type, const Json& value) {
  switch (type) {
    case nd::DataType::kBool: return ParseBool(value);
    case nd::DataType::kInt8: return ParseInteger<int8_t>(value);
    case nd::DataType::kInt16: return ParseInteger<int16_t>(value);
    case nd::DataType::kInt32: return ParseInteger<int32_t>(value);
    case nd::DataType::kInt64: return ParseInteger<int64_t>(value);
    case nd::DataType::kUInt8: return ParseInteger<uint8_t>(value);
    case nd::DataType::kUInt16: return ParseInteger<uint16_t>(value);
    case nd::DataType::kUInt32: return ParseInteger<uint32_t>(value);
    case nd::DataType::kUInt64: return ParseInteger<uint64_t>(value);
    case nd::DataType::kFloat16: return ParseFloat(value, 2);
    case nd::DataType::kFloat32: return ParseFloat(value, 4);
    case nd::DataType::kFloat64: return ParseFloat(value, 8);
    case nd::DataType::kComplex64: return ParseComplex(value, 4);
    case nd::DataType::kComplex128: return ParseComplex(value, 8);
    case nd::DataType::kChar:
    case nd::DataType::kOther: break;  // no Zarr array has them
  }
  return std::nullopt;
}

// bits: the element's, canonical: those of the NaN that "NaN" means.
Json FormatFloat(double value, uint64_t bits, uint64_t canonical, size_t size, int format) {
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (!std::isnan(value)) return value;
  if (bits == canonical || format == 2) return "NaN";
  std::string hex = "0x";
  for (size_t i = 2 * size; i-- > 0;) hex += "0123456789abcdef"[bits >> (4 * i) & 15];
  return hex;
}

Json FormatFloatElement(const Bytes& element, int format) {
  if (element.size() == 2) {
    const auto bits = ValueOf<uint16_t>(element);
    return FormatFloat(DoubleFromHalf(bits), bits, 0x7e00, 2, format);
  }
  if (element.size() == 4) {
    return FormatFloat(ValueOf<float>(element), ValueOf<uint32_t>(element), 0x7fc00000, 4, format);
  }
  return FormatFloat(ValueOf<double>(element), ValueOf<uint64_t>(element), 0x7ff8000000000000, 8, format);
}

Json FormatComplex(const Bytes& element, int format) {
  const size_t part = element.size() / 2;
  Json both = Json::array();
  both.push_back(FormatFloatElement(element.Slice(0, part), format));
  both.push_back(FormatFloatElement(element.Slice(part, part), format));
  return both;
}

}  // namespace

Result<Bytes> ParseFillValue(const ElementType& type, const Json& value) {
  const bool number = type.kind == ElementKind::kNumber;
  auto element = number ? ParseSpelling(type.number, value) : ParseOtherFill(type, value, /*big_endian=*/false);
  if (element) return *std::move(element);
  return BadFill(type, value);
}

Result<Bytes> ParseFillValueV2(const ElementType& type, const Json& value, bool big_endian) {
  const bool number = type.kind == ElementKind::kNumber;
  auto spelled = number ? ParseSpelling(type.number, value) : ParseOtherFill(type, value, big_endian);
  if (spelled) return *std::move(spelled);
  if (auto element = ParseBase64(type, value, big_endian)) return *std::move(element);
  return BadFill(type, value);
}

Json FormatFillValue(const ElementType& type, const Bytes& element, int format, bool big_endian) {
  const bool given = type.variable() || element.size() == type.size;
  const Bytes fill = given ? element : ZeroElement(type);
  if (type.kind != ElementKind::kNumber) return FormatOtherFill(type, fill, big_endian);
  switch (type.number) {
    case nd::DataType::kBool: return ValueOf<uint8_t>(fill) != 0;
    case nd::DataType::kInt8: return ValueOf<int8_t>(fill);
    case nd::DataType::kInt16: return ValueOf<int16_t>(fill);
    case nd::DataType::kInt32: return ValueOf<int32_t>(fill);
    case nd::DataType::kInt64: return ValueOf<int64_t>(fill);
    case nd::DataType::kUInt8: return ValueOf<uint8_t>(fill);
    case nd::DataType::kUInt16: return ValueOf<uint16_t>(fill);
    case nd::DataType::kUInt32: return ValueOf<uint32_t>(fill);
    case nd::DataType::kUInt64: return ValueOf<uint64_t>(fill);
    case nd::DataType::kFloat16:
    case nd::DataType::kFloat32:
    case nd::DataType::kFloat64: return FormatFloatElement(fill, format);
    case nd::DataType::kComplex64:
    case nd::DataType::kComplex128: return FormatComplex(fill, format);
    case nd::DataType::kChar:
    case nd::DataType::kOther: break;
  }
  return nullptr;
}

}  // namespace seamount::zarr
