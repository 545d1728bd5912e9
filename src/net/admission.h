// Who makes room when an HTTP server has as many connections as it will hold: decided here, carried out by the server.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace seamount::net {

enum class Standing : uint8_t {
  kStranger,  // nobody that the handler knows has asked on it yet, or what was asked is still coming in
  kGuest,     // a stranger who is sent a file that the handler lets anybody read
  kIdle,      // known; no request is in progress
  kBusy,      // known, with a request in progress
};

struct Connected {
  uint64_t id = 0;
  std::string_view address;
  Standing standing = Standing::kStranger;
  base::SteadyTime since;  // when it came to stand so; bytes that trickle in do not renew it
};

struct AdmissionLimits {
  size_t connections = 0;
  size_t strangers = 0;
};

struct Admission {
  bool admitted = true;
  std::vector<uint64_t> closed;  // these make room
};

// For one more connection beside `there`. Strangers never keep out who is known, nor a newcomer: of too many, the one
// that has stood longest makes room, among those of the address that has most. Where all places are taken, strangers go
// first, then who is idle (it will connect again), then guests. Only where all are busy is the newcomer turned away.
Admission Admit(const std::vector<Connected>& there, const AdmissionLimits& limits);

}  // namespace seamount::net
