#include "store/cache/block_file.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/encoding.h"

namespace seamount::store {
namespace {

constexpr std::array<char, 8> kMagic = {'S', 'E', 'A', 'B', 'L', 'K', '0', '3'};

// As it stands on disk, in this machine's byte order: a cache does not travel.
struct Layout {
  std::array<char, 8> magic;
  uint64_t object_bytes;
  uint64_t index;
  uint32_t block_bytes;
  uint32_t payload_begin;
  uint32_t payload_bytes;
  uint32_t object_crc32c;
  uint32_t has_object_crc32c;
  std::array<uint32_t, kBlockBytes / kChecksummedBytes> crc32c;
  uint32_t object_name_bytes;
  uint32_t generation_bytes;
  std::array<char, 3976> names;  // the object's, then the generation's
  uint32_t header_crc32c;        // of all before it
};
static_assert(sizeof(Layout) == kBlockHeaderBytes && std::is_trivially_copyable_v<Layout>);

uint32_t HeaderChecksum(const Layout& layout) {
  return base::Crc32c({reinterpret_cast<const std::byte*>(&layout), offsetof(Layout, header_crc32c)});
}

// FNV-1a. A collision costs a miss, since the header names the block.
uint64_t Hash(std::string_view text, uint64_t start) {
  uint64_t hash = 0xCBF29CE484222325ULL ^ start;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash ^ (hash >> 29);
}

}  // namespace

std::optional<EncodedBlockHeader> EncodeBlockHeader(const BlockHeader& header) {
  Layout layout{};
  const std::string& object = header.id.object;
  const std::string& generation = header.generation.text();
  if (generation.size() > layout.names.size() || object.size() > layout.names.size() - generation.size()) {
    return std::nullopt;
  }
  layout.magic = kMagic;
  layout.object_bytes = header.object_bytes;
  layout.index = header.id.index;
  layout.block_bytes = kBlockBytes;
  layout.payload_begin = header.payload_begin;
  layout.payload_bytes = header.payload_bytes;
  layout.object_crc32c = header.object_crc32c.value_or(0);
  layout.has_object_crc32c = header.object_crc32c ? 1 : 0;
  layout.crc32c = header.crc32c;
  layout.object_name_bytes = static_cast<uint32_t>(object.size());
  layout.generation_bytes = static_cast<uint32_t>(generation.size());
  std::copy(generation.begin(), generation.end(), std::copy(object.begin(), object.end(), layout.names.begin()));
  layout.header_crc32c = HeaderChecksum(layout);
  EncodedBlockHeader encoded;
  std::memcpy(encoded.data(), &layout, sizeof layout);
  return encoded;
}

std::optional<BlockHeader> DecodeBlockHeader(std::span<const std::byte, kBlockHeaderBytes> bytes) {
  Layout layout;
  std::memcpy(&layout, bytes.data(), sizeof layout);
  const bool sound = layout.magic == kMagic && layout.header_crc32c == HeaderChecksum(layout) &&
                     layout.object_name_bytes <= layout.names.size() && layout.generation_bytes > 0 &&
                     layout.generation_bytes <= layout.names.size() - layout.object_name_bytes &&
                     layout.block_bytes == kBlockBytes && layout.payload_begin <= kBlockBytes &&
                     layout.payload_bytes <= kBlockBytes - layout.payload_begin && layout.index < (1ULL << 40) &&
                     layout.index * kBlockBytes + layout.payload_begin + layout.payload_bytes <= layout.object_bytes;
  if (!sound) return std::nullopt;
  BlockHeader header{
      .id = {.object = std::string(layout.names.data(), layout.object_name_bytes), .index = layout.index},
      .generation = Generation(std::string(layout.names.data() + layout.object_name_bytes, layout.generation_bytes)),
      .object_bytes = layout.object_bytes,
      .payload_begin = layout.payload_begin,
      .payload_bytes = layout.payload_bytes,
      .crc32c = layout.crc32c};
  if (layout.has_object_crc32c != 0) header.object_crc32c = layout.object_crc32c;
  return header;
}

void ChecksumPayload(std::span<const std::byte> payload, BlockHeader& header) {
  for (size_t i = 0; !payload.empty() && i < header.crc32c.size(); ++i) {
    const auto part = payload.first(std::min<size_t>(payload.size(), kChecksummedBytes));
    header.crc32c[i] = base::Crc32c(part);
    payload = payload.subspan(part.size());
  }
}

std::string BlockPath(const BlockId& id) {
  const std::string text = std::to_string(kBlockBytes) + ":" + std::to_string(id.index) + ":" + id.object;
  const std::array<uint64_t, 2> hashes = {Hash(text, 0), Hash(text, 0x9E3779B97F4A7C15ULL)};
  const std::string name = base::HexEncode(std::as_bytes(std::span(hashes)));
  return name.substr(0, 2) + "/" + name;
}

}  // namespace seamount::store
