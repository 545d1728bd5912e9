// Which hosts may see a credential. A source behind a binding answers PermissionDenied for all others, whoever asks:
// a wrong --endpoint, a redirect or a hostile listing cannot make it send a token elsewhere.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/token_source.h"

namespace seamount::auth {

class HostBinding {
 public:
  // Google's keys, logins and metadata servers: https://*.googleapis.com.
  static HostBinding Google();
  // Scheme, host and port of a URL: keys that a Seamount server made, by their token_uri.
  static Result<HostBinding> Origin(const std::string& url);
  // By where a key's tokens come from: Google() or Origin(), with further addresses of the same server.
  static Result<HostBinding> OfTokenUri(const std::string& token_uri, const std::vector<std::string>& endpoints = {});

  bool is_google() const { return origins_.empty(); }
  bool Allows(const std::string& url) const;
  // "https://*.googleapis.com", "http://lab:8080": for messages.
  std::string Describe() const;

 private:
  std::vector<std::string> origins_;  // empty: Google
};

// A source that checks every call's audience_url first.
std::unique_ptr<TokenSource> BindToHosts(std::unique_ptr<TokenSource> inner, HostBinding binding);

}  // namespace seamount::auth
