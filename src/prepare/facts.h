// What planning needs to know of the source: its metadata and its coordinate values, but none of its data.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cf/attribute.h"
#include "cf/axis.h"
#include "cf/packing.h"
#include "source/dataset.h"

namespace seamount::prepare {

// What a variable or dimension of the source is called in the output: "a/b" of a NetCDF-4 group would be a path in
// Zarr, with groups of its own.
std::string OutputName(const std::string& name);

// The one-dimensional variable named like its dimension.
struct Coordinate {
  size_t variable = 0;  // in SourceFacts::variables
  cf::Axis axis = cf::Axis::kOther;
  std::vector<std::byte> stored;
  std::vector<double> values;  // decoded
  // Places before which time steps are missing or were left out, where that is known and allowed.
  std::optional<std::vector<uint64_t>> gaps;
};

class Node;  // node.h

struct SourceFacts {
  std::vector<source::FileIdentity> files;
  std::vector<source::Dimension> dimensions;
  std::vector<source::Variable> variables;
  std::vector<cf::Attribute> attributes;
  std::vector<Coordinate> coordinates;
  cf::Options reading;
  std::vector<std::shared_ptr<const Node>> made;        // by variable: what computes it; null or absent: it is stored
  std::map<std::string, std::vector<std::byte>> texts;  // of small variables of text, whole, by name
  std::vector<source::Variable> stored;                 // all that the files hold, whatever is made of it

  std::shared_ptr<const Node> MadeOf(size_t variable) const {
    return variable < made.size() ? made[variable] : nullptr;
  }
  const Coordinate* FindCoordinate(std::string_view dimension) const;
  // Whether a coordinate is called so, in any of several named sources.
  bool IsCoordinate(std::string_view name) const;
  // ": why not" where the variable named like the dimension cannot be read; empty where nothing is to be said.
  std::string WhyNoCoordinate(std::string_view dimension) const;
  // How the variable's numbers become values, as the recipe wants them read.
  Result<cf::Packing> PackingOf(const source::Variable& variable) const { return source::PackingOf(variable, reading); }
};

// A variable that can be asked for, by name: of several named sources "rain/tp", or "tp" where only one has it.
// InvalidArgument says why it cannot, or which is near.
Result<size_t> FindReadable(const SourceFacts& facts, const std::string& name);

// A coordinate that is no coordinate (too long, packed in a way that means nothing) is left out, and its variable says
// why it is unreadable: it concerns only who asks for it.
Result<SourceFacts> Describe(const source::Dataset& dataset, const cf::Options& reading = {});

}  // namespace seamount::prepare
