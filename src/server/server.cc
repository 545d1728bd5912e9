#include "server/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "net/http_server.h"
#include "server/accounts.h"
#include "server/api.h"
#include "server/collector.h"
#include "server/handlers.h"
#include "server/reserve.h"
#include "server/served_folder.h"
#include "server/service.h"
#include "server/shares.h"

namespace seamount::server {
namespace {

// Ends stale upload sessions, removes unfinished writes, and puts aside contents that no row names.
Result<void> Sweep(Catalog& catalog, BlobStore& blobs, const std::string& directory) {
  SEAMOUNT_TRY_ASSIGN(const auto uploads, EndStaleSessions(catalog, blobs));
  std::unordered_set<std::string> live;
  SEAMOUNT_TRY(catalog.ForEachBlob([&](const std::string& id) { live.insert(id); }));
  SEAMOUNT_TRY_ASSIGN(const auto contents, blobs.Sweep([&](const std::string& id) { return live.contains(id); }));
  if (contents.removed > 0)
    base::Log(base::LogLevel::kInfo,
              "server: removed " + std::to_string(contents.removed) + " contents of unfinished writes");
  if (contents.moved_back > 0)
    base::Log(base::LogLevel::kWarning, "server: the catalog names " + std::to_string(contents.moved_back) +
                                            " contents that were put aside: moved back from " + directory +
                                            "/quarantine");
  if (const uint64_t aside = contents.put_aside + uploads.put_aside; aside > 0)
    base::Log(base::LogLevel::kWarning, "server: the catalog does not know " + std::to_string(aside) +
                                            " contents of objects (was an older one put back?): kept, in " + directory +
                                            "/quarantine");
  return {};
}

// This machine's address in its network: the one that packets to elsewhere would leave from. Nothing is sent.
std::string OwnAddress() {
  const base::Fd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  address.sin_addr.s_addr = htonl(0xc6336401);  // 198.51.100.1, which documents use and nobody has
  socklen_t size = sizeof(address);
  std::array<char, INET_ADDRSTRLEN> text{};
  const bool found = probe &&
                     ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
                     ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
                     inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size()) != nullptr;
  return found ? text.data() : "127.0.0.1";
}

bool IsAnyAddress(const std::string& address) { return address == "0.0.0.0" || address == "::" || address.empty(); }

// The host that clients reach the server by: other machines', too, where it listens on all addresses.
std::string ReachableHost(const std::string& address) {
  if (IsAnyAddress(address)) return OwnAddress();
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

class LocalServer final : public Server {
 public:
  LocalServer(base::Fd lock, std::unique_ptr<Reserve> reserve, std::unique_ptr<Catalog> catalog,
              std::unique_ptr<BlobStore> blobs, Shares shares, const ServerOptions& options)
      : lock_(std::move(lock)),
        reserve_(std::move(reserve)),
        catalog_(std::move(catalog)),
        blobs_(std::move(blobs)),
        collector_(*catalog_, *blobs_, *reserve_),
        service_{.catalog = *catalog_,
                 .blobs = *blobs_,
                 .shares = std::move(shares),
                 .clock = *options.clock,
                 .tls = !options.tls_certificate_file.empty(),
                 .proxy = options.proxy,
                 .uploads = {}},
        api_(service_) {
    if (options.testing) service_.faults = std::make_unique<FaultTests>();
    catalog_->SetGarbageListener([this] { collector_.Nudge(); });
    blobs_->SetMakeRoom([this] {
      const auto collected = collector_.Collect();
      return (collected && *collected > 0) || EndIdlestSession(service_);
    });
  }

  // What the last run left, before anybody is served.
  Result<void> CleanUp(const std::string& directory) {
    SEAMOUNT_TRY(collector_.Collect());
    SEAMOUNT_TRY(Sweep(*catalog_, *blobs_, directory));
    SEAMOUNT_TRY(collector_.Collect());
    reserve_->Restore();
    collector_.Start();
    return {};
  }

  Result<void> Listen(const ServerOptions& options) {
    if (!options.public_url.empty()) {
      SEAMOUNT_TRY_ASSIGN(const net::Url url, net::ParseUrl(options.public_url));
      service_.public_url = url.Origin();
    }
    service_.hosts = {ReachableHost(options.address)};
    if (IsAnyAddress(options.address)) service_.hosts.push_back("127.0.0.1");
    if (options.log_requests) {
      SEAMOUNT_TRY_ASSIGN(request_log_, RequestLog::Open(options.log_file, options.log_format));
      service_.request_log = request_log_.get();
    }
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
  Result<void> Reload() override {
    if (request_log_) SEAMOUNT_TRY(request_log_->Reopen());
    return http_->ReloadTls();
  }
  void Stop(base::Duration grace) override { http_->Stop(grace); }

 private:
  Result<void> MakeAdminKey(const ServerOptions& options, uint16_t port) {
    service_.port = port;
    endpoint_ = service_.public_url.empty() ? service_.Origins().front() : service_.public_url;
    SEAMOUNT_TRY_ASSIGN(admin_key_file_, EnsureAdminKey(*catalog_, options.directory, endpoint_ + "/token",
                                                        service_.EndpointsBeside(endpoint_)));
    return {};
  }

  // Destroyed from the last to the first: the listener ends before what its requests use, the lock is given up last.
  base::Fd lock_;
  std::unique_ptr<Reserve> reserve_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<BlobStore> blobs_;
  Collector collector_;
  std::unique_ptr<RequestLog> request_log_;
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
  if (options.testing && !IsLoopback(options.address))
    return base::InvalidArgument(
        "--testing lets anybody ask for resets and stalls: only on an address of this machine "
        "alone (127.0.0.1), not on " +
        options.address);
  if (!IsLoopback(options.address) && options.tls_certificate_file.empty())
    base::Log(base::LogLevel::kWarning, "server: listening on " + options.address +
                                            " without TLS: tokens and data cross the network in the clear "
                                            "(--tls-cert and --tls-key, or a tunnel)");
  SEAMOUNT_TRY_ASSIGN(auto folders, OpenShareFolders(options.shares, options.directory));
  SEAMOUNT_TRY(CheckFolder(options.directory));
  SEAMOUNT_TRY_ASSIGN(base::Fd lock, LockFolder(options.directory));
  SEAMOUNT_TRY_ASSIGN(auto reserve, Reserve::Open(options.directory));
  const auto make_room = [reserve = reserve.get()] { return reserve->Release(); };
  auto opened = Catalog::Open(options.directory + "/catalog.db", *options.clock, make_room);
  while (!opened && opened.error().code() != ErrorCode::kInvalidArgument && make_room())  // it takes some room
    opened = Catalog::Open(options.directory + "/catalog.db", *options.clock, make_room);
  if (!opened) return std::move(opened).error();
  auto catalog = *std::move(opened);
  SEAMOUNT_TRY_ASSIGN(auto blobs, BlobStore::Open(options.directory));
  SEAMOUNT_TRY_ASSIGN(auto shares, MakeShares(std::move(folders), options.directory, *catalog));
  auto server = std::make_unique<LocalServer>(std::move(lock), std::move(reserve), std::move(catalog), std::move(blobs),
                                              std::move(shares), options);
  SEAMOUNT_TRY(server->CleanUp(options.directory));
  SEAMOUNT_TRY(server->Listen(options));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace seamount::server
