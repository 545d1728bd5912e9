// What the process that has GDAL sends of a GeoTIFF. What is taken goes back to the same bytes, and becomes variables.
#include <cstdint>

#include "source/geotiff/variables.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::source::geotiff;
  const auto description = ParseDescription({reinterpret_cast<const std::byte*>(data), size});
  if (!description) return 0;
  if (!ParseDescription(Serialize(*description))) __builtin_trap();
  // The coordinates of a large one are too much for every try.
  if (description->width < 10'000 && description->height < 10'000) (void)MakeVariables(*description).variables.size();
  return 0;
}
