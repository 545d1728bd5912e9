// Access tokens: signed by the server's secret (HMAC-SHA256), so nothing is stored for them. A token names the account
// and the key it was made with; both are looked up at each use, so that a deleted key or a disabled account ends its
// tokens at once. One that was made by acting as the account names who did so, whose key it is then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace seamount::server {

inline constexpr int64_t kTokenLifetimeS = 3600;  // at most, as Google's

// What scopes allow of storage.
enum class Scope { kNothing, kReading, kAll };
Scope ScopeOf(const std::vector<std::string>& scopes);

struct TokenClaims {
  std::string email;
  std::string account_id;  // the account's unique id: one made anew under an old email is another
  std::string key_id;
  int64_t expires_s = 0;    // seconds since 1970
  bool reads_only = false;  // as Identity's
  std::string actor_email;  // empty: the account itself
  std::string actor_id;
  std::string boundary;  // JSON, as in the exchange that narrowed it; empty: has all rights of the account
};

std::string SignToken(const std::string& secret, const TokenClaims& claims);
// nullopt: not one of ours, or expired.
std::optional<TokenClaims> VerifyToken(const std::string& secret, std::string_view token, int64_t now_s);

}  // namespace seamount::server
