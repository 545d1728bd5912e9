// One step on the way from what a source holds to what is written.
//
// An array begins with its inputs, decoded to physical values, and goes through its steps one after another:
// derive_step.h, anomaly_step.h. Values between steps are float64, NaN where missing; the array's own type comes at the
// end. A step says which box of its inputs a box of its output is made of, so that one that needs neighbours
// (regridding, coarsening, running means) is a step like the others.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "nd/box.h"

namespace seamount::prepare {

// For one thread at a time.
class Step {
 public:
  virtual ~Step() = default;
  // The box of every input that a box of the output is made of.
  virtual nd::Box InputRegion(const nd::Box& output) const = 0;
  // One span per input with the values of InputRegion(region), dense, C order; `into` takes those of the region.
  virtual Result<void> Apply(const nd::Box& region, std::span<const std::span<const double>> inputs,
                             std::span<double> into) = 0;
  // Of the values that come out, given those of each input, as "m s-1"; empty: not known.
  virtual std::string Units(std::span<const std::string> inputs) const = 0;
  // All that the region's values depend on besides those of the inputs, and nothing else: equal texts, equal values.
  virtual std::string Fingerprint(const nd::Box& region) const = 0;
};

}  // namespace seamount::prepare
