// Which part of every source dimension the output holds, and in which order.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "prepare/facts.h"
#include "prepare/recipe.h"
#include "prepare/source_text.h"
#include "prepare/time_axis.h"

namespace seamount::prepare {

// Source indices start .. start + count - 1.
struct IndexRun {
  uint64_t start = 0;
  uint64_t count = 0;
};

struct PlannedDimension {
  std::string name;
  std::vector<IndexRun> runs;     // one, or two where a longitude range crosses the seam
  uint64_t size = 0;              // of all runs together
  bool cut = false;               // by a box
  bool dropped = false;           // selected: one place, not a dimension of the output
  std::vector<uint64_t> joins;    // source indices at which joined files begin, 0 among them; empty: there is one
  std::vector<double> relabeled;  // longitudes that were moved by 360 degrees; empty: values as in the source
};

// Steps of the output, start .. stop - 1, or only some stretches of these.
struct SplitRange {
  std::string name;
  uint64_t start = 0;
  uint64_t stop = 0;
  std::vector<Stretch> some = {};  // in order, the first from start, the last to stop; empty: all

  std::vector<Stretch> stretches() const { return some.empty() ? std::vector<Stretch>{{start, stop}} : some; }
  uint64_t steps() const;
};

struct SelectionPlan {
  std::vector<PlannedDimension> dimensions;  // every dimension of the source
  std::optional<TimeAxis> time;
  std::vector<SplitRange> splits;
  std::vector<std::string> notes;  // what a person should know of the choices made

  const PlannedDimension& Find(const std::string& dimension) const;
};

// How far a coordinate value may lie from the one that a recipe names.
double CoordinateTolerance(const std::vector<double>& values, double bound);

// Pure. InvalidArgument names recipe, line, and what there is instead.
Result<SelectionPlan> PlanSelection(const Recipe& recipe, const SourceFacts& facts);

// What a region of the output is in the source: for each of the dimensions the runs that it touches. A dropped
// dimension has one place.
PlacedRuns RunsOf(const SelectionPlan& plan, const std::vector<std::string>& dimensions, const nd::Box& region);
// One box of the source for every combination of runs, and where it begins in the region.
void ForEachBox(const PlacedRuns& runs, const std::function<void(const nd::Box&, const nd::Index&)>& each);

// The steps of a split, or of everything for "all".
Result<SplitRange> FindSplit(const Recipe& recipe, const SelectionPlan& plan, const std::string& name, int line);

}  // namespace seamount::prepare
