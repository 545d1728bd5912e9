#include "prepare/warnings.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "cf/calendar.h"
#include "nd/box.h"
#include "nd/data_type.h"

namespace seamount::prepare {
namespace {

constexpr uint64_t kSmallObject = 128 << 10;  // decoded: a request costs more than what it brings
constexpr uint64_t kManyObjects = 1000;
constexpr uint64_t kLargeChunk = 256 << 20;  // decoded, for whichever value of it
constexpr uint64_t kWideChunk = 64;          // times as many steps as a sample has

std::string Shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

class Warner {
 public:
  Warner(const Recipe& recipe, const Plan& plan) : recipe_(recipe), plan_(plan) {}

  void OfSplits();
  void OfStatistics();
  void OfChunks();
  void OfValues(const Survey& survey);
  std::vector<std::string> Take() { return std::move(warnings_); }

 private:
  void Warn(int line, const std::string& what) {
    warnings_.push_back(recipe_.name + " line " + std::to_string(line) + ": " + what);
  }
  std::string DateOf(uint64_t step) const {
    return cf::FormatMoment(plan_.selection.time->calendar, plan_.selection.time->moments[step]);
  }
  int LineOf(const std::string& array) const;
  int LineOfSplit(const std::string& name) const;
  void OfPair(const SplitRange& a, const SplitRange& b);
  void OfStatistic(const std::string& key, const std::string& over, int line);

  const Recipe& recipe_;
  const Plan& plan_;
  std::vector<std::string> warnings_;
};

int Warner::LineOf(const std::string& array) const {
  for (const Requested& one : recipe_.variables) {
    if (one.name == array) return one.line;
  }
  return 1;
}

int Warner::LineOfSplit(const std::string& name) const {
  for (const Split& split : recipe_.split) {
    if (split.name == name) return split.line;
  }
  return 1;
}

// How many steps lie between the values that a variable's steps put together; which step says so.
struct Reach {
  uint64_t steps = 0;
  std::string name;
  int line = 0;
};

Reach ReachOf(const Requested& variable, const Recipe& recipe) {
  std::vector<StepSpec> steps = variable.steps;
  steps.insert(steps.end(), recipe.steps.begin(), recipe.steps.end());
  Reach out;
  for (const StepSpec& step : steps) {
    double here = 0;
    if (step.name == "rolling") here = step.Number("steps", 1) - 1;
    if (step.name == "lag") here = std::abs(step.Number("steps", 0));
    if (step.name == "fill" && step.Has("reach")) here = 2 * step.Number("reach", 0);
    if (step.name == "deaccumulate") here = 1;
    // What was reached over before is less than a period now, most often.
    if (step.name == "resample") out = {};
    if (here <= 0) continue;
    out.steps += static_cast<uint64_t>(here);
    out.name = step.name;
    out.line = step.line;
  }
  return out;
}

uint64_t Shared(const SplitRange& a, const SplitRange& b, uint64_t& first) {
  uint64_t shared = 0;
  for (const Stretch& one : a.stretches()) {
    for (const Stretch& other : b.stretches()) {
      const uint64_t from = std::max(one.start, other.start);
      const uint64_t to = std::min(one.stop, other.stop);
      if (from >= to) continue;
      if (shared == 0) first = from;
      shared += to - from;
    }
  }
  return shared;
}

// The fewest steps between the end of a stretch of one and the begin of one of the other.
uint64_t Between(const SplitRange& a, const SplitRange& b) {
  uint64_t least = UINT64_MAX;
  for (const Stretch& one : a.stretches()) {
    for (const Stretch& other : b.stretches()) {
      if (one.stop <= other.start) least = std::min(least, other.start - one.stop);
      if (other.stop <= one.start) least = std::min(least, one.start - other.stop);
    }
  }
  return least;
}

void Warner::OfPair(const SplitRange& a, const SplitRange& b) {
  const std::string both = "'split': '" + a.name + "' and '" + b.name + "' ";
  uint64_t first = 0;
  if (const uint64_t shared = Shared(a, b, first); shared > 0) {
    Warn(LineOfSplit(b.name), both + "share " + std::to_string(shared) + (shared == 1 ? " step" : " steps") +
                                  ", from " + DateOf(first) + " on: what is trained on is no test");
    return;
  }
  const uint64_t between = Between(a, b);
  for (const Requested& variable : recipe_.variables) {
    const Reach reach = ReachOf(variable, recipe_);
    if (reach.steps <= between) continue;
    Warn(reach.line, both + "are made of the same steps of the source where they meet, since '" + reach.name +
                         "' of '" + variable.name + "' looks " + std::to_string(reach.steps) +
                         (reach.steps == 1 ? " step" : " steps") + " far: leave so many between them (there are " +
                         std::to_string(between) + ")");
    return;
  }
}

void Warner::OfSplits() {
  const std::vector<SplitRange>& splits = plan_.selection.splits;
  for (size_t i = 0; i < splits.size(); ++i) {
    for (size_t j = i + 1; j < splits.size(); ++j) OfPair(splits[i], splits[j]);
  }
}

void Warner::OfStatistic(const std::string& key, const std::string& over, int line) {
  const std::vector<SplitRange>& splits = plan_.selection.splits;
  if (splits.empty()) return;
  const bool train = std::any_of(splits.begin(), splits.end(), [](const SplitRange& s) { return s.name == "train"; });
  const std::string wanted = train ? "train" : splits[0].name;
  if (over != "all" && (!train || over == "train")) return;
  const std::string of = over == "all" ? "all steps, those that are held out among them" : "the split '" + over + "'";
  Warn(line, "'" + key + ": over' takes what it needs from " + of + ": 'over: " + wanted +
                 "' takes it from what is trained on");
}

void Warner::OfStatistics() {
  if (recipe_.anomaly) OfStatistic("anomaly", recipe_.anomaly->over, recipe_.anomaly->line);
  if (recipe_.standardize) OfStatistic("standardize", recipe_.standardize->over, recipe_.standardize->line);
}

void Warner::OfChunks() {
  const int given = !recipe_.chunks.empty() ? recipe_.chunks[0].line : recipe_.minibatch ? recipe_.minibatch->line : 1;
  for (const DataArray& array : plan_.arrays) {
    const zarr::ArrayMetadata& m = array.metadata;
    if (array.auxiliary || nd::Elements(m.shape) == 0) continue;
    const uint64_t element = nd::SizeOf(m.data_type);
    const nd::Index& unit = m.shard_shape ? *m.shard_shape : m.chunk_shape;
    uint64_t objects = 1;
    for (size_t d = 0; d < unit.size(); ++d) objects *= (m.shape[d] + unit[d] - 1) / unit[d];
    const uint64_t bytes = nd::Elements(unit) * element;
    const uint64_t chunk = nd::Elements(m.chunk_shape) * element;
    if (bytes < kSmallObject && objects > kManyObjects) {
      Warn(given,
           "'chunks': '" + array.name + "' lies in " + std::to_string(objects) + " objects of " +
               base::FormatBytes(bytes) +
               " before compression, and each costs a request: make them larger, or name 'shards' of many of them");
    }
    if (chunk > kLargeChunk) {
      Warn(given, "'chunks': one of '" + array.name + "' holds " + base::FormatBytes(chunk) +
                      ", all of which is decoded and held for any value of it: make them smaller");
    }
    if (!recipe_.minibatch || recipe_.minibatch->shuffle != loader::Shuffle::kGlobal || !array.time) continue;
    const uint64_t steps = std::min(m.chunk_shape[*array.time], m.shape[*array.time]);
    const uint64_t run = recipe_.minibatch->LongestRun();
    if (recipe_.chunks.empty() || steps <= kWideChunk * run) continue;
    Warn(given, "'chunks': one of '" + array.name + "' holds " + std::to_string(steps) +
                    " steps, of which a sample of 'minibatch' needs " + std::to_string(run) +
                    " at once: leave 'chunks' out, or name fewer steps");
  }
}

void Warner::OfValues(const Survey& survey) {
  for (size_t i = 0; i < survey.missing.size(); ++i) {
    const MissingShare& share = survey.missing[i];
    const ValueRange& range = survey.ranges[i];
    const DataArray& array = plan_.arrays[share.array];
    const std::string name = "'" + array.name + "' ";
    const int line = LineOf(array.name);
    if (range.infinite > 0) {
      Warn(line, name + "holds " + std::to_string(range.infinite) +
                     " infinite values: no statistic and no model is the better for them; 'clip' or 'mask' them");
    }
    if (share.values > 0 && share.missing == share.values) {
      Warn(line, name +
                     "has nothing but missing values: look at 'box', 'time', 'select' and what its steps leave, or at "
                     "the source's _FillValue");
    }
    if (range.least > range.most) continue;
    if (range.least == range.most && share.values > 1) {
      Warn(line, name + "is " + Shown(range.least) + " everywhere: a model learns nothing from it");
    }
    if (!array.pack || array.anomaly) continue;
    if (range.least < array.pack->low - array.pack->error() || range.most > array.pack->high + array.pack->error()) {
      Warn(line, name + "goes from " + Shown(range.least) + " to " + Shown(range.most) +
                     ", outside of its 'pack', which will end the run: widen it, or 'clip' the values");
    }
  }
}

}  // namespace

std::vector<std::string> PlanWarnings(const Recipe& recipe, const Plan& plan) {
  Warner warner(recipe, plan);
  warner.OfSplits();
  warner.OfStatistics();
  warner.OfChunks();
  return warner.Take();
}

std::vector<std::string> ValueWarnings(const Recipe& recipe, const Plan& plan, const Survey& survey) {
  Warner warner(recipe, plan);
  warner.OfValues(survey);
  return warner.Take();
}

}  // namespace seamount::prepare
