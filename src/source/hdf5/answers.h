// What the process that has libhdf5 answers; see worker.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "source/hdf5/far_file.h"

namespace seamount::source::hdf5 {

// Each request: the kind, the file (path, size, time of change, generation, whether it is a local one), then what the
// kind needs. Each answer: its kind, then the payload, or an error's code and its message. Before it there may be any
// number of needs: an offset and a size in a file that is not local, answered by 1 and so many bytes, or by 0.
enum class RequestKind : uint8_t { kDescribe, kLocate, kRead };
enum class ReplyKind : uint8_t { kError, kPayload, kNeed };

// Opens the file, unless it is the one of the request before, and answers. `fetch` gives bytes of one that is not
// local. Not thread-safe, as the library is not.
std::vector<std::byte> Answer(std::span<const std::byte> request, const Fetch& fetch);

}  // namespace seamount::source::hdf5
