// The one visible place where a store is put together from its driver and decorators.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "auth/token_source.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/cache/block_cache.h"
#include "store/store.h"
#include "store/trace/trace_store.h"

namespace seamount::stores {

// What a person can say about a store: the flags of every command that touches a bucket, and of the Python package.
struct StoreConfig {
  // Empty: EndpointOf says which.
  std::string endpoint;
  // Service-account key file. Empty: what is found on the machine (auth/credentials.h says where and in which order).
  std::string key_file;
  // The content of such a file (a notebook's secret, say), instead of one.
  auth::Secret key_text;
  bool anonymous = false;
  // How long transient errors are retried before they are returned.
  base::Duration retry_deadline = std::chrono::seconds(60);
  // Block cache on disk, shared by all users of the directory. Empty: none.
  std::string cache_dir;
  uint64_t cache_bytes = 0;  // 0: 10 GiB
};

struct StoreUrl {
  std::string scheme;  // "gs", "file", "memory"
  std::string bucket;  // of gs://; empty otherwise
  std::string path;    // prefix without leading or trailing '/'; the directory for file://
};
// gs://bucket[/prefix], file:///dir. InvalidArgument says what was expected.
Result<StoreUrl> ParseStoreUrl(const std::string& url);

// Trace(Prefix(Cache(Retry(Trace(GcsStore))))) on gs://bucket[/prefix]; Trace(FileStore) on file:///dir;
// Trace(Retry(Trace(WebStore))) on http:// and https://, without credentials and cache; a new memory store on
// memory://. Nothing is asked of the server yet: a bucket that does not exist shows at the first call.
Result<std::shared_ptr<Store>> OpenStore(const std::string& url, const StoreConfig& config);

// The same, with what it counts.
struct OpenedStore {
  std::shared_ptr<Store> store;
  std::shared_ptr<const store::TraceStore> calls;     // what was asked of `store`
  std::shared_ptr<const store::TraceStore> requests;  // what went to the server, each attempt; null for other schemes
  std::shared_ptr<store::BlockCache> cache;           // null without one
};
Result<OpenedStore> OpenStoreWithStats(const std::string& url, const StoreConfig& config);

// The endpoint that `config` means, the first of: its own; the server that the key named was made at; what
// STORAGE_EMULATOR_HOST says (with or without a scheme); the server of the key that is found; Google's.
std::string EndpointOf(const StoreConfig& config);

}  // namespace seamount::stores
