#include "server/server.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "net/http_server.h"
#include "server/accounts.h"
#include "server/api.h"
#include "server/handlers.h"
#include "server/service.h"

namespace seamount::server {
namespace {

Result<FileDescriptor> LockFolder(const std::string& directory) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(directory, error);
  if (error) return FromErrno("making folder " + directory, error.value());
  // A folder that was there keeps its mode; what is secret in it has a mode of its own.
  if (made && ::chmod(directory.c_str(), 0700) != 0)
    return FromErrno("changing the mode of folder " + directory, errno);
  FileDescriptor lock(::open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return FromErrno("opening " + directory + "/lock", errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FromErrno("locking " + directory + "/lock", errno);
    return base::PreconditionFailed("folder " + directory + ": another server is running on it (end that one first)");
  }
  return lock;
}

// Ends stale upload sessions, and removes contents that no row names.
Result<void> Sweep(Catalog& catalog, BlobStore& blobs) {
  SEAMOUNT_TRY(EndStaleSessions(catalog, blobs));
  std::unordered_set<std::string> live_blobs;
  SEAMOUNT_TRY(catalog.ForEachBlob([&](const std::string& id) { live_blobs.insert(id); }));
  SEAMOUNT_TRY_ASSIGN(const uint64_t removed,
                      blobs.Sweep([&](const std::string& id) { return live_blobs.contains(id); }));
  if (removed > 0)
    base::Log(base::LogLevel::kInfo, "server: removed " + std::to_string(removed) + " contents of unfinished writes");
  return {};
}

// The address that a client on this machine reaches the server by.
std::string ReachableHost(const std::string& address) {
  if (address == "0.0.0.0" || address.empty()) return "127.0.0.1";
  if (address == "::") return "[::1]";
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

class LocalServer final : public Server {
 public:
  LocalServer(FileDescriptor lock, std::unique_ptr<Catalog> catalog, std::unique_ptr<BlobStore> blobs,
              const ServerOptions& options)
      : lock_(std::move(lock)),
        catalog_(std::move(catalog)),
        blobs_(std::move(blobs)),
        service_{.catalog = *catalog_,
                 .blobs = *blobs_,
                 .clock = *options.clock,
                 .tls = !options.tls_certificate_file.empty(),
                 .uploads = {}},
        api_(service_) {
    if (options.testing) service_.faults = std::make_unique<FaultTests>();
  }

  Result<void> Listen(const ServerOptions& options) {
    // Who waits for the port to answer may rely on the key being there; only a port chosen by the system is known
    // no sooner than it answers.
    if (options.port != 0) SEAMOUNT_TRY(MakeAdminKey(options, options.port));
    SEAMOUNT_TRY_ASSIGN(http_, net::StartHttpServer({.address = options.address,
                                                     .port = options.port,
                                                     .tls_certificate_file = options.tls_certificate_file,
                                                     .tls_key_file = options.tls_key_file},
                                                    api_));
    return options.port != 0 ? Result<void>() : MakeAdminKey(options, http_->port());
  }

  uint16_t port() const override { return http_->port(); }
  std::string endpoint() const override { return endpoint_; }
  std::string admin_key_file() const override { return admin_key_file_; }
  void Stop(base::Duration grace) override { http_->Stop(grace); }

 private:
  Result<void> MakeAdminKey(const ServerOptions& options, uint16_t port) {
    endpoint_ = std::string(service_.tls ? "https://" : "http://") + ReachableHost(options.address) + ":" +
                std::to_string(port);
    if (!options.public_url.empty()) {
      SEAMOUNT_TRY_ASSIGN(const net::Url url, net::ParseUrl(options.public_url));
      endpoint_ = url.Origin();
    }
    SEAMOUNT_TRY_ASSIGN(admin_key_file_, EnsureAdminKey(*catalog_, options.directory, endpoint_ + "/token"));
    return {};
  }

  // Destroyed from the last to the first: the listener ends before what its requests use, the lock is given up last.
  FileDescriptor lock_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<BlobStore> blobs_;
  Service service_;
  Api api_;
  std::string endpoint_;
  std::string admin_key_file_;
  std::unique_ptr<net::HttpServer> http_;
};

}  // namespace

Result<std::unique_ptr<Server>> StartServer(const ServerOptions& options) {
  if (options.tls_certificate_file.empty() != options.tls_key_file.empty())
    return base::InvalidArgument("TLS needs both a certificate and its key");
  if (!IsLoopback(options.address) && options.tls_certificate_file.empty())
    base::Log(base::LogLevel::kWarning, "server: listening on " + options.address +
                                            " without TLS: tokens and data cross the network in the clear "
                                            "(--tls-cert and --tls-key, or a tunnel)");
  SEAMOUNT_TRY_ASSIGN(FileDescriptor lock, LockFolder(options.directory));
  SEAMOUNT_TRY_ASSIGN(auto catalog, Catalog::Open(options.directory + "/catalog.db", *options.clock));
  SEAMOUNT_TRY_ASSIGN(auto blobs, BlobStore::Open(options.directory));
  SEAMOUNT_TRY(Sweep(*catalog, *blobs));
  auto server = std::make_unique<LocalServer>(std::move(lock), std::move(catalog), std::move(blobs), options);
  SEAMOUNT_TRY(server->Listen(options));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace seamount::server
