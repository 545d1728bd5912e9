#include "auth/credentials.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <vector>

#include "auth/caching_token_source.h"
#include "auth/credential_fields.h"
#include "auth/external_account.h"
#include "auth/host_binding.h"
#include "auth/impersonated.h"
#include "auth/service_account_key.h"
#include "auth/sts.h"
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

Result<Credential> ParseCredential(const Secret& text, const std::string& path, net::HttpClient& http,
                                   base::Clock& clock, int depth = 0);
Result<Credential> FindByItself(net::HttpClient& http, base::Clock& clock, int depth);

Result<HostBinding> BindingOf(const std::string& token_uri, const std::string& path,
                              const std::vector<std::string>& endpoints = {}) {
  auto binding = HostBinding::OfTokenUri(token_uri, endpoints);
  if (!binding) return binding.error().Wrap("key file '" + path + "'");
  return binding;
}

Result<Credential> ParseServiceAccount(const Secret& text, const std::string& path, net::HttpClient& http,
                                       base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(ServiceAccountKey key, ParseServiceAccountKey(text.Reveal(), path));
  SEAMOUNT_TRY_ASSIGN(HostBinding binding, BindingOf(key.token_uri, path, key.endpoints));
  auto source = binding.is_google() ? MakeSelfSignedTokenSource(std::move(key), clock)
                                    : MakeTokenExchangeSource(std::move(key), http, clock);
  return Credential{.source = std::move(source), .binding = std::move(binding)};
}

Result<Credential> ParseUser(const Secret& text, const CredentialFields& fields, const std::string& path,
                             net::HttpClient& http, base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(auto source, MakeUserTokenSource(text, path, http, clock));
  if (!fields.Has("token_uri")) return Credential{.source = std::move(source), .binding = HostBinding::Google()};
  SEAMOUNT_TRY_ASSIGN(const std::string token_uri, fields.Get("token_uri"));
  SEAMOUNT_TRY_ASSIGN(HostBinding binding, BindingOf(token_uri, path));
  return Credential{.source = std::move(source), .binding = std::move(binding)};
}

// What acts as a service account: the credential inside the file, or, where there is none, what is found on the
// machine. With "access_boundary" (as `seamount setup` writes it) its tokens are narrowed to that.
Result<Credential> ParseImpersonated(const CredentialFields& fields, const std::string& path, net::HttpClient& http,
                                     base::Clock& clock, int depth) {
  SEAMOUNT_TRY_ASSIGN(const std::string url, fields.Get("service_account_impersonation_url"));
  SEAMOUNT_TRY_ASSIGN(HostBinding binding, BindingOf(url, path));
  SEAMOUNT_TRY_ASSIGN(std::vector<std::string> delegates, fields.GetList("delegates"));
  std::optional<Credential> inner;
  if (fields.Has("source_credentials")) {
    SEAMOUNT_TRY_ASSIGN(const Secret json, fields.GetJson("source_credentials"));
    SEAMOUNT_TRY_ASSIGN(inner, ParseCredential(json, path, http, clock, depth + 1));
  } else {
    SEAMOUNT_TRY_ASSIGN(inner, FindByItself(http, clock, depth + 1));
  }
  auto bound = BindToHosts(MakeCachingTokenSource(std::move(inner->source), clock), std::move(inner->binding));
  auto source = MakeImpersonatedTokenSource(std::move(bound), url, std::move(delegates), http, clock);
  if (!source) return BadCredential(path, "field 'service_account_impersonation_url': " + source.error().message());
  if (!fields.Has("access_boundary")) return Credential{.source = *std::move(source), .binding = std::move(binding)};
  SEAMOUNT_TRY_ASSIGN(const Secret boundary, fields.GetJson("access_boundary"));
  std::string sts = kGoogleSts;
  if (fields.Has("token_url")) {
    SEAMOUNT_TRY_ASSIGN(sts, fields.Get("token_url"));
    if (!binding.Allows(sts)) return BadCredential(path, "field 'token_url' is of another server than the account");
  }
  return Credential{.source = MakeDownscopedTokenSource(*std::move(source), boundary.Reveal(), sts, http, clock),
                    .binding = std::move(binding)};
}

// path: the file's, or what the text is called in messages. depth: how many credentials it lies in.
Result<Credential> ParseCredential(const Secret& text, const std::string& path, net::HttpClient& http,
                                   base::Clock& clock, int depth) {
  constexpr int kMostInside = 4;
  if (depth > kMostInside) return BadCredential(path, "holds credentials in credentials in credentials");
  SEAMOUNT_TRY_ASSIGN(const CredentialFields fields, CredentialFields::Parse(text.Reveal(), path));
  SEAMOUNT_TRY_ASSIGN(const std::string type, fields.Get("type"));
  if (type == "authorized_user") return ParseUser(text, fields, path, http, clock);
  if (type == "impersonated_service_account") return ParseImpersonated(fields, path, http, clock, depth);
  if (type != "external_account") return ParseServiceAccount(text, path, http, clock);
  SEAMOUNT_TRY_ASSIGN(const std::string token_url, fields.Get("token_url"));
  SEAMOUNT_TRY_ASSIGN(HostBinding binding, BindingOf(token_url, path));
  SEAMOUNT_TRY_ASSIGN(auto source, MakeExternalAccountSource(fields, path, http, clock));
  return Credential{.source = std::move(source), .binding = std::move(binding)};
}

Result<Credential> ReadCredential(const std::string& path, net::HttpClient& http, base::Clock& clock, int depth = 0) {
  SEAMOUNT_TRY_ASSIGN(const Secret text, ReadCredentialFile(path));
  return ParseCredential(text, path, http, clock, depth);
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

std::string MetadataHost() {
  const std::string named = Variable("GCE_METADATA_HOST");
  return named.empty() ? "metadata.google.internal" : named;
}

// The identity of this machine or its user, for a file that names none: gcloud's login, else the metadata server. A key
// file in its usual places is not looked at: that may be the very file.
Result<Credential> FindByItself(net::HttpClient& http, base::Clock& clock, int depth) {
  for (const Place& place : Places()) {
    if (place.named || place.name.starts_with("~") || access(place.path.c_str(), F_OK) != 0) continue;
    return ReadCredential(place.path, http, clock, depth);
  }
  const std::string host = MetadataHost();
  if (MetadataServerAnswers(host, http)) {
    return Credential{.source = MakeMetadataTokenSource(host, http, clock), .binding = HostBinding::Google()};
  }
  return base::Unauthenticated(
      "there is no login that could act as the account: run 'gcloud auth application-default login', or attach a "
      "service account to this machine");
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
    const std::string host = MetadataHost();
    if (MetadataServerAnswers(host, http)) {
      return Compose({.source = MakeMetadataTokenSource(host, http, clock), .binding = HostBinding::Google()}, clock);
    }
    looked.push_back("the metadata server " + host);
  }
  return NothingFound(endpoint, looked);
}

}  // namespace seamount::auth
