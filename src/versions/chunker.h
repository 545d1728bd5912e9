// Where a file is cut into chunks: by its content, so that what lies behind an insertion is cut as before, and a model
// of which one layer has changed shares all its other chunks with the version before.
//
// The cuts are part of the format: another rule would store every model once more. A hash rolls over the bytes (Gear,
// 64 bits); a chunk ends where its top bits are zero. Towards the usual size more bits must be zero, beyond it fewer
// (normalised chunking, as of FastCDC), so that sizes stay near it. docs/decisions/100 says why these sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seamount::versions {

inline constexpr size_t kMinChunk = 1 << 20;
inline constexpr size_t kUsualChunk = 4 << 20;
inline constexpr size_t kMaxChunk = 12 << 20;

// How long the chunk at the front is. `data` has kMaxChunk bytes or more, or all that is left of the file. 0 of
// nothing.
size_t FirstChunk(std::span<const std::byte> data);

}  // namespace seamount::versions
