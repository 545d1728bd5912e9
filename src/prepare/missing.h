// How much of what was written is missing, and which steps hold nothing else.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "prepare/plan.h"

namespace seamount::prepare {

// Of one array, as far as this run has written it.
struct MissingShare {
  std::string name;
  uint64_t values = 0;
  uint64_t missing = 0;
  uint64_t empty_steps = 0;  // of those written as a whole
  std::optional<uint64_t> first_empty;
};

// Thread-safe.
class MissingCount {
 public:
  explicit MissingCount(const DataArray& array);
  // The elements of a region, in the array's type. Each region at most once.
  void Add(const nd::Box& region, std::span<const std::byte> elements);
  MissingShare Share() const;

 private:
  struct StepCount {
    uint64_t values = 0;
    uint64_t missing = 0;
  };
  const DataArray& array_;
  mutable std::mutex mutex_;
  std::vector<StepCount> steps_;  // one where there is no time
};

}  // namespace seamount::prepare
