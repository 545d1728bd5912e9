// HttpServer: one thread accepts, one thread per connection blocks. Beast parses request heads and chunked bodies;
// bodies with a length go from the socket straight into the handler's memory. Responses are written by hand: head and
// body in one sendmsg, files by sendfile. Every wait is a poll on the socket with a time limit; Stop(), and whoever
// must make room for another (admission.h), ends waits by shutting the sockets down.
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
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "exec/byte_budget.h"
#include "net/admission.h"
#include "net/http_server.h"
#include "net/response_writer.h"
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
// Answers of strangers up to this size go into the socket's buffer at once.
constexpr size_t kSmallAnswerBytes = 16 << 10;
// For the answer to a client above max_connections.
constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

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

  // Waits for a request until `begins`, then reads its head within head_timeout. Status 0: go on; 4xx: answer this and
  // close; -1: close without a word.
  int ReadHead(SteadyTime begins, base::Duration head_timeout);
  ServerRequest MakeRequest(const std::string& peer);
  bool KeepAlive() { return parser_.get().keep_alive(); }
  // Reads what is left of the body, within bounds. False where the connection cannot be used again.
  bool Drain();

 private:
  bool AwaitFirstBytes();
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

// False where the client is gone.
bool Exchange::AwaitFirstBytes() {
  if (buffer_.size() > 0) return true;
  constexpr size_t kFirstBytes = 4096;
  const auto room = buffer_.prepare(kFirstBytes);
  const auto read = stream_.Read({static_cast<std::byte*>(room.data()), room.size()});
  buffer_.commit(read ? *read : 0);
  return read && *read > 0;
}

int Exchange::ReadHead(SteadyTime begins, base::Duration head_timeout) {
  stream_.SetDeadline(begins);
  if (!AwaitFirstBytes()) return -1;
  stream_.SetDeadline(std::chrono::steady_clock::now() + head_timeout);
  error_code error;
  http::read_header(input_, buffer_, parser_, error);
  stream_.SetDeadline(SteadyTime::max());
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
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error == boost::system::errc::connection_aborted) {
      return base::Unavailable("the client closed the connection within the chunked request body");
    }
    if (error) return base::InvalidArgument("the chunked request body is malformed: " + error.message());
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

// What a connection's own thread tells and the acceptor reads.
struct Status {
  std::atomic<Standing> standing = Standing::kStranger;
  std::atomic<SteadyTime> since = std::chrono::steady_clock::now();
  std::atomic<bool> answering = false;  // a request is in progress

  void Set(Standing to) {
    since = std::chrono::steady_clock::now();
    standing = to;
  }
  bool known() const { return standing == Standing::kIdle || standing == Standing::kBusy; }
};

// One client, on its own thread.
class Session {
 public:
  Session(ServerStream stream, std::string peer, const HttpServerOptions& options, HttpHandler& handler,
          exec::ByteBudget& strangers_bytes, Status& status)
      : stream_(std::move(stream)),
        peer_(std::move(peer)),
        options_(options),
        handler_(handler),
        strangers_bytes_(strangers_bytes),
        status_(status) {}

  void Run(const std::atomic<bool>& stopping);

 private:
  bool Serve(Exchange& exchange, const std::atomic<bool>& stopping);
  exec::ByteLease LimitStranger(ServerResponse& response);
  void Refuse(int status);

  ServerStream stream_;
  const std::string peer_;
  const HttpServerOptions& options_;
  HttpHandler& handler_;
  exec::ByteBudget& strangers_bytes_;
  Status& status_;
};

void Session::Run(const std::atomic<bool>& stopping) {
  if (!stream_.Handshake(options_.head_timeout)) return;
  boost::beast::flat_buffer buffer(options_.max_header_bytes + (64 << 10));
  base::Duration patience = options_.head_timeout;
  for (bool open = true; open && !stopping;) {
    Exchange exchange(stream_, buffer, options_);
    const int refused = exchange.ReadHead(std::chrono::steady_clock::now() + std::min(patience, options_.idle_timeout),
                                          options_.head_timeout);
    if (refused != 0) {
      if (refused > 0) Refuse(refused);
      return;
    }
    status_.answering = true;
    open = Serve(exchange, stopping);
    status_.answering = false;
    patience = options_.idle_timeout;
  }
  stream_.CloseGently(kLingerTime, kLingerBytes);
}

// Answers one request. True where the connection can take another.
bool Session::Serve(Exchange& exchange, const std::atomic<bool>& stopping) {
  ServerRequest request = exchange.MakeRequest(peer_);
  status_.Set(status_.known() ? Standing::kBusy : Standing::kStranger);
  if (!status_.known()) stream_.SetPace(options_.head_timeout, options_.stranger_bytes_per_s);
  request.on_trusted = [this] {
    status_.Set(Standing::kBusy);
    stream_.EndPace();
  };
  request.interrupt = [this] { stream_.EndReading(); };
  ServerResponse response = handler_.Handle(request);
  const exec::ByteLease lease = LimitStranger(response);
  // Draining before answering: a client that sends everything before it reads would wait for ever otherwise.
  const bool keep = exchange.KeepAlive() && !response.close_connection && !stopping && exchange.Drain();
  if (status_.standing == Standing::kStranger) stream_.SetPace(options_.head_timeout, options_.stranger_bytes_per_s);
  ResponseWriter writer(stream_, response, request.method == "HEAD", !keep);
  const auto written = writer.Write();
  if (response.on_sent) response.on_sent(response.status, writer.sent());
  status_.Set(status_.known() ? Standing::kIdle : Standing::kStranger);
  stream_.EndPace();
  if (!written && written.error().code() == ErrorCode::kInternal) {
    base::Log(base::LogLevel::kError, written.error().message());
    Refuse(500);
    return false;
  }
  return keep && written.has_value();
}

// What is held in memory for a stranger, for as long as it takes to send it, comes from the budget of all of them. Who
// is sent a file holds nothing but a connection.
exec::ByteLease Session::LimitStranger(ServerResponse& response) {
  if (status_.known()) return {};
  if (response.file) {
    status_.Set(Standing::kGuest);
    stream_.EndPace();
    return {};
  }
  if (response.body.size() <= kSmallAnswerBytes) return {};
  exec::ByteLease lease = strangers_bytes_.TryAcquire(response.body.size());
  if (lease.bytes() == 0) response = {.status = 503, .close_connection = true, .on_sent = response.on_sent};
  return lease;
}

void Session::Refuse(int status) {
  const ServerResponse response{.status = status, .close_connection = true};
  if (ResponseWriter(stream_, response, false, true).Write()) stream_.CloseGently(kLingerTime, kLingerBytes);
}

class BeastHttpServer final : public HttpServer {
 public:
  BeastHttpServer(HttpServerOptions options, HttpHandler& handler)
      : options_(std::move(options)), handler_(handler), strangers_bytes_(options_.max_stranger_bytes) {}
  ~BeastHttpServer() override { Stop(std::chrono::nanoseconds(0)); }

  Result<void> Start() {
    SEAMOUNT_TRY_ASSIGN(tls_, ServerTls::Load(options_.tls_certificate_file, options_.tls_key_file));
    SEAMOUNT_TRY_ASSIGN(listener_, Listener::Open(options_.address, options_.port));
    acceptor_ = std::thread([this] { Accept(); });
    return {};
  }
  uint16_t port() const override { return listener_.port(); }
  Result<void> ReloadTls() override {
    SEAMOUNT_TRY_ASSIGN(ServerTls tls, ServerTls::Load(options_.tls_certificate_file, options_.tls_key_file));
    std::scoped_lock lock(mutex_);
    tls_ = std::move(tls);
    return {};
  }
  void Stop(base::Duration grace) override;

 private:
  struct Connection {
    std::thread thread;
    int fd = -1;  // owned by the session; valid while not ended
    std::string peer;
    ServerTls tls;
    Status status;
    bool closing = false;  // it made room for another
    bool ended = false;
  };

  void Accept();
  bool MakeRoom();
  void StartSession(int fd, const std::string& peer);
  void RunSession(Connection& connection);
  void Reap(std::unique_lock<std::mutex>& lock);
  void ShutDown(bool busy_too);

  const HttpServerOptions options_;
  HttpHandler& handler_;
  exec::ByteBudget strangers_bytes_;
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
    if (!MakeRoom()) {
      static_cast<void>(
          send(accepted->fd, kTooManyConnections.data(), kTooManyConnections.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
      close(accepted->fd);
      continue;
    }
    StartSession(accepted->fd, accepted->peer);
  }
}

// For one more connection; with mutex_ held. Who is closed for it ends on its own thread, a moment later.
bool BeastHttpServer::MakeRoom() {
  std::vector<Connected> there;
  there.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) {
    if (connection->ended || connection->closing) continue;
    there.push_back({id, connection->peer, connection->status.standing, connection->status.since});
  }
  const Admission admission = Admit(there, {options_.max_connections, options_.max_strangers});
  for (const uint64_t id : admission.closed) {
    Connection& leaving = *connections_.at(id);
    leaving.closing = true;
    shutdown(leaving.fd, SHUT_RDWR);
  }
  return admission.admitted;
}

// With mutex_ held.
void BeastHttpServer::StartSession(int fd, const std::string& peer) {
  const uint64_t id = next_connection_++;
  auto& connection = *connections_.emplace(id, std::make_unique<Connection>()).first->second;
  connection.fd = fd;
  connection.peer = peer;
  connection.tls = tls_;
  try {
    connection.thread = std::thread([this, &connection] { RunSession(connection); });
  } catch (const std::system_error& error) {
    base::Log(base::LogLevel::kWarning, std::string("no thread for another connection: ") + error.what());
    connections_.erase(id);
    close(fd);
  }
}

void BeastHttpServer::RunSession(Connection& connection) {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);  // sendfile and OpenSSL raise it when the client is gone; the error code says so, too
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  const int fd = connection.fd;
  ServerStream stream(fd, connection.tls, options_.idle_timeout);
  try {
    Session(std::move(stream), connection.peer, options_, handler_, strangers_bytes_, connection.status).Run(stopping_);
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
    if (!connection->ended && (busy_too || !connection->status.answering)) shutdown(connection->fd, SHUT_RDWR);
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

Result<std::unique_ptr<HttpServer>> StartHttpServer(const HttpServerOptions& options, HttpHandler& handler) {
  auto server = std::make_unique<BeastHttpServer>(options, handler);
  SEAMOUNT_TRY(server->Start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace seamount::net
