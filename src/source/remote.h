// Sources that lie in buckets and on web servers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/thread_pool.h"
#include "source/file.h"
#include "source/object_file.h"
#include "store/store.h"

namespace seamount::source {

// Where an address points: the store's own address ("gs://bucket", "https://host", with the query that goes with every
// request), and the key there.
struct Address {
  std::string store;
  std::string key;
};
// nullopt for what is a local path. InvalidArgument for a broken escape or a scheme without a name behind it.
Result<std::optional<Address>> ParseAddress(const std::string& source);

// Neither a path nor a file:// address lies far away.
bool IsLocal(const std::string& source);
// "file:///a/b" is the local path /a/b; everything else stays as it is.
std::string LocalPath(const std::string& source);
// Without what may be secret: the query of a web address.
std::string ForPeople(const std::string& source);

// Thread-safe. Keeps the stores it opened, so that a thousand files of one bucket share connections and credentials.
class Remote {
 public:
  struct Options {
    std::function<Result<std::shared_ptr<Store>>(const std::string& url)> open_store;
    uint64_t kept_bytes = uint64_t{32} << 20;  // of what was fetched, all files together
    int requests = 16;                         // at a time, beside those of the threads that read
    std::stop_token stop = {};                 // of everything that is read
  };
  explicit Remote(Options options);

  Result<std::shared_ptr<Store>> StoreOf(const Address& address);
  Result<std::shared_ptr<const File>> Open(const std::string& source);
  // The addresses that a pattern in the key stands for, by name. InvalidArgument where the store cannot list.
  Result<std::vector<std::string>> Expand(const std::string& pattern);
  // Started when it is first asked for: most sources are local.
  std::shared_ptr<exec::ThreadPool> pool();
  const std::stop_token& stop() const { return options_.stop; }

 private:
  const Options options_;
  const std::shared_ptr<FetchedParts> parts_;
  std::mutex mutex_;
  std::shared_ptr<exec::ThreadPool> pool_;
  std::map<std::string, std::shared_ptr<Store>> stores_;
};

}  // namespace seamount::source
