#include "gcs/google.h"

#include <cstdlib>

#include "net/url.h"

namespace seamount::gcs {
namespace {

std::string StandIn() {
  const char* at = std::getenv("SEAMOUNT_GOOGLE_AT");
  return at == nullptr ? "" : at;
}

}  // namespace

bool IsGoogle(const std::string& url) {
  const auto parsed = net::ParseUrl(url);
  if (!parsed) return false;
  if (parsed->host == "googleapis.com" || parsed->host.ends_with(".googleapis.com")) return true;
  return parsed->Origin() == StandIn();
}

std::string GoogleService(const std::string& name) {
  const std::string at = StandIn();
  return at.empty() ? "https://" + name + ".googleapis.com" : at;
}

}  // namespace seamount::gcs
