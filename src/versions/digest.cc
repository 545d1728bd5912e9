#include "versions/digest.h"

#include <openssl/sha.h>

#include "base/encoding.h"

namespace seamount::versions {
namespace {

int ValueOf(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

Digest DigestOf(std::span<const std::byte> data) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string ToHex(const Digest& digest) { return base::HexEncode(digest); }

std::optional<Digest> FromHex(std::string_view text) {
  Digest digest;
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const int high = ValueOf(text[2 * i]), low = ValueOf(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<std::byte>(16 * high + low);
  }
  return digest;
}

}  // namespace seamount::versions
