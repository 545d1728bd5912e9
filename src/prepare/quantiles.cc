#include "prepare/quantiles.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

#include "exec/for_each.h"
#include "nd/data_type.h"
#include "prepare/parallel.h"
#include "prepare/region_reader.h"
#include "prepare/slabs.h"

namespace seamount::prepare {
namespace {

constexpr uint64_t kBlockElements = 1 << 20;  // read at once
constexpr uint32_t kBins = 1 << 16;
constexpr size_t kMostBins = 4;  // of the second reading: two neighbours for each quantile

// Whole numbers in the order of the floats that they stand for.
uint32_t KeyOf(double value) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value) + 0.0F);  // there is one zero
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}

double ValueOf(uint32_t key) {
  return static_cast<double>(std::bit_cast<float>((key >> 31) != 0 ? key & 0x7fffffffU : ~key));
}

// What a reading counts. Each is a sum, so that the order in which parts come does not matter.
struct Counts {
  uint64_t count = 0;
  bool infinite = false;
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  std::vector<uint64_t> bins;  // kBins, or that many for each of the bins that are looked into

  void Merge(const Counts& other) {
    count += other.count;
    infinite = infinite || other.infinite;
    least = std::min(least, other.least);
    most = std::max(most, other.most);
    for (size_t i = 0; i < bins.size(); ++i) bins[i] += other.bins[i];
  }
};

class QuantileTaker {
 public:
  QuantileTaker(const StatisticsInputs& in, size_t array, const Climatology* subtract)
      : in_(in), array_(array), planned_(in.plan.arrays[array]), subtract_(subtract) {
    MakeBoxes();
  }
  Result<Moments> Take(const CallContext& context);

 private:
  // The value of a rank, as far as the first reading knows it: which bin, and which of its values.
  struct Place {
    uint32_t bin = 0;
    uint64_t rank = 0;
  };

  void MakeBoxes();
  // Reads all values; `within`: the bins that are looked into, none for the first reading.
  Result<Counts> Read(const std::vector<uint32_t>& within, const CallContext& context);
  static void Add(const std::vector<double>& values, const std::vector<uint32_t>& within, Counts& into);
  static Place PlaceOf(const std::vector<uint64_t>& bins, uint64_t rank);
  Result<std::array<double, 2>> Inner(const Counts& first, const std::array<double, 2>& shares,
                                      const CallContext& context);

  const StatisticsInputs& in_;
  const size_t array_;
  const DataArray& planned_;
  const Climatology* subtract_;
  std::vector<nd::Box> boxes_;
  nd::Index largest_;
};

void QuantileTaker::MakeBoxes() {
  const SlabGrid grid(in_.plan, array_, kBlockElements);
  const nd::Index& shape = planned_.metadata.shape;
  largest_ = grid.LargestShape();
  std::vector<Stretch> stretches = {{0, 1}};
  if (planned_.time) stretches = in_.plan.standardize_over.stretches();
  for (const Stretch& stretch : stretches) {
    nd::Box all{nd::Index(shape.size(), 0), shape};
    if (planned_.time) {
      all.origin[*planned_.time] = stretch.start;
      all.shape[*planned_.time] = stretch.stop - stretch.start;
    }
    [[maybe_unused]] const auto listed = grid.ForEach(all, [&](const nd::Box& box) -> Result<void> {
      boxes_.push_back(box);
      return {};
    });
  }
}

void QuantileTaker::Add(const std::vector<double>& values, const std::vector<uint32_t>& within, Counts& into) {
  for (const double value : values) {
    if (std::isnan(value)) continue;
    const uint32_t key = KeyOf(value);
    if (within.empty()) {
      ++into.count;
      into.infinite = into.infinite || std::isinf(value);
      into.least = std::min(into.least, value);
      into.most = std::max(into.most, value);
      ++into.bins[key / kBins];
      continue;
    }
    for (size_t i = 0; i < within.size(); ++i) {
      if (key / kBins == within[i]) ++into.bins[i * kBins + key % kBins];
    }
  }
}

Result<Counts> QuantileTaker::Read(const std::vector<uint32_t>& within, const CallContext& context) {
  const std::string name = "the quantiles of '" + planned_.name + "'";
  const size_t bins = std::max<size_t>(1, within.size()) * kBins;
  const uint64_t bytes = nd::Elements(largest_) * sizeof(double) +
                         RegionReader::ReadValuesBytes(in_.plan, in_.facts, array_, largest_) + bins * sizeof(uint64_t);
  SEAMOUNT_TRY_ASSIGN(const exec::ByteLease lease, Book(in_.budget, bins * sizeof(uint64_t), name));
  SEAMOUNT_TRY_ASSIGN(const Crew crew, Hire(in_.pool, in_.budget, boxes_.size(), bytes, name));
  std::vector<Counts> of_workers(crew.workers);
  const auto read = [&](size_t item, size_t worker, const CallContext& inner) -> Result<void> {
    if (inner.stop.stop_requested()) return base::Cancelled("taking statistics: stop was requested");
    Counts& counts = of_workers[worker];
    if (counts.bins.empty()) counts.bins.assign(bins, 0);
    SEAMOUNT_TRY_ASSIGN(RegionReader reader, RegionReader::Make(in_.plan, in_.facts, in_.dataset, array_, subtract_));
    std::vector<double> values;
    SEAMOUNT_TRY(reader.ReadValues(boxes_[item], values));
    Add(values, within, counts);
    in_.progress.Add(values.size() * nd::SizeOf(planned_.metadata.data_type));
    return {};
  };
  SEAMOUNT_TRY(exec::ForEachItem(in_.pool, crew.workers, boxes_.size(), context, read));
  Counts all;
  all.bins.assign(bins, 0);
  for (const Counts& counts : of_workers) {
    if (!counts.bins.empty()) all.Merge(counts);
  }
  return all;
}

QuantileTaker::Place QuantileTaker::PlaceOf(const std::vector<uint64_t>& bins, uint64_t rank) {
  Place out{0, rank};
  while (out.bin + 1 < bins.size() && out.rank >= bins[out.bin]) out.rank -= bins[out.bin++];
  return out;
}

// Quantiles between the ends, each between its two neighbours.
Result<std::array<double, 2>> QuantileTaker::Inner(const Counts& first, const std::array<double, 2>& shares,
                                                   const CallContext& context) {
  std::array<Place, kMostBins> places;
  std::array<double, 2> fractions{};
  std::vector<uint32_t> within;
  for (size_t q = 0; q < shares.size(); ++q) {
    const double exact = shares[q] * static_cast<double>(first.count - 1);
    fractions[q] = exact - std::floor(exact);
    for (size_t side = 0; side < 2; ++side) {
      const uint64_t rank = std::min(static_cast<uint64_t>(exact) + side, first.count - 1);
      Place& place = places[2 * q + side];
      place = PlaceOf(first.bins, rank);
      if (std::find(within.begin(), within.end(), place.bin) == within.end()) within.push_back(place.bin);
    }
  }
  SEAMOUNT_TRY_ASSIGN(const Counts second, Read(within, context));
  std::array<double, kMostBins> values{};
  for (size_t i = 0; i < places.size(); ++i) {
    const auto at = std::find(within.begin(), within.end(), places[i].bin) - within.begin();
    const auto begin = second.bins.begin() + at * kBins;
    const Place low = PlaceOf({begin, begin + kBins}, places[i].rank);
    values[i] = ValueOf(places[i].bin * kBins + low.bin);
  }
  std::array<double, 2> out{};
  for (size_t q = 0; q < out.size(); ++q) {
    out[q] = values[2 * q] + fractions[q] * (values[2 * q + 1] - values[2 * q]);
  }
  return out;
}

Result<Moments> QuantileTaker::Take(const CallContext& context) {
  const std::string& over = in_.plan.standardize_over.name;
  SEAMOUNT_TRY_ASSIGN(const Counts first, Read({}, context));
  if (first.count == 0) return NoMoments(planned_.name, "has nothing but missing values", over);
  if (first.infinite) return NoMoments(planned_.name, "holds infinite values", over);
  const auto [low, high] = *planned_.quantiles;
  std::array<double, 2> ends = {first.least, first.most};
  if (QuantileReadings(planned_) > 1) {
    SEAMOUNT_TRY_ASSIGN(const auto inner, Inner(first, {low, high}, context));
    if (low > 0) ends[0] = inner[0];
    if (high < 1) ends[1] = inner[1];
  }
  if (!std::isfinite(static_cast<float>(ends[1])) || !std::isfinite(static_cast<float>(ends[0]))) {
    return NoMoments(planned_.name, "holds values that are too large for float32", over);
  }
  if (!(ends[1] > ends[0])) {
    return NoMoments(planned_.name,
                     first.most > first.least ? "has one and the same value at both quantiles" : "does not vary", over);
  }
  return Moments{ends[0], ends[1] - ends[0]};
}

}  // namespace

uint64_t QuantileReadings(const DataArray& array) {
  return array.quantiles && *array.quantiles != std::pair(0.0, 1.0) ? 2 : 1;
}

Result<Moments> TakeQuantiles(const StatisticsInputs& in, size_t array, const Climatology* subtract,
                              const CallContext& context) {
  return QuantileTaker(in, array, subtract).Take(context);
}

}  // namespace seamount::prepare
