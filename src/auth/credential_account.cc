#include "auth/credential_account.h"

#include "auth/credential_fields.h"
#include "auth/service_account_key.h"

namespace seamount::auth {

Result<CredentialAccount> AccountOfCredential(const std::string& path) {
  SEAMOUNT_TRY_ASSIGN(const Secret text, ReadCredentialFile(path));
  SEAMOUNT_TRY_ASSIGN(const CredentialFields fields, CredentialFields::Parse(text.Reveal(), path));
  SEAMOUNT_TRY_ASSIGN(const std::string type, fields.Get("type"));
  if (type != "impersonated_service_account") {
    SEAMOUNT_TRY_ASSIGN(const ServiceAccountKey key, ParseServiceAccountKey(text.Reveal(), path));
    SEAMOUNT_TRY_ASSIGN(HostBinding binding, HostBinding::OfTokenUri(key.token_uri, key.endpoints));
    return CredentialAccount{.email = key.client_email, .binding = std::move(binding)};
  }
  SEAMOUNT_TRY_ASSIGN(const std::string url, fields.Get("service_account_impersonation_url"));
  SEAMOUNT_TRY_ASSIGN(HostBinding binding, HostBinding::OfTokenUri(url));
  const size_t begin = url.rfind('/') + 1, end = url.rfind(':');
  if (end == std::string::npos || end <= begin) {
    return BadCredential(path, "field 'service_account_impersonation_url' names no account");
  }
  return CredentialAccount{.email = url.substr(begin, end - begin), .binding = std::move(binding), .has_key = false};
}

}  // namespace seamount::auth
