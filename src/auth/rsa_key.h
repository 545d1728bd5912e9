// RSA keys, as service accounts have them: SHA-256 signatures with PKCS#1 v1.5 padding (RS256). OpenSSL stays in
// rsa_key.cc.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/token_source.h"
#include "base/result.h"

namespace seamount::auth {

// Thread-safe; copies share the key.
class PrivateKey {
 public:
  // An unencrypted PEM key of 2048 to 8192 bits; InvalidArgument otherwise, without a word of its content.
  static Result<PrivateKey> FromPem(std::string_view pem);
  static Result<PrivateKey> Generate();  // 2048 bits
  // PKCS#8, as service-account key files hold it.
  Result<Secret> ToPem() const;
  Result<std::string> PublicPem() const;
  Result<std::vector<std::byte>> Sign(std::span<const std::byte> data) const;

 private:
  std::shared_ptr<void> key_;  // EVP_PKEY
};

// Thread-safe; copies share the key.
class PublicKey {
 public:
  // A PEM public key or X.509 certificate (whose validity period is not looked at).
  static Result<PublicKey> FromPem(std::string_view pem);
  bool Verify(std::span<const std::byte> data, std::span<const std::byte> signature) const;

 private:
  std::shared_ptr<void> key_;  // EVP_PKEY
};

}  // namespace seamount::auth
