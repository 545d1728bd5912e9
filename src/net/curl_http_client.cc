// HttpClient over libcurl. A connection is one easy handle inside a multi handle of its own: the multi handle owns the
// socket that stays open between calls, and can be woken from another thread, so that a stop request ends a call at
// once. Idle connections wait on a stack; a call takes the one used last for its origin, so few stay warm and the rest
// age. Deadline, stall and stop are checked in one loop (Connection::Perform); libcurl's own timers are used for
// connecting only. Bodies go from libcurl's receive buffer into one allocation. A forked child begins with connections,
// locks and certificates of its own: its parent's may be in the middle of another thread's work, for ever.
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "base/per_process.h"
#include "base/text.h"
#include "net/http_client.h"
#include "net/logged_http_client.h"
#include "net/response_sink.h"
#include "net/stall_watch.h"
#include "net/tls_roots.h"
#include "net/url.h"

namespace seamount::net {
namespace {

using base::SteadyTime;

// libcurl reads this much with one system call; its maximum, and what saturated loopback in our measurements.
constexpr long kSocketBufferBytes = 512L << 10;
// Servers and NATs forget idle connections; GCS after 240 s, our server after 120 s. Staying below saves the failed
// attempt.
constexpr long kMaxIdleSeconds = 100;
constexpr int kMaxRedirects = 5;

// "GET https://host/path", without the query.
std::string Name(const HttpRequest& request) {
  return request.method + " " + request.url.substr(0, request.url.find('?'));
}

// The state of one call while libcurl works on it: where its callbacks read and write.
class Transfer {
 public:
  explicit Transfer(const HttpRequest& request) : request_(request), sink_(request) {}

  ResponseSink& sink() { return sink_; }
  // Grows with everything received.
  uint64_t received() const { return received_; }
  // What a callback found wrong; libcurl itself then only says "write error".
  std::optional<Error>& error() { return error_; }

  static size_t OnHeader(char* data, size_t, size_t size, void* self) {
    return static_cast<Transfer*>(self)->Take(size, [&](Transfer& t) { return t.sink_.AddHeaderLine({data, size}); });
  }
  static size_t OnBody(char* data, size_t, size_t size, void* self) {
    return static_cast<Transfer*>(self)->Take(size, [&](Transfer& t) {
      return t.sink_.AddBody({reinterpret_cast<const std::byte*>(data), size});
    });
  }
  static size_t OnRead(char* data, size_t, size_t size, void* self) {
    return static_cast<Transfer*>(self)->Give(data, size);
  }
  static int OnSeek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Transfer*>(self)->sent_ = static_cast<uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
  }

 private:
  template <class F>
  size_t Take(size_t size, F take) {
    received_ += size;
    auto taken = take(*this);
    if (taken) return size;
    error_ = std::move(taken).error();
    return size + 1;  // anything but size makes libcurl give up (size may be 0)
  }

  size_t Give(char* data, size_t room) {
    const RequestBody& body = *request_.body;
    const size_t size = std::min<uint64_t>(room, body.size - std::min(sent_, body.size));
    if (size == 0) return 0;
    auto read = body.read_at(sent_, {reinterpret_cast<std::byte*>(data), size});
    if (!read) {
      error_ = std::move(read).error();
      return CURL_READFUNC_ABORT;
    }
    sent_ += size;
    return size;
  }

  const HttpRequest& request_;
  ResponseSink sink_;
  uint64_t received_ = 0;
  uint64_t sent_ = 0;
  std::optional<Error> error_;
};

ErrorCode CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_FUNCTION_ARGUMENT: return ErrorCode::kInvalidArgument;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return ErrorCode::kPermissionDenied;
    case CURLE_OUT_OF_MEMORY: return ErrorCode::kResourceExhausted;
    case CURLE_WEIRD_SERVER_REPLY: return ErrorCode::kInternal;
    default: return ErrorCode::kUnavailable;  // everything else is the network or the peer
  }
}

// Connecting is the one thing that libcurl's own timer ends.
ErrorDetail DetailOf(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: return ErrorDetail::kNeverConnected;
    default: return ErrorDetail::kNone;
  }
}

// What somebody can do about it who meets this for the first time.
std::string_view AdviceOn(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return " (a certificate of one's own, or of an institution, is trusted by --ca FILE or SEAMOUNT_CA=FILE)";
    case CURLE_SSL_CONNECT_ERROR: return " (does this port speak TLS? if not, the address begins with http://)";
    case CURLE_GOT_NOTHING: return " (does this port expect TLS? if so, the address begins with https://)";
    default: return "";
  }
}

// OpenSSL writes without MSG_NOSIGNAL: while one lives, SIGPIPE does not reach this thread.
class BlockSigpipe {
 public:
  BlockSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~BlockSigpipe() {
    constexpr timespec kNoWait = {};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &kNoWait);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  BlockSigpipe(const BlockSigpipe&) = delete;
  BlockSigpipe& operator=(const BlockSigpipe&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

// The headers of a request as libcurl wants them.
class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;

  // False when memory ran out.
  bool Add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    if (longer != nullptr) list_ = longer;
    return longer != nullptr;
  }
  Result<void> AddAll(const Headers& headers) {
    // Without this libcurl waits up to a second for "100 Continue" before large bodies; a refusal is noticed anyway.
    bool ok = Add("Expect:");
    // Nor does it know what an empty POST means; it would say "a form".
    if (!headers.Get("Content-Type")) ok = ok && Add("Content-Type:");
    std::string line;
    for (const auto& [name, value] : headers.entries()) {
      if (!IsOneLine(name) || !IsOneLine(value)) {
        return base::InvalidArgument("header '" + name.substr(0, name.find_first_of("\r\n")) + "' holds a line break");
      }
      line = name;
      line += value.empty() ? ";" : ": ";  // "name;" is libcurl's way to send it empty
      line += value;
      ok = ok && Add(line);
    }
    if (!ok) return base::ResourceExhausted("no memory for the request's headers");
    return {};
  }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// libcurl makes handles under a spin lock of the whole process. A child that was forked while another thread held it
// would spin for ever: so who forks waits until nobody does.
class MakingHandles {
 public:
  MakingHandles() {
    static const int registered =
        pthread_atfork([] { mutex_.lock(); }, [] { mutex_.unlock(); }, [] { mutex_.unlock(); });
    static_cast<void>(registered);  // fails without memory alone
    mutex_.lock();
  }
  ~MakingHandles() { mutex_.unlock(); }
  MakingHandles(const MakingHandles&) = delete;
  MakingHandles& operator=(const MakingHandles&) = delete;

 private:
  static inline std::mutex mutex_;
};

class Connection {
 public:
  Connection() {
    const MakingHandles making;
    multi_ = curl_multi_init();
    easy_ = curl_easy_init();
  }
  ~Connection() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool ok() const { return multi_ != nullptr && easy_ != nullptr; }
  const std::string& origin() const { return origin_; }

  // One exchange, no redirect followed. On a redirect, redirect_url() is where it leads.
  Result<HttpResponse> Exchange(const HttpRequest& request, const Url& url, const HttpClientOptions& options,
                                CURLSH* share, const TlsRoots& roots, const CallContext& context);
  std::string redirect_url() const {
    const char* url = nullptr;
    curl_easy_getinfo(easy_, CURLINFO_REDIRECT_URL, &url);
    return url == nullptr ? "" : url;
  }

 private:
  void Configure(const HttpRequest& request, const HttpClientOptions& options, CURLSH* share, const TlsRoots& roots);
  void Attach(const HttpRequest& request, Transfer& transfer, const HeaderList& headers);
  Result<void> Perform(const HttpRequest& request, Transfer& transfer, const HttpClientOptions& options,
                       const CallContext& context);
  Result<void> Outcome(Transfer& transfer);

  CURLM* multi_ = nullptr;
  CURL* easy_ = nullptr;
  std::string origin_;
  std::array<char, CURL_ERROR_SIZE> message_{};
};

void Connection::Configure(const HttpRequest& request, const HttpClientOptions& options, CURLSH* share,
                           const TlsRoots& roots) {
  curl_easy_reset(easy_);
  message_[0] = 0;
  const auto connect_ms = std::chrono::duration_cast<std::chrono::milliseconds>(options.connect_timeout).count();
  curl_easy_setopt(easy_, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_SHARE, share);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, message_.data());
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);  // a call that ends does not wait for a slow name server
  curl_easy_setopt(easy_, CURLOPT_PATH_AS_IS, 1L);  // object names may hold "//" and ".."
  curl_easy_setopt(easy_, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect_ms));
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, kSocketBufferBytes);
  curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE, kSocketBufferBytes);
  curl_easy_setopt(easy_, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy_, CURLOPT_MAXAGE_CONN, kMaxIdleSeconds);
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, options.user_agent.c_str());
  roots.ApplyTo(easy_);
}

void Connection::Attach(const HttpRequest& request, Transfer& transfer, const HeaderList& headers) {
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &transfer);
  if (request.body) {
    curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body->size));
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &Transfer::OnRead);
    curl_easy_setopt(easy_, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &Transfer::OnSeek);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, &transfer);
  } else if (request.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE, 0L);  // "Content-Length: 0"; servers answer 411 without it
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, "");
  }
  if (request.method != "GET" && request.method != "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

// Runs the transfer until it ends, or the call may not go on.
Result<void> Connection::Perform(const HttpRequest& request, Transfer& transfer, const HttpClientOptions& options,
                                 const CallContext& context) {
  std::optional<std::stop_callback<std::function<void()>>> wake;
  if (context.stop.stop_possible()) wake.emplace(context.stop, [this] { curl_multi_wakeup(multi_); });
  StallWatch watch(options.stall_timeout, options.stall_bytes_per_s, std::chrono::steady_clock::now());
  for (;;) {
    int running = 0;
    if (curl_multi_perform(multi_, &running) != CURLM_OK) return base::Internal("libcurl refused to go on");
    if (running == 0) return Outcome(transfer);
    if (context.stop.stop_requested()) return base::Cancelled("stopped");
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now >= context.deadline) return base::Unavailable("the deadline passed");
    curl_off_t sent = 0;
    if (request.body) curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &sent);
    const std::string stalled = watch.Check(transfer.received() + static_cast<uint64_t>(sent), now);
    if (!stalled.empty()) return base::Unavailable(stalled);
    const auto wait = std::min(watch.next(), context.deadline) - now;
    const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(std::min<int64_t>(wait_ms, 60'000)), nullptr);
  }
}

Result<void> Connection::Outcome(Transfer& transfer) {
  int left = 0;
  const CURLMsg* done = curl_multi_info_read(multi_, &left);
  if (done == nullptr || done->msg != CURLMSG_DONE) return base::Internal("libcurl lost the transfer");
  if (transfer.error()) return *std::move(transfer.error());
  const CURLcode code = done->data.result;
  if (code == CURLE_OK) return {};
  std::string reason = message_[0] != 0 ? message_.data() : curl_easy_strerror(code);
  reason += AdviceOn(code);
  return Error(CodeOf(code), std::move(reason), DetailOf(code));
}

Result<HttpResponse> Connection::Exchange(const HttpRequest& request, const Url& url, const HttpClientOptions& options,
                                          CURLSH* share, const TlsRoots& roots, const CallContext& context) {
  if (context.stop.stop_requested()) return base::Cancelled("stopped");
  if (std::chrono::steady_clock::now() >= context.deadline) return base::Unavailable("the deadline passed");
  HeaderList headers;
  SEAMOUNT_TRY(headers.AddAll(request.headers));
  Transfer transfer(request);
  std::optional<BlockSigpipe> block_sigpipe;
  if (url.scheme == "https") block_sigpipe.emplace();
  Configure(request, options, share, roots);
  Attach(request, transfer, headers);
  origin_ = url.Origin();
  if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) return base::Internal("libcurl refused the request");
  auto performed = Perform(request, transfer, options, context);
  curl_multi_remove_handle(multi_, easy_);  // of an unfinished transfer: closes its connection
  SEAMOUNT_TRY(std::move(performed));
  return transfer.sink().Finish();
}

// DNS answers and TLS sessions, shared by all connections of a client.
class Share {
 public:
  Share() : share_(curl_share_init()) {
    curl_share_setopt(share_, CURLSHOPT_USERDATA, this);
    curl_share_setopt(share_, CURLSHOPT_LOCKFUNC, &Share::Lock);
    curl_share_setopt(share_, CURLSHOPT_UNLOCKFUNC, &Share::Unlock);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  }
  ~Share() { curl_share_cleanup(share_); }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  CURLSH* get() const { return share_; }

 private:
  static void Lock(CURL*, curl_lock_data data, curl_lock_access, void* self) {
    static_cast<Share*>(self)->mutexes_[data].lock();
  }
  static void Unlock(CURL*, curl_lock_data data, void* self) { static_cast<Share*>(self)->mutexes_[data].unlock(); }

  CURLSH* share_;
  std::array<std::mutex, CURL_LOCK_DATA_LAST> mutexes_;
};

// Where a GET or HEAD was sent on to; empty when the response is the answer.
std::string RedirectOf(const HttpRequest& request, const HttpResponse& response, const Connection& connection) {
  if (request.method != "GET" && request.method != "HEAD") return "";
  switch (response.status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: return connection.redirect_url();
    default: return "";
  }
}

// What must not travel to another origin.
bool IsSecretHeader(std::string_view name) {
  return EqualNames(name, "authorization") || EqualNames(name, "cookie") ||
         name.substr(0, 18) == "x-goog-encryption-" || EqualNames(name, "x-goog-iam-authorization-token");
}

// What the calls of one process share.
class Pool {
 public:
  explicit Pool(const HttpClientOptions& options)
      : roots(options.ca_file), max_idle_(static_cast<size_t>(options.max_idle_connections)) {}

  std::unique_ptr<Connection> Acquire(const std::string& origin) {
    std::scoped_lock lock(mutex_);
    const auto last = std::ranges::find_if(idle_.rbegin(), idle_.rend(),
                                           [&](const auto& connection) { return connection->origin() == origin; });
    if (last == idle_.rend()) return std::make_unique<Connection>();
    auto found = std::move(*last);
    idle_.erase(std::next(last).base());
    return found;
  }

  void Release(std::unique_ptr<Connection> connection) {
    std::unique_ptr<Connection> oldest;  // closed after unlocking
    std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(connection));
    if (idle_.size() <= max_idle_) return;
    oldest = std::move(idle_.front());
    idle_.erase(idle_.begin());
  }

  const TlsRoots roots;
  const Share share;  // outlives the connections

 private:
  const size_t max_idle_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  // the one used last is at the end
};

class CurlHttpClient final : public HttpClient {
 public:
  explicit CurlHttpClient(HttpClientOptions options)
      : options_(std::move(options)), pool_([this] { return std::make_unique<Pool>(options_); }) {}

  Result<HttpResponse> Send(const HttpRequest& request, const CallContext& context) override {
    auto response = Follow(request, context);
    if (!response) return response.error().Wrap(Name(request));
    return response;
  }

 private:
  Result<HttpResponse> Follow(HttpRequest request, const CallContext& context) {
    Pool& pool = pool_.Get();
    for (int redirects = 0;; ++redirects) {
      SEAMOUNT_TRY_ASSIGN(const Url url, ParseUrl(request.url));
      if (url.scheme == "https") SEAMOUNT_TRY(pool.roots.Check());
      std::unique_ptr<Connection> connection = pool.Acquire(url.Origin());
      if (!connection->ok()) return base::ResourceExhausted("no memory for another connection");
      auto response = connection->Exchange(request, url, options_, pool.share.get(), pool.roots, context);
      const std::string next = response ? RedirectOf(request, *response, *connection) : "";
      pool.Release(std::move(connection));
      if (next.empty()) return response;
      if (redirects == kMaxRedirects) return base::Internal("more than 5 redirects");
      SEAMOUNT_TRY_ASSIGN(const Url target, ParseUrl(next));
      if (url.scheme == "https" && target.scheme != "https") {
        return base::PermissionDenied("the server redirects from https to http");
      }
      request.url = next;
      if (target.Origin() != url.Origin()) DropSecrets(request);
    }
  }

  static void DropSecrets(HttpRequest& request) {
    Headers kept;
    for (const auto& [name, value] : request.headers.entries()) {
      if (!IsSecretHeader(name)) kept.Add(name, value);
    }
    request.headers = std::move(kept);
  }

  const HttpClientOptions options_;
  // A forked child leaves its parent's connections alone: to close one politely would write on its socket.
  base::PerProcess<Pool> pool_;
};

}  // namespace

std::unique_ptr<HttpClient> MakeCurlHttpClient(const HttpClientOptions& options) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);  // without memory for it every call fails by itself
  return LogRequests(std::make_unique<CurlHttpClient>(options));
}

}  // namespace seamount::net
