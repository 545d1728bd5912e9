// How much of what was written is missing, and where: when, and at which levels.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "prepare/plan.h"
#include "prepare/region_missing.h"

namespace seamount::prepare {

// Of a region's elements, in the array's type.
RegionMissing MissingIn(const DataArray& array, const nd::Box& region, std::span<const std::byte> elements);
// Of its values, NaN where missing.
RegionMissing MissingIn(const DataArray& array, const nd::Box& region, std::span<const double> values);

// Steps or levels that were written together, with what is missing in them.
struct MissingPart {
  Stretch places;
  uint64_t values = 0;
  uint64_t missing = 0;
};

// Of one array, whichever run has written it.
struct MissingShare {
  size_t array = 0;  // in Plan::arrays
  uint64_t values = 0;
  uint64_t missing = 0;
  std::vector<Stretch> empty_steps;  // that hold nothing else
  std::vector<Stretch> empty_levels;
  std::vector<MissingPart> by_time;  // in order; empty where there is no time
  std::vector<MissingPart> by_level;
};

// Adds up regions that lie on a grid.
class MissingSum {
 public:
  explicit MissingSum(const Plan& plan);
  // Of arrays that came along nothing is kept.
  void Add(size_t array, const nd::Box& region, const RegionMissing& missing);
  std::vector<MissingShare> Shares() const;

 private:
  // What the regions hold that begin at one place of a dimension.
  struct Group {
    uint64_t values = 0;
    uint64_t missing = 0;
    uint64_t regions = 0;
    std::vector<uint64_t> empty;  // by place: how many regions hold nothing else there
  };
  using Groups = std::map<uint64_t, Group>;
  struct OfArray {
    uint64_t values = 0;
    uint64_t missing = 0;
    Groups times;
    Groups levels;
  };
  static void AddTo(Groups& groups, const nd::Box& region, size_t dimension, uint64_t missing,
                    const std::vector<Stretch>& empty);
  static void Finish(const Groups& groups, std::vector<MissingPart>& parts, std::vector<Stretch>& empty);

  const Plan& plan_;
  std::map<size_t, OfArray> arrays_;
};

// Of all arrays but those that came along, by what the record has of their tasks.
std::vector<MissingShare> MissingOf(const Plan& plan, const MissingByTask& missing);

}  // namespace seamount::prepare
