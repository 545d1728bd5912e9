#include "prepare/missing.h"

#include <cmath>
#include <type_traits>

#include "nd/box.h"
#include "nd/data_type.h"

namespace seamount::prepare {
namespace {

template <class T>
void Count(std::span<const std::byte> elements, uint64_t steps, uint64_t inner, std::vector<uint64_t>& missing) {
  const auto* values = reinterpret_cast<const T*>(elements.data());
  const uint64_t count = elements.size() / sizeof(T);
  for (uint64_t row = 0; row * inner < count; ++row) {
    uint64_t here = 0;
    for (uint64_t i = row * inner; i < (row + 1) * inner; ++i) {
      if constexpr (std::is_floating_point_v<T>) here += std::isnan(values[i]) ? 1 : 0;
      if constexpr (std::is_integral_v<T>) here += values[i] == Pack::kMissing ? 1 : 0;
    }
    missing[row % steps] += here;
  }
}

}  // namespace

MissingCount::MissingCount(const DataArray& array)
    : array_(array), steps_(array.time ? array.metadata.shape[*array.time] : 1) {}

void MissingCount::Add(const nd::Box& region, std::span<const std::byte> elements) {
  const bool narrow = array_.metadata.data_type == nd::DataType::kFloat32;
  const bool packed = array_.pack.has_value();
  if (!narrow && !packed && array_.metadata.data_type != nd::DataType::kFloat64) return;
  if (elements.empty()) return;
  const uint64_t first = array_.time ? region.origin[*array_.time] : 0;
  const uint64_t steps = array_.time ? region.shape[*array_.time] : 1;
  uint64_t inner = nd::Elements(region.shape);
  if (array_.time) {
    inner = 1;
    for (size_t d = *array_.time + 1; d < region.shape.size(); ++d) inner *= region.shape[d];
  }
  std::vector<uint64_t> missing(steps);
  if (narrow) Count<float>(elements, steps, inner, missing);
  if (packed) Count<int16_t>(elements, steps, inner, missing);
  if (!narrow && !packed) Count<double>(elements, steps, inner, missing);
  const uint64_t each = nd::Elements(region.shape) / steps;
  std::scoped_lock lock(mutex_);
  for (uint64_t t = 0; t < steps; ++t) {
    steps_[first + t].values += each;
    steps_[first + t].missing += missing[t];
  }
}

MissingShare MissingCount::Share() const {
  std::scoped_lock lock(mutex_);
  MissingShare out{.name = array_.name};
  const uint64_t whole = nd::Elements(array_.metadata.shape) / std::max<uint64_t>(1, steps_.size());
  for (uint64_t t = 0; t < steps_.size(); ++t) {
    out.values += steps_[t].values;
    out.missing += steps_[t].missing;
    if (!array_.time || steps_[t].values == 0 || steps_[t].values < whole || steps_[t].missing < whole) continue;
    if (!out.first_empty) out.first_empty = t;
    ++out.empty_steps;
  }
  return out;
}

}  // namespace seamount::prepare
