#include "auth/rsa_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace seamount::auth {
namespace {

constexpr int kMinBits = 2048;
constexpr int kMaxBits = 8192;  // a larger one only makes every signature slow
constexpr size_t kMaxPemBytes = 32 << 10;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Bio ReadingBio(std::string_view text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

// Without it OpenSSL asks for the password of an encrypted key on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

std::shared_ptr<void> Own(EVP_PKEY* key) {
  return {key, [](void* owned) { EVP_PKEY_free(static_cast<EVP_PKEY*>(owned)); }};
}

Result<void> CheckRsa(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return base::InvalidArgument("is not an RSA key");
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < kMinBits || bits > kMaxBits) {
    return base::InvalidArgument("has " + std::to_string(bits) + " bits (expected 2048 to 8192)");
  }
  return {};
}

// What a writer of PEM writes.
template <class Write>
Result<std::string> WritePem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  if (bio == nullptr || write(bio.get()) != 1) {
    ERR_clear_error();
    return base::Internal("OpenSSL could not write the key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace

Result<PrivateKey> PrivateKey::FromPem(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) return base::InvalidArgument("is larger than 32 KiB");
  PrivateKey key;
  key.key_ = Own(PEM_read_bio_PrivateKey(ReadingBio(pem).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key.key_ == nullptr) {
    return base::InvalidArgument("is not an unencrypted PEM key (expected -----BEGIN PRIVATE KEY-----…)");
  }
  SEAMOUNT_TRY(CheckRsa(static_cast<EVP_PKEY*>(key.key_.get())));
  return key;
}

Result<PrivateKey> PrivateKey::Generate() {
  PrivateKey key;
  key.key_ = Own(EVP_RSA_gen(kMinBits));
  if (key.key_ == nullptr) return base::Internal("OpenSSL could not make an RSA key");
  return key;
}

Result<Secret> PrivateKey::ToPem() const {
  SEAMOUNT_TRY_ASSIGN(std::string pem, WritePem([this](BIO* bio) {
                        return PEM_write_bio_PKCS8PrivateKey(bio, static_cast<EVP_PKEY*>(key_.get()), nullptr, nullptr,
                                                             0, nullptr, nullptr);
                      }));
  return Secret(std::move(pem));
}

Result<std::string> PrivateKey::PublicPem() const {
  return WritePem([this](BIO* bio) { return PEM_write_bio_PUBKEY(bio, static_cast<EVP_PKEY*>(key_.get())); });
}

Result<std::vector<std::byte>> PrivateKey::Sign(std::span<const std::byte> data) const {
  const Digest digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  auto* key = static_cast<EVP_PKEY*>(key_.get());
  const auto* input = reinterpret_cast<const unsigned char*>(data.data());
  std::vector<std::byte> signature(static_cast<size_t>(EVP_PKEY_get_size(key)));
  size_t size = signature.size();
  if (digest == nullptr || EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, input, data.size()) !=
          1) {
    ERR_clear_error();
    return base::Internal("OpenSSL could not sign");
  }
  signature.resize(size);
  return signature;
}

Result<PublicKey> PublicKey::FromPem(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) return base::InvalidArgument("is larger than 32 KiB");
  PublicKey key;
  if (pem.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(ReadingBio(pem).get(), nullptr, NoPassword, nullptr), X509_free);
    if (certificate != nullptr) key.key_ = Own(X509_get_pubkey(certificate.get()));
  } else {
    key.key_ = Own(PEM_read_bio_PUBKEY(ReadingBio(pem).get(), nullptr, NoPassword, nullptr));
  }
  ERR_clear_error();
  if (key.key_ == nullptr) {
    return base::InvalidArgument(
        "is neither a PEM public key nor a certificate (expected -----BEGIN PUBLIC KEY-----…)");
  }
  SEAMOUNT_TRY(CheckRsa(static_cast<EVP_PKEY*>(key.key_.get())));
  return key;
}

bool PublicKey::Verify(std::span<const std::byte> data, std::span<const std::byte> signature) const {
  const Digest digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto* input = reinterpret_cast<const unsigned char*>(data.data());
  const auto* signed_bytes = reinterpret_cast<const unsigned char*>(signature.data());
  const bool good =
      digest != nullptr &&
      EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, static_cast<EVP_PKEY*>(key_.get())) == 1 &&
      EVP_DigestVerify(digest.get(), signed_bytes, signature.size(), input, data.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace seamount::auth
