// What the process that has libhdf5 answers; see worker.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "source/child/child.h"

namespace seamount::source::hdf5 {

// Each request: the kind, the file (path, size, time of change, generation, whether it is a local one), then what the
// kind needs.
enum class RequestKind : uint8_t { kDescribe, kLocate, kRead };

// Opens the file, unless it is the one of the request before, and answers. `fetch` gives bytes of one that is not
// local.
Result<std::vector<std::byte>> Answer(std::span<const std::byte> request, const Fetch& fetch);

}  // namespace seamount::source::hdf5
