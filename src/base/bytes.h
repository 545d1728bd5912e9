// Bytes: an immutable, reference-counted slice of memory. Copying one copies a pointer; slicing shares the block.
// Buffer: memory being filled; moves into Bytes when done, without a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/large_memory.h"

namespace seamount::base {

// Uninitialised, uniquely owned memory of a fixed size. Throws std::bad_alloc only; check sizes before.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size) : Buffer(TakeBlock(size), size) {}
  // What was moved from is empty.
  Buffer(Buffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }
  std::span<std::byte> span() { return {data_.get(), size_}; }
  std::span<const std::byte> span() const { return {data_.get(), size_}; }

 private:
  friend class Bytes;
  Buffer(const LargeBlock& block, size_t size) : data_(block.data, FreeBlock{block.mapped}), size_(size) {}
  std::unique_ptr<std::byte[], FreeBlock> data_;
  size_t size_ = 0;
};

// Thread-safe as any const object: many threads may read and copy it.
class Bytes {
 public:
  Bytes() = default;
  Bytes(Buffer&& buffer);  // NOLINT(google-explicit-constructor)
  // Memory kept alive by `owner`, whatever that is.
  Bytes(std::shared_ptr<const void> owner, const std::byte* data, size_t size)
      : owner_(std::move(owner)), data_(data), size_(size) {}
  static Bytes Copy(std::span<const std::byte> source);
  static Bytes Copy(std::string_view source);

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::byte> span() const { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  // Shares the same block. offset + size must lie within.
  Bytes Slice(size_t offset, size_t size) const;

 private:
  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace seamount::base

namespace seamount {
using base::Buffer;
using base::Bytes;
}  // namespace seamount
