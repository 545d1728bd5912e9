// The header of a cached block, as it may lie on a damaged disk: decoding must not crash, and what decodes must be what
// would be written.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "store/cache/block_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::store;
  EncodedBlockHeader bytes{};
  if (size > 0) std::memcpy(bytes.data(), data, std::min(size, bytes.size()));
  if (const auto header = DecodeBlockHeader(bytes)) {
    const auto again = EncodeBlockHeader(*header);
    if (!again || !DecodeBlockHeader(*again)) std::abort();
  }
  return 0;
}
