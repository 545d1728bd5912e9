// From when to when a service account's key is good, as its public certificate says, which Google shows to everybody.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"

namespace seamount::auth {

struct KeyTimes {
  base::SystemTime made, expires;
};

// By the key file's "client_x509_cert_url". Nothing: the file names none, or none on its own server; then nobody can
// tell. Unauthenticated: the account has no such key any more.
Result<std::optional<KeyTimes>> TimesOfKey(const std::string& key_file, net::HttpClient& http,
                                           const CallContext& context);

}  // namespace seamount::auth
