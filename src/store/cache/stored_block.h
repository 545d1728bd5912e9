// Within store/cache: a block on disk, open and with the headers of its parts checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "store/cache/block_file.h"

struct stat;

namespace seamount::store {

// Immutable, and shared by its readers: parts that are appended later belong to the next one that opens the file.
class StoredBlock {
 public:
  // Null where there is none. damaged: set where there is something, but no block.
  static std::shared_ptr<const StoredBlock> Open(std::string path, const BlockId& id, struct stat& status,
                                                 bool& damaged);
  // The first header names what all parts are of; at least one part.
  StoredBlock(base::Fd fd, std::string path, std::vector<BlockHeader> headers, uint64_t file_bytes);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  const BlockHeader& header() const { return headers_.front(); }
  const BlockId& id() const { return header().id; }
  size_t part_count() const { return headers_.size(); }
  // What is there of the object, in order, not touching.
  const std::vector<ByteSpan>& parts() const { return parts_; }
  // Where the file goes on; nothing may be appended where its end is no part of ours.
  uint64_t append_at() const { return append_at_; }
  bool ends_well() const { return file_bytes_ <= append_at_; }
  // Whether the file still has its name, and nothing was appended since.
  bool Current(struct stat& status) const;
  // Reads from `offset` of the object on, which lies in a part, as far as one part of the file goes; how much that was.
  // 0 when it does not match its checksum.
  size_t Read(uint64_t offset, std::span<std::byte> into) const;

 private:
  bool ReadPieces(const BlockHeader& header, uint64_t payload_at, uint64_t from, std::span<std::byte> into) const;
  bool ReadInside(const BlockHeader& header, uint64_t payload_at, uint64_t from, std::span<std::byte> into) const;

  const base::Fd fd_;
  const std::string path_;
  const std::vector<BlockHeader> headers_;
  const std::vector<ByteSpan> parts_;
  const uint64_t file_bytes_;
  const uint64_t append_at_;
};

// What a part takes in the file: header and payload, to the next page.
uint64_t PartFileBytes(uint64_t payload_bytes);
// What a header's part is of the object.
ByteSpan SpanOf(const BlockHeader& header);

}  // namespace seamount::store
