#include "store/byte_source.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace seamount::store {

Result<void> BytesSource::ReadAt(uint64_t offset, std::span<std::byte> into) const {
  if (offset > bytes_.size() || into.size() > bytes_.size() - offset) {
    return base::Internal("reading past the end of the bytes to upload");
  }
  if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset, into.size());
  return {};
}

Result<void> FileSource::ReadAt(uint64_t offset, std::span<std::byte> into) const {
  if (offset > size_ || into.size() > size_ - offset) {
    return base::Internal("reading past the end of the file range to upload");
  }
  for (size_t done = 0; done < into.size();) {
    const ssize_t n = pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset_ + offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::Internal(std::string("reading the file to upload: ") + std::strerror(errno));
    if (n == 0) return base::DataLoss("the file to upload became shorter while it was read");
    done += static_cast<size_t>(n);
  }
  return {};
}

}  // namespace seamount::store
