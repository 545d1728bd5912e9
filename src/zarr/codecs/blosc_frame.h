// The Blosc 1 container: a header of 16 bytes, the offset of every block, the blocks. A block is one compressed stream,
// or one for each byte plane of its elements ("split"), each behind four bytes of its size; a stream as long as what it
// decodes to is stored as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace seamount::zarr {

inline constexpr size_t kBloscHeaderBytes = 16;
inline constexpr uint8_t kBloscVersion = 2;
inline constexpr uint8_t kBloscByteShuffled = 0x01;
inline constexpr uint8_t kBloscStored = 0x02;  // one copy of the elements follows the header
inline constexpr uint8_t kBloscBitShuffled = 0x04;
inline constexpr uint8_t kBloscReserved = 0x08;
inline constexpr uint8_t kBloscNotSplit = 0x10;
enum class BloscFormat : uint8_t { kBloscLz = 0, kLz4 = 1, kSnappy = 2, kZlib = 3, kZstd = 4 };

struct BloscHeader {
  uint8_t version = kBloscVersion;
  uint8_t format_version = 1;
  uint8_t flags = 0;
  uint8_t element_size = 1;
  uint32_t decoded_bytes = 0;
  uint32_t block_bytes = 0;
  uint32_t frame_bytes = 0;

  BloscFormat format() const { return static_cast<BloscFormat>(flags >> 5); }
  size_t blocks() const { return (size_t{decoded_bytes} + block_bytes - 1) / block_bytes; }
};

// Into how many streams a block is cut. The last block, when shorter, never is.
size_t BloscStreams(const BloscHeader& header, size_t block_bytes);

// The header, with every size in it held against the frame's real size and `capacity`; DataLoss when any is off.
Result<BloscHeader> ReadBloscHeader(std::span<const std::byte> frame, size_t capacity);
void WriteBloscHeader(const BloscHeader& header, std::byte* into);

// Decodes a whole frame into the beginning of `into`; returns how much that is.
Result<size_t> DecodeBloscFrame(std::span<const std::byte> frame, std::span<std::byte> into);

}  // namespace seamount::zarr
