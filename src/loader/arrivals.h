// Which of a stretch's chunks have come, and which of its batches have thereby all that they are made of.
#pragma once

#include <cstdint>
#include <vector>

#include "loader/schedule.h"

namespace seamount::loader {

// Not thread-safe: the pipeline's mutex guards it.
class Arrivals {
 public:
  // Those that are held from before have come.
  explicit Arrivals(const Schedule& schedule) : schedule_(schedule), came_(schedule.cache.residencies.size()) {
    Advance();
  }

  void Came(uint32_t residency) {
    came_[residency] = true;
    Advance();
  }
  // How many batches have all their chunks, and all batches before them too.
  uint32_t batches() const { return batches_; }

 private:
  void Advance() {
    const auto& residencies = schedule_.cache.residencies;
    while (next_ < came_.size() && (came_[next_] || residencies[next_].held)) ++next_;
    const uint32_t end = next_ < came_.size() ? residencies[next_].first_use : schedule_.first_use.back();
    while (batches_ < schedule_.batches() && schedule_.first_use[batches_ + 1] <= end) ++batches_;
  }

  const Schedule& schedule_;
  std::vector<bool> came_;
  size_t next_ = 0;  // the first residency that has not come
  uint32_t batches_ = 0;
};

}  // namespace seamount::loader
