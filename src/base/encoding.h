// Text encodings of bytes: base64 (RFC 4648, standard and URL-safe), hex, percent-encoding (RFC 3986).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::base {

std::string Base64Encode(std::span<const std::byte> data);
// Without padding, with '-' and '_', as JWTs want it.
std::string Base64UrlEncode(std::span<const std::byte> data);
// Accepts either alphabet, padded or not; InvalidArgument otherwise.
Result<std::vector<std::byte>> Base64Decode(std::string_view text);

std::string HexEncode(std::span<const std::byte> data);

// Everything but unreserved characters (RFC 3986 2.3) becomes %XX; '/' too.
std::string PercentEncode(std::string_view text);
// InvalidArgument on a broken escape.
Result<std::string> PercentDecode(std::string_view text);

// The big-endian base64 form in which GCS writes a CRC32C ("x-goog-hash: crc32c=AAAAAA==").
std::string Crc32cToBase64(uint32_t crc32c);
Result<uint32_t> Crc32cFromBase64(std::string_view text);

}  // namespace seamount::base
