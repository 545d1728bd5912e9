// Service-account key files: the JSON that Google's console and `seamount setup` write.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/rsa_key.h"
#include "base/result.h"

namespace seamount::auth {

struct ServiceAccountKey {
  std::string client_email;
  std::string private_key_id;
  std::string project_id;  // empty where the file has none
  std::string token_uri;
  std::vector<std::string> endpoints;  // field "endpoints": further addresses of the same server; mostly none
  PrivateKey private_key;
};

// Errors name `name` (the file) and the field, never their content.
Result<ServiceAccountKey> ParseServiceAccountKey(std::string_view json, const std::string& name);

// A credential file's text. NotFound, PermissionDenied or InvalidArgument say what to do; files that others than their
// owner can read are refused.
Result<Secret> ReadCredentialFile(const std::string& path);

// Both of the above.
Result<ServiceAccountKey> LoadServiceAccountKey(const std::string& path);

// The "type" of a credential file: "service_account", "authorized_user" and others that are not known here.
Result<std::string> CredentialType(std::string_view json, const std::string& name);

}  // namespace seamount::auth
