#include "base/encoding.h"

#include <array>

namespace seamount::base {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Encode(std::span<const std::byte> data, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (size_t i = 0; i < data.size(); i += 3) {
    const size_t left = data.size() - i;
    uint32_t group = std::to_integer<uint32_t>(data[i]) << 16;
    if (left > 1) group |= std::to_integer<uint32_t>(data[i + 1]) << 8;
    if (left > 2) group |= std::to_integer<uint32_t>(data[i + 2]);
    out += alphabet[group >> 18];
    out += alphabet[(group >> 12) & 63];
    if (left > 1) out += alphabet[(group >> 6) & 63];
    if (left > 2) out += alphabet[group & 63];
    if (pad && left < 3) out.append(3 - left, '=');
  }
  return out;
}

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

std::string Base64Encode(std::span<const std::byte> data) { return Encode(data, kStandard, true); }
std::string Base64UrlEncode(std::span<const std::byte> data) { return Encode(data, kUrlSafe, false); }

Result<std::vector<std::byte>> Base64Decode(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return InvalidArgument("base64: wrong length");
  std::vector<std::byte> out;
  out.reserve(text.size() * 3 / 4);
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = Base64Value(c);
    if (value < 0) return InvalidArgument("base64: unexpected character");
    group = (group << 6) | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::byte>((group >> bits) & 0xFF));
    }
  }
  return out;
}

std::string HexEncode(std::span<const std::byte> data) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(data.size() * 2);
  for (const std::byte b : data) {
    out += kDigits[std::to_integer<size_t>(b >> 4)];
    out += kDigits[std::to_integer<size_t>(b & std::byte{15})];
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
    if (high < 0 || low < 0) return InvalidArgument("percent-encoding: broken escape");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string Crc32cToBase64(uint32_t crc32c) {
  const std::array<std::byte, 4> big_endian = {static_cast<std::byte>(crc32c >> 24),
                                               static_cast<std::byte>(crc32c >> 16),
                                               static_cast<std::byte>(crc32c >> 8), static_cast<std::byte>(crc32c)};
  return Base64Encode(big_endian);
}

Result<uint32_t> Crc32cFromBase64(std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const auto bytes, Base64Decode(text));
  if (bytes.size() != 4) return InvalidArgument("crc32c: expected four bytes in base64");
  uint32_t crc32c = 0;
  for (const std::byte b : bytes) crc32c = (crc32c << 8) | std::to_integer<uint32_t>(b);
  return crc32c;
}

}  // namespace seamount::base
