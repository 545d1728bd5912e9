// What is known about missing values in one decoded chunk, position by position. A chunk is copied into many windows;
// it is searched while it is copied for the first time, when it passes through the processor's cache anyway.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace seamount::loader {

// Thread-safe. Two threads that copy the same position first both search it.
class MissingRows {
 public:
  // rows: positions of the sample dimension in the chunk; 0 where no value can be missing.
  explicit MissingRows(uint64_t rows) : clean_(rows) {}
  bool MayBe(uint64_t row) const { return row < clean_.size() && !clean_[row].load(std::memory_order_relaxed); }
  // All of the row was searched, and nothing is missing.
  void SetClean(uint64_t row) {
    if (row < clean_.size()) clean_[row].store(true, std::memory_order_relaxed);
  }

 private:
  std::vector<std::atomic<bool>> clean_;
};

}  // namespace seamount::loader
