// Tokens of a service account that another identity may act as (IAM's generateAccessToken): no key of it is needed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/token_source.h"
#include "base/clock.h"
#include "net/http_client.h"

namespace seamount::auth {

// `url`: …/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken. InvalidArgument where it is no such.
// `delegates`: the accounts in between, each of which may act as the next. Tokens live for an hour.
Result<std::unique_ptr<TokenSource>> MakeImpersonatedTokenSource(std::unique_ptr<TokenSource> inner,
                                                                 const std::string& url,
                                                                 std::vector<std::string> delegates,
                                                                 net::HttpClient& http, base::Clock& clock);

}  // namespace seamount::auth
