#include "prepare/survey.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "exec/for_each.h"
#include "nd/data_type.h"
#include "prepare/parallel.h"
#include "prepare/region_reader.h"
#include "prepare/slabs.h"

namespace seamount::prepare {
namespace {

constexpr uint64_t kBlockElements = 1 << 20;  // read at once

void Widen(const std::vector<double>& values, ValueRange& range) {
  for (const double value : values) {
    if (std::isnan(value)) continue;
    if (std::isinf(value)) {
      ++range.infinite;
      continue;
    }
    range.least = std::min(range.least, value);
    range.most = std::max(range.most, value);
  }
}

}  // namespace

Result<Survey> TakeSurvey(const Plan& plan, const SourceFacts& facts, const source::Dataset& dataset,
                          exec::ThreadPool& pool, exec::ByteBudget& budget, exec::Progress& progress,
                          const CallContext& context) {
  Survey out;
  MissingSum sum(plan);
  std::mutex mutex;  // guards sum and ranges
  std::vector<ValueRange> ranges(plan.arrays.size());
  for (size_t a = 0; a < plan.arrays.size(); ++a) {
    const DataArray& array = plan.arrays[a];
    if (array.auxiliary || nd::Elements(array.metadata.shape) == 0) continue;
    const SlabGrid grid(plan, a, kBlockElements);
    std::vector<nd::Box> boxes;
    SEAMOUNT_TRY(grid.ForEach(nd::Whole(array.metadata.shape), [&](const nd::Box& box) -> Result<void> {
      boxes.push_back(box);
      return {};
    }));
    const nd::Index largest = grid.LargestShape();
    const uint64_t bytes =
        nd::Elements(largest) * sizeof(double) + RegionReader::ReadValuesBytes(plan, facts, a, largest);
    SEAMOUNT_TRY_ASSIGN(const Crew crew, Hire(pool, budget, boxes.size(), bytes, "checking '" + array.name + "'"));
    const auto look = [&](size_t item, size_t, const CallContext&) -> Result<void> {
      SEAMOUNT_TRY_ASSIGN(RegionReader reader, RegionReader::Make(plan, facts, dataset, a, nullptr));
      std::vector<double> values;
      SEAMOUNT_TRY(reader.ReadValues(boxes[item], values));
      progress.Add(values.size() * nd::SizeOf(array.metadata.data_type));
      ValueRange range;
      Widen(values, range);
      const RegionMissing missing = MissingIn(array, boxes[item], std::span<const double>(values));
      std::scoped_lock lock(mutex);
      sum.Add(a, boxes[item], missing);
      ranges[a].least = std::min(ranges[a].least, range.least);
      ranges[a].most = std::max(ranges[a].most, range.most);
      ranges[a].infinite += range.infinite;
      return {};
    };
    SEAMOUNT_TRY(exec::ForEachItem(pool, crew.workers, boxes.size(), context, look));
  }
  out.missing = sum.Shares();
  for (const MissingShare& share : out.missing) out.ranges.push_back(ranges[share.array]);
  return out;
}

}  // namespace seamount::prepare
