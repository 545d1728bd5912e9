// The document that ends an upload in parts, and any text as XML.
#include <cstdint>
#include <cstdlib>

#include "server/xml_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto parts = seamount::server::ParseFinishUpload(text)) {
    uint32_t last = 0;
    for (const auto& part : *parts) {
      if (part.number <= last || part.number > seamount::server::kMaxPartNumber) std::abort();
      last = part.number;
    }
  }
  if (seamount::server::XmlEscape(text).find_first_of("<>") != std::string::npos) std::abort();
  return 0;
}
