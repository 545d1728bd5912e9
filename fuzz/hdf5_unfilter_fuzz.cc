// Chunks as HDF5 stores them: the number of filters, a kind, an element size and, of scale-offset and szip, ten
// parameters of two bytes for each, the mask, the chunk's size in
// two bytes, then the stored bytes.
#include <cstdint>
#include <vector>

#include "source/hdf5/filters.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace seamount::source::hdf5;
  std::span in(data, size);
  const auto next = [&]() -> uint8_t {
    if (in.empty()) return 0;
    const uint8_t byte = in.front();
    in = in.subspan(1);
    return byte;
  };
  std::vector<Filter> filters(next() % 5);
  for (Filter& filter : filters) {
    filter.kind = static_cast<FilterKind>(next() % (static_cast<int>(FilterKind::kOther) + 1));
    filter.element_bytes = next();
    if (filter.kind != FilterKind::kScaleOffset && filter.kind != FilterKind::kSzip) continue;
    for (int i = 0; i < 10; ++i) {
      const uint32_t high = next();
      filter.parameters.push_back(high << 8 | next());
    }
  }
  const uint32_t mask = next();
  const size_t bytes = next() * 256U + next();
  std::vector<std::byte> into(bytes);
  FilterScratch scratch;
  (void)Unfilter(filters, mask, std::as_bytes(in), into, scratch).has_value();
  return 0;
}
