// Within store/cache: blocks on disk that were read last, kept open with their headers checked, so that the next read
// of one opens and checks nothing again.
//
// What is in a block's file never changes: whoever replaces, evicts or drops it takes its name away, and who adds a
// part makes it longer, both of which one fstat tells. So nothing is served that others have removed, but up to
// kMostOpenBlocks files that other processes evict take their room on the disk until they are looked for, or pushed
// out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "store/cache/stored_block.h"

namespace seamount::store {

inline constexpr size_t kMostOpenBlocks = 64;

// Thread-safe.
class OpenBlocks {
 public:
  // Null when it is not held. What others did with its file since is for the caller to see.
  std::shared_ptr<const StoredBlock> Find(const BlockId& id);
  void Hold(std::shared_ptr<const StoredBlock> block);
  void Drop(const BlockId& id);
  void Clear();

 private:
  using List = std::list<std::shared_ptr<const StoredBlock>>;

  std::mutex mutex_;
  List recent_;                                           // read last at the front
  std::unordered_map<uint64_t, List::iterator> by_hash_;  // of two with one hash, the later one is held
};

}  // namespace seamount::store
