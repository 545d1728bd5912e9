// Which account a credential file makes one, told without using it.
#pragma once

#include <string>

#include "auth/host_binding.h"
#include "base/result.h"

namespace seamount::auth {

struct CredentialAccount {
  std::string email;
  HostBinding binding = HostBinding::Google();
  bool has_key = true;  // false: it acts as the account, and holds no secret
};

// Of a service account's key, or of what acts as one. InvalidArgument for other kinds, which name no account.
Result<CredentialAccount> AccountOfCredential(const std::string& path);

}  // namespace seamount::auth
