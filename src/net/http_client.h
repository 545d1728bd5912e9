// An HTTP client behind a small interface; libcurl stays in curl_http_client.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace seamount::net {

// Whether two header names are the same: ASCII case does not count.
bool EqualNames(std::string_view a, std::string_view b);
// Whether a header name or value can be sent: without it, a line break in one would begin another header.
bool IsOneLine(std::string_view text);

// In order, names as sent; look up without regard to case.
class Headers {
 public:
  void Add(std::string name, std::string value) { entries_.emplace_back(std::move(name), std::move(value)); }
  // The first value of that name.
  std::optional<std::string_view> Get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

// A request body that can be read again from the start, so that a redirect or a retry can resend it.
struct RequestBody {
  uint64_t size = 0;
  std::function<Result<void>(uint64_t offset, std::span<std::byte> into)> read_at;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;  // never logged; Authorization is dropped on a redirect to another host
  std::optional<RequestBody> body;
  // How much response body is at most taken in; more is an Internal error before it is allocated. Bodies of statuses
  // from 300 on may always hold 1 MiB, so that a small range does not hide why it was refused.
  uint64_t max_response_bytes = 64ULL << 20;
  // Where known, the exact size expected: the body is allocated once.
  uint64_t expected_response_bytes = 0;
};

struct HttpResponse {
  int status = 0;
  Headers headers;
  Bytes body;
};

struct HttpClientOptions {
  base::Duration connect_timeout = std::chrono::seconds(10);
  // A transfer that moves nothing for this long, or less than stall_bytes_per_s over twice this time, has stalled:
  // Unavailable.
  base::Duration stall_timeout = std::chrono::seconds(20);
  uint64_t stall_bytes_per_s = 1024;
  // Certificates (PEM) that are trusted, and no others. Empty: tls_roots.h says which.
  std::string ca_file;
  std::string user_agent = "seamount";
  int max_idle_connections = 128;
};

// Thread-safe; keeps connections alive between calls. Any HTTP status is a value; a transport failure is Unavailable
// (with the detail kNeverConnected where no connection came about: the host is unknown, or nothing listens there), a
// malformed URL or failed TLS verification InvalidArgument or PermissionDenied. Redirects of GET and HEAD are
// followed (five at most, never from https to http); those of other methods are returned as they are.
// Errors name the method and the URL without its query, which may hold a signature. A forked child can go on using the
// client, whatever other threads of its parent were doing with it.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual Result<HttpResponse> Send(const HttpRequest& request, const CallContext& context) = 0;
};

std::unique_ptr<HttpClient> MakeCurlHttpClient(const HttpClientOptions& options = {});

}  // namespace seamount::net
