// HttpServer: one thread accepts, one thread per connection blocks. Beast parses request heads and chunked bodies;
// bodies with a length go from the socket straight into the handler's memory. Responses are written by hand: head and
// body in one sendmsg, files by sendfile. Every wait is a poll on the socket with a time limit; Stop() ends waits by
// shutting the sockets down.
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "net/http_server.h"
#include "net/server_stream.h"

namespace seamount::net {
namespace {

namespace http = boost::beast::http;
using base::SteadyTime;
using boost::beast::error_code;

// Of a request body nobody read: so much is read and thrown away to keep the connection; beyond that it is cheaper to
// open a new one.
constexpr uint64_t kDrainBytes = 1 << 20;
// A client that is still sending when its request was refused must be heard out for a moment, or the reset that
// closing causes destroys the answer on its way.
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr uint64_t kLingerBytes = 256ULL << 20;
// For the answer to a client above max_connections.
constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

// "Sun, 22 Nov 2026 01:35:00 GMT"
std::string HttpDate(std::time_t now) {
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return text.data();
}

bool HasBody(int status) { return status >= 200 && status != 204 && status != 304; }

// What Beast needs to read from: its SyncReadStream.
struct BeastStream {
  ServerStream& stream;
  template <class Buffers>
  size_t read_some(const Buffers& buffers, error_code& error) {
    const boost::asio::mutable_buffer first = *boost::asio::buffer_sequence_begin(buffers);
    auto read = stream.Read({static_cast<std::byte*>(first.data()), first.size()});
    if (!read) {
      error = make_error_code(boost::system::errc::connection_aborted);
      return 0;
    }
    error = *read == 0 ? http::make_error_code(http::error::end_of_stream) : error_code();
    return *read;
  }
  template <class Buffers>
  size_t read_some(const Buffers& buffers) {
    error_code error;
    const size_t size = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return size;
  }
};

// One request on a connection, from its head to the end of its body.
class Exchange {
 public:
  Exchange(ServerStream& stream, boost::beast::flat_buffer& buffer, const HttpServerOptions& options)
      : stream_(stream), input_{stream}, buffer_(buffer) {
    parser_.header_limit(static_cast<uint32_t>(options.max_header_bytes));
    parser_.body_limit(boost::none);  // bodies are streamed, never held
  }

  // Waits for a request and reads its head. Status 0: go on; 4xx: answer this and close; -1: close without a word.
  int ReadHead();
  ServerRequest MakeRequest(const std::string& peer);
  bool KeepAlive() { return parser_.get().keep_alive(); }
  // Reads what is left of the body, within bounds. False where the connection cannot be used again.
  bool Drain();

 private:
  Result<size_t> ReadBody(std::span<std::byte> into);
  Result<size_t> ReadSized(std::span<std::byte> into);
  Result<size_t> ReadChunked(std::span<std::byte> into);

  ServerStream& stream_;
  BeastStream input_;
  boost::beast::flat_buffer& buffer_;
  http::request_parser<http::buffer_body> parser_;
  bool sized_ = false;
  uint64_t left_ = 0;  // of a body with Content-Length
  bool must_continue_ = false;
  bool broken_ = false;
};

int Exchange::ReadHead() {
  error_code error;
  http::read_header(input_, buffer_, parser_, error);
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error.category() == http::make_error_code(http::error::bad_target).category()) {
    return error == http::error::end_of_stream || error == http::error::partial_message ? -1 : 400;
  }
  if (error) return -1;
  const auto& head = parser_.get();
  if (head.version() != 11 && head.version() != 10) return 505;
  if (head.version() == 11 && head.count(http::field::host) != 1) return 400;
  // Nothing but "chunked" is undone here: a body in another coding would be taken for content. HTTP/1.0 knows none.
  if (const auto encodings = head.count(http::field::transfer_encoding); encodings > 0) {
    const auto encoding = head[http::field::transfer_encoding];
    const bool chunked = encodings == 1 && EqualNames({encoding.data(), encoding.size()}, "chunked");
    if (!chunked || head.version() != 11) return 501;
  }
  const auto length = parser_.content_length();
  sized_ = length.has_value() || !parser_.chunked();
  left_ = length.value_or(0);
  const auto expect = head[http::field::expect];
  if (!expect.empty() && !EqualNames({expect.data(), expect.size()}, "100-continue")) return 417;
  must_continue_ = !expect.empty() && (!sized_ || left_ > 0);
  return 0;
}

ServerRequest Exchange::MakeRequest(const std::string& peer) {
  ServerRequest request;
  const auto& head = parser_.get();
  request.method = std::string(head.method_string());
  request.target = std::string(head.target());
  for (const auto& field : head) request.headers.Add(std::string(field.name_string()), std::string(field.value()));
  request.peer_address = peer;
  if (sized_) request.content_length = left_;
  request.read_body = [this](std::span<std::byte> into) { return ReadBody(into); };
  return request;
}

Result<size_t> Exchange::ReadBody(std::span<std::byte> into) {
  if (broken_) return base::Unavailable("the request body broke off");
  if (into.empty()) return size_t{0};
  if (must_continue_) {
    must_continue_ = false;
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!stream_.Write(base::AsBytes(kContinue))) broken_ = true;
  }
  auto read = broken_ ? base::Unavailable("the client is gone") : sized_ ? ReadSized(into) : ReadChunked(into);
  if (!read) broken_ = true;
  return read;
}

Result<size_t> Exchange::ReadSized(std::span<std::byte> into) {
  into = into.first(std::min<uint64_t>(into.size(), left_));
  if (into.empty()) return size_t{0};
  size_t size = std::min(into.size(), buffer_.size());
  if (size > 0) {  // came with the head
    std::memcpy(into.data(), buffer_.data().data(), size);
    buffer_.consume(size);
  } else {
    SEAMOUNT_TRY_ASSIGN(size, stream_.Read(into));
    if (size == 0) return base::Unavailable("the client closed the connection within the request body");
  }
  left_ -= size;
  return size;
}

Result<size_t> Exchange::ReadChunked(std::span<std::byte> into) {
  while (!parser_.is_done()) {
    parser_.get().body().data = into.data();
    parser_.get().body().size = into.size();
    error_code error;
    http::read_some(input_, buffer_, parser_, error);
    if (error == http::error::need_buffer) error = {};
    if (error) return base::Unavailable("the chunked request body broke off or is malformed");
    const size_t size = into.size() - parser_.get().body().size;
    if (size > 0) return size;
  }
  return size_t{0};
}

bool Exchange::Drain() {
  if (broken_) return false;
  if (must_continue_) return false;  // the client may send the body or not: no telling where the next request begins
  if (sized_ && left_ > kDrainBytes) return false;
  std::array<std::byte, 16 << 10> rubbish;
  for (uint64_t drained = 0; drained <= kDrainBytes;) {
    const auto size = ReadBody(rubbish);
    if (!size) return false;
    if (*size == 0) return true;
    drained += *size;
  }
  return false;
}

// Writes one response. The number of body bytes sent; an error where the connection is of no more use.
class ResponseWriter {
 public:
  ResponseWriter(ServerStream& stream, const ServerResponse& response, bool head_only, bool close)
      : stream_(stream), response_(response), head_only_(head_only), close_(close) {}

  Result<void> Write();
  uint64_t sent() const { return sent_; }

 private:
  Result<void> WriteFaulty(const std::string& head);
  Result<void> WriteBody(uint64_t begin, uint64_t end);
  uint64_t BodyBytes() const { return response_.file ? response_.file->length : response_.body.size(); }
  // Empty where a header of the handler's cannot be sent.
  std::string Head() const;

  ServerStream& stream_;
  const ServerResponse& response_;
  const bool head_only_;
  const bool close_;
  uint64_t sent_ = 0;
};

std::string ResponseWriter::Head() const {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response_.status));
  std::string head = "HTTP/1.1 " + std::to_string(response_.status) + " " + std::string(reason) + "\r\n";
  bool has_length = false;
  for (const auto& [name, value] : response_.headers.entries()) {
    if (!IsOneLine(name) || !IsOneLine(value)) return "";
    // Only of HEAD does the handler know better: it need not have the body at hand.
    if (EqualNames(name, "content-length")) {
      if (!head_only_ || BodyBytes() > 0) continue;
      has_length = true;
    }
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!has_length && HasBody(response_.status)) head += "Content-Length: " + std::to_string(BodyBytes()) + "\r\n";
  head += "Date: " + HttpDate(std::time(nullptr)) + "\r\n";
  head += close_ ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
  return head;
}

// The head promised what cannot be sent: nobody but the log can be told.
Error CutOff(const Error& error) {
  base::Log(base::LogLevel::kError, "an answer was cut off: " + error.ToString());
  return base::Unavailable("an answer was cut off");
}

// The part [begin, end) of the body.
Result<void> ResponseWriter::WriteBody(uint64_t begin, uint64_t end) {
  if (begin == end) return {};
  if (!response_.file) {
    sent_ += end - begin;
    return stream_.Write(response_.body.span().subspan(begin, end - begin));
  }
  while (begin < end) {
    auto part = response_.file->next(begin);
    if (!part) return CutOff(part.error());
    uint64_t sent = 0;
    auto written = stream_.SendFile(part->fd, part->offset, std::min(part->length, end - begin), sent);
    sent_ += sent;
    begin += sent;
    if (!written) return written;
  }
  return {};
}

Result<void> ResponseWriter::WriteFaulty(const std::string& head) {
  const ServerResponse::Fault& fault = *response_.fault;
  const uint64_t size = head_only_ || !HasBody(response_.status) ? 0 : BodyBytes();
  const uint64_t first = std::min(size, fault.after_bytes);
  if (!fault.without_head) {
    SEAMOUNT_TRY(stream_.Write(base::AsBytes(head)));
    SEAMOUNT_TRY(WriteBody(0, first));
  }
  std::this_thread::sleep_for(fault.stall);
  if (!fault.reset) return WriteBody(first, size);
  stream_.Reset();
  return base::Unavailable("reset, as a test asked for");
}

Result<void> ResponseWriter::Write() {
  const std::string head = Head();
  if (head.empty()) return base::Internal("a response header contains a line break");
  if (response_.fault) return WriteFaulty(head);
  if (head_only_ || !HasBody(response_.status)) return stream_.Write(base::AsBytes(head));
  if (response_.file) {
    // Held back for the file's first bytes; with none to come it would wait 200 ms.
    const auto more = response_.file->length > 0 ? ServerStream::More::kYes : ServerStream::More::kNo;
    SEAMOUNT_TRY(stream_.Write(base::AsBytes(head), {}, more));
    return WriteBody(0, response_.file->length);
  }
  SEAMOUNT_TRY(stream_.Write(base::AsBytes(head), response_.body.span()));
  sent_ = response_.body.size();
  return {};
}

// One client, on its own thread.
class Session {
 public:
  Session(ServerStream stream, std::string peer, const HttpServerOptions& options, HttpHandler& handler)
      : stream_(std::move(stream)), peer_(std::move(peer)), options_(options), handler_(handler) {}

  void Run(const std::atomic<bool>& stopping, std::atomic<bool>& busy);

 private:
  bool Serve(Exchange& exchange, const std::atomic<bool>& stopping);
  void Refuse(int status);

  ServerStream stream_;
  const std::string peer_;
  const HttpServerOptions& options_;
  HttpHandler& handler_;
};

void Session::Run(const std::atomic<bool>& stopping, std::atomic<bool>& busy) {
  if (!stream_.Handshake(options_.idle_timeout)) return;
  boost::beast::flat_buffer buffer(options_.max_header_bytes + (64 << 10));
  for (bool open = true; open && !stopping;) {
    Exchange exchange(stream_, buffer, options_);
    stream_.SetDeadline(std::chrono::steady_clock::now() + options_.idle_timeout);
    const int refused = exchange.ReadHead();
    stream_.SetDeadline(SteadyTime::max());
    if (refused != 0) {
      if (refused > 0) Refuse(refused);
      return;
    }
    busy = true;
    open = Serve(exchange, stopping);
    busy = false;
  }
  stream_.CloseGently(kLingerTime, kLingerBytes);
}

// Answers one request. True where the connection can take another.
bool Session::Serve(Exchange& exchange, const std::atomic<bool>& stopping) {
  ServerRequest request = exchange.MakeRequest(peer_);
  const ServerResponse response = handler_.Handle(request);
  // Draining before answering: a client that sends everything before it reads would wait for ever otherwise.
  const bool keep = exchange.KeepAlive() && !response.close_connection && !stopping && exchange.Drain();
  ResponseWriter writer(stream_, response, request.method == "HEAD", !keep);
  const auto written = writer.Write();
  if (response.on_sent) response.on_sent(writer.sent());
  if (!written && written.error().code() == ErrorCode::kInternal) {
    base::Log(base::LogLevel::kError, written.error().message());
    Refuse(500);
    return false;
  }
  return keep && written.has_value();
}

void Session::Refuse(int status) {
  const ServerResponse response{.status = status, .close_connection = true};
  if (ResponseWriter(stream_, response, false, true).Write()) stream_.CloseGently(kLingerTime, kLingerBytes);
}

class BeastHttpServer final : public HttpServer {
 public:
  BeastHttpServer(HttpServerOptions options, HttpHandler& handler) : options_(std::move(options)), handler_(handler) {}
  ~BeastHttpServer() override { Stop(std::chrono::nanoseconds(0)); }

  Result<void> Start() {
    SEAMOUNT_TRY_ASSIGN(tls_, ServerTls::Load(options_.tls_certificate_file, options_.tls_key_file));
    SEAMOUNT_TRY_ASSIGN(listener_, Listener::Open(options_.address, options_.port));
    acceptor_ = std::thread([this] { Accept(); });
    return {};
  }
  uint16_t port() const override { return listener_.port(); }
  void Stop(base::Duration grace) override;

 private:
  struct Connection {
    std::thread thread;
    int fd = -1;  // owned by the session; valid while not ended
    std::atomic<bool> busy = false;
    bool ended = false;
  };

  void Accept();
  void StartSession(int fd, const std::string& peer);
  void RunSession(Connection& connection, int fd, const std::string& peer);
  void Reap(std::unique_lock<std::mutex>& lock);
  void ShutDown(bool busy_too);

  const HttpServerOptions options_;
  HttpHandler& handler_;
  ServerTls tls_;
  Listener listener_;
  std::thread acceptor_;
  std::atomic<bool> stopping_ = false;
  std::mutex stop_mutex_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  uint64_t next_connection_ = 0;
};

void BeastHttpServer::Accept() {
  while (!stopping_) {
    auto accepted = listener_.Accept();
    if (!accepted) {
      base::Log(base::LogLevel::kWarning, accepted.error().message());
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // out of descriptors: wait for some to be closed
      continue;
    }
    std::unique_lock lock(mutex_);
    Reap(lock);
    if (accepted->fd < 0) continue;  // woken to stop
    if (connections_.size() >= static_cast<size_t>(options_.max_connections)) {
      static_cast<void>(
          send(accepted->fd, kTooManyConnections.data(), kTooManyConnections.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
      close(accepted->fd);
      continue;
    }
    StartSession(accepted->fd, accepted->peer);
  }
}

// With mutex_ held.
void BeastHttpServer::StartSession(int fd, const std::string& peer) {
  const uint64_t id = next_connection_++;
  auto& connection = *connections_.emplace(id, std::make_unique<Connection>()).first->second;
  connection.fd = fd;
  try {
    connection.thread = std::thread([this, &connection, fd, peer] { RunSession(connection, fd, peer); });
  } catch (const std::system_error& error) {
    base::Log(base::LogLevel::kWarning, std::string("no thread for another connection: ") + error.what());
    connections_.erase(id);
    close(fd);
  }
}

void BeastHttpServer::RunSession(Connection& connection, int fd, const std::string& peer) {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);  // sendfile and OpenSSL raise it when the client is gone; the error code says so, too
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  ServerStream stream(fd, tls_, options_.idle_timeout);
  try {
    Session(std::move(stream), peer, options_, handler_).Run(stopping_, connection.busy);
  } catch (const std::exception& error) {  // out of memory: this client loses its connection, the others go on
    base::Log(base::LogLevel::kError, std::string("a connection ended: ") + error.what());
  }
  std::scoped_lock lock(mutex_);
  close(fd);
  connection.ended = true;
  ended_.notify_all();
}

// Joins the threads that have ended.
void BeastHttpServer::Reap(std::unique_lock<std::mutex>&) {
  std::erase_if(connections_, [](auto& entry) {
    if (!entry.second->ended) return false;
    entry.second->thread.join();
    return true;
  });
}

void BeastHttpServer::ShutDown(bool busy_too) {
  for (const auto& [id, connection] : connections_) {
    if (!connection->ended && (busy_too || !connection->busy)) shutdown(connection->fd, SHUT_RDWR);
  }
}

void BeastHttpServer::Stop(base::Duration grace) {
  std::scoped_lock once(stop_mutex_);
  if (!acceptor_.joinable()) return;
  const SteadyTime limit = std::chrono::steady_clock::now() + grace;
  stopping_ = true;
  listener_.Wake();
  acceptor_.join();
  listener_.Close();
  std::unique_lock lock(mutex_);
  ShutDown(false);
  const auto all_ended = [&] {
    return std::ranges::all_of(connections_, [](const auto& entry) { return entry.second->ended; });
  };
  ended_.wait_until(lock, limit, all_ended);
  ShutDown(true);
  ended_.wait(lock, all_ended);
  Reap(lock);
}

}  // namespace

ServerResponse::FileBody BodyOfFile(int fd, uint64_t offset, uint64_t length) {
  const std::shared_ptr<void> closer(nullptr, [fd](void*) { close(fd); });
  return {length, [closer, fd, offset, length](uint64_t position) -> Result<ServerResponse::FilePart> {
            return ServerResponse::FilePart{fd, offset + position, length - position};
          }};
}

Result<std::unique_ptr<HttpServer>> StartHttpServer(const HttpServerOptions& options, HttpHandler& handler) {
  auto server = std::make_unique<BeastHttpServer>(options, handler);
  SEAMOUNT_TRY(server->Start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace seamount::net
