#include "source/child/wire.h"

namespace seamount::source {

void WireWriter::Append(std::span<const std::byte> raw) {
  const size_t at = bytes_.size();
  bytes_.resize(at + raw.size());
  if (!raw.empty()) std::memcpy(bytes_.data() + at, raw.data(), raw.size());
}

}  // namespace seamount::source
