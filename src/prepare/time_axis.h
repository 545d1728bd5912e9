// The time axis of the output: its dates, their order, and where steps are missing.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cf/calendar.h"
#include "prepare/facts.h"
#include "prepare/recipe.h"

namespace seamount::prepare {

// Steps start .. stop - 1.
struct Stretch {
  uint64_t start = 0;
  uint64_t stop = 0;
  bool operator==(const Stretch&) const = default;
};

struct TimeAxis {
  std::string dimension;
  cf::Calendar calendar = cf::Calendar::kStandard;
  std::vector<cf::Moment> moments;  // of the output's steps
  std::vector<Stretch> segments;    // in order, all steps together: none has a gap within it
};

// A date range as indices into moments in order. InvalidArgument where it is backwards or holds no step.
Result<Stretch> StepsOf(const Recipe& recipe, const DateRange& range, cf::Calendar calendar,
                        const std::vector<cf::Moment>& moments);

// All moments of the source's axis: every one must come after the one before, unless the recipe allows disorder.
Result<void> CheckOrder(const Recipe& recipe, const SourceFacts& facts, const std::string& dimension,
                        cf::Calendar calendar, const std::vector<cf::Moment>& moments);

// That the source's times are in order, and that no step is missing where the recipe's 'time' reaches: for a dimension
// whose places steps change, so that nobody can look later.
Result<void> CheckSteps(const Recipe& recipe, const SourceFacts& facts, const std::string& dimension,
                        cf::Calendar calendar, const std::vector<cf::Moment>& moments);

// Places before which steps are missing, by the rule of FindSegments, or times do not go on. `seams`: where files
// begin.
std::vector<uint64_t> GapsIn(const std::vector<cf::Moment>& moments, const std::set<uint64_t>& seams);

// Fills in the segments; `first` is the source's index of the axis's first step. A gap is a step of more than one and a
// half times the usual one. Where times are irregular there is no usual step, and only gaps between joined files are
// seen. `known`: gaps, by the source's index, that take the
// place of that rule. InvalidArgument where there is another and the recipe does not allow it.
Result<void> FindSegments(const Recipe& recipe, const SourceFacts& facts, uint64_t first,
                          const std::optional<std::vector<uint64_t>>& known, TimeAxis& axis);

}  // namespace seamount::prepare
