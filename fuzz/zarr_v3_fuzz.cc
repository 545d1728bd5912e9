// zarr.json. What is accepted must survive being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "zarr/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::zarr;
  const auto metadata = ParseArrayMetadataV3({reinterpret_cast<const char*>(data), size});
  if (!metadata) return 0;
  const std::string text = SerializeArrayMetadataV3(*metadata);
  const auto again = ParseArrayMetadataV3(text);
  if (!again || SerializeArrayMetadataV3(*again) != text) std::abort();
  return 0;
}
