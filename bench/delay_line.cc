// A network line for measuring: a round trip, and a rate for each connection and direction.
//
//   delay_line --listen PORT --to HOST:PORT --delay-ms ONE_WAY --rate BYTES_PER_SECOND
//
// Bytes never enter this program: splice(2) moves them from a socket into a pipe, where they wait, and on to the other
// socket. For each direction of a connection there is one pipe and a list of (when due, how many bytes) that describes
// what lies in it. Taking in is paced at the rate, letting out happens one delay later, so at most rate × delay (and a
// little) is ever in the pipe, as on a real line. Opening a connection costs its round trip too: what a client sends is
// taken in one round trip after it was accepted.
//
// One thread, edge-triggered epoll. A direction is looked at when a socket became ready or its time came; times are
// rounded up to kTick, so that hundreds of connections share one wake-up. On SIGINT and SIGTERM the bytes passed and
// the CPU time spent go to stderr, to show that the line was not what limited a measurement.
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <list>
#include <string>
#include <utility>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

// Precision of all times: both ways together two per cent of the shortest round trip measured with (10 ms).
constexpr auto kTick = std::chrono::microseconds(100);
// Less than this is not worth a system call while the rate holds bytes back.
constexpr double kQuantumBytes = 64 << 10;
// What a connection may catch up when this program was late: without it, every late wake-up would lower the rate.
constexpr double kCatchUpSeconds = 0.01;
// Pipes begin at 64 KiB and double when they are full. They count pages, of which one may hold a single packet's bytes,
// so the limit is above what the line can hold; an idle direction never needs it.
constexpr int kMaxPipeBytes = 16 << 20;

struct Options {
  uint16_t listen_port = 0;
  std::string listen_address = "127.0.0.1";
  std::string host;
  std::string port;
  nanoseconds delay{0};
  double rate = 0;
};

volatile sig_atomic_t stop_requested = 0;
bool pipe_warning = false;  // some pipe could not be made large enough

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "delay_line: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

enum class Step { kGoOn, kBroken };

// One direction of a connection.
class Direction {
 public:
  Direction(int from, int to, const Options& options, Time begin)
      : from_(from), to_(to), rate_(options.rate), delay_(options.delay), refilled_(begin), begin_(begin) {
    if (pipe2(pipe_.data(), O_CLOEXEC | O_NONBLOCK) != 0) Die("making a pipe");
    limit_ = rate_ * std::chrono::duration<double>(delay_).count() + 2 * kQuantumBytes;
    tokens_ = kQuantumBytes;
  }
  ~Direction() {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  Direction(const Direction&) = delete;
  Direction& operator=(const Direction&) = delete;

  void SetReadable() { readable_ = true; }
  void SetWritable() { writable_ = true; }
  bool done() const { return shut_; }
  uint64_t passed() const { return passed_; }

  // Moves what can be moved now. `next` becomes earlier if there is something to do by itself later.
  Step Advance(Time now, Time& next) {
    if (now < begin_) {
      next = std::min(next, begin_);
      return Step::kGoOn;
    }
    if (LetOut(now) == Step::kBroken || TakeIn(now) == Step::kBroken) return Step::kBroken;
    if (ended_ && segments_.empty() && !shut_) {
      shutdown(to_, SHUT_WR);
      shut_ = true;
    }
    if (!segments_.empty() && writable_) next = std::min(next, segments_.front().due);
    if (readable_ && !ended_ && tokens_ < kQuantumBytes) {
      const double wait = (kQuantumBytes - tokens_) / rate_;
      next = std::min(next, now + duration_cast<nanoseconds>(std::chrono::duration<double>(wait)));
    }
    return Step::kGoOn;
  }

 private:
  struct Segment {
    Time due;
    size_t bytes;
  };

  Step TakeIn(Time now) {
    // An idle line saves up no more than it takes to pass one quantum at once.
    const double most = backlogged_ ? kQuantumBytes + rate_ * kCatchUpSeconds : kQuantumBytes;
    tokens_ = std::min(most, tokens_ + rate_ * std::chrono::duration<double>(now - refilled_).count());
    refilled_ = now;
    while (readable_ && !ended_ && tokens_ >= kQuantumBytes && queued_ < limit_) {
      const ssize_t size =
          splice(from_, nullptr, pipe_[1], nullptr, static_cast<size_t>(tokens_), SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
      if (size > 0) {
        segments_.push_back({now + delay_, static_cast<size_t>(size)});
        queued_ += static_cast<double>(size);
        tokens_ -= static_cast<double>(size);
      } else if (size == 0) {
        ended_ = true;
      } else if (errno == EAGAIN) {
        readable_ = PipeIsFull() && GrowPipe();
      } else if (errno != EINTR) {
        return Step::kBroken;
      }
    }
    backlogged_ = readable_;
    return Step::kGoOn;
  }

  // After EAGAIN: the socket is empty, or the pipe is full.
  bool PipeIsFull() const {
    int waiting = 0;
    return !segments_.empty() && ioctl(from_, FIONREAD, &waiting) == 0 && waiting > 0;
  }

  // False when it cannot grow: the socket is then read again when bytes have left the pipe.
  bool GrowPipe() {
    const int size = fcntl(pipe_[1], F_GETPIPE_SZ);
    if (size < kMaxPipeBytes && fcntl(pipe_[1], F_SETPIPE_SZ, 2 * size) > size) return true;
    pipe_warning = true;
    pipe_full_ = true;
    return false;
  }

  Step LetOut(Time now) {
    while (writable_ && !segments_.empty() && segments_.front().due <= now) {
      size_t due = 0;
      for (const Segment& segment : segments_) {
        if (segment.due > now) break;
        due += segment.bytes;
      }
      const ssize_t size = splice(pipe_[0], nullptr, to_, nullptr, due, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
      if (size > 0) {
        Forget(static_cast<size_t>(size));
      } else if (size < 0 && errno == EAGAIN) {
        writable_ = false;
      } else if (size == 0 || errno != EINTR) {
        return Step::kBroken;
      }
    }
    return Step::kGoOn;
  }

  void Forget(size_t bytes) {
    passed_ += bytes;
    queued_ -= static_cast<double>(bytes);
    while (bytes > 0) {
      Segment& front = segments_.front();
      const size_t taken = std::min(bytes, front.bytes);
      front.bytes -= taken;
      bytes -= taken;
      if (front.bytes == 0) segments_.pop_front();
    }
    if (std::exchange(pipe_full_, false)) readable_ = true;
  }

  const int from_;
  const int to_;
  const double rate_;
  const nanoseconds delay_;
  std::array<int, 2> pipe_{};
  std::deque<Segment> segments_;
  double queued_ = 0;
  double limit_ = 0;
  double tokens_ = 0;
  Time refilled_;
  const Time begin_;
  uint64_t passed_ = 0;
  bool readable_ = false;
  bool writable_ = false;
  bool backlogged_ = false;  // there was more to read than the rate allowed
  bool pipe_full_ = false;
  bool ended_ = false;
  bool shut_ = false;
};

struct Connection {
  // What epoll tells: a connection and which of its sockets.
  struct End {
    Connection* connection;
    bool client;
  };

  Connection(int client_fd, int server_fd, const Options& options, Time now)
      : client(client_fd),
        server(server_fd),
        up(client_fd, server_fd, options, now + 2 * options.delay),
        down(server_fd, client_fd, options, now) {}
  ~Connection() {
    close(client);
    close(server);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int client;
  const int server;
  Direction up;
  Direction down;
  End client_end{this, true};
  End server_end{this, false};
  bool broken = false;
  bool touched = true;
  Time next = Time::max();
};

class Line {
 public:
  explicit Line(const Options& options) : options_(options) {
    Resolve();
    Listen();
  }

  void Run() {
    std::array<epoll_event, 256> events;
    while (stop_requested == 0) {
      const int count = Wait(events);
      for (int i = 0; i < count; ++i) Note(events[static_cast<size_t>(i)]);
      Advance();
    }
    Report();
  }

 private:
  void Resolve() {
    const addrinfo hints{.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    addrinfo* found = nullptr;
    if (getaddrinfo(options_.host.c_str(), options_.port.c_str(), &hints, &found) != 0) {
      std::fprintf(stderr, "delay_line: no such host: %s:%s\n", options_.host.c_str(), options_.port.c_str());
      std::exit(2);
    }
    std::memcpy(&target_, found->ai_addr, sizeof(target_));
    freeaddrinfo(found);
  }

  void Listen() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    constexpr int kOn = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof(kOn));
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(options_.listen_port), .sin_addr = {}, .sin_zero = {}};
    inet_pton(AF_INET, options_.listen_address.c_str(), &address.sin_addr);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || listen(listener_, 512) != 0) {
      Die("listening on port " + std::to_string(options_.listen_port));
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) Die("epoll");
  }

  int Wait(std::array<epoll_event, 256>& events) {
    timespec timeout{};
    if (next_ != Time::max()) {
      const auto left = std::max(duration_cast<nanoseconds>(next_ - Clock::now()), nanoseconds(kTick));
      timeout.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000);
      timeout.tv_nsec = static_cast<long>(left.count() % 1'000'000'000);
    }
    // SIGINT and SIGTERM are let through only here, so that none is missed between the check and the wait.
    return epoll_pwait2(epoll_, events.data(), events.size(), next_ == Time::max() ? nullptr : &timeout,
                        &open_signals_);
  }

  void Note(const epoll_event& event) {
    if (event.data.ptr == nullptr) {
      Accept();
      return;
    }
    const auto* end = static_cast<Connection::End*>(event.data.ptr);
    Connection& connection = *end->connection;
    connection.touched = true;
    if ((event.events & EPOLLERR) != 0) connection.broken = true;
    Direction& reading = end->client ? connection.up : connection.down;
    Direction& writing = end->client ? connection.down : connection.up;
    if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0) reading.SetReadable();
    if ((event.events & EPOLLOUT) != 0) writing.SetWritable();
  }

  void Accept() {
    for (;;) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (client < 0) return;
      const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      constexpr int kOn = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof(kOn));
      setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof(kOn));
      if (connect(server, reinterpret_cast<const sockaddr*>(&target_), sizeof(target_)) != 0 && errno != EINPROGRESS) {
        close(client);
        close(server);
        continue;
      }
      Connection& connection = connections_.emplace_back(client, server, options_, Clock::now());
      constexpr uint32_t kAll = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
      epoll_event of_client{.events = kAll, .data = {.ptr = &connection.client_end}};
      epoll_event of_server{.events = kAll, .data = {.ptr = &connection.server_end}};
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, client, &of_client) != 0 ||
          epoll_ctl(epoll_, EPOLL_CTL_ADD, server, &of_server) != 0) {
        Die("epoll");
      }
    }
  }

  void Advance() {
    next_ = Time::max();
    const Time now = Clock::now();
    for (auto it = connections_.begin(); it != connections_.end();) {
      Connection& connection = *it++;
      if (connection.touched || connection.next <= now) {
        connection.touched = false;
        connection.next = Time::max();
        connection.broken = connection.broken || connection.up.Advance(now, connection.next) == Step::kBroken ||
                            connection.down.Advance(now, connection.next) == Step::kBroken;
      }
      if (connection.broken || (connection.up.done() && connection.down.done())) {
        Close(connection);
      } else {
        next_ = std::min(next_, connection.next);
      }
    }
  }

  void Close(Connection& connection) {
    passed_ += connection.up.passed() + connection.down.passed();
    if (connection.broken) {
      const linger now{.l_onoff = 1, .l_linger = 0};
      setsockopt(connection.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
      setsockopt(connection.server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    connections_.remove_if([&](const Connection& other) { return &other == &connection; });
  }

  void Report() {
    if (pipe_warning) {
      std::fprintf(stderr,
                   "delay_line: pipes were full, so it was slower than its rate at times: raise fs.pipe-max-size and "
                   "fs.pipe-user-pages-soft\n");
    }
    for (const Connection& connection : connections_) passed_ += connection.up.passed() + connection.down.passed();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    std::fprintf(stderr, "{\"bytes\": %llu, \"cpu_seconds\": %.3f}\n", static_cast<unsigned long long>(passed_),
                 seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }

  const Options options_;
  sockaddr_in target_{};
  int listener_ = -1;
  int epoll_ = -1;
  const sigset_t open_signals_{};  // none blocked
  std::list<Connection> connections_;
  Time next_ = Time::max();
  uint64_t passed_ = 0;
};

[[noreturn]] void Usage() {
  std::fprintf(stderr,
               "usage: delay_line --listen PORT --to HOST:PORT --delay-ms ONE_WAY --rate BYTES_PER_SECOND\n"
               "                  [--listen-address IPV4]\n"
               "A TCP line to HOST:PORT that delays every byte by ONE_WAY milliseconds each way and passes at most\n"
               "BYTES_PER_SECOND on each connection in each direction.\n"
               "Example: delay_line --listen 9001 --to 127.0.0.1:9000 --delay-ms 15 --rate 50000000\n");
  std::exit(2);
}

double Number(const char* text, double min) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != 0 || !std::isfinite(value) || value < min) Usage();
  return value;
}

Options Parse(int argc, char** argv) {
  constexpr std::array<option, 6> kLong = {{{"listen", required_argument, nullptr, 'l'},
                                            {"listen-address", required_argument, nullptr, 'a'},
                                            {"to", required_argument, nullptr, 't'},
                                            {"delay-ms", required_argument, nullptr, 'd'},
                                            {"rate", required_argument, nullptr, 'r'},
                                            {nullptr, 0, nullptr, 0}}};
  Options options;
  for (int found = 0; (found = getopt_long(argc, argv, "", kLong.data(), nullptr)) != -1;) {
    const std::string value = optarg == nullptr ? "" : optarg;
    switch (found) {
      case 'l': options.listen_port = static_cast<uint16_t>(Number(optarg, 1)); break;
      case 'a': options.listen_address = value; break;
      case 't':
        options.host = value.substr(0, value.rfind(':'));
        options.port = value.substr(std::min(value.rfind(':'), value.size() - 1) + 1);
        break;
      case 'd': options.delay = nanoseconds(static_cast<int64_t>(Number(optarg, 0) * 1e6)); break;
      case 'r': options.rate = Number(optarg, 1); break;
      default: Usage();
    }
  }
  if (optind != argc || options.listen_port == 0 || options.host.empty() || options.port.empty() || options.rate == 0) {
    Usage();
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigprocmask(SIG_BLOCK, &stops, nullptr);
  for (const int stop : {SIGINT, SIGTERM}) signal(stop, [](int) { stop_requested = 1; });
  rlimit files{};  // four per connection
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Line(options).Run();
  return 0;
}
