// SHA-256 of a chunk: its name in the bucket, and the proof that what came back is what was saved.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace seamount::versions {

using Digest = std::array<std::byte, 32>;

Digest DigestOf(std::span<const std::byte> data);
// 64 lower-case hexadecimal digits, and back; nothing where it is none.
std::string ToHex(const Digest& digest);
std::optional<Digest> FromHex(std::string_view text);

}  // namespace seamount::versions
