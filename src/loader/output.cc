#include "loader/output.h"

namespace seamount::loader {

uint64_t OutputSlot::field_elements() const {
  uint64_t count = 1;
  for (const uint64_t extent : field_shape) count *= extent;
  return count;
}

std::vector<Destination> DestinationsOf(uint32_t variable, const std::vector<OutputSlot>& slots) {
  std::vector<Destination> destinations;
  for (uint32_t s = 0; s < slots.size(); ++s) {
    for (uint32_t l = 0; l < slots[s].leads.size(); ++l) {
      for (uint32_t place = 0; place < slots[s].variables.size(); ++place) {
        if (slots[s].variables[place] == variable) destinations.push_back({slots[s].leads[l], s, l, place});
      }
    }
  }
  return destinations;
}

Result<BatchLayout> BatchLayout::Make(const std::vector<OutputSlot>& slots, uint64_t batch_size) {
  constexpr uint64_t kMost = uint64_t{1} << 60;
  constexpr uint64_t kCacheLine = 64;
  BatchLayout layout;
  const auto take = [&](uint64_t bytes) {
    const uint64_t begin = layout.bytes_;
    layout.bytes_ += (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
    return begin;
  };
  for (const OutputSlot& slot : slots) {
    uint64_t elements = batch_size;
    std::vector<uint64_t> factors = {slot.leads.size(), slot.variables.size()};
    factors.insert(factors.end(), slot.field_shape.begin(), slot.field_shape.end());
    const uint64_t element_bytes = nd::SizeOf(slot.dtype);
    for (const uint64_t factor : factors) {
      if (__builtin_mul_overflow(elements, factor, &elements) || elements > kMost / element_bytes) {
        return base::InvalidArgument("a batch of " + std::to_string(batch_size) + " samples is too large");
      }
    }
    Place place{.data = take(elements * element_bytes),
                .mask = std::nullopt,
                .variables = slot.variables.size(),
                .field_elements = slot.field_elements(),
                .sample_elements = slot.sample_elements()};
    if (slot.missing.fill) place.mask = take(elements);
    if (layout.bytes_ > kMost) {
      return base::InvalidArgument("a batch of " + std::to_string(batch_size) + " samples is too large");
    }
    layout.slots_.push_back(place);
  }
  return layout;
}

uint64_t BatchLayout::ElementOf(uint64_t sample, const Destination& destination) const {
  const Place& slot = slots_[destination.slot];
  return sample * slot.sample_elements +
         (destination.lead_number * slot.variables + destination.place) * slot.field_elements;
}

}  // namespace seamount::loader
