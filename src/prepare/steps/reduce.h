// Within the steps: many values as one. Missing ones are left out; of nothing but these comes a missing one.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

namespace seamount::prepare {

enum class Reduction { kMean, kSum, kMin, kMax, kFirst, kLast };

inline Reduction ReductionOf(const std::string& how) {
  if (how == "sum") return Reduction::kSum;
  if (how == "min") return Reduction::kMin;
  if (how == "max") return Reduction::kMax;
  if (how == "first") return Reduction::kFirst;
  if (how == "last") return Reduction::kLast;
  return Reduction::kMean;
}

struct Reduced {
  double value = 0;
  double weight = 0;  // of what is there

  void Add(Reduction how, double next, double share = 1) {
    if (std::isnan(next)) return;
    if (weight == 0 && how != Reduction::kMean && how != Reduction::kSum) value = next;
    switch (how) {
      case Reduction::kMean: value += share * next; break;
      case Reduction::kSum: value += next; break;
      case Reduction::kMin: value = std::min(value, next); break;
      case Reduction::kMax: value = std::max(value, next); break;
      case Reduction::kFirst: break;
      case Reduction::kLast: value = next; break;
    }
    weight += share;
  }
  double Get(Reduction how) const {
    if (weight == 0) return std::numeric_limits<double>::quiet_NaN();
    return how == Reduction::kMean ? value / weight : value;
  }
};

}  // namespace seamount::prepare
