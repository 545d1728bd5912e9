// How fast a bucket is to be reached from here: a round trip, one connection, many.
//
// The three numbers decide how large chunks should be and how many requests should be under way, and whether a machine
// stands in the right place. They are measured by reading an object that is there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "store/store.h"

namespace seamount::stores {

struct LinkProbe {
  std::string key;                                                // of an object of kMinProbeBytes or more
  size_t connections = 16;                                        // at once
  uint64_t max_bytes = 256 << 20;                                 // to read in all, about
  std::function<void(uint64_t bytes)> on_read = [](uint64_t) {};  // called from many threads
};

inline constexpr uint64_t kMinProbeBytes = 4 << 20;

struct Link {
  base::Duration round_trip{};             // of a read of one byte, the median
  double connection_bytes_per_second = 0;  // of one read, once it flows
  double bytes_per_second = 0;             // of all connections together
  size_t connections = 0;
  uint64_t bytes_read = 0;  // by the measurement itself
};

// Blocks for as long as the reads take. The store must not cache. InvalidArgument where the object is too small,
// NotFound where there is none.
Result<Link> MeasureLink(Store& store, const LinkProbe& probe, base::Clock& clock, const CallContext& context);

}  // namespace seamount::stores
