// A GCS-compatible server over one folder: what `seamount serve` runs, and what tests run in their own process.
//
// How it works: net/http_server.h gives each connection a thread, which calls api.cc. Handlers read rows through the
// catalog (catalog.h: SQLite behind an in-memory cache and a group-committing writer) and contents through the blob
// store (blob_store.h: fsynced files, sent with sendfile). A write is acknowledged when its blob and then its row are
// durable; a crash in between leaves an unfinished write, which the next start removes.
//
// The folder:
//   catalog.db (-wal, -shm)   SQLite
//   blobs/aa/<id>             contents        tmp/, uploads/   contents on their way
//   quarantine/<id>           contents that the catalog does not know: never deleted by the server
//   share-sums.db             checksums of files in shared folders
//   reserve                   space kept for deletes and starts on a full disk
//   admin-key.json            the administrator's key, mode 0600
//   lock                      held while a server runs on the folder
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "server/request_log.h"
#include "server/share_folder.h"

namespace seamount::server {

struct ServerOptions {
  std::string directory;  // made, mode 0700, where missing
  std::vector<SharedFolder> shares;
  std::string address = "127.0.0.1";
  uint16_t port = 0;                 // 0: any free one
  std::string tls_certificate_file;  // both or neither
  std::string tls_key_file;
  // The address that clients elsewhere reach the server by ("https://lab.example.org"), behind a tunnel or when it
  // listens on all addresses: keys are made for it, and every URL that is given out begins with it. Empty: keys of the
  // administrator from address and port, all else by which address each client came.
  std::string public_url;
  // The address of a proxy in front, whose X-Forwarded-Proto and X-Forwarded-Host are believed. Empty: nobody's are.
  std::string proxy;
  bool testing = false;       // takes the retry-test API's faults (faults.h); on a loopback address only
  bool log_requests = false;  // a line for each
  std::string log_file;       // where to; empty: standard error
  LogFormat log_format = LogFormat::kText;
  base::Clock* clock = &base::RealClock();  // outlives the server
};

class Server {
 public:
  virtual ~Server() = default;  // stops
  virtual uint16_t port() const = 0;
  // "http://127.0.0.1:9000", or the public URL
  virtual std::string endpoint() const = 0;
  virtual std::string admin_key_file() const = 0;
  // Goes on with the log in a new file, and with the TLS certificate that is there now; with the old one where that
  // cannot be read.
  virtual Result<void> Reload() = 0;
  // Requests in progress end first, at most `grace`.
  virtual void Stop(base::Duration grace) = 0;
};

// Listening when it returns. InvalidArgument or DataLoss, with nothing changed, for a folder that is not a server's or
// has lost its catalog, and for a share's that cannot be shared; PreconditionFailed when another server has the folder;
// Unavailable when the port is taken.
Result<std::unique_ptr<Server>> StartServer(const ServerOptions& options);

}  // namespace seamount::server
