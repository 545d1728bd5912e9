#include "net/tls_roots.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace seamount::net {
namespace {

// Debian, Fedora, openSUSE, Alpine: a wheel built on one runs on the others.
constexpr std::array<const char*, 4> kBundles = {"/etc/ssl/certs/ca-certificates.crt",
                                                 "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                                 "/etc/ssl/cert.pem"};

}  // namespace

struct TlsRoots::Store {
  X509_STORE* store = X509_STORE_new();
  std::string unreadable;  // a file that was to be in it
  ~Store() { X509_STORE_free(store); }
};

std::shared_ptr<TlsRoots::Store> TlsRoots::Load() const {
  std::scoped_lock lock(mutex_);
  if (store_ != nullptr) return store_;
  store_ = std::make_shared<Store>();
  const char* named = std::getenv("SEAMOUNT_CA");
  const std::string own = ca_file_.empty() && named != nullptr ? named : ca_file_;
  if (!own.empty()) {
    if (X509_STORE_load_file(store_->store, own.c_str()) != 1) store_->unreadable = own;
  } else if (std::getenv("SSL_CERT_FILE") != nullptr || std::getenv("SSL_CERT_DIR") != nullptr) {
    const char* file = std::getenv("SSL_CERT_FILE");
    if (file != nullptr && access(file, R_OK) != 0) store_->unreadable = file;
    X509_STORE_set_default_paths(store_->store);
  } else {
    for (const char* bundle : kBundles) {
      if (access(bundle, R_OK) == 0 && X509_STORE_load_file(store_->store, bundle) == 1) break;
    }
  }
  ERR_clear_error();
  return store_;
}

Result<void> TlsRoots::Check() const {
  const auto store = Load();
  if (store->unreadable.empty()) return {};
  return base::InvalidArgument("CA file '" + store->unreadable +
                               "': no certificate can be read from it (expected a PEM file)");
}

int TlsRoots::OnContext(void*, void* ssl_context, void* self) {
  SSL_CTX_set1_cert_store(static_cast<SSL_CTX*>(ssl_context), static_cast<const TlsRoots*>(self)->Load()->store);
  return CURLE_OK;
}

void TlsRoots::ApplyTo(void* easy) const {
  // libcurl's own default bundle is switched off; peer and host are verified as it does by default.
  curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  const curl_ssl_ctx_callback on_context = [](CURL* curl, void* context, void* self) {
    return static_cast<CURLcode>(OnContext(curl, context, self));
  };
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, const_cast<TlsRoots*>(this));
}

}  // namespace seamount::net
