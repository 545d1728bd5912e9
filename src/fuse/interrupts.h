// Ends calls whose program wants them ended.
//
// The kernel tells of every signal that reaches a program which waits for an answer, harmless ones (timers, a runtime's
// own) included, and only once for a request. So on its word the program's pending signals are looked at, and from then
// on every few milliseconds until the request is answered: one that ends a program, or that a terminal or a notebook
// sends to stop it, stops the call.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/clock.h"

struct fuse_req;

namespace seamount::fuse {

// Thread-safe.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();

  // Calls `call` with a context whose stop is requested when the request is to be given up. The request must not be
  // answered within it.
  template <class F>
  auto Run(fuse_req* request, F call) {
    Waiting waiting{.interrupts = this};
    Begin(request, waiting);
    auto outcome = call(CallContext{.stop = waiting.stop.get_token()});
    End(request, waiting);
    return outcome;
  }

 private:
  struct Waiting {
    Interrupts* interrupts;
    int thread = 0;  // the program's, which waits
    std::stop_source stop;
  };

  static void OnInterrupt(fuse_req* request, void* data);
  void Begin(fuse_req* request, Waiting& waiting);
  void End(fuse_req* request, Waiting& waiting);
  void Watch(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any told_;
  std::map<Waiting*, int> waiting_;  // those that were interrupted, by any signal
  std::jthread thread_;              // last: it uses the rest
};

// Whether a signal is pending for the thread that ends it, or asks it to stop: SIGKILL, and of SIGHUP, SIGINT, SIGQUIT,
// SIGTERM those that it neither blocks nor ignores. True too if there is no such thread any more.
bool WantsToEnd(int thread);

}  // namespace seamount::fuse
