// What planning needs to know of the source: its metadata and its coordinate values, but none of its data.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cf/attribute.h"
#include "cf/axis.h"
#include "source/dataset.h"

namespace seamount::prepare {

// The one-dimensional variable named like its dimension.
struct Coordinate {
  size_t variable = 0;  // in SourceFacts::variables
  cf::Axis axis = cf::Axis::kOther;
  std::vector<std::byte> stored;
  std::vector<double> values;  // decoded
};

struct SourceFacts {
  std::vector<source::FileIdentity> files;
  std::vector<source::Dimension> dimensions;
  std::vector<source::Variable> variables;
  std::vector<cf::Attribute> attributes;
  std::vector<Coordinate> coordinates;

  const Coordinate* FindCoordinate(std::string_view dimension) const;
};

Result<SourceFacts> Describe(const source::Dataset& dataset);

}  // namespace seamount::prepare
