// Blocking calls from Python: without the GIL, and such that Ctrl-C ends them.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <future>
#include <type_traits>

#include "base/clock.h"

namespace seamount::python {

// How long a Ctrl-C waits at most.
inline constexpr std::chrono::milliseconds kSignalInterval(100);

// Calls body(context) on a thread of its own, because Python runs signal handlers on the main one. When a handler
// raises (KeyboardInterrupt), context.stop is requested, the body waited for, and the exception goes on. The thread has
// ended when this returns. GIL held.
template <class F>
auto Interruptibly(F body) -> std::invoke_result_t<F, const CallContext&> {
  std::stop_source stop;
  auto result = std::async(std::launch::async, [&] { return body(CallContext{.stop = stop.get_token()}); });
  const auto wait = [&] {
    const nanobind::gil_scoped_release released;
    return result.wait_for(kSignalInterval) == std::future_status::ready;
  };
  while (!wait()) {
    if (PyErr_CheckSignals() == 0) continue;
    stop.request_stop();
    const nanobind::gil_scoped_release released;
    result.wait();
    break;
  }
  if (PyErr_Occurred() != nullptr) throw nanobind::python_error();
  return result.get();
}

}  // namespace seamount::python
