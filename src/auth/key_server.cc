#include "auth/key_server.h"

#include <cstdlib>

#include "auth/host_binding.h"
#include "auth/service_account_key.h"
#include "net/url.h"

namespace seamount::auth {

std::string ServerOfKey(const std::string& key_file) {
  const auto key = LoadServiceAccountKey(key_file);
  if (!key) return "";
  const auto binding = HostBinding::OfTokenUri(key->token_uri);
  const auto url = net::ParseUrl(key->token_uri);
  return binding && !binding->is_google() && url ? url->Origin() : "";
}

std::string ServerOfFoundKey() {
  if (const char* named = std::getenv("GOOGLE_APPLICATION_CREDENTIALS"); named && *named) return ServerOfKey(named);
  const char* home = std::getenv("HOME");
  return home && *home ? ServerOfKey(std::string(home) + "/.config/seamount/key.json") : "";
}

}  // namespace seamount::auth
