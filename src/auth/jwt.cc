#include "auth/jwt.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/json_depth.h"
#include "base/text.h"

namespace seamount::auth {
namespace {

using Json = nlohmann::json;
using std::chrono::seconds;

// Real ones are below 2 KiB.
constexpr size_t kMaxTokenBytes = 16 << 10;
constexpr auto kClockDifference = seconds(60);
constexpr auto kMaxLifetime = seconds(3600);
// The year 2255: std::chrono::system_clock counts nanoseconds and ends soon after.
constexpr double kMaxTime = 9e9;

int64_t SecondsOf(base::SystemTime time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

Error Malformed(const std::string& what) { return base::Unauthenticated("the token is malformed: " + what); }

Result<std::vector<std::byte>> DecodePart(std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_'; });
  if (!plain || text.empty()) return Malformed("a part is not unpadded base64url");
  auto decoded = base::Base64Decode(text);
  if (!decoded) return Malformed("a part is not base64url");
  return decoded;
}

Result<Json> DecodeObject(std::string_view text) {
  SEAMOUNT_TRY_ASSIGN(const auto bytes, DecodePart(text));
  const auto* begin = reinterpret_cast<const char*>(bytes.data());
  if (base::NestsDeeper({begin, bytes.size()})) return Malformed("a part is nested deeper than 64 levels");
  Json object = Json::parse(begin, begin + bytes.size(), nullptr, false);
  if (!object.is_object()) return Malformed("a part is not a JSON object");
  return object;
}

Result<std::string> TextOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return std::string();
  if (!found->is_string()) return Malformed(std::string("'") + name + "' is not a string");
  auto text = found->get<std::string>();
  const bool printable = std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
  if (!printable) return Malformed(std::string("'") + name + "' holds control characters");  // it may get into a log
  return text;
}

Result<base::SystemTime> TimeOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return Malformed(std::string("'") + name + "' is not a number");
  const double value = found->get<double>();
  if (!(value >= 0 && value <= kMaxTime)) return Malformed(std::string("'") + name + "' is no time");
  const seconds since_epoch(static_cast<int64_t>(value));
  return base::SystemTime(std::chrono::duration_cast<base::SystemTime::duration>(since_epoch));
}

Result<std::string> KeyIdOf(const Json& header) {
  SEAMOUNT_TRY_ASSIGN(const std::string algorithm, TextOf(header, "alg"));
  if (algorithm != "RS256") return Malformed("'alg' is not RS256");
  SEAMOUNT_TRY_ASSIGN(const std::string type, TextOf(header, "typ"));
  if (!type.empty() && type != "JWT") return Malformed("'typ' is not JWT");
  if (header.contains("crit")) return Malformed("'crit' asks for extensions that are not known here");
  return TextOf(header, "kid");
}

Result<JwtClaims> ClaimsOf(const Json& object) {
  JwtClaims claims;
  SEAMOUNT_TRY_ASSIGN(claims.issuer, TextOf(object, "iss"));
  SEAMOUNT_TRY_ASSIGN(claims.subject, TextOf(object, "sub"));
  SEAMOUNT_TRY_ASSIGN(claims.audience, TextOf(object, "aud"));
  SEAMOUNT_TRY_ASSIGN(claims.scope, TextOf(object, "scope"));
  SEAMOUNT_TRY_ASSIGN(claims.issued, TimeOf(object, "iat"));
  SEAMOUNT_TRY_ASSIGN(claims.expires, TimeOf(object, "exp"));
  if (claims.issuer.empty()) return Malformed("'iss' is missing");
  return claims;
}

}  // namespace

Result<std::string> SignJwt(const JwtClaims& claims, const std::string& key_id, const PrivateKey& key) {
  Json header = {{"alg", "RS256"}, {"typ", "JWT"}};
  if (!key_id.empty()) header["kid"] = key_id;
  Json body = {{"iss", claims.issuer}, {"iat", SecondsOf(claims.issued)}, {"exp", SecondsOf(claims.expires)}};
  if (!claims.subject.empty()) body["sub"] = claims.subject;
  if (!claims.audience.empty()) body["aud"] = claims.audience;
  if (!claims.scope.empty()) body["scope"] = claims.scope;
  const auto encode = [](const Json& object) {
    return base::Base64UrlEncode(base::AsBytes(object.dump(-1, ' ', false, Json::error_handler_t::replace)));
  };
  std::string token = encode(header) + "." + encode(body);
  SEAMOUNT_TRY_ASSIGN(const auto signature, key.Sign(base::AsBytes(token)));
  return token + "." + base::Base64UrlEncode(signature);
}

Result<Jwt> ParseJwt(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return Malformed("it is larger than 16 KiB");
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return Malformed("it does not have three parts");
  SEAMOUNT_TRY_ASSIGN(const Json header, DecodeObject(token.substr(0, first)));
  SEAMOUNT_TRY_ASSIGN(const Json body, DecodeObject(token.substr(first + 1, second - first - 1)));
  Jwt jwt;
  SEAMOUNT_TRY_ASSIGN(jwt.key_id, KeyIdOf(header));
  SEAMOUNT_TRY_ASSIGN(jwt.claims, ClaimsOf(body));
  SEAMOUNT_TRY_ASSIGN(jwt.signature, DecodePart(token.substr(second + 1)));
  jwt.signed_part = token.substr(0, second);
  return jwt;
}

Result<void> CheckJwt(const Jwt& token, const PublicKey& key, std::string_view audience, base::SystemTime now) {
  const JwtClaims& claims = token.claims;
  if (!key.Verify(base::AsBytes(token.signed_part), token.signature)) {
    return base::Unauthenticated("the token's signature does not fit the key of " + claims.issuer);
  }
  if (claims.audience != audience) {
    return base::Unauthenticated("the token is for '" + claims.audience + "' (expected '" + std::string(audience) +
                                 "')");
  }
  if (claims.issued > now + kClockDifference) {
    return base::Unauthenticated("the token was made in the future: compare the clocks of both machines");
  }
  if (claims.expires < now - kClockDifference) {
    return base::Unauthenticated("the token has expired: compare the clocks of both machines if it is new");
  }
  if (claims.expires - claims.issued > kMaxLifetime)
    return base::Unauthenticated("the token lives longer than an hour");
  return {};
}

}  // namespace seamount::auth
