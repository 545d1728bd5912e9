// Within store/cache: the directory of a block cache and its bound, by system calls.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "store/cache/stored_block.h"

namespace seamount::store {

// By what a block goes to disk. Nothing: O_DIRECT, where the file system has it.
enum class Through { kNothing, kPageCache };

// A part to be written; its checksums are made then.
struct NewPart {
  BlockHeader header;
  std::span<const std::byte> payload;
};

// Room for one part, on page boundaries, as O_DIRECT wants it. Each writing thread has its own.
class BlockImage {
 public:
  BlockImage();
  std::byte* data() { return data_.get(); }

 private:
  const std::unique_ptr<std::byte, void (*)(void*)> data_;
};

// Thread-safe.
class BlockFolder {
 public:
  BlockFolder(std::string directory, uint64_t limit_bytes, std::optional<uint64_t> reserve_bytes)
      : directory_(std::move(directory)), limit_bytes_(limit_bytes), reserve_bytes_(reserve_bytes) {}

  // PermissionDenied where the folder is there and others could change what is in it.
  Result<void> Make();
  std::string PathOf(const BlockId& id) const { return directory_ + "/blocks/" + BlockPath(id); }
  // Sets the count of what is used right, and evicts what is too much.
  Result<void> Recount();
  // A new file of these parts, of one block, in place of what is there. False when there is no room and somebody else
  // is making some. An error when the disk is full or broken.
  Result<bool> Replace(std::span<const NewPart> parts, Through through, BlockImage& image);
  // Adds the parts to the file, which ends well. False also when somebody else changes it meanwhile.
  Result<bool> Append(const StoredBlock& block, std::span<const NewPart> parts, Through through, BlockImage& image);
  uint64_t evicted() const { return evicted_; }

 private:
  Result<bool> MakeRoom(uint64_t bytes);
  uint64_t LackingOnDisk() const;
  // By O_DIRECT if `through` allows and the file system has it.
  base::Fd OpenToWrite(const std::string& path, int flags, Through through);
  // The parts one after the other; where the last one ends.
  Result<uint64_t> WriteParts(int fd, uint64_t at, std::span<const NewPart> parts, BlockImage& image);
  Result<uint64_t> Evict(uint64_t target_bytes);
  // Adds to the count shared with other processes; the new count.
  uint64_t AddUsage(int64_t bytes);

  const std::string directory_;
  const uint64_t limit_bytes_;
  const std::optional<uint64_t> reserve_bytes_;
  std::atomic<bool> direct_ = true;  // until the file system refuses
  std::atomic<uint64_t> counter_ = 0;
  std::atomic<uint64_t> evicted_ = 0;
};

}  // namespace seamount::store
