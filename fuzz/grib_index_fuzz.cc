// What is kept of a GRIB file's index, and what the process that has ecCodes sends. What is taken goes back to the same
// bytes, and becomes variables.
#include <cstdint>

#include "source/grib/cube.h"
#include "source/grib/index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::source::grib;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  if (const auto index = ParseIndex(bytes)) {
    if (!ParseIndex(Serialize(*index))) __builtin_trap();
    (void)MakeCube(*index).variables.size();
  }
  (void)ParseFields(bytes).has_value();
  (void)ParseGrid(bytes).has_value();
  return 0;
}
