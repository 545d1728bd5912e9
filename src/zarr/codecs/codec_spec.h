// A codec as metadata name it, and the limits of what is believed of metadata from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace seamount::zarr {

// One codec with its configuration, as v3 spells it: name "blosc", configuration_json {"cname":"zstd",…}.
struct CodecSpec {
  std::string name;
  std::string configuration_json = "{}";
};

inline constexpr size_t kMaxDimensions = 64;                   // as NumPy 2
inline constexpr uint64_t kMaxChunkBytes = uint64_t{4} << 30;  // decoded; one chunk must fit in memory several times
inline constexpr uint64_t kMaxChunksPerShard = uint64_t{1} << 22;  // an index of 64 MiB

}  // namespace seamount::zarr
