// What a loader writes for `seamount top`: any text is safe, and what is taken is written the same again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loader/live.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::loader;
  const auto loader = ParseLiveLoader({reinterpret_cast<const char*>(data), size});
  if (!loader) return 0;
  if (loader->pid <= 0) std::abort();
  const std::string text = LiveLoaderText(*loader);
  const auto again = ParseLiveLoader(text);
  if (!again || LiveLoaderText(*again) != text) std::abort();
  return 0;
}
