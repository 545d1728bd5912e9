// Memory of large buffers, in processes that are somebody else's.
//
// Buffers of fetched and decoded bytes are taken by one thread and given back by another. malloc keeps what is given
// back with the thread that took it, so with many threads a process holds several times what it uses; and what would
// help (mallopt) is for a program to decide, not for a library in it. So large buffers can be mapped one by one, and
// those that nobody uses are kept for the next that want as much, up to a limit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seamount::base {

// From now on; until it is called, and under AddressSanitizer, large buffers are malloc's. Thread-safe, as are the
// next.
void MapLargeBuffers(uint64_t most_idle_bytes);

struct LargeBlock {
  std::byte* data = nullptr;
  size_t mapped = 0;  // bytes; 0: it is malloc's
};
// Throws std::bad_alloc.
LargeBlock TakeBlock(size_t bytes);
void GiveBlock(const LargeBlock& block) noexcept;
struct FreeBlock {  // for std::unique_ptr
  size_t mapped = 0;
  void operator()(std::byte* data) const noexcept { GiveBlock({data, mapped}); }
};

// Mapped, in use or idle.
uint64_t MappedBytes();

}  // namespace seamount::base
