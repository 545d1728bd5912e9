// The format of one cached block on disk: one part of it after the other, each from a page boundary on. A part is a
// header of 4 KiB, so that the payload begins on a page, then the payload.
//
// A header names the object wholly (its file's name is only a hash), and carries a CRC32C for each 64 KiB of payload,
// so that a small read verifies little more than it needs, and one of itself. Nothing is fsynced and nothing trusted
// that does not match its checksum. Parts are only ever appended; what does not end well ends the file for its readers:
// after a crash each part is either whole or no part.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "store/store.h"

namespace seamount::store {

// 1 MiB: large enough that making and opening a file vanishes beside writing and reading it, and that a disk of 100 GB
// holds 100,000 files; small enough that one is fetched in one round trip plus 20 ms at 50 MB/s.
inline constexpr uint32_t kBlockBytes = 1 << 20;
inline constexpr uint32_t kChecksummedBytes = 64 << 10;
inline constexpr size_t kBlockHeaderBytes = 4096;

// What is appended to more parts than this becomes one with them: a file is opened with a read for each.
inline constexpr size_t kMostParts = 16;

struct BlockId {
  std::string object;  // the bucket's identity and the key
  uint64_t index = 0;

  uint64_t begin() const { return index * kBlockBytes; }
  bool operator==(const BlockId&) const = default;
};

// Of one part.
struct BlockHeader {
  BlockId id;
  Generation generation;
  uint64_t object_bytes = 0;
  std::optional<uint32_t> object_crc32c;
  uint32_t payload_begin = 0;  // within the block
  uint32_t payload_bytes = 0;
  std::array<uint32_t, kBlockBytes / kChecksummedBytes> crc32c{};
};

using EncodedBlockHeader = std::array<std::byte, kBlockHeaderBytes>;

// Nothing when the names of object and generation do not fit: such an object is not cached.
std::optional<EncodedBlockHeader> EncodeBlockHeader(const BlockHeader& header);
// Nothing when it is damaged or no header at all.
std::optional<BlockHeader> DecodeBlockHeader(std::span<const std::byte, kBlockHeaderBytes> bytes);

// The checksums of a payload, each of 64 KiB of it.
void ChecksumPayload(std::span<const std::byte> payload, BlockHeader& header);

// "ab/abcdef…": folder and name of a block's file. Without the generation, so that a new one replaces the old.
std::string BlockPath(const BlockId& id);

}  // namespace seamount::store
