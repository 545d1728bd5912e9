// A cache of blocks of objects in a directory, shared by all who use it on a machine: mounts and loaders at once, in
// one process or several.
//
// How it works. A block is one file (block_file.h), written to tmp/ and renamed to blocks/ab/<hash>, and later parts of
// it are appended, under a lock, until they are so many that they become one in a new file; a newer generation replaces
// an older one. Readers just open and verify, and the blocks read last stay open (open_blocks.h); a block that is
// evicted under them stays readable, one that does not match its checksum is removed and counts as absent. Put only
// queues: background threads make checksums and write what waits of one block at once. They write past the page cache,
// since another copy of what the reader has just been given costs more CPU than all else here; when the disk falls
// behind, through the page cache, which takes a burst; and when that is not enough, blocks are dropped instead of
// making the reader wait. Until it is on disk a queued block is served from memory. What is used is counted in the file
// "usage" by all processes, and recounted by each that opens the cache; whoever would exceed the limit, or leave too
// little of the disk free, scans the directory and removes what was not read for longest (modification times, renewed
// at most once a minute by reading), down to nine tenths. Nothing here is durable or has to be: kill -9 costs the
// blocks in the queue.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/cache/block_file.h"

namespace seamount::store {

struct BlockCacheOptions {
  std::string directory;  // made, mode 0700, where missing; one that others can write in is refused
  uint64_t limit_bytes = 10ULL << 30;
  // Left free on the disk: the cache stops growing there, and shrinks. Null: a twentieth of the disk, at most 1 GiB.
  std::optional<uint64_t> reserve_bytes;
  // Blocks that wait to be written; half of it is what the disk may be behind before the page cache is used. At 1 GB/s
  // this is 30 ms of stall before blocks are dropped.
  uint64_t queue_bytes = 32ULL << 20;
};

struct BlockCacheStats {
  uint64_t hits = 0;  // blocks read from the cache, or parts of one
  uint64_t hit_bytes = 0;
  uint64_t misses = 0;  // blocks that had to be fetched
  uint64_t miss_bytes = 0;
  uint64_t stored = 0;   // blocks, or parts of one, written to disk
  uint64_t dropped = 0;  // not stored: the queue was full, or the disk
  uint64_t damaged = 0;  // removed, since they did not match their checksum
  uint64_t evicted = 0;
};

// Thread-safe.
class BlockCache {
 public:
  // What a block tells of its object.
  struct Facts {
    Generation generation;
    uint64_t object_bytes = 0;
    std::optional<uint32_t> object_crc32c;
  };

  // A block that was found, or parts of it; not thread-safe. Offsets are the object's.
  class Found {
   public:
    virtual ~Found() = default;
    virtual const Facts& facts() const = 0;
    // What is there, in order, not touching each other. May be nothing but the facts.
    virtual const std::vector<ByteSpan>& parts() const = 0;
    // The bytes from `offset` on, which must lie within one of the parts. False, and the block is gone, when it does
    // not match its checksum.
    virtual bool Read(uint64_t offset, std::span<std::byte> into) = 0;
  };

  virtual ~BlockCache() = default;  // writes what is queued
  // Null when it is not there. generation: null takes any.
  virtual std::unique_ptr<Found> Find(const BlockId& id, std::optional<Generation> generation) = 0;
  // Never waits for the disk and never fails: a full or broken disk is warned of once, and caching pauses. The payload
  // begins at `begin` in the object; less than the whole block is added to what is cached of it.
  virtual void Put(const BlockId& id, const Facts& facts, uint64_t begin, Bytes payload) = 0;
  // What is cached of the block turned out to be wrong.
  virtual void Drop(const BlockId& id) = 0;
  virtual void Count(bool hit, uint64_t bytes) = 0;
  // Returns when everything queued so far is written or dropped.
  virtual void Flush() = 0;
  virtual BlockCacheStats Stats() const = 0;
};

// An error only where the directory cannot be made or written at all.
Result<std::shared_ptr<BlockCache>> OpenBlockCache(const BlockCacheOptions& options);

}  // namespace seamount::store
