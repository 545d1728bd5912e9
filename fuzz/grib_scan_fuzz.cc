// A GRIB file: its messages are found or refused, none reaches out of the file, and each step goes forward.
#include <cstdint>
#include <string_view>

#include "source/grib/scan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount;
  const store::BytesSource file(std::string_view(reinterpret_cast<const char*>(data), size));
  for (uint64_t at = 0; at < size;) {
    const auto message = source::grib::NextMessage(file, at);
    if (!message || message->bytes == 0) break;
    if (message->offset < at || message->offset + message->bytes > size) __builtin_trap();
    uint64_t end = 0;
    for (const store::ByteSpan& header : message->headers) {
      if (header.begin < end || header.end < header.begin || header.end > message->bytes) __builtin_trap();
      end = header.end;
    }
    at = message->offset + message->bytes;
  }
  return 0;
}
