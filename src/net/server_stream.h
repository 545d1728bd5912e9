// The sockets under the HTTP server: a listener, and a byte stream over TCP or TLS whose every wait ends in time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::net {

// The server's certificate and key, or neither. Copies share them.
class ServerTls {
 public:
  // Both empty: no TLS. InvalidArgument names the file that is missing or malformed.
  static Result<ServerTls> Load(const std::string& certificate_file, const std::string& key_file);
  void* context() const { return context_.get(); }  // SSL_CTX*, or null

 private:
  std::shared_ptr<void> context_;
};

// A listening TCP socket. Accept from one thread; Wake and port from any.
class Listener {
 public:
  Listener() = default;
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener() { Close(); }

  // "0.0.0.0", "127.0.0.1", "::", "localhost"; port 0 takes a free one.
  static Result<Listener> Open(const std::string& address, uint16_t port);
  uint16_t port() const { return port_; }
  struct Accepted {
    int fd = -1;       // non-blocking, TCP_NODELAY; -1 when woken
    std::string peer;  // "192.0.2.7"
  };
  // Waits for a client or Wake.
  Result<Accepted> Accept();
  void Wake();
  void Close();

 private:
  int fd_ = -1;
  int wake_fd_ = -1;
  uint16_t port_ = 0;
};

// One client's bytes. Used by one thread; another may shut the socket down, which ends its waits. Does not own the
// socket.
class ServerStream {
 public:
  enum class More { kNo, kYes };

  // A read or write that moves nothing for idle_timeout is Unavailable.
  ServerStream(int fd, const ServerTls& tls, base::Duration idle_timeout);
  ServerStream(ServerStream&&) noexcept;
  ~ServerStream();

  // Reads additionally end at this time.
  void SetDeadline(base::SteadyTime deadline) { deadline_ = deadline; }
  // From now on, reads and writes additionally end where fewer bytes moved than this in the time since, less `grace`.
  void SetPace(base::Duration grace, uint64_t bytes_per_s);
  void EndPace() { pace_ = 0; }
  // TLS only: false when it failed or took longer than limit. Who speaks plain HTTP to it is told so.
  bool Handshake(base::Duration limit);
  // What is there, at least a byte; 0 at the end.
  Result<size_t> Read(std::span<std::byte> into);
  // Both, one after the other, in one system call where possible. More: something follows at once.
  Result<void> Write(std::span<const std::byte> first, std::span<const std::byte> second = {}, More more = More::kNo);
  // length bytes of a file; `sent` counts them.
  Result<void> SendFile(int file, uint64_t offset, uint64_t length, uint64_t& sent);
  // From any thread: what is read from now on, or being waited for, is the end.
  void EndReading() const;
  // The client is to see the connection reset: nothing that CloseGently does follows.
  void Reset();
  // Ends our side, then hears the client out, within these limits, so that it receives what was sent.
  void CloseGently(base::Duration limit, uint64_t max_bytes);

 private:
  struct Tls;
  bool SpeaksPlainText(base::SteadyTime limit) const;
  Result<void> Wait(short events, base::SteadyTime limit) const;
  base::SteadyTime Limit() const;
  base::SteadyTime ReadLimit() const { return std::min(deadline_, Limit()); }
  Result<size_t> ReadTls(std::span<std::byte> into);
  Result<void> WriteTls(std::span<const std::byte> data);
  Result<void> SendFileTls(int file, uint64_t offset, uint64_t length, uint64_t& sent);

  int fd_;
  base::Duration idle_timeout_;
  base::SteadyTime deadline_ = base::SteadyTime::max();
  uint64_t pace_ = 0;  // bytes a second; 0: none
  base::SteadyTime paced_since_;
  uint64_t moved_ = 0;  // since then
  std::unique_ptr<Tls> tls_;
  bool reset_ = false;
};

}  // namespace seamount::net
