// A grid whose cells (chunks, shards) differ in length along each dimension: the arithmetic that box.h has for equal
// ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nd/box.h"

namespace seamount::nd {

// So many cells of one length, one behind the other.
struct EdgeRun {
  uint64_t length = 1;
  uint64_t count = 1;

  bool operator==(const EdgeRun&) const = default;
};
using Edges = std::vector<EdgeRun>;  // along one dimension

// Immutable and thread-safe.
class RectilinearGrid {
 public:
  // One entry per dimension. The caller has checked that lengths are not 0 and that each dimension's end fits 64 bits.
  explicit RectilinearGrid(std::span<const Edges> edges);

  const Index& shape() const { return shape_; }      // cells per dimension
  const Index& end() const { return end_; }          // where the last cell ends, in elements
  const Index& largest() const { return largest_; }  // the longest cell per dimension; 1 where there is none
  // The cells that a box touches, which lies within end(), as a box of cells. Empty where the box is.
  Box CellsTouched(const Box& box) const;
  // The cell's box in elements.
  Box CellBox(std::span<const uint64_t> cell) const;

 private:
  struct Run {
    uint64_t first_cell;
    uint64_t origin;
    uint64_t length;
  };
  uint64_t CellAt(size_t d, uint64_t position) const;

  std::vector<std::vector<Run>> runs_;  // per dimension, ascending
  Index shape_;
  Index end_;
  Index largest_;
};

}  // namespace seamount::nd
