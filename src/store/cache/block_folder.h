// Within store/cache: the directory of a block cache and its bound, by system calls. Used by the writing thread alone.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "store/cache/block_file.h"

namespace seamount::store {

class BlockFolder {
 public:
  BlockFolder(std::string directory, uint64_t limit_bytes)
      : directory_(std::move(directory)), limit_bytes_(limit_bytes) {}

  Result<void> Make();
  std::string PathOf(const BlockId& id) const { return directory_ + "/blocks/" + BlockPath(id); }
  // False when there is no room and somebody else is making some. An error when the disk is full or broken.
  Result<bool> Write(const BlockHeader& header, std::span<const std::byte> payload);
  uint64_t evicted() const { return evicted_; }

 private:
  Result<bool> MakeRoom(uint64_t bytes);
  Result<uint64_t> Evict(uint64_t target_bytes);
  // Adds to the count shared with other processes; the new count.
  uint64_t AddUsage(int64_t bytes);
  void SetUsage(uint64_t bytes);

  const std::string directory_;
  const uint64_t limit_bytes_;
  uint64_t counter_ = 0;
  uint64_t evicted_ = 0;
};

}  // namespace seamount::store
