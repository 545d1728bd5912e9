// Within the steps: arrays as lines along one dimension. A box is `outer` blocks of `count` rows of `inner` values.
#pragma once

#include <cstdint>

#include "nd/box.h"

namespace seamount::prepare {

struct Lines {
  uint64_t outer = 1;
  uint64_t count = 1;
  uint64_t inner = 1;
};

inline Lines LinesOf(const nd::Index& shape, size_t dimension) {
  Lines lines;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (d < dimension) lines.outer *= shape[d];
    if (d == dimension) lines.count = shape[d];
    if (d > dimension) lines.inner *= shape[d];
  }
  return lines;
}

inline nd::Box WithRange(nd::Box box, size_t dimension, uint64_t from, uint64_t to) {
  box.origin[dimension] = from;
  box.shape[dimension] = to - from;
  return box;
}

}  // namespace seamount::prepare
