// JSON Web Tokens signed RS256, as service accounts use them: made, taken apart strictly, and checked. No other
// algorithm is known here, so none can be confused with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/rsa_key.h"
#include "base/clock.h"
#include "base/result.h"

namespace seamount::auth {

// Whole seconds count. Empty texts are left out of a token.
struct JwtClaims {
  std::string issuer;
  std::string subject;
  std::string audience;
  std::string scope;
  base::SystemTime issued;
  base::SystemTime expires;
};

Result<std::string> SignJwt(const JwtClaims& claims, const std::string& key_id, const PrivateKey& key);

// A token taken apart; nothing in it is true before CheckJwt.
struct Jwt {
  std::string key_id;  // empty where the token names none
  JwtClaims claims;
  std::string signed_part;
  std::vector<std::byte> signature;
};

// Unauthenticated says what is malformed, without quoting the token. At most 16 KiB; "alg" must be RS256, "iss", "iat"
// and "exp" must be there.
Result<Jwt> ParseJwt(std::string_view token);

// Unauthenticated unless `key` signed the token, it is for `audience`, and `now` lies within its time, with a minute
// for clocks that differ; and its time is at most an hour, as Google has it.
Result<void> CheckJwt(const Jwt& token, const PublicKey& key, std::string_view audience, base::SystemTime now);

}  // namespace seamount::auth
