// The record beside a file of a file store: whatever stands in an extended attribute, decoding must not crash, and what
// decodes must come back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/file/file_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::store;
  if (const auto record = DecodeFileRecord({reinterpret_cast<const char*>(data), size})) {
    const auto again = DecodeFileRecord(EncodeFileRecord(*record));
    if (!again || again->metadata != record->metadata || again->crc32c != record->crc32c) std::abort();
  }
  return 0;
}
