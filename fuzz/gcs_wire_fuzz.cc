// Everything the GCS client and server decode from each other: no input may crash, and what decodes must survive being
// encoded and decoded again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gcs/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::gcs;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto object = DecodeObject(text)) {
    const auto again = DecodeObject(EncodeObject(*object));
    if (!again || again->info.generation != object->info.generation) std::abort();
  }
  if (const auto patch = DecodePatch(text)) {
    if (!DecodePatch(EncodePatch(*patch))) std::abort();
  }
  if (const auto list = DecodeList(text)) {
    const auto again = DecodeList(EncodeList(*list));
    if (!again || again->objects.size() != list->objects.size()) std::abort();
  }
  if (const auto request = DecodeCompose(text)) {
    if (!DecodeCompose(EncodeCompose(*request))) std::abort();
  }
  if (const auto status = DecodeRewrite(text)) {
    if (!DecodeRewrite(EncodeRewrite(*status))) std::abort();
  }
  if (const auto time = ParseTime(text)) {
    if (!ParseTime(FormatTime(*time))) std::abort();
  }
  if (const auto range = ParseContentRange(text)) {
    if (FormatContentRange(*range).empty()) std::abort();
  }
  (void)DecodeError(500, text);
  (void)Crc32cOfHashHeader(text);
  return 0;
}
