#include "stores/open_store.h"

#include <cstdlib>

#include "auth/credentials.h"
#include "auth/key_server.h"
#include "auth/token_sources.h"
#include "base/encoding.h"
#include "base/log.h"
#include "gcs/gcs_store.h"
#include "store/cache/cache_store.h"
#include "store/file/file_store.h"
#include "store/memory/memory_store.h"
#include "store/prefix/prefix_store.h"
#include "store/retry/retry_store.h"
#include "web/web_store.h"

namespace seamount::stores {
namespace {

using store::TraceStore;

constexpr std::string_view kExpected = "expected gs://bucket[/prefix] or file:///directory";

// One for the process, so that all stores share its connections. Never destroyed: threads may still use it at exit.
std::shared_ptr<net::HttpClient> SharedHttpClient() {
  static auto* client = new std::shared_ptr<net::HttpClient>(net::MakeCurlHttpClient());
  return *client;
}

// "lab:9000" as people write it, and STORAGE_EMULATOR_HOST has it.
std::string WithScheme(const std::string& address) {
  return address.find("://") == std::string::npos ? "http://" + address : address;
}

std::string EmulatorHost() {
  const char* host = std::getenv("STORAGE_EMULATOR_HOST");
  if (host == nullptr || *host == '\0') return "";
  return WithScheme(host);
}

Result<std::shared_ptr<auth::RequestSigner>> Credentials(const StoreConfig& config, const std::string& endpoint) {
  auto found = auth::FindCredentials(
      {.key_file = config.key_file, .key_text = config.key_text, .anonymous = config.anonymous, .endpoint = endpoint},
      *SharedHttpClient());
  // Emulators take anybody, and so do other clients that are pointed at one by this variable.
  if (!found && found.error().code() == ErrorCode::kUnauthenticated && config.key_file.empty() &&
      config.key_text.empty() && config.endpoint.empty() && !EmulatorHost().empty()) {
    found = auth::FindCredentials({.anonymous = true, .endpoint = endpoint}, *SharedHttpClient());
  }
  if (!found) return std::move(found).error();
  return auth::MakeBearerSigner(*std::move(found));
}

Result<OpenedStore> OpenGcs(const StoreUrl& url, const StoreConfig& config) {
  const std::string endpoint = EndpointOf(config);
  SEAMOUNT_TRY_ASSIGN(auto credentials, Credentials(config, endpoint));
  base::Log(base::LogLevel::kInfo, "gs://" + url.bucket + " is at " + endpoint + ", as " + credentials->Describe());
  SEAMOUNT_TRY_ASSIGN(
      std::shared_ptr<Store> bucket,
      gcs::MakeGcsStore({.endpoint = endpoint, .bucket = url.bucket, .upload = {.patience = config.retry_deadline}},
                        SharedHttpClient(), std::move(credentials)));
  const auto requests = std::make_shared<TraceStore>(std::move(bucket));
  std::shared_ptr<Store> store = store::MakeRetryStore(requests, {.budget = config.retry_deadline});
  std::shared_ptr<store::BlockCache> cache;
  if (!config.cache_dir.empty()) {
    store::BlockCacheOptions options{.directory = config.cache_dir};
    if (config.cache_bytes != 0) options.limit_bytes = config.cache_bytes;
    SEAMOUNT_TRY_ASSIGN(cache, store::OpenBlockCache(options));
    store = store::MakeCacheStore(std::move(store), cache, endpoint + "/" + url.bucket);
  }
  if (!url.path.empty()) store = store::MakePrefixStore(std::move(store), url.path + "/");
  const auto calls = std::make_shared<TraceStore>(std::move(store));
  return OpenedStore{.store = calls, .calls = calls, .requests = requests, .cache = std::move(cache)};
}

Result<OpenedStore> OpenWeb(const std::string& url, const StoreConfig& config) {
  SEAMOUNT_TRY_ASSIGN(std::shared_ptr<Store> web, web::MakeWebStore(url, SharedHttpClient()));
  const auto requests = std::make_shared<TraceStore>(std::move(web));
  const auto calls = std::make_shared<TraceStore>(store::MakeRetryStore(requests, {.budget = config.retry_deadline}));
  return OpenedStore{.store = calls, .calls = calls, .requests = requests, .cache = nullptr};
}

}  // namespace

Result<StoreUrl> ParseStoreUrl(const std::string& url) {
  const auto bad = [&](std::string_view why) {
    return base::InvalidArgument("'" + url + "': " + std::string(why) + " (" + std::string(kExpected) + ")");
  };
  const size_t colon = url.find("://");
  if (colon == std::string::npos) return bad("not the URL of a store");
  StoreUrl parsed{.scheme = url.substr(0, colon)};
  std::string rest = url.substr(colon + 3);
  if (parsed.scheme == "memory") {
    if (!rest.empty()) return bad("memory:// takes no path");
    return parsed;
  }
  if (parsed.scheme == "file") {
    if (!rest.starts_with('/')) return bad("file:// takes an absolute path");
    while (rest.size() > 1 && rest.ends_with('/')) rest.pop_back();
    parsed.path = std::move(rest);
    return parsed;
  }
  if (parsed.scheme != "gs") return bad("unknown scheme");
  const size_t slash = rest.find('/');
  parsed.bucket = rest.substr(0, slash);
  if (parsed.bucket.empty()) return bad("no bucket");
  if (slash == std::string::npos) return parsed;
  parsed.path = rest.substr(slash);
  while (parsed.path.starts_with('/')) parsed.path.erase(0, 1);
  while (parsed.path.ends_with('/')) parsed.path.pop_back();
  if (!parsed.path.empty()) {
    if (const auto valid = store::CheckKey(parsed.path + "/x"); !valid) return bad(valid.error().message());
  }
  return parsed;
}

std::string EndpointOf(const StoreConfig& config) {
  if (!config.endpoint.empty()) return WithScheme(config.endpoint);
  if (!config.key_file.empty()) {
    std::string server = auth::ServerOfKey(config.key_file);
    if (!server.empty()) return server;
  }
  std::string emulator = EmulatorHost();
  if (!emulator.empty()) return emulator;
  const std::string server = config.anonymous || !config.key_file.empty() ? "" : auth::ServerOfFoundKey();
  return server.empty() ? "https://storage.googleapis.com" : server;
}

Result<OpenedStore> OpenStoreWithStats(const std::string& url, const StoreConfig& config) {
  if (url.starts_with("http://") || url.starts_with("https://")) return OpenWeb(url, config);
  SEAMOUNT_TRY_ASSIGN(const StoreUrl parsed, ParseStoreUrl(url));
  if (parsed.scheme == "gs") return OpenGcs(parsed, config);
  const auto calls = std::make_shared<TraceStore>(
      parsed.scheme == "file" ? store::MakeFileStore(parsed.path) : std::shared_ptr<Store>(store::MakeMemoryStore()));
  return OpenedStore{.store = calls, .calls = calls};
}

Result<std::shared_ptr<Store>> OpenStore(const std::string& url, const StoreConfig& config) {
  SEAMOUNT_TRY_ASSIGN(OpenedStore opened, OpenStoreWithStats(url, config));
  return std::move(opened.store);
}

}  // namespace seamount::stores
