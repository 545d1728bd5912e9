// What `seamount prepare` notes in attributes, under their member "seamount".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loader/samples.h"

namespace seamount::loader {

struct GroupNotes {
  std::string sample_dim;  // the dimension samples run along; empty: not said
  // Along it, ascending, apart from each other: one stretch, or several (every other year).
  std::map<std::string, std::vector<Interval>> splits;
  std::vector<Interval> segments;  // along it, each without a gap; empty: not said
};
// Any text is safe input; DataLoss where a note has not its form.
Result<GroupNotes> ParseGroupNotes(const std::string& attributes_json);

struct Normalization {
  double mean = 0;
  double std = 1;
  bool operator==(const Normalization&) const = default;
};

struct ArrayNotes {
  bool every_object = false;  // each chunk was written: one that is absent is lost
  std::optional<Normalization> normalization;
};
// Any text is safe input; InvalidArgument where a note has not its form.
Result<ArrayNotes> ParseArrayNotes(const std::string& attributes_json);

}  // namespace seamount::loader
