// Attributes as JSON, as any Zarr array may have them: parsed, taken for packing of every type, and applied.
#include <cstdint>
#include <string_view>
#include <vector>

#include "cf/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount;
  const auto attributes = cf::AttributesFromJson({reinterpret_cast<const char*>(data), size});
  if (!attributes) return 0;
  for (int type = 0; type <= static_cast<int>(nd::DataType::kOther); ++type) {
    const auto stored = static_cast<nd::DataType>(type);
    const auto packing = cf::ParsePacking(*attributes, stored, cf::DefaultFill(stored));
    if (!packing) continue;
    std::vector<std::byte> elements(8 * nd::SizeOf(stored));
    for (size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<std::byte>(i < size ? data[i] : 0xff);
    std::vector<float> values(8);
    cf::Decode(elements, *packing, std::span<float>(values));
  }
  return 0;
}
