// A plan: what will be read and written, before anything is. planner.h makes it of a recipe and what is known of the
// source, execute.h carries it out.
//
// Output regions are tasks, each with a fingerprint of everything that its bytes depend on, and of nothing else
// (fingerprints.h). A task whose fingerprint was recorded as done need not be done again; that is what resuming and
// small changes rest on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nd/box.h"
#include "prepare/pack.h"
#include "prepare/selection.h"
#include "zarr/metadata.h"

namespace seamount::prepare {

// A variable of the output that is computed from source data, task by task.
struct DataArray {
  std::string name;
  zarr::ArrayMetadata metadata;                // attributes_json without what only statistics know
  std::string reason;                          // for the chunk shape
  size_t input = 0;                            // in SourceFacts::variables
  std::vector<std::string> source_dimensions;  // of the input, dropped ones included
  bool as_stored = false;                      // elements pass through untouched
  std::optional<Pack> pack;                    // written as int16
  std::optional<size_t> time;                  // which output dimension is time
  std::optional<size_t> level;  // the first that is neither time nor of a map: what is missing is said by it
  bool auxiliary = false;       // came along since others name it: neither anomaly nor standardized
  bool anomaly = false;
  bool standardize = false;
  std::optional<std::pair<double, double>> quantiles;  // that standardizing brings to 0 and 1; none: mean and std
  nd::Index source_chunk;  // in dimensions of the output; where not chunked, what makes one read worth its call
  nd::Index task_shape;
  std::string fingerprint;              // of its encoding
  std::string climatology_fingerprint;  // of what it is taken from; empty: none is subtracted
  std::string statistics_fingerprint;   // of what climatology and moments depend on; empty: none are asked for
};

// An array that is known from the plan alone: coordinates, and the weights of the climatology.
struct SmallArray {
  std::string name;
  zarr::ArrayMetadata metadata;  // one chunk
  std::vector<std::byte> values;
};

struct Task {
  size_t array = 0;  // in Plan::arrays
  nd::Box region;    // of the output, clipped to its shape
  std::string fingerprint;
  uint64_t bytes = 0;  // of the region, decoded
};

// What a climatology is a sum of: climatology(t) = Σ weights(t, term) · coefficient(term).
struct Basis {
  std::string dimension;   // "month", "day_of_year", "hour" or "harmonic"
  bool exclusive = false;  // one-hot: all but harmonics
  size_t terms = 0;
  size_t window = 1;            // the values of so many terms, in a circle, make one coefficient; odd
  std::vector<double> weights;  // steps × terms, over all steps of the output
};

struct Plan {
  SelectionPlan selection;
  std::vector<DataArray> arrays;
  std::vector<SmallArray> coordinates;
  std::vector<Task> tasks;
  std::optional<Basis> basis;
  SplitRange anomaly_over;
  SplitRange standardize_over;
  int format = 3;
  std::string minibatch;  // that the layout is for, as text; "none"
  std::string group_attributes_json;
  std::vector<std::string> notes;  // what a person should know: what is left out, what was chosen
  std::string fingerprint;         // of the whole
  uint64_t output_bytes = 0;       // decoded
};

// The tasks of one array, by number, in order.
std::vector<size_t> TasksOf(const Plan& plan, size_t array);

}  // namespace seamount::prepare
