// The output of one array, cut where the source's chunks end: what lies in one slab is read without decoding a chunk
// that another slab needs too. Pure.
#pragma once

#include <functional>
#include <vector>

#include "nd/box.h"
#include "prepare/plan.h"

namespace seamount::prepare {

class SlabGrid {
 public:
  // Slabs of about `elements` at most, but of one source chunk at least; grown along inner dimensions first.
  SlabGrid(const Plan& plan, size_t array, uint64_t elements);

  // Starts of the slabs along a dimension, and at last its size.
  const nd::Index& edges(size_t dimension) const { return edges_[dimension]; }
  // How many slabs a region touches.
  uint64_t Count(const nd::Box& region) const;
  // Every slab that the region touches, cut to it, in C order; stops at the first error.
  Result<void> ForEach(const nd::Box& region, const std::function<Result<void>(const nd::Box&)>& each) const;
  // What every slab fits into.
  nd::Index LargestShape() const;

 private:
  std::vector<nd::Index> edges_;
};

// How often the source's chunks would be decoded, on average, if the tasks (of one array) were read one by one.
double Decodings(const Plan& plan, const SourceFacts& facts, const std::vector<size_t>& tasks);

// Tasks of one array that are better written through a spill file.
bool WantsSpill(const Plan& plan, const SourceFacts& facts, const std::vector<size_t>& tasks);

}  // namespace seamount::prepare
