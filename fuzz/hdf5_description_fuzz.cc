// What the process that has libhdf5 sends: descriptions and chunk addresses. What is taken goes back to the same bytes.
#include <algorithm>
#include <cstdint>

#include "source/hdf5/description.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::source::hdf5;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  if (const auto description = ParseDescription(bytes)) {
    const auto again = Serialize(*description);
    if (!ParseDescription(again)) __builtin_trap();
  }
  (void)ParseChunkAddresses(bytes).has_value();
  return 0;
}
