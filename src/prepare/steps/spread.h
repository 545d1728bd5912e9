// Within the steps: an input that lacks some of the output's dimensions.
#pragma once

#include <span>
#include <vector>

#include "nd/box.h"
#include "nd/copy.h"

namespace seamount::prepare {

// The part of a region along some of its dimensions, in their own order.
inline nd::Box PartOf(const nd::Box& region, const std::vector<size_t>& dimensions) {
  nd::Box box;
  for (const size_t d : dimensions) {
    box.origin.push_back(region.origin[d]);
    box.shape.push_back(region.shape[d]);
  }
  return box;
}

// The values of PartOf(region, dimensions), repeated along the others and in the region's order. `held` keeps them
// where that changes anything.
inline std::span<const double> Spread(std::span<const double> values, const nd::Box& region,
                                      const std::vector<size_t>& dimensions, std::vector<double>& held) {
  bool whole = dimensions.size() == region.shape.size();
  for (size_t k = 0; k < dimensions.size(); ++k) whole = whole && dimensions[k] == k;
  if (whole) return values;
  std::vector<uint64_t> strides(region.shape.size(), 0);
  const std::vector<uint64_t> own = nd::DenseStrides(PartOf(region, dimensions).shape, sizeof(double));
  for (size_t k = 0; k < own.size(); ++k) strides[dimensions[k]] = own[k];
  held.resize(nd::Elements(region.shape));
  nd::CopyStrided(reinterpret_cast<const std::byte*>(values.data()), strides, reinterpret_cast<std::byte*>(held.data()),
                  nd::DenseStrides(region.shape, sizeof(double)), region.shape, sizeof(double));
  return held;
}

}  // namespace seamount::prepare
