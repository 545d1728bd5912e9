// Fill values of elements that are no numbers.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "zarr/fill_element.h"
#include "zarr/fill_value.h"

namespace seamount::zarr {
namespace {

constexpr char32_t kMostCodePoint = 0x10ffff;

void AppendUtf8(char32_t code, std::string& text) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

// text: valid, as all that the JSON parser lets through.
std::vector<char32_t> CodePoints(const std::string& text) {
  std::vector<char32_t> codes;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80 && !codes.empty()) {
      codes.back() = codes.back() << 6 | (byte & 0x3f);
    } else {
      codes.push_back(byte < 0x80 ? byte : byte < 0xe0 ? byte & 0x1f : byte < 0xf0 ? byte & 0x0f : byte & 0x07);
    }
  }
  return codes;
}

std::optional<Bytes> ParseText(const ElementType& type, const std::string& text) {
  const std::vector<char32_t> codes = CodePoints(text);
  if (codes.size() > type.size / sizeof(char32_t)) return std::nullopt;
  Buffer element(type.size);
  std::memset(element.data(), 0, element.size());
  if (!codes.empty()) std::memcpy(element.data(), codes.data(), codes.size() * sizeof(char32_t));
  return Bytes(std::move(element));
}

std::string FormatText(const Bytes& element) {
  std::string text;
  size_t pending = 0;  // zeros are padding unless something follows
  for (size_t at = 0; at + sizeof(char32_t) <= element.size(); at += sizeof(char32_t)) {
    const auto code = ValueOf<char32_t>(element.Slice(at, sizeof(char32_t)));
    if (code == 0) {
      ++pending;
      continue;
    }
    text.append(pending, '\0');
    pending = 0;
    const bool valid = code <= kMostCodePoint && (code < 0xd800 || code > 0xdfff);
    AppendUtf8(valid ? code : U'\ufffd', text);
  }
  return text;
}

std::optional<Bytes> ParseTime(const Json& value) {
  if (value == Json("NaT")) return ElementOf(std::numeric_limits<int64_t>::min());
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) return std::nullopt;
  if (!value.is_number_integer()) return std::nullopt;
  return ElementOf(value.get<int64_t>());
}

// The upper half of a float; rounded to nearest even.
std::optional<Bytes> ParseBFloat16(const Json& value) {
  const auto as_float = ParseFillValue(nd::DataType::kFloat32, value);
  if (as_float) {
    const auto bits = ValueOf<uint32_t>(*as_float);
    const bool nan = std::isnan(std::bit_cast<float>(bits));
    return ElementOf(static_cast<uint16_t>(nan ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16));
  }
  const auto as_half = ParseFillValue(nd::DataType::kFloat16, value);  // "0x7fc1": the bits as they are
  if (as_half && value.is_string()) return *as_half;
  return std::nullopt;
}

Json FormatBFloat16(const Bytes& element) {
  const auto bits = ValueOf<uint16_t>(element);
  const auto value = std::bit_cast<float>(uint32_t{bits} << 16);
  if (std::isnan(value) && bits != 0x7fc0) {
    std::string hex = "0x";
    for (int shift = 12; shift >= 0; shift -= 4) hex += "0123456789abcdef"[bits >> shift & 15];
    return hex;
  }
  return FormatFillValue(nd::DataType::kFloat32, ElementOf(value), 3);
}

std::optional<Bytes> ParseBytes(const ElementType& type, const Json& value, bool big_endian) {
  if (!value.is_string()) return std::nullopt;
  const auto decoded = base::Base64Decode(value.get<std::string>());
  const bool padded = type.kind == ElementKind::kBytes;
  if (!decoded || decoded->size() > type.size || (!padded && decoded->size() != type.size)) return std::nullopt;
  Buffer element(type.size);
  std::memset(element.data(), 0, element.size());
  if (!decoded->empty()) std::memcpy(element.data(), decoded->data(), decoded->size());
  if (big_endian) SwapElements(type, element.span());
  return Bytes(std::move(element));
}

std::string FormatBytes(const ElementType& type, const Bytes& element, bool big_endian) {
  Buffer stored(element.size());
  std::memcpy(stored.data(), element.data(), element.size());
  if (big_endian) SwapElements(type, stored.span());
  auto bytes = stored.span();
  while (type.kind == ElementKind::kBytes && !bytes.empty() && bytes.back() == std::byte{0}) {
    bytes = bytes.first(bytes.size() - 1);
  }
  return base::Base64Encode(bytes);
}

// As base64, or as a list of numbers (zarrs).
std::optional<Bytes> ParseByteString(const Json& value) {
  if (value.is_string()) {
    const auto decoded = base::Base64Decode(value.get<std::string>());
    return decoded ? std::optional(Bytes::Copy(std::span(*decoded))) : std::nullopt;
  }
  if (!value.is_array()) return std::nullopt;
  std::string bytes;
  for (const Json& byte : value) {
    if (!byte.is_number_unsigned() || byte.get<uint64_t>() > UINT8_MAX) return std::nullopt;
    bytes += static_cast<char>(byte.get<uint8_t>());
  }
  return Bytes::Copy(bytes);
}

}  // namespace

std::optional<Bytes> ParseOtherFill(const ElementType& type, const Json& value, bool big_endian) {
  switch (type.kind) {
    case ElementKind::kBFloat16: return ParseBFloat16(value);
    case ElementKind::kDatetime:
    case ElementKind::kTimedelta: return ParseTime(value);
    case ElementKind::kText:
      if (value.is_string()) return ParseText(type, value.get<std::string>());
      break;
    case ElementKind::kBytes:
    case ElementKind::kRaw:
      if (auto bytes = ParseBytes(type, value, big_endian)) return bytes;
      break;
    case ElementKind::kString:
      if (value.is_string()) return Bytes::Copy(value.get<std::string>());
      break;
    case ElementKind::kByteString:
      if (auto bytes = ParseByteString(value)) return bytes;
      break;
    case ElementKind::kNumber: break;
  }
  if (value == Json(0) || value == Json("")) return ZeroElement(type);  // older writers' "nothing"
  return std::nullopt;
}

Json FormatOtherFill(const ElementType& type, const Bytes& element, bool big_endian) {
  switch (type.kind) {
    case ElementKind::kBFloat16: return FormatBFloat16(element);
    case ElementKind::kDatetime:
    case ElementKind::kTimedelta: return ValueOf<int64_t>(element);
    case ElementKind::kText: return FormatText(element);
    case ElementKind::kBytes:
    case ElementKind::kRaw: return FormatBytes(type, element, big_endian);
    case ElementKind::kString: return std::string(element.view());
    case ElementKind::kByteString: return base::Base64Encode(element.span());
    case ElementKind::kNumber: break;
  }
  return nullptr;
}

}  // namespace seamount::zarr
