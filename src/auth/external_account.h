// Identities of another provider that a workload identity pool knows (type external_account): the provider's token is
// exchanged for one of Google's, and that perhaps for a service account's.
#pragma once

#include <memory>
#include <string>

#include "auth/credential_fields.h"
#include "auth/token_source.h"
#include "base/clock.h"
#include "net/http_client.h"

namespace seamount::auth {

// Of a file, `name`, that was taken apart.
Result<std::unique_ptr<TokenSource>> MakeExternalAccountSource(const CredentialFields& fields, const std::string& name,
                                                               net::HttpClient& http, base::Clock& clock);

}  // namespace seamount::auth
