// zstd with one compression and one decompression context for each thread: setting one up costs more than compressing a
// small block with it.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"

namespace seamount::zarr {

size_t ZstdBound(size_t size);
// 0: does not fit into `into`.
Result<size_t> ZstdCompress(int level, bool checksum, std::span<const std::byte> from, std::span<std::byte> into);
// One or more frames. DataLoss when malformed or more than fits.
Result<size_t> ZstdDecompress(std::span<const std::byte> from, std::span<std::byte> into);

}  // namespace seamount::zarr
