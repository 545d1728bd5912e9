#include "loader/open_source.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "exec/for_each.h"
#include "exec/thread_pool.h"
#include "loader/plan.h"
#include "loader/time_axis.h"

namespace seamount::loader {
namespace {

constexpr size_t kMostOpening = 16;  // variables at a time

// A variable as slots want it: what two of them want alike is read once.
struct Wanted {
  uint32_t group = 0;
  std::string name;
  Variable::Normalize normalize = Variable::Normalize::kNo;
  std::optional<Normalization> given;
  uint64_t patch_scale = 1;
  bool operator==(const Wanted&) const = default;
};

uint32_t NumberOf(const Wanted& wanted, std::vector<Wanted>& all) {
  const auto found = std::find(all.begin(), all.end(), wanted);
  const auto number = static_cast<uint32_t>(found - all.begin());
  if (found == all.end()) all.push_back(wanted);
  return number;
}

// The slots, with numbers in place of names; `wanted` is what they number.
std::vector<OutputSlot> Outputs(const std::vector<SlotOptions>& slots, std::vector<Wanted>& wanted) {
  std::vector<OutputSlot> outputs;
  for (const SlotOptions& slot : slots) {
    OutputSlot output{.name = slot.name, .leads = slot.leads, .dtype = slot.dtype, .missing = slot.missing};
    for (const std::string& name : slot.variables) {
      const auto given = slot.normalization.find(name);
      const auto normalize = slot.normalize ? Variable::Normalize::kFromAttributes : Variable::Normalize::kNo;
      output.variables.push_back(
          NumberOf({slot.group, name, normalize,
                    given == slot.normalization.end() ? std::nullopt : std::optional(given->second), slot.patch_scale},
                   wanted));
    }
    outputs.push_back(std::move(output));
  }
  return outputs;
}

Result<std::vector<Variable>> OpenVariables(const std::vector<Group>& groups, const std::vector<Wanted>& wanted,
                                            const LoaderOptions& options, const CallContext& context) {
  std::vector<std::optional<Variable>> opened(wanted.size());
  // All wait for the store, so they wait together.
  exec::ThreadPool pool(static_cast<int>(std::min(wanted.size(), kMostOpening)));
  SEAMOUNT_TRY(exec::ForEachItem(
      pool, static_cast<size_t>(pool.threads()), wanted.size(), context,
      [&](size_t i, size_t, const CallContext& inner) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(opened[i], Variable::Open(groups[wanted[i].group], wanted[i].name,
                                                      {.sample_dim = SampleDimOf(groups, options, wanted[i].group),
                                                       .normalize = wanted[i].normalize,
                                                       .given = wanted[i].given,
                                                       .missing_chunks = options.missing_chunks,
                                                       .patch_scale = wanted[i].patch_scale},
                                                      inner));
        return {};
      }));
  std::vector<Variable> variables;
  variables.reserve(wanted.size());
  for (auto& variable : opened) variables.push_back(*std::move(variable));
  return variables;
}

// nullopt where positions have no times.
Result<std::optional<TimeAxis>> TimesOf(const Group& group, const std::string& dimension, const CallContext& context) {
  auto axis = TimeAxis::Open(group, dimension, context);
  if (axis) return std::optional(*std::move(axis));
  if (axis.error().code() == ErrorCode::kNotFound || axis.error().code() == ErrorCode::kInvalidArgument) {
    return std::optional<TimeAxis>();
  }
  return axis.error();
}

// That a position is the same moment in all groups, as far as they say; their lengths are compared elsewhere.
Result<void> CheckTimes(const std::vector<Group>& groups, const LoaderOptions& options, const CallContext& context) {
  if (groups.size() < 2) return {};
  SEAMOUNT_TRY_ASSIGN(const auto first, TimesOf(groups.front(), SampleDimOf(groups, options, 0), context));
  for (size_t g = 1; first && g < groups.size(); ++g) {
    SEAMOUNT_TRY_ASSIGN(const auto other, TimesOf(groups[g], SampleDimOf(groups, options, g), context));
    if (!other || other->SameAs(*first)) continue;
    return base::InvalidArgument(
        "the groups differ in their times: a sample is one position in all of them. The first "
        "goes " +
        first->Summary() + ", another " + other->Summary() + "; prepare them with the same steps");
  }
  return {};
}

// Stretches without a gap in any of the groups.
Result<std::vector<Interval>> SegmentsOf(const std::vector<Group>& groups, const LoaderOptions& options,
                                         uint64_t length) {
  std::vector<Interval> segments = {{0, length}};
  for (size_t g = 0; g < groups.size() && !options.across_gaps; ++g) {
    const GroupNotes& notes = groups[g].notes();
    // The notes are about the dimension that the group says samples run along, and no other.
    if (notes.segments.empty() || SampleDimOf(groups, options, g) != notes.sample_dim) continue;
    if (notes.segments.back().end > length) {
      return base::DataLoss("the group's attribute seamount.segments reaches to position " +
                            std::to_string(notes.segments.back().end) + ", and '" + notes.sample_dim + "' to " +
                            std::to_string(length) + ": prepare the data anew, or pass across_gaps=True");
    }
    segments = Intersection(segments, notes.segments);
  }
  return segments;
}

Result<SampleSet> SelectSamples(const std::vector<Group>& groups, const LoaderOptions& options,
                                const Dataset& dataset) {
  const uint64_t length = dataset.length();
  for (const auto& [begin, end] : options.select) {
    if (begin <= end && end <= length) continue;
    return base::InvalidArgument("select " + std::to_string(begin) + ".." + std::to_string(end) + ": '" +
                                 SampleDimOf(groups, options, 0) + "' has positions 0.." + std::to_string(length));
  }
  const auto selected = options.select.empty() ? std::vector<Interval>{{0, length}} : options.select;
  SEAMOUNT_TRY_ASSIGN(const auto segments, SegmentsOf(groups, options, length));
  SEAMOUNT_TRY_ASSIGN(auto samples, SamplesWithin(selected, segments, dataset.Leads()));
  if (options.where) {
    const uint64_t before = samples.count();
    samples = samples.Within(*options.where);
    if (samples.count() == 0) {
      return base::InvalidArgument("no sample is left: none of the " + std::to_string(before) +
                                   " whose windows fit lies at a time that was asked for");
    }
  }
  const uint64_t count = samples.count() * dataset.patches.per_position();
  if (samples.count() > kMostPlanned || count > kMostPlanned) {
    return base::InvalidArgument(std::to_string(count) + " samples are more than one epoch can have (" +
                                 std::to_string(kMostPlanned) + "): select fewer");
  }
  return samples;
}

}  // namespace

std::string SampleDimOf(const std::vector<Group>& groups, const LoaderOptions& options, size_t group) {
  if (!options.sample_dim.empty()) return options.sample_dim;
  const std::string& noted = groups[group].notes().sample_dim;
  return noted.empty() ? "time" : noted;
}

Result<std::shared_ptr<const SampleSource>> OpenSource(const std::vector<Group>& groups, const LoaderOptions& options,
                                                       const CallContext& context) {
  const std::vector<SlotOptions> slots = SlotsOf(options);
  SEAMOUNT_TRY(CheckOptions(options, slots, groups.size()));
  std::vector<Wanted> wanted;
  auto outputs = Outputs(slots, wanted);
  SEAMOUNT_TRY_ASSIGN(auto variables, OpenVariables(groups, wanted, options, context));
  SEAMOUNT_TRY_ASSIGN(auto dataset, MakeDataset(std::move(variables), std::move(outputs), options.batch_size,
                                                SampleDimOf(groups, options, 0), options.patches));
  SEAMOUNT_TRY(CheckTimes(groups, options, context));
  SEAMOUNT_TRY_ASSIGN(auto samples, SelectSamples(groups, options, dataset));
  const uint64_t step = options.batch_size * options.world;
  const uint64_t count = samples.count() * dataset.patches.per_position();
  if (options.drop_last && count < step) {
    return base::InvalidArgument("drop_last leaves no batch: an epoch has " + std::to_string(count) +
                                 " samples, and a step takes " + std::to_string(step) + " (batch_size " +
                                 std::to_string(options.batch_size) + ", world " + std::to_string(options.world) + ")");
  }
  return std::make_shared<const SampleSource>(std::make_shared<const Dataset>(std::move(dataset)), std::move(samples),
                                              options.shuffle);
}

}  // namespace seamount::loader
