// A recipe: what a person writes to say which raw data become which Zarr group. docs/recipes.md tells it to people, and
// docs/recipe.schema.json to editors.
//
// Parsing is strict: an unknown key is an error with its line and the nearest key there is. Whether names of variables,
// dimensions and dates mean anything is found out in planner.h, which knows the source; every part keeps its line for
// that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cf/packing.h"
#include "loader/order.h"
#include "prepare/step_spec.h"

namespace seamount::prepare {

struct NamedLine {
  std::string name;
  int line = 0;
};

// One index or one coordinate value of a dimension, which is then gone from the output.
struct Selection {
  std::string dimension;
  std::optional<uint64_t> index;
  std::optional<double> value;  // a coordinate value
  bool nearest = false;         // or the nearest to it
  int line = 0;
};

// Coordinate values from..to, both included. `key`: "lat", "lon" or a dimension's name. Longitudes may wrap: [-30, 40].
struct BoxRange {
  std::string key;
  double from = 0;
  double to = 0;
  int line = 0;
};

// Dates from..to, both included to the end of what is written: "1990-12" lasts to the end of December.
struct DateRange {
  std::string from;
  std::string to;
  int line = 0;
};

// Steps under a name: those of a range and of some years.
struct Split {
  std::string name;
  std::optional<DateRange> range;  // left out: all
  std::vector<uint64_t> years;     // empty: all
  std::string parity;              // of years: "even" or "odd"; empty: both
  int line = 0;
};

// A variable of the output: one of the source, or an expression over others, and what is done to it.
struct Requested {
  std::string name;
  int line = 0;
  std::string from;        // the source's name; empty: the same
  std::string expression;  // not empty: derived
  std::string units;       // as the recipe names them; empty: what comes out of the steps
  std::string long_name;
  std::string dtype;                              // empty: the recipe's
  std::string codec;                              // likewise
  std::optional<std::pair<double, double>> pack;  // the range that int16 is to hold
  std::vector<StepSpec> steps;                    // in order

  // Whether it is the source's own, under another name at most.
  bool plain() const { return expression.empty() && steps.empty() && units.empty() && long_name.empty(); }
  // A key of the recipe that says something of it beside where it comes from; empty: none does.
  std::string Said() const;
};

struct Anomaly {
  int harmonics = 0;        // 0: the mean of each month, or of what `climatology` says
  std::string climatology;  // "month", "day_of_year" or "hour"; empty: harmonics
  int window = 1;           // days of the year that a mean of one of them is taken over, odd
  std::string over;         // a split, or "all"
  int line = 0;
};

// What becomes 0 and 1: two quantiles, of which [0, 1] are minimum and maximum. None: mean and standard deviation are
// what the values are brought to.
using Quantiles = std::optional<std::pair<double, double>>;

struct Standardize {
  std::string over;
  std::vector<NamedLine> except;  // output variables that are left as they are
  Quantiles how;
  std::vector<std::pair<NamedLine, Quantiles>> how_of;  // of single output variables
  int line = 0;
};

struct Extent {
  std::string dimension;
  uint64_t size = 0;
  int line = 0;
};

// How the data will be read, from which the chunk shape follows: the steps of one sample, as offsets from it.
struct Minibatch {
  std::vector<int64_t> inputs = {0};
  std::vector<int64_t> targets = {1};
  uint64_t batch = 1;
  loader::Shuffle shuffle = loader::Shuffle::kGlobal;
  std::vector<Extent> patches;  // sizes by dimension, at random places; empty: the whole field
  int line = 0;

  uint64_t Span() const;        // steps from the first to the last
  uint64_t LongestRun() const;  // most of them that follow one another
  std::string Text() const;     // the same for the same minibatch
};

// One of several sources, each with a name and a time step of its own.
struct NamedSource {
  std::string name;
  std::vector<std::string> sources;  // paths or glob patterns
  int line = 0;
};

struct Recipe {
  std::string name;                        // stands in messages
  std::string text;                        // as written
  std::vector<std::string> sources;        // paths or glob patterns
  std::vector<NamedSource> named_sources;  // instead of `sources`
  NamedLine first_valid;                   // a dimension of which the first valid value is taken; empty: none
  std::vector<Requested> variables;        // those that are derived at the end
  std::vector<StepSpec> steps;             // of all variables, after their own
  std::vector<Selection> select;
  std::vector<BoxRange> box;
  std::optional<DateRange> time;
  bool gaps_allowed = false;      // steps may be missing
  bool disorder_allowed = false;  // times may repeat or go back
  std::vector<Split> split;
  std::optional<Anomaly> anomaly;
  std::optional<Standardize> standardize;
  std::optional<Minibatch> minibatch;
  std::vector<Extent> chunks;
  std::vector<Extent> shards;
  std::string codec;  // empty: blosc-zstd:1
  std::string dtype;  // empty: as in the source, where it is packed its decoded type
  int format = 3;
  cf::Options reading;  // of the source's attributes
};

inline constexpr size_t kMaxRecipeBytes = 1 << 20;  // longer is not a recipe

// `name` stands in messages: "winds.yaml line 7: …". Any bytes are safe input.
Result<Recipe> ParseRecipe(std::string_view yaml, const std::string& name);
// A file, or "-" for standard input.
Result<Recipe> ReadRecipe(const std::string& path);

// The JSON Schema of recipes, as docs/recipe.schema.json.
std::string_view RecipeSchema();

}  // namespace seamount::prepare
