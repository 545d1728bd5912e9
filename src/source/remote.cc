#include "source/remote.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"

namespace seamount::source {
namespace {

constexpr std::string_view kFile = "file://";

bool IsWeb(std::string_view scheme) { return scheme == "http" || scheme == "https"; }

}  // namespace

bool IsLocal(const std::string& source) { return source.find("://") == std::string::npos || source.starts_with(kFile); }

std::string LocalPath(const std::string& source) {
  return source.starts_with(kFile) ? source.substr(kFile.size()) : source;
}

std::string ForPeople(const std::string& source) {
  const size_t colon = source.find("://");
  return colon != std::string::npos && IsWeb(source.substr(0, colon)) ? source.substr(0, source.find('?')) : source;
}

Result<std::optional<Address>> ParseAddress(const std::string& source) {
  const size_t colon = source.find("://");
  if (IsLocal(source)) return std::optional<Address>();
  const bool web = IsWeb(source.substr(0, colon));
  const size_t mark = web ? source.find('?') : std::string::npos;
  const std::string query = mark == std::string::npos ? "" : source.substr(mark);
  const std::string place = source.substr(0, mark);
  const size_t slash = place.find('/', colon + 3);
  if (slash == std::string::npos || slash == colon + 3 || slash + 1 == place.size()) {
    return base::InvalidArgument("the source '" + ForPeople(source) +
                                 "': expected a file or a folder in it, for example gs://bucket/a.nc, "
                                 "https://host/a.nc or file:///data/a.nc");
  }
  Address address{place.substr(0, slash) + query, place.substr(slash + 1)};
  while (address.key.ends_with('/')) address.key.pop_back();
  if (!web) return std::optional(std::move(address));
  auto decoded = base::PercentDecode(address.key);
  if (!decoded) return decoded.error().Wrap("the source '" + ForPeople(source) + "'");
  address.key = *std::move(decoded);
  return std::optional(std::move(address));
}

Remote::Remote(Options options) : options_(std::move(options)), parts_(MakeFetchedParts(options_.kept_bytes)) {}

std::shared_ptr<exec::ThreadPool> Remote::pool() {
  const std::scoped_lock lock(mutex_);
  if (pool_ == nullptr) pool_ = std::make_shared<exec::ThreadPool>(options_.requests);
  return pool_;
}

Result<std::shared_ptr<Store>> Remote::StoreOf(const Address& address) {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<Store>& store = stores_[address.store];
  if (store == nullptr) {
    SEAMOUNT_TRY_ASSIGN(store, options_.open_store(address.store));
  }
  return store;
}

Result<std::shared_ptr<const File>> Remote::Open(const std::string& source) {
  SEAMOUNT_TRY_ASSIGN(const auto address, ParseAddress(source));
  if (!address) return base::Internal(source + " is no address");
  SEAMOUNT_TRY_ASSIGN(auto store, StoreOf(*address));
  return OpenObjectFile({std::move(store), address->key, ForPeople(source)}, parts_, pool(), options_.stop);
}

Result<std::vector<std::string>> Remote::Expand(const std::string& pattern) {
  SEAMOUNT_TRY_ASSIGN(const auto address, ParseAddress(pattern));
  if (!address) return base::Internal(pattern + " is no address");
  if (IsWeb(pattern.substr(0, pattern.find("://")))) {
    return base::InvalidArgument("the source '" + ForPeople(pattern) +
                                 "': a web server does not list what it has; name each file");
  }
  SEAMOUNT_TRY_ASSIGN(const auto store, StoreOf(*address));
  store::ListOptions options;
  options.prefix = address->key.substr(0, address->key.find_first_of("*?["));
  // A pattern of one folder need not see what lies deeper.
  const size_t wild = options.prefix.size();
  if (address->key.find('/', wild) == std::string::npos) options.delimiter = "/";
  std::vector<std::string> found;
  do {
    SEAMOUNT_TRY_ASSIGN(const auto page, store->List(options, {.stop = options_.stop}));
    std::vector<std::string> names;
    for (const auto& object : page.objects) names.push_back(object.key);
    for (const auto& folder : page.prefixes) names.push_back(folder.substr(0, folder.size() - 1));  // a Zarr group
    for (const std::string& name : names) {
      if (::fnmatch(address->key.c_str(), name.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) {
        found.push_back(address->store + "/" + name);
      }
    }
    options.page_token = page.next_page_token;
  } while (!options.page_token.empty());
  if (found.empty()) return base::NotFound("no object matches the source '" + pattern + "'");
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace seamount::source
