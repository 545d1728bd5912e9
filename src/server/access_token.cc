#include "server/access_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
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
// What may follow the four lines that each token has, one to a line.
constexpr std::string_view kReadsOnly = "reads-only";
constexpr std::string_view kActor = "actor ";
constexpr std::string_view kBoundary = "boundary ";

std::array<std::byte, 32> Mac(const std::string& secret, std::string_view text) {
  std::array<std::byte, 32> mac{};
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), reinterpret_cast<unsigned char*>(mac.data()),
       nullptr);
  return mac;
}

}  // namespace

Scope ScopeOf(const std::vector<std::string>& scopes) {
  constexpr std::string_view kStem = "https://www.googleapis.com/auth/";
  Scope found = Scope::kNothing;
  for (const std::string_view name : scopes) {
    if (!name.starts_with(kStem)) continue;
    const std::string_view scope = name.substr(kStem.size());
    if (scope == "devstorage.full_control" || scope == "devstorage.read_write" || scope == "cloud-platform")
      return Scope::kAll;
    if (scope == "devstorage.read_only" || scope == "cloud-platform.read-only") found = Scope::kReading;
  }
  return found;
}

std::string SignToken(const std::string& secret, const TokenClaims& claims) {
  std::string text =
      claims.email + '\n' + claims.account_id + '\n' + claims.key_id + '\n' + std::to_string(claims.expires_s);
  if (claims.reads_only) text.append("\n").append(kReadsOnly);
  if (!claims.actor_email.empty())
    text.append("\n").append(kActor).append(claims.actor_email).append(" ").append(claims.actor_id);
  if (!claims.boundary.empty()) text.append("\n").append(kBoundary).append(claims.boundary);
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
  if (parts.size() < 4) return std::nullopt;
  const auto expires = gcs::ParseUint(parts[3]);
  if (!expires || static_cast<int64_t>(*expires) <= now_s) return std::nullopt;
  TokenClaims claims{
      .email = parts[0], .account_id = parts[1], .key_id = parts[2], .expires_s = static_cast<int64_t>(*expires)};
  for (size_t i = 4; i < parts.size(); ++i) {
    const std::string_view part = parts[i];
    if (part == kReadsOnly) {
      claims.reads_only = true;
    } else if (part.starts_with(kBoundary)) {
      claims.boundary = part.substr(kBoundary.size());
    } else if (part.starts_with(kActor)) {
      const std::string_view actor = part.substr(kActor.size());
      const size_t blank = std::min(actor.find(' '), actor.size());
      claims.actor_email = actor.substr(0, blank);
      claims.actor_id = actor.substr(std::min(blank + 1, actor.size()));
    } else {
      return std::nullopt;  // of a later version of this server: what it says must not be overlooked
    }
  }
  return claims;
}

}  // namespace seamount::server
