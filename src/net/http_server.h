// An HTTP/1.1 server behind a small interface; Boost.Beast stays in beast_http_server.cc.
// One thread per connection, blocking: the handlers are short, connections are few hundreds, and sendfile does the
// rest. Whom the handler does not know is a stranger: all strangers together get few connections, little memory and no
// time to waste, so that they cannot keep out the others (admission.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

namespace seamount::net {

struct ServerRequest {
  std::string method;
  std::string target;  // as sent: path?query, percent-encoded
  Headers headers;
  std::string peer_address;
  // Whether the handler knows who asks: it says so by Trust(), and until then the limits for strangers hold.
  bool trusted = false;
  void Trust() {
    trusted = true;
    if (on_trusted) on_trusted();
  }
  std::function<void()> on_trusted;
  // Reads the next part of the body; 0 at its end. Unavailable when the client went away, InvalidArgument when it broke
  // framing.
  std::function<Result<size_t>(std::span<std::byte> into)> read_body;
  std::optional<uint64_t> content_length;  // absent: chunked
  // Ends what the body's reader waits for, as if the client had gone. From any thread, until Handle returns.
  std::function<void()> interrupt;
};

// What is sent after the handler returns. At most one of body, file.
struct ServerResponse {
  int status = 200;
  Headers headers;  // Content-Length, Date and Connection are added
  Bytes body;
  // A body that lies in files, sent with sendfile(2) where there is no TLS, or that is read as it is sent.
  struct FilePart {
    int fd = -1;
    uint64_t offset = 0;
    uint64_t length = 0;
    Bytes bytes = {};  // where not empty: these `length` bytes instead of the file's
  };
  struct FileBody {
    uint64_t length = 0;
    // Where the body from `position` on is: at least a byte of it, in a file that stays open until the next call or the
    // end of the response. An error cuts the answer off, so that the client sees that it is not whole.
    std::function<Result<FilePart>(uint64_t position)> next;
  };
  std::optional<FileBody> file;
  bool close_connection = false;
  // For tests of clients: what goes wrong once so much of the body was sent.
  struct Fault {
    uint64_t after_bytes = 0;
    base::Duration stall{0};    // a pause
    bool reset = false;         // the connection is reset
    bool without_head = false;  // nothing at all is sent
  };
  std::optional<Fault> fault;
  // Called once the response was handed to the kernel or failed: (status, bytes of body sent). The status is another
  // where a stranger's answer did not fit what all of them have.
  std::function<void(int, uint64_t)> on_sent;
};

// A part of one file as a body; the file is closed with it.
ServerResponse::FileBody BodyOfFile(int fd, uint64_t offset, uint64_t length);

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Called from many threads at once. Must not throw.
  virtual ServerResponse Handle(ServerRequest& request) = 0;
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;                 // 0: any free one
  std::string tls_certificate_file;  // both or neither
  std::string tls_key_file;
  uint64_t max_header_bytes = 64 << 10;
  // Between requests, and within one where nothing moves.
  base::Duration idle_timeout = std::chrono::seconds(120);
  // For the head of a request from its first byte, for TLS to come about, and for a new connection's first head.
  base::Duration head_timeout = std::chrono::seconds(10);
  size_t max_connections = 1024;
  // Of strangers: all their connections; what of their answers is in memory; how slowly a body of theirs may come or an
  // answer go, once head_timeout has passed.
  size_t max_strangers = 64;
  uint64_t max_stranger_bytes = 48 << 20;
  uint64_t stranger_bytes_per_s = 16 << 10;
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;  // stops and joins
  virtual uint16_t port() const = 0;
  // New connections get what the certificate and key files hold now; where they cannot be read, all stays as it was.
  virtual Result<void> ReloadTls() = 0;
  // Stops accepting, lets requests in progress end (at most grace), closes the rest.
  virtual void Stop(base::Duration grace) = 0;
};

// Listening when it returns. The handler outlives the server.
Result<std::unique_ptr<HttpServer>> StartHttpServer(const HttpServerOptions& options, HttpHandler& handler);

}  // namespace seamount::net
