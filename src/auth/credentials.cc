#include "auth/credentials.h"

#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "auth/caching_token_source.h"
#include "auth/host_binding.h"
#include "auth/service_account_key.h"
#include "auth/token_sources.h"
#include "base/text.h"

namespace seamount::auth {
namespace {

constexpr const char* kGoogleEndpoint = "https://storage.googleapis.com";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Credential {
  std::unique_ptr<TokenSource> source;
  HostBinding binding;
};

// path: the file's, or what the text is called in messages.
Result<Credential> ParseCredential(const Secret& text, const std::string& path, net::HttpClient& http,
                                   base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(const std::string type, CredentialType(text.Reveal(), path));
  if (type == "authorized_user") {
    SEAMOUNT_TRY_ASSIGN(auto source, MakeUserTokenSource(text, path, http, clock));
    return Credential{.source = std::move(source), .binding = HostBinding::Google()};
  }
  SEAMOUNT_TRY_ASSIGN(ServiceAccountKey key, ParseServiceAccountKey(text.Reveal(), path));
  auto binding = HostBinding::OfTokenUri(key.token_uri, key.endpoints);
  if (!binding) return binding.error().Wrap("key file '" + path + "'");
  auto source = binding->is_google() ? MakeSelfSignedTokenSource(std::move(key), clock)
                                     : MakeTokenExchangeSource(std::move(key), http, clock);
  return Credential{.source = std::move(source), .binding = *std::move(binding)};
}

Result<Credential> ReadCredential(const std::string& path, net::HttpClient& http, base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(const Secret text, ReadCredentialFile(path));
  return ParseCredential(text, path, http, clock);
}

std::unique_ptr<TokenSource> Compose(Credential credential, base::Clock& clock) {
  return BindToHosts(MakeCachingTokenSource(std::move(credential.source), clock), std::move(credential.binding));
}

// A place where a credential may lie.
struct Place {
  std::string path;
  std::string name;  // for messages
  bool named;        // by the person: then it must be there
};

std::vector<Place> Places() {
  std::vector<Place> places;
  const std::string named = Variable("GOOGLE_APPLICATION_CREDENTIALS");
  if (!named.empty()) places.push_back({named, "GOOGLE_APPLICATION_CREDENTIALS=" + named, true});
  const std::string home = Variable("HOME");
  if (!home.empty()) {
    places.push_back({home + "/.config/seamount/key.json", "~/.config/seamount/key.json", false});
  }
  const std::string gcloud = Variable("CLOUDSDK_CONFIG");
  if (!gcloud.empty() || !home.empty()) {
    const std::string path =
        (gcloud.empty() ? home + "/.config/gcloud" : gcloud) + "/application_default_credentials.json";
    places.push_back({path, path, false});
  }
  return places;
}

Error NothingFound(const std::string& endpoint, const std::vector<std::string>& looked) {
  const std::string where =
      looked.empty() ? "" : "; looked for " + base::Join(std::span<const std::string>(looked), ", ");
  return base::Unauthenticated("no credential for " + endpoint + where +
                               ": give a key with --key FILE ('seamount setup' makes one), put it at "
                               "~/.config/seamount/key.json, or use --anonymous for a public bucket");
}

}  // namespace

Result<std::unique_ptr<TokenSource>> OpenCredentialFile(const std::string& path, net::HttpClient& http,
                                                        base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(Credential credential, ReadCredential(path, http, clock));
  return Compose(std::move(credential), clock);
}

Result<std::unique_ptr<TokenSource>> FindCredentials(const CredentialOptions& options, net::HttpClient& http) {
  if (options.anonymous) return MakeAnonymousTokenSource();
  const std::string endpoint = options.endpoint.empty() ? kGoogleEndpoint : options.endpoint;
  base::Clock& clock = base::RealClock();
  if (!options.key_file.empty() || !options.key_text.empty()) {
    const bool text = !options.key_text.empty();
    const std::string name = text ? "(given as text)" : options.key_file;
    SEAMOUNT_TRY_ASSIGN(Credential credential, text ? ParseCredential(options.key_text, name, http, clock)
                                                    : ReadCredential(options.key_file, http, clock));
    if (!credential.binding.Allows(endpoint)) {
      return base::PermissionDenied("key file '" + name + "' is for " + credential.binding.Describe() +
                                    " and is not sent to " + endpoint +
                                    ": use that server's own key, or correct --endpoint");
    }
    return Compose(std::move(credential), clock);
  }
  std::vector<std::string> looked;
  for (const Place& place : Places()) {
    if (!place.named && access(place.path.c_str(), F_OK) != 0) {
      looked.push_back(place.name);
      continue;
    }
    auto credential = ReadCredential(place.path, http, clock);
    if (!credential) return credential.error().Wrap(place.name);
    if (credential->binding.Allows(endpoint)) return Compose(*std::move(credential), clock);
    looked.push_back(place.name + " (is for " + credential->binding.Describe() + ")");
  }
  if (HostBinding::Google().Allows(endpoint)) {
    const std::string named = Variable("GCE_METADATA_HOST");
    const std::string host = named.empty() ? "metadata.google.internal" : named;
    if (MetadataServerAnswers(host, http)) {
      return Compose({.source = MakeMetadataTokenSource(host, http, clock), .binding = HostBinding::Google()}, clock);
    }
    looked.push_back("the metadata server " + host);
  }
  return NothingFound(endpoint, looked);
}

}  // namespace seamount::auth
