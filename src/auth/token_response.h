// What token endpoints answer (RFC 6749, 5.1 and 5.2).
#pragma once

#include <string>
#include <utility>

#include "auth/token_source.h"
#include "net/http_client.h"
#include "net/url.h"

namespace seamount::auth {

// POSTs the form and reads the token of the answer. `advice` ends the message when the grant itself is refused: what
// the person can do.
Result<Token> RequestToken(net::HttpClient& http, const std::string& url, const net::QueryParameters& form,
                           const std::string& advice, base::Clock& clock, const CallContext& context);

// The token in a response; transient statuses are Unavailable, refusals Unauthenticated or PermissionDenied.
Result<Token> ReadTokenResponse(const net::HttpResponse& response, const std::string& advice, base::Clock& clock);

// The same of IAM's generateAccessToken ("accessToken", "expireTime").
Result<Token> ReadIamTokenResponse(const net::HttpResponse& response, const std::string& advice, base::Clock& clock);

// Answers of token endpoints are below 8 KiB.
inline constexpr uint64_t kMaxTokenResponseBytes = 64 << 10;

}  // namespace seamount::auth
