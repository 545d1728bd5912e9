// Records of what a prepare has done: what is read is written again as it was, and owns no key outside its arrays.
#include <cstdlib>
#include <string_view>

#include "prepare/record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::prepare;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = ParseRecord(text);
  if (!record) return 0;
  for (const OwnedArray& array : record->arrays) {
    if (array.Owns("model.npz") || array.Owns(text)) std::abort();
  }
  const std::string written = RecordJson(*record);
  const auto again = ParseRecord(written);
  if (!again || RecordJson(*again) != written) std::abort();
  return 0;
}
