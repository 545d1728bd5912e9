// libdeflate with one compressor per level and one decompressor for each thread.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"

namespace seamount::zarr {

enum class DeflateFormat { kGzip, kZlib };

// gzip may consist of several members. Returns the decoded size; DataLoss when malformed, more than fits, or followed
// by other bytes.
Result<size_t> Inflate(DeflateFormat format, std::span<const std::byte> from, std::span<std::byte> into);
size_t DeflateBound(DeflateFormat format, size_t size);
// level 0..9. `into` holds DeflateBound.
Result<size_t> Deflate(DeflateFormat format, int level, std::span<const std::byte> from, std::span<std::byte> into);

}  // namespace seamount::zarr
