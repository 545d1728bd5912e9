// A TCP proxy in the test's own process that makes the network worse than it is.
//
//   auto proxy = ChaosProxy::Start(server.port()).value();
//   proxy->Set({.reset_after = 100'000, .times = 3});   // the next three connections break; later ones work
//   … use http://127.0.0.1:<proxy->port()> …
//
// Byte counts are per connection, of what flows to the client, HTTP heads included.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/result.h"

namespace seamount::net {

// What happens to a connection. At most one of the *_after is meant at a time.
struct Chaos {
  base::Duration latency{0};            // every byte is held this long, each way
  std::optional<uint64_t> reset_after;  // then the client sees a reset
  std::optional<uint64_t> close_after;  // then the client sees the end: a truncated response
  std::optional<uint64_t> stall_after;  // then nothing comes any more, and the connection stays open
  std::optional<uint64_t> flip_bit_at;  // the lowest bit of this byte is turned round
  bool refuse = false;                  // connections are reset as soon as they are made
  std::optional<int> times;             // only of so many connections; those after them are left alone
};

// Thread-safe. One thread accepts, one per connection copies.
class ChaosProxy {
 public:
  // Passes connections on to 127.0.0.1:to_port.
  static Result<std::unique_ptr<ChaosProxy>> Start(uint16_t to_port);
  ~ChaosProxy();  // resets what is open
  ChaosProxy(const ChaosProxy&) = delete;
  ChaosProxy& operator=(const ChaosProxy&) = delete;

  uint16_t port() const;
  // For connections made from now on. Those that are open are reset, so that no pooled one escapes.
  void Set(const Chaos& chaos);
  // Connections accepted so far.
  uint64_t accepted() const;
  // Connections that were made worse so far.
  uint64_t harmed() const;

 private:
  ChaosProxy();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seamount::net
