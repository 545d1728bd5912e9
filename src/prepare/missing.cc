#include "prepare/missing.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "nd/box.h"
#include "nd/data_type.h"

namespace seamount::prepare {
namespace {

template <class T>
uint64_t CountMissing(std::span<const std::byte> elements) {
  const std::span values(reinterpret_cast<const T*>(elements.data()), elements.size() / sizeof(T));
  uint64_t missing = 0;
  for (const T value : values) {
    if constexpr (std::is_floating_point_v<T>) missing += std::isnan(value) ? 1 : 0;
    if constexpr (std::is_integral_v<T>) missing += value == Pack::kMissing ? 1 : 0;
  }
  return missing;
}

using Counter = uint64_t (*)(std::span<const std::byte>);

// Null where no element can be missing.
Counter CounterOf(const DataArray& array) {
  if (array.pack) return CountMissing<int16_t>;
  if (array.metadata.data_type == nd::DataType::kFloat32) return CountMissing<float>;
  return array.metadata.data_type == nd::DataType::kFloat64 ? CountMissing<double> : nullptr;
}

// Stretches of the places whose count is that of all that lie there.
std::vector<Stretch> Full(const std::vector<uint64_t>& counts, uint64_t all, uint64_t first) {
  std::vector<Stretch> out;
  for (uint64_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != all) continue;
    if (!out.empty() && out.back().stop == first + i) {
      ++out.back().stop;
    } else {
      out.push_back({first + i, first + i + 1});
    }
  }
  return out;
}

RegionMissing Counted(const DataArray& array, const nd::Box& region, std::span<const std::byte> elements,
                      Counter count) {
  RegionMissing out;
  if (count == nullptr || elements.empty()) return out;
  out.missing = count(elements);
  if (out.missing == 0 || (!array.time && !array.level)) return out;
  const size_t outer = std::max(array.time ? *array.time + 1 : 0, array.level ? *array.level + 1 : 0);
  uint64_t rows = 1;
  for (size_t d = 0; d < outer; ++d) rows *= region.shape[d];
  const uint64_t bytes = elements.size() / rows;
  std::vector<uint64_t> by_step(array.time ? region.shape[*array.time] : 0);
  std::vector<uint64_t> by_level(array.level ? region.shape[*array.level] : 0);
  nd::Index at(outer, 0);
  for (uint64_t row = 0; row < rows; ++row) {
    const uint64_t missing = count(elements.subspan(row * bytes, bytes));
    if (array.time) by_step[at[*array.time]] += missing;
    if (array.level) by_level[at[*array.level]] += missing;
    for (size_t d = outer; d-- > 0;) {
      if (++at[d] < region.shape[d]) break;
      at[d] = 0;
    }
  }
  const uint64_t all = nd::Elements(region.shape);
  if (array.time) out.steps = Full(by_step, all / by_step.size(), region.origin[*array.time]);
  if (array.level) out.levels = Full(by_level, all / by_level.size(), region.origin[*array.level]);
  return out;
}

}  // namespace

RegionMissing MissingIn(const DataArray& array, const nd::Box& region, std::span<const std::byte> elements) {
  return Counted(array, region, elements, CounterOf(array));
}

RegionMissing MissingIn(const DataArray& array, const nd::Box& region, std::span<const double> values) {
  return Counted(array, region, std::as_bytes(values), CountMissing<double>);
}

MissingSum::MissingSum(const Plan& plan) : plan_(plan) {
  for (size_t a = 0; a < plan.arrays.size(); ++a) {
    if (!plan.arrays[a].auxiliary) arrays_[a] = {};
  }
}

void MissingSum::AddTo(Groups& groups, const nd::Box& region, size_t dimension, uint64_t missing,
                       const std::vector<Stretch>& empty) {
  const uint64_t first = region.origin[dimension];
  Group& group = groups[first];
  group.empty.resize(region.shape[dimension]);
  ++group.regions;
  group.values += nd::Elements(region.shape);
  group.missing += missing;
  // A record is what lies in the store: anything may stand there.
  for (const Stretch& stretch : empty) {
    const uint64_t stop = std::min(stretch.stop, first + region.shape[dimension]);
    for (uint64_t i = std::max(stretch.start, first); i < stop; ++i) ++group.empty[i - first];
  }
}

void MissingSum::Add(size_t array, const nd::Box& region, const RegionMissing& missing) {
  const auto found = arrays_.find(array);
  if (found == arrays_.end()) return;
  OfArray& own = found->second;
  const DataArray& planned = plan_.arrays[array];
  const uint64_t values = nd::Elements(region.shape);
  const uint64_t gone = std::min(missing.missing, values);
  own.values += values;
  own.missing += gone;
  if (planned.time) AddTo(own.times, region, *planned.time, gone, missing.steps);
  if (planned.level) AddTo(own.levels, region, *planned.level, gone, missing.levels);
}

void MissingSum::Finish(const Groups& groups, std::vector<MissingPart>& parts, std::vector<Stretch>& empty) {
  for (const auto& [start, group] : groups) {
    parts.push_back({{start, start + group.empty.size()}, group.values, group.missing});
    for (const Stretch& stretch : Full(group.empty, group.regions, start)) {
      if (!empty.empty() && empty.back().stop == stretch.start) {
        empty.back().stop = stretch.stop;
      } else {
        empty.push_back(stretch);
      }
    }
  }
}

std::vector<MissingShare> MissingSum::Shares() const {
  std::vector<MissingShare> out;
  for (const auto& [array, own] : arrays_) {
    MissingShare& share = out.emplace_back();
    share.array = array;
    share.values = own.values;
    share.missing = own.missing;
    Finish(own.times, share.by_time, share.empty_steps);
    Finish(own.levels, share.by_level, share.empty_levels);
  }
  return out;
}

std::vector<MissingShare> MissingOf(const Plan& plan, const MissingByTask& missing) {
  static const RegionMissing kNothing;
  MissingSum sum(plan);
  for (const Task& task : plan.tasks) {
    const auto found = missing.find(task.fingerprint);
    sum.Add(task.array, task.region, found == missing.end() ? kNothing : found->second);
  }
  return sum.Shares();
}

}  // namespace seamount::prepare
