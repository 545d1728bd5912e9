#include "fuse/session.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "fuse/context.h"
#include "fuse/operations.h"

namespace seamount::fuse {
namespace {

// Interrupts a thread's read of the next request; the handler does nothing. Nobody else in this program uses it.
constexpr int kWakeSignal = SIGUSR2;

void OnWake(int) {}

// How long a thread that uploads is kept for the next close.
constexpr auto kIdle = std::chrono::seconds(10);

}  // namespace

struct Session::State {
  OperationsContext context;
  fuse_session* session = nullptr;
  std::string path;
  std::list<std::thread> threads;
  std::list<std::thread> finished;  // idle ones that have ended, or are about to
  std::mutex mutex;
  std::condition_variable_any ended;
  size_t running = 0;
  size_t kept = 0;
  size_t most = 0;
  bool ending = false;  // a thread has ended, or all shall
  bool stopped = false;
  std::atomic<size_t> idle = 0;
  Interrupts interrupts;
  std::optional<Forgetter> forgetter;
  std::optional<Waiters> waiters;  // last: what they run uses the rest

  // Under mutex.
  void StartThread() {
    for (std::thread& each : finished) each.join();
    finished.clear();
    ++running;
    const auto self = threads.emplace(threads.end());
    *self = std::thread([this, self] { Serve(self); });
  }

  // Whether enough others wait for requests, so that this thread can end.
  bool Leaves(std::list<std::thread>::iterator self) {
    if (idle < kept) return false;
    std::scoped_lock lock(mutex);
    if (ending || running <= kept) return false;
    --running;
    finished.splice(finished.end(), threads, self);
    return true;
  }

  void Serve(std::list<std::thread>::iterator self) {
    fuse_buf request = {};
    while (!fuse_session_exited(session)) {
      ++idle;
      const int got = fuse_session_receive_buf(session, &request);
      const bool last = --idle == 0;
      if (got == -EINTR || got == -EAGAIN) continue;
      if (got <= 0) break;  // unmounted
      if (last) {
        std::scoped_lock lock(mutex);
        if (!ending && threads.size() < most) StartThread();
      }
      fuse_session_process_buf(session, &request);
      if (Leaves(self)) {
        std::free(request.mem);
        return;
      }
    }
    std::free(request.mem);
    std::scoped_lock lock(mutex);
    ending = true;
    --running;
    ended.notify_all();
  }
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Session>> Session::Start(vfs::FileSystem& file_system, const std::string& path,
                                                const SessionOptions& options) {
  auto state = std::make_unique<State>();
  state->waiters.emplace(static_cast<size_t>(options.most_uploads), kIdle);
  state->context = {&file_system, std::chrono::duration<double>(options.attribute_ttl).count(), &state->interrupts,
                    &*state->waiters};
  state->path = path;
  struct sigaction action = {};
  action.sa_handler = OnWake;  // without SA_RESTART: the read must return
  sigaction(kWakeSignal, &action, nullptr);

  // libfuse keeps mount options for fusermount3 only; as root they are given to mount(2).
  std::vector<std::string> words = {"seamount"};
  if (geteuid() != 0) {
    words.insert(words.end(),
                 {"-o", "default_permissions,noatime,subtype=seamount,fsname=" + options.mount_point.source});
    if (options.mount_point.allow_other) words.insert(words.end(), {"-o", "allow_other"});
    if (options.mount_point.read_only) words.insert(words.end(), {"-o", "ro"});
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  fuse_args args = FUSE_ARGS_INIT(static_cast<int>(argv.size()), argv.data());
  state->session = fuse_session_new(&args, &Operations(), sizeof(fuse_lowlevel_ops), &state->context);
  fuse_opt_free_args(&args);
  state->context.session = state->session;
  if (state->session == nullptr) return base::Internal("libfuse could not make a session");
  if (auto attached = Attach(state->session, path, options.mount_point); !attached) {
    fuse_session_destroy(state->session);
    return std::move(attached).error();
  }
  state->forgetter.emplace(file_system, state->session);
  state->context.forgetter = &*state->forgetter;
  {
    std::scoped_lock lock(state->mutex);
    state->kept = static_cast<size_t>(options.threads);
    state->most = static_cast<size_t>(options.most_threads);
    for (int i = 0; i < options.threads; ++i) state->StartThread();
  }
  return std::unique_ptr<Session>(new Session(std::move(state)));
}

bool Session::Answers() const {
  struct stat info = {};
  return stat(state_->path.c_str(), &info) == 0;
}

bool Session::Wait(const CallContext& context) {
  std::unique_lock lock(state_->mutex);
  return state_->ended.wait(lock, context.stop, [this] { return state_->ending; });
}

void Session::Stop() {
  if (state_->stopped) return;
  state_->stopped = true;
  state_->forgetter->Stop();
  if (IsMounted(state_->path) && !Detach(state_->path, false)) (void)Detach(state_->path, true);
  fuse_session_exit(state_->session);
  {
    std::scoped_lock lock(state_->mutex);
    state_->ending = true;  // from here on no thread is added, and none leaves for want of work
  }
  {
    // A signal that comes between the check of `exited` and the read is lost, so it is repeated.
    std::unique_lock lock(state_->mutex);
    while (state_->running > 0) {
      for (std::thread& each : state_->threads) pthread_kill(each.native_handle(), kWakeSignal);
      state_->ended.wait_for(lock, std::chrono::milliseconds(10));
    }
  }
  for (auto* threads : {&state_->threads, &state_->finished}) {
    for (std::thread& each : *threads) each.join();
  }
  state_->waiters.reset();  // when they have answered
  fuse_session_unmount(state_->session);
  fuse_session_destroy(state_->session);
}

Session::~Session() { Stop(); }

}  // namespace seamount::fuse
