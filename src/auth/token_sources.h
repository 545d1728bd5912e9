// The sources of tokens, each as thin as its protocol: they ask anew at every call. CachingTokenSource and BindToHosts
// go around them; FindCredentials (credentials.h) puts them together.
#pragma once

#include <memory>
#include <string>

#include "auth/service_account_key.h"
#include "auth/token_source.h"
#include "base/clock.h"
#include "net/http_client.h"

namespace seamount::auth {

// A JWT signed by the key itself, for the service that is asked: no request, but Google's services only.
std::unique_ptr<TokenSource> MakeSelfSignedTokenSource(ServiceAccountKey key, base::Clock& clock);

// A token from the key's token_uri for a signed JWT (RFC 7523).
std::unique_ptr<TokenSource> MakeTokenExchangeSource(ServiceAccountKey key, net::HttpClient& http, base::Clock& clock);

// The service account attached to a Google VM. `host` is GCE_METADATA_HOST or metadata.google.internal.
std::unique_ptr<TokenSource> MakeMetadataTokenSource(std::string host, net::HttpClient& http, base::Clock& clock);
// Whether a metadata server answers there within a second.
bool MetadataServerAnswers(const std::string& host, net::HttpClient& http);

// A person's login, as `gcloud auth application-default login` leaves it (type authorized_user).
Result<std::unique_ptr<TokenSource>> MakeUserTokenSource(const Secret& json, const std::string& file_name,
                                                         net::HttpClient& http, base::Clock& clock);

// No credential: every token is empty.
std::unique_ptr<TokenSource> MakeAnonymousTokenSource();

// One token for ever, for any host: for tests.
std::unique_ptr<TokenSource> MakeStaticTokenSource(Secret token);

}  // namespace seamount::auth
