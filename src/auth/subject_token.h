// The token of another identity provider, which an external_account exchanges: from a file, a URL or a program.
#pragma once

#include <memory>
#include <string>

#include "auth/credential_fields.h"
#include "auth/token_source.h"
#include "base/clock.h"
#include "net/http_client.h"

namespace seamount::auth {

// Thread-safe.
class SubjectTokenSource {
 public:
  virtual ~SubjectTokenSource() = default;
  virtual Result<Secret> Get(const CallContext& context) = 0;
};

// What a program is told (GOOGLE_EXTERNAL_ACCOUNT_…).
struct SubjectTokenWish {
  std::string audience, token_type;
  std::string impersonated_email;  // empty: none
};

// By field credential_source of an external_account file, `name`. A program is run where
// GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is 1, and refused otherwise.
Result<std::unique_ptr<SubjectTokenSource>> MakeSubjectTokenSource(const CredentialFields& source,
                                                                   const std::string& name,
                                                                   const SubjectTokenWish& wish, net::HttpClient& http,
                                                                   base::Clock& clock);

}  // namespace seamount::auth
