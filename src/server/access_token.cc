#include "server/access_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/text.h"
#include "gcs/wire.h"

namespace seamount::server {
namespace {

// Tells a Seamount token from a Google one in a person's hands, and leaves room for another format.
constexpr std::string_view kPrefix = "smt1.";
constexpr char kReadsOnly[] = "reads-only";

std::array<std::byte, 32> Mac(const std::string& secret, std::string_view text) {
  std::array<std::byte, 32> mac{};
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), reinterpret_cast<unsigned char*>(mac.data()),
       nullptr);
  return mac;
}

}  // namespace

std::string SignToken(const std::string& secret, const TokenClaims& claims) {
  std::string text =
      claims.email + '\n' + claims.account_id + '\n' + claims.key_id + '\n' + std::to_string(claims.expires_s);
  if (claims.reads_only) text += std::string("\n") + kReadsOnly;
  return std::string(kPrefix) + base::Base64UrlEncode(base::AsBytes(text)) + '.' +
         base::Base64UrlEncode(Mac(secret, text));
}

std::optional<TokenClaims> VerifyToken(const std::string& secret, std::string_view token, int64_t now_s) {
  if (!token.starts_with(kPrefix)) return std::nullopt;
  token.remove_prefix(kPrefix.size());
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto bytes = base::Base64Decode(token.substr(0, dot));
  const auto mac = base::Base64Decode(token.substr(dot + 1));
  if (!bytes || !mac || mac->size() != 32) return std::nullopt;
  const std::string text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  if (CRYPTO_memcmp(Mac(secret, text).data(), mac->data(), mac->size()) != 0) return std::nullopt;
  const std::vector<std::string> parts = base::Split(text, '\n');
  const bool reads_only = parts.size() == 5 && parts[4] == kReadsOnly;
  if (parts.size() != 4 && !reads_only) return std::nullopt;
  const auto expires = gcs::ParseUint(parts[3]);
  if (!expires || static_cast<int64_t>(*expires) <= now_s) return std::nullopt;
  return TokenClaims{parts[0], parts[1], parts[2], static_cast<int64_t>(*expires), reads_only};
}

}  // namespace seamount::server
