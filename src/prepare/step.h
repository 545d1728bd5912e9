// One step on the way from what a source holds to what is written.
//
// A variable begins with its inputs, decoded to physical values, and goes through its steps one after another. Values
// between steps are float64, NaN where missing; the array's own type comes at the end. A step knows the grid of what it
// gives (made from those it takes, by its entry in steps.cc), and which box of its inputs a box of its output is made
// of: dimensions may change on the way.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "nd/box.h"

namespace seamount::prepare {

// The inputs of a step while it is applied.
class Inputs {
 public:
  virtual ~Inputs() = default;
  // The values of a box of an input, dense, C order. They last until the same input is read again.
  virtual Result<std::span<const double>> Read(size_t input, const nd::Box& box) = 0;
};

// Immutable: every method may be called from many threads.
class Step {
 public:
  virtual ~Step() = default;
  // The box of an input that a box of the output is made of.
  virtual nd::Box InputRegion(size_t input, const nd::Box& output) const = 0;
  // The largest box of an input that Apply asks for at once: for the memory ledger.
  virtual nd::Box AtOnce(size_t input, const nd::Box& output) const { return InputRegion(input, output); }
  // `into` takes the values of the region, dense, C order.
  virtual Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const = 0;
  // All that the region's values depend on besides those of the inputs, and nothing else: equal texts, equal values.
  virtual std::string Fingerprint(const nd::Box& region) const = 0;
};

// A step whose values are each made of the one value in their place.
class PointStep : public Step {
 public:
  nd::Box InputRegion(size_t, const nd::Box& output) const final { return output; }
  Result<void> Apply(const nd::Box& region, Inputs& inputs, std::span<double> into) const final {
    SEAMOUNT_TRY_ASSIGN(const std::span<const double> values, inputs.Read(0, region));
    return Change(region, values, into);
  }
  // `values` and `into` may be the same.
  virtual Result<void> Change(const nd::Box& region, std::span<const double> values, std::span<double> into) const = 0;
};

}  // namespace seamount::prepare
