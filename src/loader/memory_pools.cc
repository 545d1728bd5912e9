#include "loader/memory_pools.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace seamount::loader {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kCacheLine = 64;

float* Allocate(size_t floats) {
  const size_t bytes = floats * sizeof(float);
  // From a few huge pages on, ask for them: one fault for each 2 MiB instead of 512.
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kCacheLine;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // advice: not having it is no error
  return static_cast<float*>(memory);
}

}  // namespace

std::shared_ptr<BatchPool> BatchPool::Make(size_t floats, size_t spares) {
  return std::shared_ptr<BatchPool>(new BatchPool(floats, spares));
}

BatchPool::~BatchPool() {
  for (float* buffer : free_) std::free(buffer);
}

std::shared_ptr<float> BatchPool::Take() {
  float* buffer = nullptr;
  {
    std::scoped_lock lock(mutex_);
    if (!free_.empty()) {
      buffer = free_.back();
      free_.pop_back();
    }
  }
  if (buffer == nullptr) buffer = Allocate(floats_);
  return {buffer, [pool = shared_from_this()](float* returned) { pool->Give(returned); }};
}

void BatchPool::Give(float* buffer) {
  {
    std::scoped_lock lock(mutex_);
    if (free_.size() < spares_) {
      free_.push_back(buffer);
      return;
    }
  }
  std::free(buffer);
}

Buffer ChunkPool::Take(size_t bytes) {
  {
    std::scoped_lock lock(mutex_);
    auto& same_size = free_[bytes];
    if (!same_size.empty()) {
      Buffer buffer = std::move(same_size.back());
      same_size.pop_back();
      return buffer;
    }
    total_bytes_ += bytes;
    for (auto& [size, buffers] : free_) {
      while (total_bytes_ > limit_bytes_ && !buffers.empty()) {
        buffers.pop_back();
        total_bytes_ -= size;
      }
    }
  }
  return Buffer(bytes);
}

void ChunkPool::Give(Buffer buffer) {
  if (buffer.data() == nullptr) return;  // moved from
  std::scoped_lock lock(mutex_);
  free_[buffer.size()].push_back(std::move(buffer));
}

}  // namespace seamount::loader
