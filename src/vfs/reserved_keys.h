// Keys for what a mount keeps in the bucket for a while: tails and parts waiting to be composed, unlinked files still
// open. Nobody else makes the same: they hold a random number of the mount's own.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>

#include "vfs/names.h"

namespace seamount::vfs {

// Thread-safe.
class ReservedKeys {
 public:
  ReservedKeys() {
    std::random_device device;
    session_ = (static_cast<uint64_t>(device()) << 32) | device();
  }
  std::string Next() {
    return std::string(kReservedPrefix) + std::to_string(session_) + "-" + std::to_string(count_++);
  }

 private:
  uint64_t session_ = 0;
  std::atomic<uint64_t> count_ = 0;
};

}  // namespace seamount::vfs
