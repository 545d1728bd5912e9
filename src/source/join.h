// How several files lie beside each other: which follow one another along the dimension that joins them, which hold
// other variables of the same steps, and how each variable is put together from them. Metadata and coordinates only;
// the data are read by concat.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cf/calendar.h"
#include "cf/packing.h"
#include "source/dataset.h"

namespace seamount::source {

// What one file gives to a variable.
struct Piece {
  size_t file = 0;
  size_t variable = 0;  // in that file
  cf::Packing packing;
  std::optional<cf::TimeUnits> units;  // where they are converted to JoinedVariable::units
};

struct JoinedVariable {
  Variable variable;  // as it is presented
  // One for each step where it runs along the join dimension; else one for all. Empty where it is unreadable.
  std::vector<Piece> pieces;
  bool along = false;
  // The pieces are packed differently: each is decoded as its own file says, and the whole holds values.
  bool decoded = false;
  std::optional<cf::TimeUnits> units;
};

// Files that hold the same part of the join dimension.
struct JoinStep {
  uint64_t start = 0;
  uint64_t count = 0;
  std::vector<size_t> files;
};

struct Joined {
  std::string along;
  std::vector<JoinStep> steps;
  std::vector<FileIdentity> files;
  std::vector<Dimension> dimensions;
  std::vector<JoinedVariable> variables;
};

// Whether a variable counts months or years, which are presented as days.
bool CountsMonths(const Dataset& file);

// The files in the order in which they follow one another. What does not fit together makes only the variables that it
// concerns unreadable, so that nothing is compared that nobody asks for. InvalidArgument where no file has the
// dimension.
Result<Joined> Join(const std::vector<std::unique_ptr<Dataset>>& files, const std::string& along,
                    const cf::Options& options);

}  // namespace seamount::source
