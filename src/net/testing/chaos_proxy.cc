#include "net/testing/chaos_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/server_stream.h"

namespace seamount::net {
namespace {

using base::SteadyTime;

// Held per direction while latency lasts.
constexpr size_t kMaxHeldBytes = 16 << 20;
// How soon a copying thread notices that it should end.
constexpr auto kLookAround = std::chrono::milliseconds(20);

int ConnectTo(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    constexpr int kOn = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof(kOn));
    return fd;
  }
  close(fd);
  return -1;
}

void CloseWithReset(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

enum class End { kNone, kReset, kClose };

// One direction of a connection.
class Pump {
 public:
  Pump(int from, int to, const Chaos& chaos, bool to_client, const std::atomic<bool>& abort)
      : from_(from), to_(to), chaos_(chaos), to_client_(to_client), abort_(abort) {}

  bool WantsInput() const { return !ended_ && held_bytes_ < kMaxHeldBytes; }
  bool done() const { return ended_ && held_.empty(); }
  // When the oldest bytes may go on.
  SteadyTime due() const { return held_.empty() || stalled_ ? SteadyTime::max() : held_.front().due; }

  // Takes in what is there.
  End Receive() {
    std::vector<char> data(64 << 10);
    const ssize_t size = recv(from_, data.data(), data.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR ? End::kNone : End::kReset;
    if (size == 0) {
      ended_ = true;
      if (held_.empty()) shutdown(to_, SHUT_WR);
      return End::kNone;
    }
    data.resize(static_cast<size_t>(size));
    held_bytes_ += data.size();
    held_.push_back({std::chrono::steady_clock::now() + chaos_.latency, std::move(data)});
    return End::kNone;
  }

  // Passes on what is due, with its faults.
  End Send() {
    while (!held_.empty() && !stalled_ && held_.front().due <= std::chrono::steady_clock::now()) {
      std::vector<char> data = std::move(held_.front().data);
      held_.pop_front();
      held_bytes_ -= data.size();
      const End end = to_client_ ? Spoil(data) : End::kNone;
      if (!SendAll(data)) return End::kReset;
      if (end != End::kNone) return end;
    }
    if (done()) shutdown(to_, SHUT_WR);
    return End::kNone;
  }

 private:
  struct Held {
    SteadyTime due;
    std::vector<char> data;
  };

  End Spoil(std::vector<char>& data) {
    const uint64_t begin = passed_;
    const auto flip = chaos_.flip_bit_at;
    if (flip && *flip >= begin && *flip - begin < data.size()) data[*flip - begin] ^= 1;
    End end = End::kNone;
    const auto limit = [&](const std::optional<uint64_t>& after, End then) {
      if (!after || begin + data.size() < *after) return;
      data.resize(*after - begin);
      end = then;
    };
    limit(chaos_.reset_after, End::kReset);
    limit(chaos_.close_after, End::kClose);
    if (chaos_.stall_after && begin + data.size() >= *chaos_.stall_after) {
      data.resize(*chaos_.stall_after - begin);
      stalled_ = true;
    }
    passed_ += data.size();
    return end;
  }

  bool SendAll(const std::vector<char>& data) const {
    for (size_t sent = 0; sent < data.size() && !abort_;) {
      const ssize_t size = send(to_, data.data() + sent, data.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) {
        pollfd writable{to_, POLLOUT, 0};
        poll(&writable, 1, static_cast<int>(kLookAround.count()));
        continue;
      }
      if (size <= 0) return false;
      sent += static_cast<size_t>(size);
    }
    return true;
  }

  const int from_;
  const int to_;
  const Chaos chaos_;
  const bool to_client_;
  const std::atomic<bool>& abort_;
  std::deque<Held> held_;
  size_t held_bytes_ = 0;
  uint64_t passed_ = 0;
  bool ended_ = false;
  bool stalled_ = false;
};

// Copies both ways until both have ended or a fault ends them.
End Copy(int client, int server, const Chaos& chaos, const std::atomic<bool>& abort) {
  Pump up(client, server, chaos, false, abort);
  Pump down(server, client, chaos, true, abort);
  while (!up.done() || !down.done()) {
    if (abort) return End::kReset;
    const auto now = std::chrono::steady_clock::now();
    const auto wait = std::min({up.due(), down.due(), now + kLookAround}) - now;
    // A negative descriptor is not looked at.
    std::array<pollfd, 2> waiting = {
        {{up.WantsInput() ? client : -1, POLLIN, 0}, {down.WantsInput() ? server : -1, POLLIN, 0}}};
    const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    poll(waiting.data(), waiting.size(), static_cast<int>(std::max<int64_t>(wait_ms, 0)));
    for (const auto step : {waiting[0].revents != 0 ? up.Receive() : End::kNone,
                            waiting[1].revents != 0 ? down.Receive() : End::kNone, up.Send(), down.Send()}) {
      if (step != End::kNone) return step;
    }
  }
  return End::kClose;
}

}  // namespace

struct ChaosProxy::State {
  struct Connection {
    std::thread thread;
    int client = -1;
    int server = -1;
    std::atomic<bool> abort = false;
    bool ended = false;
  };

  void Accept();
  void Run(Connection& connection, const Chaos& chaos);
  Chaos NextChaos();
  void ResetAll(std::unique_lock<std::mutex>& lock);

  uint16_t to_port = 0;
  Listener listener;
  std::thread acceptor;
  std::atomic<bool> stopping = false;
  std::mutex mutex;
  std::condition_variable ended;
  Chaos chaos;
  int left = 0;  // connections that chaos is still for
  uint64_t accepted = 0;
  uint64_t harmed = 0;
  std::list<Connection> connections;
};

// With mutex held.
Chaos ChaosProxy::State::NextChaos() {
  const bool any = chaos.refuse || chaos.latency.count() > 0 || chaos.reset_after || chaos.close_after ||
                   chaos.stall_after || chaos.flip_bit_at;
  if (!any || left == 0) return {};
  --left;
  ++harmed;
  return chaos;
}

void ChaosProxy::State::Accept() {
  while (!stopping) {
    const auto peer = listener.Accept();
    if (!peer || peer->fd < 0) continue;
    std::scoped_lock lock(mutex);
    ++accepted;
    std::erase_if(connections, [](Connection& connection) {
      if (connection.ended) connection.thread.join();
      return connection.ended;
    });
    const Chaos fate = NextChaos();
    const int server = fate.refuse ? -1 : ConnectTo(to_port);
    if (server < 0) {
      CloseWithReset(peer->fd);
      continue;
    }
    Connection& connection = connections.emplace_back();
    connection.client = peer->fd;
    connection.server = server;
    connection.thread = std::thread([this, &connection, fate] { Run(connection, fate); });
  }
}

void ChaosProxy::State::Run(Connection& connection, const Chaos& fate) {
  const End end = Copy(connection.client, connection.server, fate, connection.abort);
  std::scoped_lock lock(mutex);
  if (end == End::kReset) {
    CloseWithReset(connection.client);
    CloseWithReset(connection.server);
  } else {
    close(connection.client);
    close(connection.server);
  }
  connection.ended = true;
  ended.notify_all();
}

// Returns when all are closed.
void ChaosProxy::State::ResetAll(std::unique_lock<std::mutex>& lock) {
  for (Connection& connection : connections) connection.abort = true;
  ended.wait(lock, [this] { return std::ranges::all_of(connections, &Connection::ended); });
}

ChaosProxy::ChaosProxy() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<ChaosProxy>> ChaosProxy::Start(uint16_t to_port) {
  std::unique_ptr<ChaosProxy> proxy(new ChaosProxy);
  State& state = *proxy->state_;
  state.to_port = to_port;
  SEAMOUNT_TRY_ASSIGN(state.listener, Listener::Open("127.0.0.1", 0));
  state.acceptor = std::thread([&state] { state.Accept(); });
  return proxy;
}

ChaosProxy::~ChaosProxy() {
  if (!state_->acceptor.joinable()) return;
  state_->stopping = true;
  state_->listener.Wake();
  state_->acceptor.join();
  {
    std::unique_lock lock(state_->mutex);
    state_->ResetAll(lock);
  }
  for (State::Connection& connection : state_->connections) connection.thread.join();
}

uint16_t ChaosProxy::port() const { return state_->listener.port(); }

void ChaosProxy::Set(const Chaos& chaos) {
  std::unique_lock lock(state_->mutex);
  state_->chaos = chaos;
  state_->left = chaos.times.value_or(-1);
  state_->ResetAll(lock);
}

uint64_t ChaosProxy::accepted() const {
  std::scoped_lock lock(state_->mutex);
  return state_->accepted;
}

uint64_t ChaosProxy::harmed() const {
  std::scoped_lock lock(state_->mutex);
  return state_->harmed;
}

}  // namespace seamount::net
