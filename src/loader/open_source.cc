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
    OutputSlot output{.name = slot.name,
                      .leads = slot.leads,
                      .dtype = slot.dtype,
                      .bfloat16 = slot.bfloat16,
                      .missing = slot.missing};
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

// nullopt where positions have no times.
Result<std::optional<TimeAxis>> TimesOf(const Group& group, const std::string& dimension, const CallContext& context) {
  auto axis = TimeAxis::Open(group, dimension, context);
  if (axis) return std::optional(*std::move(axis));
  if (axis.error().code() == ErrorCode::kNotFound || axis.error().code() == ErrorCode::kInvalidArgument) {
    return std::optional<TimeAxis>();
  }
  return axis.error();
}

// The groups' times, as far as they have any; of a single group they do not matter.
struct Axes {
  std::vector<std::optional<TimeAxis>> of_group;
  // Whether a position of that group is another time than in the first one.
  bool Own(size_t group) const {
    return !of_group.empty() && of_group[group] && !of_group[group]->SameAs(*of_group.front());
  }
};

Result<Axes> AxesOf(const std::vector<Group>& groups, const LoaderOptions& options, const CallContext& context) {
  Axes axes;
  if (groups.size() < 2) return axes;
  for (size_t g = 0; g < groups.size(); ++g) {
    SEAMOUNT_TRY_ASSIGN(auto axis, TimesOf(groups[g], SampleDimOf(groups, options, g), context));
    if (g == 0 && !axis) return axes;
    axes.of_group.push_back(std::move(axis));
  }
  return axes;
}

Result<std::vector<Variable>> OpenVariables(const std::vector<Group>& groups, const std::vector<Wanted>& wanted,
                                            const LoaderOptions& options, const Axes& axes,
                                            const CallContext& context) {
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
                                                       .own_steps = axes.Own(wanted[i].group),
                                                       .patch_scale = wanted[i].patch_scale},
                                                      inner));
        return {};
      }));
  std::vector<Variable> variables;
  variables.reserve(wanted.size());
  for (auto& variable : opened) variables.push_back(*std::move(variable));
  return variables;
}

// Leads in the steps of each slot's group. Where these are other than the first group's, times are looked up.
Result<void> AlignSlots(const std::vector<SlotOptions>& slots, const Axes& axes, std::vector<OutputSlot>& outputs) {
  for (size_t s = 0; s < slots.size(); ++s) {
    const SlotOptions& slot = slots[s];
    if (!axes.Own(slot.group)) {
      if (!slot.leads.empty()) continue;
      return base::InvalidArgument("leads of '" + slot.name + "' are no whole numbers of steps");
    }
    const TimeAxis& first = *axes.of_group.front();
    const TimeAxis& own = *axes.of_group[slot.group];
    if (slot.durations.empty()) {
      return base::InvalidArgument("leads of '" + slot.name +
                                   "' are numbers of steps, and the groups differ in their times: the first goes " +
                                   first.Summary() + ", that of '" + slot.name + "' " + own.Summary() +
                                   ": give its leads as durations, as '24h', or prepare them with the same steps");
    }
    outputs[s].leads = slot.durations;
    for (const int64_t duration : slot.durations) {
      SEAMOUNT_TRY_ASSIGN(auto positions, own.PositionsAfter(first, duration));
      outputs[s].positions.push_back(std::make_shared<const std::vector<uint32_t>>(std::move(positions)));
    }
  }
  return {};
}

bool AllStatic(const Dataset& dataset, const OutputSlot& slot) {
  return std::all_of(slot.variables.begin(), slot.variables.end(),
                     [&](uint32_t variable) { return dataset.variables[variable].is_static(); });
}

// The positions of the first group at which every slot finds its times, within the stretch that the position is in: a
// selection, or what lies between gaps. A stretch ends one step after its last position.
std::vector<Interval> Meeting(const std::vector<Interval>& stretches, const Axes& axes, const Dataset& dataset) {
  const TimeAxis& first = *axes.of_group.front();
  std::vector<Interval> meeting;
  for (const auto& [begin, end] : stretches) {
    const int64_t step = end - begin < 2 ? 1 : first.Between(end - 2, end - 1);
    for (uint64_t p = begin; p < end; ++p) {
      const int64_t earliest = first.Between(p, begin);
      const int64_t latest = first.Between(p, end - 1) + step - 1;
      const bool meets = std::all_of(dataset.slots.begin(), dataset.slots.end(), [&](const OutputSlot& slot) {
        if (AllStatic(dataset, slot)) return true;
        for (size_t l = 0; l < slot.positions.size(); ++l) {
          if ((*slot.positions[l])[p] == kNowhere || slot.leads[l] < earliest || slot.leads[l] > latest) return false;
        }
        return true;
      });
      if (!meets) continue;
      if (meeting.empty() || meeting.back().end != p) meeting.push_back({p, p});
      meeting.back().end = p + 1;
    }
  }
  return meeting;
}

Error Unmet(const Axes& axes, const Dataset& dataset) {
  std::string others;
  for (const OutputSlot& slot : dataset.slots) {
    if (!slot.positions.empty()) others += (others.empty() ? "'" : "', '") + slot.name;
  }
  return base::InvalidArgument("no sample is left: at no time of the first group, " + axes.of_group.front()->Summary() +
                               ", are there those that " + others + "' need, leads added, within what is selected");
}

// Stretches without a gap in any of the groups.
Result<std::vector<Interval>> SegmentsOf(const std::vector<Group>& groups, const LoaderOptions& options,
                                         const Axes& axes, uint64_t length) {
  std::vector<Interval> segments = {{0, length}};
  for (size_t g = 0; g < groups.size() && !options.across_gaps; ++g) {
    const GroupNotes& notes = groups[g].notes();
    // The notes are about the dimension that the group says samples run along, and no other.
    if (notes.segments.empty() || axes.Own(g) || SampleDimOf(groups, options, g) != notes.sample_dim) continue;
    if (notes.segments.back().end > length) {
      return base::DataLoss("the group's attribute seamount.segments reaches to position " +
                            std::to_string(notes.segments.back().end) + ", and '" + notes.sample_dim + "' to " +
                            std::to_string(length) + ": prepare the data anew, or pass across_gaps=True");
    }
    segments = Intersection(segments, notes.segments);
  }
  return segments;
}

// unmatched: how many were left out, as another group has no such times.
Result<SampleSet> SelectSamples(const std::vector<Group>& groups, const LoaderOptions& options, const Axes& axes,
                                const Dataset& dataset, uint64_t& unmatched) {
  const uint64_t length = dataset.length();
  for (const auto& [begin, end] : options.select) {
    if (begin <= end && end <= length) continue;
    return base::InvalidArgument("select " + std::to_string(begin) + ".." + std::to_string(end) + ": '" +
                                 SampleDimOf(groups, options, 0) + "' has positions 0.." + std::to_string(length));
  }
  auto selected = options.select.empty() ? std::vector<Interval>{{0, length}} : options.select;
  SEAMOUNT_TRY_ASSIGN(const auto segments, SegmentsOf(groups, options, axes, length));
  SEAMOUNT_TRY_ASSIGN(auto samples, SamplesWithin(selected, segments, dataset.Leads()));
  if (std::any_of(dataset.slots.begin(), dataset.slots.end(),
                  [](const auto& slot) { return !slot.positions.empty(); })) {
    std::sort(selected.begin(), selected.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    SampleSet met = samples.Within(Meeting(Intersection(selected, segments), axes, dataset));
    if (met.count() == 0) return Unmet(axes, dataset);
    unmatched = samples.count() - met.count();
    samples = std::move(met);
  }
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

Result<OpenedSource> OpenSource(const std::vector<Group>& groups, const LoaderOptions& options,
                                const CallContext& context) {
  const std::vector<SlotOptions> slots = SlotsOf(options);
  SEAMOUNT_TRY(CheckOptions(options, slots, groups.size()));
  std::vector<Wanted> wanted;
  auto outputs = Outputs(slots, wanted);
  SEAMOUNT_TRY_ASSIGN(const Axes axes, AxesOf(groups, options, context));
  SEAMOUNT_TRY(AlignSlots(slots, axes, outputs));
  SEAMOUNT_TRY_ASSIGN(auto variables, OpenVariables(groups, wanted, options, axes, context));
  SEAMOUNT_TRY_ASSIGN(auto dataset, MakeDataset(std::move(variables), std::move(outputs), options.batch_size,
                                                SampleDimOf(groups, options, 0), options.patches));
  OpenedSource opened;
  SEAMOUNT_TRY_ASSIGN(auto samples, SelectSamples(groups, options, axes, dataset, opened.unmatched));
  const uint64_t step = options.batch_size * options.world;
  const uint64_t count = samples.count() * dataset.patches.per_position();
  if (options.drop_last && count < step) {
    return base::InvalidArgument("drop_last leaves no batch: an epoch has " + std::to_string(count) +
                                 " samples, and a step takes " + std::to_string(step) + " (batch_size " +
                                 std::to_string(options.batch_size) + ", world " + std::to_string(options.world) + ")");
  }
  opened.source = std::make_shared<const SampleSource>(std::make_shared<const Dataset>(std::move(dataset)),
                                                       std::move(samples), options.shuffle);
  return opened;
}

}  // namespace seamount::loader
