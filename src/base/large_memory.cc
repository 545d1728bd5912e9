#include "base/large_memory.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <mutex>
#include <vector>

namespace seamount::base {
namespace {

// Below, malloc loses little, and finding a block takes as long as filling it.
constexpr size_t kLarge = 128 << 10;

constexpr size_t kHuge = 16 << 20;

// Eight sizes between one power of two and the next: buffers of about the same size can follow one another, and an
// eighth at most is mapped (but not touched) in vain.
size_t SizeClass(size_t bytes) {
  const size_t step = std::bit_floor(bytes) / 8;  // whole pages, as bytes >= kLarge
  return (bytes + step - 1) / step * step;
}

class Blocks {
 public:
  void Begin(uint64_t most_idle_bytes) {
    static const int registered = pthread_atfork([] { Get().mutex_.lock(); }, [] { Get().mutex_.unlock(); },
                                                 [] { Get().mutex_.unlock(); });  // a child may take blocks too
    (void)registered;
    const std::scoped_lock lock(mutex_);
    most_idle_ = most_idle_bytes;
    idle_.reserve(most_idle_ / kLarge + 1);  // so that giving back needs no memory
    on_ = true;
  }

  bool on() const { return on_; }
  uint64_t mapped() const { return mapped_; }

  // Null where the system maps no more.
  std::byte* Take(size_t bytes) {
    {
      const std::scoped_lock lock(mutex_);
      // The one given back last, whose pages are most likely in the processor's cache.
      const auto found =
          std::find_if(idle_.rbegin(), idle_.rend(), [&](const LargeBlock& b) { return b.mapped == bytes; });
      if (found != idle_.rend()) {
        std::byte* const data = found->data;
        idle_.erase(std::next(found).base());
        idle_bytes_ -= bytes;
        return data;
      }
    }
    void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    // Costs a fault for each 2 MiB instead of each 4 KiB; blocks so large have no use for less.
    if (bytes >= kHuge) ::madvise(data, bytes, MADV_HUGEPAGE);
    mapped_ += bytes;
    return static_cast<std::byte*>(data);
  }

  void Give(const LargeBlock& block) noexcept {
    const std::scoped_lock lock(mutex_);
    if (block.mapped > most_idle_) return Unmap(block);
    idle_.push_back(block);
    idle_bytes_ += block.mapped;
    while (idle_bytes_ > most_idle_) {
      idle_bytes_ -= idle_.front().mapped;
      Unmap(idle_.front());
      idle_.erase(idle_.begin());
    }
  }

  static Blocks& Get() {
    static auto* const blocks = new Blocks();  // never destroyed: buffers may be, later than everything else
    return *blocks;
  }

 private:
  void Unmap(const LargeBlock& block) noexcept {
    ::munmap(block.data, block.mapped);
    mapped_ -= block.mapped;
  }

  std::mutex mutex_;
  std::vector<LargeBlock> idle_;  // given back last at the end
  uint64_t idle_bytes_ = 0;
  uint64_t most_idle_ = 0;
  std::atomic<bool> on_ = false;
  std::atomic<uint64_t> mapped_ = 0;
};

}  // namespace

void MapLargeBuffers([[maybe_unused]] uint64_t most_idle_bytes) {
#ifndef __SANITIZE_ADDRESS__  // which sees the ends of what malloc gives, and no others
  Blocks::Get().Begin(most_idle_bytes);
#endif
}

LargeBlock TakeBlock(size_t bytes) {
  constexpr size_t kMost = SIZE_MAX / 2;  // so that the next size can be said
  Blocks& blocks = Blocks::Get();
  if (bytes >= kLarge && bytes <= kMost && blocks.on()) {
    const size_t mapped = SizeClass(bytes);
    if (std::byte* const data = blocks.Take(mapped); data != nullptr) return {data, mapped};
  }
  return {new std::byte[bytes], 0};
}

void GiveBlock(const LargeBlock& block) noexcept {
  if (block.mapped == 0) {
    delete[] block.data;
  } else {
    Blocks::Get().Give(block);
  }
}

uint64_t MappedBytes() { return Blocks::Get().mapped(); }

}  // namespace seamount::base
