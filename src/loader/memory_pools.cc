#include "loader/memory_pools.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace seamount::loader {
namespace {

constexpr size_t kCacheLine = 64;

// No huge pages are asked for: a virtual machine takes them from what its host has not backed yet, and clearing one
// then costs more than the small faults that it saves.
std::byte* Allocate(size_t bytes) {
  const size_t lines = (bytes + kCacheLine - 1) / kCacheLine;
  void* memory = std::aligned_alloc(kCacheLine, std::max<size_t>(lines, 1) * kCacheLine);
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

}  // namespace

std::shared_ptr<BatchPool> BatchPool::Make(size_t bytes, size_t spares) {
  return std::shared_ptr<BatchPool>(new BatchPool(bytes, spares));
}

BatchPool::~BatchPool() {
  for (std::byte* buffer : free_) std::free(buffer);
}

std::shared_ptr<std::byte> BatchPool::Take() {
  std::byte* buffer = nullptr;
  {
    std::scoped_lock lock(mutex_);
    if (!free_.empty()) {
      buffer = free_.back();
      free_.pop_back();
    }
  }
  if (buffer == nullptr) buffer = Allocate(bytes_);
  return {buffer, [pool = shared_from_this()](std::byte* returned) { pool->Give(returned); }};
}

void BatchPool::Give(std::byte* buffer) {
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
    Shrink();
  }
  return Buffer(bytes);
}

void ChunkPool::Give(Buffer buffer) {
  if (buffer.data() == nullptr) return;  // moved from
  std::scoped_lock lock(mutex_);
  free_[buffer.size()].push_back(std::move(buffer));
}

void ChunkPool::LeaveRoom(uint64_t bytes) {
  std::scoped_lock lock(mutex_);
  others_bytes_ = bytes;
  Shrink();
}

uint64_t ChunkPool::bytes() const {
  std::scoped_lock lock(mutex_);
  return total_bytes_;
}

void ChunkPool::Shrink() {
  for (auto& [size, buffers] : free_) {
    while (total_bytes_ + others_bytes_ > limit_bytes_ && !buffers.empty()) {
      buffers.pop_back();
      total_bytes_ -= size;
    }
  }
}

}  // namespace seamount::loader
