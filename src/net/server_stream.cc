#include "net/server_stream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace seamount::net {
namespace {

using base::SteadyTime;

// One sendfile call; more only delays noticing a stop.
constexpr size_t kSendFileBytes = 16 << 20;
// A TLS record holds 16 KiB; several per read of the file.
constexpr size_t kTlsFileBytes = 256 << 10;
constexpr int kBacklog = 512;
constexpr std::string_view kPlainText =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 57\r\nConnection: close\r\n\r\n"
    "this port speaks TLS: begin the address with https://...\n";
constexpr auto kPlainTextLinger = std::chrono::seconds(1);

std::string SystemMessage() { return std::strerror(errno); }

std::string OpenSslMessage() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

std::string AddressText(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  if (getnameinfo(any, size, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) != 0) return "?";
  return host.data();
}

}  // namespace

Result<ServerTls> ServerTls::Load(const std::string& certificate_file, const std::string& key_file) {
  ServerTls tls;
  if (certificate_file.empty() && key_file.empty()) return tls;
  if (certificate_file.empty() || key_file.empty()) {
    return base::InvalidArgument("TLS needs a certificate file and a key file, only one is given");
  }
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return base::ResourceExhausted("no memory for TLS: " + OpenSslMessage());
  tls.context_ = std::shared_ptr<void>(context, [](void* c) { SSL_CTX_free(static_cast<SSL_CTX*>(c)); });
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return base::InvalidArgument("TLS certificate '" + certificate_file + "': " + OpenSslMessage() +
                                 " (expected a PEM file with the certificate and its chain)");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return base::InvalidArgument("TLS key '" + key_file + "': " + OpenSslMessage() +
                                 " (expected the PEM private key of '" + certificate_file + "')");
  }
  return tls;
}

Listener::Listener(Listener&& other) noexcept { *this = std::move(other); }

Listener& Listener::operator=(Listener&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(wake_fd_, other.wake_fd_);
  std::swap(port_, other.port_);
  return *this;
}

void Listener::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  if (wake_fd_ >= 0) close(std::exchange(wake_fd_, -1));
}

Result<Listener> Listener::Open(const std::string& address, uint16_t port) {
  const std::string name = address + ":" + std::to_string(port);
  const addrinfo hints{.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
    return base::InvalidArgument("listening on " + name + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  Listener listener;
  listener.wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listener.fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  constexpr int kOn = 1;
  if (listener.fd_ < 0 || listener.wake_fd_ < 0 ||
      setsockopt(listener.fd_, SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof(kOn)) != 0 ||
      bind(listener.fd_, found->ai_addr, found->ai_addrlen) != 0 || listen(listener.fd_, kBacklog) != 0) {
    const ErrorCode code = errno == EACCES ? ErrorCode::kPermissionDenied : ErrorCode::kPreconditionFailed;
    return Error(code, "listening on " + name + ": " + SystemMessage());
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  getsockname(listener.fd_, reinterpret_cast<sockaddr*>(&bound), &size);
  listener.port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                                     : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  return listener;
}

Result<Listener::Accepted> Listener::Accept() {
  for (;;) {
    std::array<pollfd, 2> waiting = {{{fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) {
      return base::Internal("waiting for connections: " + SystemMessage());
    }
    if (waiting[1].revents != 0) return Accepted{};
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    const int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      constexpr int kOn = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof(kOn));
      return Accepted{.fd = fd, .peer = AddressText(peer, size)};
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      return base::ResourceExhausted("accepting a connection: " + SystemMessage());
    }
  }
}

void Listener::Wake() {
  const uint64_t one = 1;
  static_cast<void>(!write(wake_fd_, &one, sizeof(one)));
}

struct ServerStream::Tls {
  std::shared_ptr<void> context;
  SSL* ssl = nullptr;
  bool usable = false;  // after the handshake, until an error
  ~Tls() { SSL_free(ssl); }
};

ServerStream::ServerStream(int fd, const ServerTls& tls, base::Duration idle_timeout)
    : fd_(fd), idle_timeout_(idle_timeout) {
  if (tls.context() == nullptr) return;
  tls_ = std::make_unique<Tls>();
  tls_->ssl = SSL_new(static_cast<SSL_CTX*>(tls.context()));
  if (tls_->ssl != nullptr) SSL_set_fd(tls_->ssl, fd);
}

ServerStream::ServerStream(ServerStream&&) noexcept = default;
ServerStream::~ServerStream() = default;

void ServerStream::SetPace(base::Duration grace, uint64_t bytes_per_s) {
  pace_ = bytes_per_s;
  paced_since_ = std::chrono::steady_clock::now() + grace;
  moved_ = 0;
}

// When a wait that begins now has taken too long.
SteadyTime ServerStream::Limit() const {
  const SteadyTime idle = std::chrono::steady_clock::now() + idle_timeout_;
  if (pace_ == 0) return idle;
  const std::chrono::duration<double> earned(static_cast<double>(moved_) / static_cast<double>(pace_));
  return std::min(idle, paced_since_ + std::chrono::duration_cast<base::Duration>(earned));
}

Result<void> ServerStream::Wait(short events, SteadyTime limit) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
    if (left <= 0) return base::Unavailable("the client moved nothing for too long");
    pollfd waiting{fd_, events, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, 3'600'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return base::Unavailable("waiting for the client: " + SystemMessage());
  }
}

// Whether what the client begins with is no TLS but text: a method's name.
bool ServerStream::SpeaksPlainText(SteadyTime limit) const {
  if (!Wait(POLLIN, limit)) return false;
  char first = 0;
  return recv(fd_, &first, 1, MSG_PEEK) == 1 && first >= 'A' && first <= 'Z';
}

bool ServerStream::Handshake(base::Duration limit) {
  if (tls_ == nullptr) return true;
  const SteadyTime end = std::chrono::steady_clock::now() + limit;
  if (SpeaksPlainText(end)) {
    static_cast<void>(!send(fd_, kPlainText.data(), kPlainText.size(), MSG_NOSIGNAL));
    CloseGently(kPlainTextLinger, kTlsFileBytes);
    return false;
  }
  while (tls_->ssl != nullptr) {
    const int done = SSL_accept(tls_->ssl);
    if (done == 1) {
      tls_->usable = true;
      return true;
    }
    const int need = SSL_get_error(tls_->ssl, done);
    if (need != SSL_ERROR_WANT_READ && need != SSL_ERROR_WANT_WRITE) break;
    if (!Wait(need == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, end)) break;
  }
  ERR_clear_error();
  return false;
}

Result<size_t> ServerStream::Read(std::span<std::byte> into) {
  if (tls_ != nullptr) return ReadTls(into);
  for (;;) {
    const ssize_t size = recv(fd_, into.data(), into.size(), 0);
    if (size >= 0) {
      moved_ += static_cast<uint64_t>(size);
      return static_cast<size_t>(size);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return base::Unavailable("reading from the client: " + SystemMessage());
    SEAMOUNT_TRY(Wait(POLLIN, ReadLimit()));
  }
}

Result<size_t> ServerStream::ReadTls(std::span<std::byte> into) {
  for (;;) {
    size_t size = 0;
    const int done = SSL_read_ex(tls_->ssl, into.data(), into.size(), &size);
    if (done == 1) {
      moved_ += size;
      return size;
    }
    switch (SSL_get_error(tls_->ssl, done)) {
      case SSL_ERROR_WANT_READ: SEAMOUNT_TRY(Wait(POLLIN, ReadLimit())); break;
      case SSL_ERROR_WANT_WRITE: SEAMOUNT_TRY(Wait(POLLOUT, ReadLimit())); break;
      case SSL_ERROR_ZERO_RETURN: return size_t{0};
      default:
        tls_->usable = false;
        ERR_clear_error();
        return base::Unavailable("reading from the client: TLS failed or the connection broke");
    }
  }
}

Result<void> ServerStream::Write(std::span<const std::byte> first, std::span<const std::byte> second, More more) {
  if (tls_ != nullptr) {
    SEAMOUNT_TRY(WriteTls(first));
    return WriteTls(second);
  }
  const int flags = MSG_NOSIGNAL | (more == More::kYes ? MSG_MORE : 0);
  while (!first.empty() || !second.empty()) {
    std::array<iovec, 2> parts = {
        {{const_cast<std::byte*>(first.data()), first.size()}, {const_cast<std::byte*>(second.data()), second.size()}}};
    const msghdr message{.msg_iov = parts.data(), .msg_iovlen = parts.size()};
    const ssize_t size = sendmsg(fd_, &message, flags);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return base::Unavailable("writing to the client: " + SystemMessage());
      SEAMOUNT_TRY(Wait(POLLOUT, Limit()));
      continue;
    }
    moved_ += static_cast<uint64_t>(size);
    const size_t of_first = std::min<size_t>(size, first.size());
    first = first.subspan(of_first);
    second = second.subspan(size - of_first);
  }
  return {};
}

Result<void> ServerStream::WriteTls(std::span<const std::byte> data) {
  while (!data.empty()) {
    size_t size = 0;
    const int done = SSL_write_ex(tls_->ssl, data.data(), data.size(), &size);
    if (done == 1) {
      moved_ += size;
      data = data.subspan(size);
      continue;
    }
    switch (SSL_get_error(tls_->ssl, done)) {
      case SSL_ERROR_WANT_READ: SEAMOUNT_TRY(Wait(POLLIN, Limit())); break;
      case SSL_ERROR_WANT_WRITE: SEAMOUNT_TRY(Wait(POLLOUT, Limit())); break;
      default:
        tls_->usable = false;
        ERR_clear_error();
        return base::Unavailable("writing to the client: TLS failed or the connection broke");
    }
  }
  return {};
}

Result<void> ServerStream::SendFile(int file, uint64_t offset, uint64_t length, uint64_t& sent) {
  if (tls_ != nullptr) return SendFileTls(file, offset, length, sent);
  auto position = static_cast<off_t>(offset);
  while (sent < length) {
    const ssize_t size = sendfile(fd_, file, &position, std::min<uint64_t>(length - sent, kSendFileBytes));
    if (size > 0) {
      moved_ += static_cast<uint64_t>(size);
      sent += static_cast<uint64_t>(size);
    } else if (size == 0) {
      return base::DataLoss("a file ended before the length that was announced");
    } else if (errno == EAGAIN) {
      SEAMOUNT_TRY(Wait(POLLOUT, Limit()));
    } else if (errno != EINTR) {
      return base::Unavailable("sending a file to the client: " + SystemMessage());
    }
  }
  return {};
}

Result<void> ServerStream::SendFileTls(int file, uint64_t offset, uint64_t length, uint64_t& sent) {
  const auto buffer = std::make_unique<std::byte[]>(kTlsFileBytes);
  while (sent < length) {
    const size_t wanted = std::min<uint64_t>(length - sent, kTlsFileBytes);
    const ssize_t size = pread(file, buffer.get(), wanted, static_cast<off_t>(offset + sent));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return base::DataLoss("a file could not be read to the length that was announced");
    SEAMOUNT_TRY(WriteTls({buffer.get(), static_cast<size_t>(size)}));
    sent += static_cast<uint64_t>(size);
  }
  return {};
}

void ServerStream::EndReading() const { shutdown(fd_, SHUT_RD); }

void ServerStream::Reset() {
  constexpr linger kReset{.l_onoff = 1, .l_linger = 0};  // the socket's closing sends RST
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &kReset, sizeof(kReset));
  reset_ = true;
}

void ServerStream::CloseGently(base::Duration limit, uint64_t max_bytes) {
  if (reset_) return;
  if (tls_ != nullptr && tls_->usable) {
    SSL_shutdown(tls_->ssl);
    ERR_clear_error();
  }
  shutdown(fd_, SHUT_WR);
  const SteadyTime end = std::chrono::steady_clock::now() + limit;
  std::array<std::byte, 64 << 10> rubbish;
  for (uint64_t heard = 0; heard < max_bytes;) {
    const ssize_t size = recv(fd_, rubbish.data(), rubbish.size(), 0);
    if (size > 0) {
      heard += static_cast<uint64_t>(size);
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR) || !Wait(POLLIN, end)) {
      return;
    }
  }
}

}  // namespace seamount::net
