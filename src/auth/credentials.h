// Which credential a command uses, where nobody said, or only a little.
#pragma once

#include <memory>
#include <string>

#include "auth/token_source.h"
#include "net/http_client.h"

namespace seamount::auth {

struct CredentialOptions {
  std::string key_file;    // --key
  Secret key_text;         // the content of such a file, instead of one; never shown
  bool anonymous = false;  // --anonymous
  std::string endpoint;    // where it will be used; empty: Google's storage
};

// The first of: key_text; key_file; GOOGLE_APPLICATION_CREDENTIALS; ~/.config/seamount/key.json; gcloud's application
// default credentials; the metadata server, if one answers at once. What was named and is unusable is an error; what is
// found by itself but belongs to another host is passed over. Unauthenticated lists where it looked and what to do. The
// source caches and is bound to its hosts; `http` outlives it.
Result<std::unique_ptr<TokenSource>> FindCredentials(const CredentialOptions& options, net::HttpClient& http);

// The source of a credential file, of any type that google-auth knows but AWS's: service_account, authorized_user,
// external_account (file, url, executable), impersonated_service_account. Cached, and bound to its hosts.
Result<std::unique_ptr<TokenSource>> OpenCredentialFile(const std::string& path, net::HttpClient& http,
                                                        base::Clock& clock = base::RealClock());

}  // namespace seamount::auth
