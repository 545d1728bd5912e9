// Credential files.
#include <cstdint>
#include <string_view>

#include "auth/service_account_key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::auth;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(ParseServiceAccountKey(text, "fuzz"));
  static_cast<void>(CredentialType(text, "fuzz"));
  static_cast<void>(PublicKey::FromPem(text));
  return 0;
}
