// What the handlers of one server share, and what each is given. A handler is a free function
// `Result<ServerResponse> Verb(Service&, Call&)`; api.cc has authenticated the caller, found the bucket and checked the
// operation's permission before it calls one. An Error becomes a GCS error body there, in one total switch; statuses
// that no Error code stands for (304, 308, 409, 416) are answered directly.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/http_server.h"
#include "net/url.h"
#include "server/backend.h"
#include "server/blob_store.h"
#include "server/catalog.h"
#include "server/faults.h"
#include "server/iam.h"
#include "server/route.h"
#include "server/upload_turns.h"

namespace seamount::server {

using net::ServerRequest;
using net::ServerResponse;

// A resumable upload that this process has seen: its file, and the hash of what it holds. The catalog has the rest; an
// entry can be dropped and made anew from the file.
struct LiveUpload {
  UploadTurns turns;  // of the requests that add to it; the rest is the one's whose turn it is
  base::Fd file;      // open during a request only
  ContentHash hash;
  uint64_t size = 0;   // bytes in the file and in `hash`
  bool ready = false;  // they agree
};

// Thread-safe.
class LiveUploads {
 public:
  std::shared_ptr<LiveUpload> Get(const std::string& id);
  void Drop(const std::string& id);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<LiveUpload>> uploads_;
};

class RequestLog;
using Shares = std::map<std::string, std::shared_ptr<BucketBackend>>;

struct Service {
  Catalog& catalog;
  BlobStore& blobs;
  Shares shares;  // by the bucket's name; not changed while the server runs
  base::Clock& clock;
  bool tls = false;
  std::string public_url;  // scheme://host[:port] that clients elsewhere use; empty: by which each request came
  std::string proxy;       // the address whose X-Forwarded-Proto and X-Forwarded-Host are believed; empty: nobody's
  std::vector<std::string> hosts = {};  // by which clients reach it, as far as it knows, as in URLs
  std::atomic<uint16_t> port = 0;       // 0: not known yet
  RequestLog* request_log = nullptr;
  LiveUploads uploads;
  std::unique_ptr<FaultTests> faults = nullptr;  // only where the server was started for tests
  std::atomic<Micros> sessions_ended = 0;        // when old ones were last looked for

  // scheme://host:port under each of `hosts`; none while the port is not known.
  std::vector<std::string> Origins() const;
  // The addresses besides `origin` that lead here, where that does: what keys name.
  std::vector<std::string> EndpointsBeside(const std::string& origin) const;
  // Where the bucket's objects are. NotFound for a share that this server was not given.
  Result<std::shared_ptr<BucketBackend>> BackendOf(const std::shared_ptr<const BucketRow>& bucket);
};

struct Call {
  ServerRequest& request;
  const net::RequestTarget& target;
  const Route& route;
  Identity identity;
  std::string base_url;  // scheme://host of every URL that is given out
  std::string host_url;  // scheme://host that the client says it asked; nobody but the client vouches for it
  std::shared_ptr<const BucketRow> bucket;           // of route.bucket, where the operation has one
  std::shared_ptr<BucketBackend> backend = nullptr;  // of that bucket
  base::SystemTime now = {};                         // when it came
};

ServerResponse JsonResponse(int status, std::string_view body);
// A GCS error body.
ServerResponse ErrorResponse(int status, std::string_view reason, const std::string& message);
ServerResponse XmlResponse(std::string_view body);
// An error body of the API that the call came by.
ServerResponse Refusal(const Call& call, int status, std::string_view reason, const std::string& message);

// PermissionDenied or Unauthenticated, naming the permission, unless the caller has it on the bucket (null: none's), or
// on that object of it.
Result<void> Require(const Call& call, std::string_view permission, const BucketRow* bucket,
                     const std::string& object = "");
// The same of what the route asks for. Where its object is named further within the request, it may be any.
Result<void> RequireOfRoute(const Call& call, std::string_view permission, const BucketRow* bucket);
bool Has(const Call& call, std::string_view permission, const BucketRow& bucket, const std::string& object = "");

// The whole body. InvalidArgument when it is larger than a request has reason to be: a policy, or a compose request of
// the most sources with the longest names, is far smaller. Of somebody unknown at most 64 KiB.
Result<std::string> ReadBody(ServerRequest& request, size_t max_bytes = 1 << 20);

// ifGenerationMatch and its kin, from the query, or from the headers x-goog-if-generation-match (XML), If-Match and
// If-None-Match.
Result<Preconditions> ParsePreconditions(const net::RequestTarget& target, const net::Headers& headers,
                                         std::string_view prefix = "if");
Result<std::optional<uint64_t>> UintQuery(const net::RequestTarget& target, std::string_view name);

// The bytes [offset, offset + length) that a Range header asks of an object of `size` bytes. nullopt: the header says
// nothing this server follows (another unit, several ranges, malformed), and the whole object is the answer, as
// RFC 9110 has it. length 0: the range lies outside, 416.
struct Span {
  uint64_t offset = 0;
  uint64_t length = 0;
};
std::optional<Span> ResolveRange(std::string_view header, uint64_t size);

// "127.0.0.1", "::1", "localhost": what only this machine itself reaches.
bool IsLoopback(std::string_view host);

// Valid UTF-8 without what headers or keys cannot carry; `what` names the field in the error.
Result<void> CheckText(std::string_view text, const std::string& what);
// An object name that may be made.
Result<void> CheckObjectName(const std::string& name);
// The same, and that the caller may make an object of that name in the call's bucket.
Result<void> CheckNewObject(const Call& call, const std::string& name);

}  // namespace seamount::server
