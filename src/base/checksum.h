// CRC32C (Castagnoli), as GCS and Zarr use it, with the SSE4.2 instruction where the processor has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seamount::base {

// Crc32c(data) of a whole; Crc32c(b, Crc32c(a)) of a followed by b.
uint32_t Crc32c(std::span<const std::byte> data, uint32_t before = 0);

// The checksum of a followed by b, from the checksums of both and b's length alone. O(log length).
uint32_t Crc32cCombine(uint32_t a, uint32_t b, uint64_t b_size);

}  // namespace seamount::base
