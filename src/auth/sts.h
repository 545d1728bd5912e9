// Google's Security Token Service (RFC 8693): one token for another, of another kind or with fewer rights.
#pragma once

#include <memory>
#include <string>

#include "auth/token_source.h"
#include "base/clock.h"
#include "net/http_client.h"

namespace seamount::auth {

inline constexpr char kGoogleSts[] = "https://sts.googleapis.com/v1/token";
inline constexpr char kAccessTokenType[] = "urn:ietf:params:oauth:token-type:access_token";

struct TokenExchange {
  std::string url = kGoogleSts;
  std::string subject_token_type;
  std::string audience;  // empty: not said
  std::string scope;     // empty: not said
  std::string options;   // JSON; empty: none
  std::string advice;    // what a person can do where it is refused
};
Result<Token> Exchange(const TokenExchange& exchange, const Secret& subject_token, net::HttpClient& http,
                       base::Clock& clock, const CallContext& context);

// The tokens of `inner` with no more rights than `access_boundary` (JSON: {"accessBoundary": …}) leaves them; Google
// takes one for its storage alone. `url` is the service's.
std::unique_ptr<TokenSource> MakeDownscopedTokenSource(std::unique_ptr<TokenSource> inner, std::string access_boundary,
                                                       std::string url, net::HttpClient& http, base::Clock& clock);

}  // namespace seamount::auth
