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
#include <mutex>
#include <thread>
#include <vector>

#include "fuse/context.h"
#include "fuse/operations.h"

namespace seamount::fuse {
namespace {

// Interrupts a thread's read of the next request; the handler does nothing. Nobody else in this program uses it.
constexpr int kWakeSignal = SIGUSR2;

void OnWake(int) {}

}  // namespace

struct Session::State {
  OperationsContext context;
  fuse_session* session = nullptr;
  std::string path;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable_any ended;
  size_t running = 0;
  size_t most = 0;
  bool ending = false;  // a thread has ended, or all shall
  bool stopped = false;
  std::atomic<int> idle = 0;
  Interrupts interrupts;

  // Under mutex.
  void StartThread() {
    ++running;
    threads.emplace_back([this] { Serve(); });
  }

  void Serve() {
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
  state->context = {&file_system, std::chrono::duration<double>(options.attribute_ttl).count(), &state->interrupts};
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
  {
    std::scoped_lock lock(state->mutex);
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
  if (IsMounted(state_->path) && !Detach(state_->path, false)) (void)Detach(state_->path, true);
  fuse_session_exit(state_->session);
  {
    std::scoped_lock lock(state_->mutex);
    state_->ending = true;  // from here on no thread is added
  }
  for (std::thread& thread : state_->threads) {
    // A signal that comes between the check of `exited` and the read is lost, so it is repeated.
    std::unique_lock lock(state_->mutex);
    while (state_->running > 0) {
      for (std::thread& each : state_->threads) pthread_kill(each.native_handle(), kWakeSignal);
      state_->ended.wait_for(lock, std::chrono::milliseconds(10));
    }
    lock.unlock();
    thread.join();
  }
  fuse_session_unmount(state_->session);
  fuse_session_destroy(state_->session);
}

Session::~Session() { Stop(); }

}  // namespace seamount::fuse
