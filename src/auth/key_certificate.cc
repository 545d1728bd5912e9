#include "auth/key_certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

#include "auth/credential_fields.h"
#include "auth/host_binding.h"
#include "auth/service_account_key.h"
#include "auth/token_response.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

std::optional<base::SystemTime> TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

Result<KeyTimes> ReadCertificate(const std::string& pem) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
  if (!certificate) return base::Internal("the key's certificate cannot be read");
  const auto made = TimeOf(X509_get0_notBefore(certificate.get()));
  const auto expires = TimeOf(X509_get0_notAfter(certificate.get()));
  if (!made || !expires) return base::Internal("the key's certificate tells no times");
  return KeyTimes{.made = *made, .expires = *expires};
}

// Google's certificates lie on www.googleapis.com, those of others with whoever gives out tokens.
bool IsOfSameServer(const std::string& url, const ServiceAccountKey& key) {
  const auto binding = HostBinding::OfTokenUri(key.token_uri, key.endpoints);
  return binding && binding->Allows(url);
}

}  // namespace

Result<std::optional<KeyTimes>> TimesOfKey(const std::string& key_file, net::HttpClient& http,
                                           const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const Secret text, ReadCredentialFile(key_file));
  SEAMOUNT_TRY_ASSIGN(const CredentialFields fields, CredentialFields::Parse(text.Reveal(), key_file));
  SEAMOUNT_TRY_ASSIGN(const ServiceAccountKey key, ParseServiceAccountKey(text.Reveal(), key_file));
  if (!fields.Has("client_x509_cert_url")) return std::optional<KeyTimes>();
  SEAMOUNT_TRY_ASSIGN(const std::string url, fields.Get("client_x509_cert_url"));
  if (!IsOfSameServer(url, key)) return std::optional<KeyTimes>();
  SEAMOUNT_TRY_ASSIGN(const auto response,
                      http.Send({.url = url, .max_response_bytes = kMaxTokenResponseBytes}, context));
  const std::string gone = "key " + key.private_key_id.substr(0, 12) + "… of " + key.client_email +
                           " is not there any more: it was deleted, or its account was";
  if (response.status == 404) return base::Unauthenticated(gone);
  if (response.status != 200) return std::optional<KeyTimes>();
  SEAMOUNT_TRY_ASSIGN(const CredentialFields certificates, CredentialFields::Parse(response.body.view(), url));
  if (!certificates.Has(key.private_key_id)) return base::Unauthenticated(gone);
  SEAMOUNT_TRY_ASSIGN(const std::string pem, certificates.GetPem(key.private_key_id));
  SEAMOUNT_TRY_ASSIGN(const KeyTimes times, ReadCertificate(pem));
  return std::optional(times);
}

}  // namespace seamount::auth
