// A Blosc frame, after two bytes that say how much room there is for what it holds.
#include <cstdint>
#include <vector>

#include "zarr/codecs/blosc_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::vector<std::byte> into(static_cast<size_t>(data[0] << 8 | data[1]));
  const std::span frame(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  (void)seamount::zarr::DecodeBloscFrame(frame, into).has_value();
  return 0;
}
