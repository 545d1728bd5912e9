// The format of one cached block on disk: a header of 4 KiB, so that the payload begins on a page, then the payload:
// the whole block, or of a small one the part that was read so far.
//
// The header names the object wholly (its file's name is only a hash), and carries a CRC32C for each 64 KiB of payload,
// so that a small read verifies little more than it needs, and one of itself. Nothing is fsynced and nothing trusted
// that does not match its checksum: after a crash a block is either whole or no block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "store/store.h"

namespace seamount::store {

// 1 MiB: large enough that opening a file (a few µs) vanishes beside reading it, and that a disk of 100 GB holds
// 100,000 files; small enough that one is fetched in one round trip plus 20 ms at 50 MB/s.
inline constexpr uint32_t kLargeBlockBytes = 1 << 20;
// 128 KiB, the size of a read by the kernel: for random access, where a large block would fetch far more than is asked.
inline constexpr uint32_t kSmallBlockBytes = 128 << 10;
inline constexpr uint32_t kChecksummedBytes = 64 << 10;
inline constexpr size_t kBlockHeaderBytes = 4096;

struct BlockId {
  std::string object;  // the bucket's identity and the key
  uint32_t block_bytes = kLargeBlockBytes;
  uint64_t index = 0;  // the block begins at index * block_bytes
};

struct BlockHeader {
  BlockId id;
  Generation generation;
  uint64_t object_bytes = 0;
  std::optional<uint32_t> object_crc32c;
  uint32_t payload_begin = 0;  // within the block; not 0 only where a part of it is cached
  uint32_t payload_bytes = 0;
  std::array<uint32_t, kLargeBlockBytes / kChecksummedBytes> crc32c{};
};

using EncodedBlockHeader = std::array<std::byte, kBlockHeaderBytes>;

// Nothing when the names of object and generation do not fit: such a block is not cached.
std::optional<EncodedBlockHeader> EncodeBlockHeader(const BlockHeader& header);
// Nothing when it is damaged or no header at all.
std::optional<BlockHeader> DecodeBlockHeader(std::span<const std::byte, kBlockHeaderBytes> bytes);

// The checksums of a payload, each of 64 KiB of it.
void ChecksumPayload(std::span<const std::byte> payload, BlockHeader& header);

// "ab/abcdef…": folder and name of a block's file. Without the generation, so that a new one replaces the old.
std::string BlockPath(const BlockId& id);

}  // namespace seamount::store
