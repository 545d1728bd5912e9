// What the process that has libhdf5 answers; see worker.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace seamount::source::hdf5 {

// Each request: the kind, the file (path, size, time of change), then what the kind needs. Each answer: 1 and the
// payload, or 0, an error's code and its message.
enum class RequestKind : uint8_t { kDescribe, kLocate, kRead };

// Opens the file, unless it is the one of the request before, and answers. Not thread-safe, as the library is not.
std::vector<std::byte> Answer(std::span<const std::byte> request);

}  // namespace seamount::source::hdf5
