#include "prepare/time_axis.h"

#include <algorithm>
#include <limits>
#include <set>

#include "cf/calendar.h"

namespace seamount::prepare {
namespace {

using cf::FormatMoment;
using cf::Moment;

constexpr double kGap = 1.5;  // times the usual step: months differ by a tenth, a missing one by all

Error At(const Recipe& recipe, int line, const std::string& what) {
  return base::InvalidArgument(recipe.name + " line " + std::to_string(line) + ": " + what);
}

// The file that holds a step of the source.
std::string FileOf(const SourceFacts& facts, const std::string& dimension, uint64_t step) {
  for (const source::FileIdentity& file : facts.files) {
    if (file.join_dimension != dimension) continue;
    if (step >= file.join_start && step < file.join_start + file.join_count) return file.path;
  }
  for (const source::Variable& variable : facts.variables) {
    if (variable.name == dimension && !variable.files.empty()) return facts.files[variable.files.front()].path;
  }
  return facts.files.front().path;
}

struct Steps {
  bool regular = false;
  Moment usual = 0;     // the median, where regular
  Moment at_seams = 0;  // where not: the longest within a file, or, where all files have but one, the shortest of all
};

Steps Measure(const std::vector<Moment>& moments, const std::set<uint64_t>& seams) {
  std::vector<Moment> steps;
  Steps out;
  for (uint64_t i = 1; i < moments.size(); ++i) {
    const Moment step = moments[i] - moments[i - 1];
    if (step <= 0) continue;
    steps.push_back(step);
    if (!seams.contains(i)) out.at_seams = std::max(out.at_seams, step);
  }
  if (steps.empty()) return out;
  if (out.at_seams == 0) out.at_seams = *std::min_element(steps.begin(), steps.end());
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>((steps.size() - 1) / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  out.usual = *middle;
  const auto usual = static_cast<double>(out.usual);
  const auto near = std::count_if(steps.begin(), steps.end(), [&](Moment step) {
    return static_cast<double>(step) >= usual / 2 && static_cast<double>(step) <= usual * kGap;
  });
  out.regular = static_cast<uint64_t>(near) * 4 >= steps.size() * 3;
  return out;
}

}  // namespace

Result<Stretch> StepsOf(const Recipe& recipe, const DateRange& range, cf::Calendar calendar,
                        const std::vector<Moment>& moments) {
  const auto date = [&](const std::string& text) -> Result<cf::ParsedDate> {
    auto parsed = cf::ParseDate(calendar, text);
    if (!parsed) return At(recipe, range.line, parsed.error().message());
    return parsed;
  };
  SEAMOUNT_TRY_ASSIGN(const cf::ParsedDate from, date(range.from));
  SEAMOUNT_TRY_ASSIGN(const cf::ParsedDate to, date(range.to));
  const std::string written = "[" + range.from + ", " + range.to + "]";
  if (cf::MomentOf(calendar, from.date) >= to.end) {
    return At(recipe, range.line, written + " goes backwards: the earlier date comes first");
  }
  const auto first = std::lower_bound(moments.begin(), moments.end(), cf::MomentOf(calendar, from.date));
  const auto last = std::lower_bound(first, moments.end(), to.end);
  if (first == last) {
    const std::string there = moments.empty() ? "the data are empty"
                                              : "the data go from " + FormatMoment(calendar, moments.front()) + " to " +
                                                    FormatMoment(calendar, moments.back());
    return At(recipe, range.line, "no time step lies in " + written + ": " + there);
  }
  return Stretch{static_cast<uint64_t>(first - moments.begin()), static_cast<uint64_t>(last - moments.begin())};
}

Result<void> CheckOrder(const Recipe& recipe, const SourceFacts& facts, const std::string& dimension,
                        cf::Calendar calendar, const std::vector<Moment>& moments) {
  if (recipe.disorder_allowed) return {};
  for (uint64_t i = 1; i < moments.size(); ++i) {
    if (moments[i] > moments[i - 1]) continue;
    const std::string before = FileOf(facts, dimension, i - 1);
    const std::string here = FileOf(facts, dimension, i);
    const std::string steps =
        FormatMoment(calendar, moments[i]) + " comes after " + FormatMoment(calendar, moments[i - 1]);
    if (before == here) {
      return base::InvalidArgument("the times of '" + dimension + "' of " + here + " are not in order: " + steps +
                                   " ('disorder: allow' in the recipe takes them as they are)");
    }
    return base::InvalidArgument("joining " + here + " to " + before + " along '" + dimension + "': " + steps +
                                 ": the files overlap, or are not named in order of time");
  }
  return {};
}

std::vector<uint64_t> GapsIn(const std::vector<Moment>& moments, const std::set<uint64_t>& seams) {
  const Steps steps = Measure(moments, seams);
  std::vector<uint64_t> gaps;
  for (uint64_t i = 1; i < moments.size(); ++i) {
    const Moment step = moments[i] - moments[i - 1];
    const bool seam = seams.contains(i);
    const Moment usual = steps.regular ? steps.usual : steps.at_seams;
    const bool gap = (steps.regular || seam) && static_cast<double>(step) > kGap * static_cast<double>(usual);
    if (gap || step <= 0) gaps.push_back(i);
  }
  return gaps;
}

Result<void> FindSegments(const Recipe& recipe, const SourceFacts& facts, uint64_t first,
                          const std::optional<std::vector<uint64_t>>& known, TimeAxis& axis) {
  const std::vector<Moment>& moments = axis.moments;
  std::set<uint64_t> seams;  // first steps of files, in the output
  for (const source::FileIdentity& file : facts.files) {
    if (file.join_dimension == axis.dimension && file.join_start > first) seams.insert(file.join_start - first);
  }
  std::vector<uint64_t> gaps;
  if (!known) gaps = GapsIn(moments, seams);
  for (size_t k = 0; known && k < known->size(); ++k) {
    const uint64_t gap = (*known)[k];
    if (gap > first && gap < first + moments.size()) gaps.push_back(gap - first);
  }
  axis.segments.clear();
  uint64_t start = 0;
  for (const uint64_t i : gaps) {
    axis.segments.push_back({start, i});
    start = i;
    if (moments[i] <= moments[i - 1] || recipe.gaps_allowed || known) continue;
    const std::string missing = "steps are missing between " + FormatMoment(axis.calendar, moments[i - 1]) + " and " +
                                FormatMoment(axis.calendar, moments[i]);
    const std::string here = FileOf(facts, axis.dimension, first + i);
    if (!seams.contains(i)) {
      return base::InvalidArgument("the times of '" + axis.dimension + "' of " + here + ": " + missing +
                                   ": take a part without with 'time', or write 'gaps: allow' in the recipe");
    }
    return base::InvalidArgument("joining " + here + " to " + FileOf(facts, axis.dimension, first + i - 1) +
                                 " along '" + axis.dimension + "': " + missing +
                                 ": add the files that hold them, or write 'gaps: allow' in the recipe");
  }
  if (!moments.empty()) axis.segments.push_back({start, moments.size()});
  return {};
}

Result<void> CheckSteps(const Recipe& recipe, const SourceFacts& facts, const std::string& dimension,
                        cf::Calendar calendar, const std::vector<Moment>& moments) {
  if (recipe.disorder_allowed) {
    return base::InvalidArgument(recipe.name + ": steps that change '" + dimension +
                                 "' need times in order, and 'disorder: allow' gives that up");
  }
  SEAMOUNT_TRY(CheckOrder(recipe, facts, dimension, calendar, moments));
  Stretch reach{0, moments.size()};
  if (recipe.time) {
    SEAMOUNT_TRY_ASSIGN(reach, StepsOf(recipe, *recipe.time, calendar, moments));
  }
  TimeAxis axis{dimension, calendar, {}, {}};
  axis.moments.assign(moments.begin() + static_cast<std::ptrdiff_t>(reach.start),
                      moments.begin() + static_cast<std::ptrdiff_t>(reach.stop));
  return FindSegments(recipe, facts, reach.start, std::nullopt, axis);
}

}  // namespace seamount::prepare
