// The dimensions of values on their way through the steps: names, sizes, coordinate values, times. What a step takes
// and what it gives are known from these before anything is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cf/attribute.h"
#include "cf/axis.h"
#include "cf/calendar.h"
#include "nd/box.h"

namespace seamount::prepare {

// One dimension. Immutable once it is shared.
struct GridAxis {
  std::string name;
  uint64_t size = 0;
  cf::Axis kind = cf::Axis::kOther;
  std::vector<double> values;             // of the coordinate; empty: it has none
  std::vector<cf::Attribute> attributes;  // of the coordinate
  bool of_source = false;                 // as the source has it
  std::string origin;                     // the source's dimension that it was at first; empty: made by a step
  std::string source;                     // of several named ones: whose that is
  // Of a time whose units are understood, in order:
  std::vector<cf::Moment> moments;
  cf::Calendar calendar = cf::Calendar::kStandard;
  std::vector<uint64_t> gaps;  // places before which steps are missing

  bool dated() const { return !moments.empty(); }
};
using AxisPtr = std::shared_ptr<const GridAxis>;

// The same places under the same name.
bool SameAxis(const GridAxis& a, const GridAxis& b);

struct Grid {
  std::vector<AxisPtr> axes;
  nd::Index chunk;                        // what lies together where the values come from, one extent per axis
  std::vector<cf::Attribute> attributes;  // of the variable, units among them
  bool single = false;                    // float32 holds what the source knows
  bool exact = false;                     // a coordinate: it makes no float64 of what it is put together with

  nd::Index shape() const;
  std::optional<size_t> Find(const std::string& dimension) const;  // by name, or "lat", "lon", "time" by kind
  std::string units() const;
};

// Replaces a text attribute; an empty text removes it.
void SetText(std::vector<cf::Attribute>& attributes, const std::string& name, const std::string& text);

// The places of an axis that are named, ascending. Where time steps are left out there are gaps, if they are felt:
// every twelfth hour is regular, the winters are not.
AxisPtr PickFrom(const GridAxis& axis, const std::vector<uint64_t>& places);
// Other times in the place of an axis's own, in its units where these are linear, else in days.
Result<AxisPtr> WithMoments(const GridAxis& axis, std::vector<cf::Moment> moments, std::vector<uint64_t> gaps);
// Other values in the place of an axis's own, without what was said of those (bounds).
AxisPtr WithValues(const GridAxis& axis, std::vector<double> values);

}  // namespace seamount::prepare
