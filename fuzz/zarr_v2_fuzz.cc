// .zarray and .zattrs, with a NUL between them. What is accepted must survive being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "zarr/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::zarr;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\0');
  const auto zattrs = cut == std::string_view::npos ? std::string_view() : input.substr(cut + 1);
  const auto metadata = ParseArrayMetadataV2(input.substr(0, cut), zattrs);
  if (!metadata) return 0;
  const auto documents = SerializeArrayMetadataV2(*metadata);
  if (!documents) std::abort();  // whatever v2 says, v2 can say
  const auto again = ParseArrayMetadataV2(documents->zarray, documents->zattrs);
  if (!again) std::abort();
  const auto second = SerializeArrayMetadataV2(*again);
  if (!second || second->zarray != documents->zarray || second->zattrs != documents->zattrs) std::abort();
  return 0;
}
