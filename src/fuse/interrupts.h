// Ends calls whose program wants them ended.
//
// The kernel tells of every signal that reaches a program which waits for an answer, harmless ones (timers, a runtime's
// own) included, and only once for a request. So on its word the program's pending signals are looked at, and from then
// on every few milliseconds until the request is answered: one that ends a program, or that a terminal or a notebook
// sends to stop it, stops the call.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
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

  // A request that is being served, or waits to be, on whatever thread. It must be over before the request is answered.
  class Call {
   public:
    Call(Interrupts& interrupts, fuse_req* request);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    // Its stop is requested when the request is to be given up.
    CallContext context() const { return {.stop = stop_.get_token()}; }

   private:
    friend class Interrupts;
    static void OnInterrupt(fuse_req* request, void* data);
    Interrupts& interrupts_;
    fuse_req* const request_;
    const int thread_;  // the program's, which waits; 0: the kernel's own, and nobody interrupts it
    std::stop_source stop_;
  };

 private:
  void Watch(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any told_;
  std::set<Call*> interrupted_;  // by any signal
  std::jthread thread_;          // last: it uses the rest
};

// Whether a signal is pending for the thread that ends it, or asks it to stop: SIGKILL, and of SIGHUP, SIGINT, SIGQUIT,
// SIGTERM those that it neither blocks nor ignores. True too if there is no such thread any more.
bool WantsToEnd(int thread);

}  // namespace seamount::fuse
