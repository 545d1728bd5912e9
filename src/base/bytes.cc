#include "base/bytes.h"

#include <cassert>
#include <cstring>

namespace seamount::base {

Bytes::Bytes(Buffer&& buffer) : data_(buffer.data()), size_(buffer.size()) {
  owner_ = std::shared_ptr<const std::byte[]>(std::move(buffer.data_));
  buffer.size_ = 0;
}

Bytes Bytes::Copy(std::span<const std::byte> source) {
  Buffer buffer(source.size());
  if (!source.empty()) std::memcpy(buffer.data(), source.data(), source.size());
  return {std::move(buffer)};
}

Bytes Bytes::Copy(std::string_view source) { return Copy(AsBytes(source)); }

Bytes Bytes::Slice(size_t offset, size_t size) const {
  assert(offset <= size_ && size <= size_ - offset);
  return {owner_, data_ + offset, size};
}

}  // namespace seamount::base
