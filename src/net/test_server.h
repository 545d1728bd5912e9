// For this module's tests: a server whose handler is a lambda, and a raw socket to talk to it without manners.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace seamount::net {

// Knows everybody who asks, unless told otherwise.
class TestServer final : public HttpHandler {
 public:
  using Handler = std::function<ServerResponse(ServerRequest&)>;
  explicit TestServer(Handler handler, const HttpServerOptions& options = {}, bool trusts = true)
      : handler_(std::move(handler)), trusts_(trusts), server_(StartHttpServer(options, *this).value()) {}
  ServerResponse Handle(ServerRequest& request) override {
    if (trusts_) request.Trust();
    return handler_(request);
  }
  uint16_t port() const { return server_->port(); }
  std::string url(std::string_view path = "/", std::string_view scheme = "http") const {
    return std::string(scheme) + "://127.0.0.1:" + std::to_string(port()) + std::string(path);
  }
  void Stop(base::Duration grace) { server_->Stop(grace); }

 private:
  Handler handler_;
  const bool trusts_;
  std::unique_ptr<HttpServer> server_;
};

inline ServerResponse Answer(int status, std::string_view body = {}) {
  ServerResponse response;
  response.status = status;
  response.body = Bytes::Copy(body);
  return response;
}

inline Result<std::string> ReadAll(ServerRequest& request, size_t part_bytes = 64 << 10) {
  std::string body;
  for (;;) {
    std::string part(part_bytes, '\0');
    SEAMOUNT_TRY_ASSIGN(const size_t size, request.read_body(std::as_writable_bytes(std::span(part))));
    if (size == 0) return body;
    body.append(part, 0, size);
  }
}

// A TCP client that sends what it is told.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    const timeval limit{.tv_sec = 20, .tv_usec = 0};  // so that a failing test ends
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  bool connected() const { return connected_; }
  void Send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t size = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (size <= 0) return;
      text.remove_prefix(static_cast<size_t>(size));
    }
  }
  void EndSending() const { shutdown(fd_, SHUT_WR); }
  // Until the server closes, or `until` has come.
  std::string Receive(std::string_view until = {}) const {
    std::string received;
    std::array<char, 4096> part;
    while (until.empty() || received.find(until) == std::string::npos) {
      const ssize_t size = recv(fd_, part.data(), part.size(), 0);
      if (size <= 0) break;
      received.append(part.data(), static_cast<size_t>(size));
    }
    return received;
  }

 private:
  int fd_;
  bool connected_ = false;
};

}  // namespace seamount::net
