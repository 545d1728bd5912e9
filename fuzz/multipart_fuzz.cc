// The multipart reader of uploads and batches: any bytes, cut at any places. It must end, stay inside its memory, and
// hand on no more than it was given.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "server/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t step = 1 + data[0];  // how much each read gives
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t feed = std::min(rest.find('\n'), rest.size());
  const auto boundary = seamount::server::BoundaryOf(rest.substr(0, feed));
  rest.remove_prefix(std::min(feed + 1, rest.size()));
  const auto read = [&](std::span<std::byte> into) -> seamount::Result<size_t> {
    const size_t n = std::min({step, into.size(), rest.size()});
    if (n > 0) std::memcpy(into.data(), rest.data(), n);
    rest.remove_prefix(n);
    return n;
  };
  seamount::server::MultipartReader reader(read, boundary.value_or("b"));
  size_t given = 0;
  std::array<std::byte, 37> buffer;
  for (bool skip = false;; skip = !skip) {
    const auto part = reader.NextPart();
    if (!part || !*part) break;
    if (skip) continue;  // NextPart passes over what was not read
    while (true) {
      const auto got = reader.ReadPart(buffer);
      if (!got || *got == 0) break;
      given += *got;
    }
  }
  if (given > size) std::abort();
  return 0;
}
