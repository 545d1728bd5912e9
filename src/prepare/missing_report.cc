#include "prepare/missing_report.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cf/calendar.h"
#include "cf/decode.h"
#include "nd/data_type.h"
#include "prepare/source_text.h"

namespace seamount::prepare {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kSaidStretches = 3;      // to people
constexpr size_t kStoredStretches = 100;  // in the group's document, which every reader reads

double ShareOf(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string Percent(uint64_t part, uint64_t whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", 100 * ShareOf(part, whole));
  return text;
}

bool IsNumber(nd::DataType type) { return type != nd::DataType::kChar && type != nd::DataType::kOther; }

// How steps and levels are called: by date and by coordinate value.
class Names {
 public:
  Names(const Plan& plan, const DataArray& array) : plan_(plan) {
    if (!array.level) return;
    level_ = array.metadata.dimension_names[*array.level];
    for (const SmallArray& small : plan.coordinates) {
      const nd::DataType type = small.metadata.data_type;
      if (small.name != level_ || small.metadata.shape.size() != 1 || !IsNumber(type)) continue;
      values_.resize(small.metadata.shape[0]);
      if (!values_.empty()) cf::Decode(small.values, cf::Packing{.type = type}, std::span<double>(values_));
    }
  }
  const std::string& level() const { return level_; }
  // "2001-02-01T00:00:00": a date means more to people than the number of a step.
  std::string Date(uint64_t step) const {
    return cf::FormatMoment(plan_.selection.time->calendar, plan_.selection.time->moments[step]);
  }
  Json Level(uint64_t place) const { return place < values_.size() ? Json(values_[place]) : Json(place); }
  std::string LevelText(uint64_t place) const {
    return place < values_.size() ? PlainNumber(values_[place]) : "place " + std::to_string(place);
  }

 private:
  const Plan& plan_;
  std::string level_;
  std::vector<double> values_;
};

uint64_t Count(const std::vector<Stretch>& stretches) {
  uint64_t count = 0;
  for (const Stretch& stretch : stretches) count += stretch.stop - stretch.start;
  return count;
}

// "2001-01-01 to 2001-01-04, 2002-05-01 and 3 more stretches"
template <class Name>
std::string Ranges(const std::vector<Stretch>& stretches, const Name& name) {
  std::string out;
  for (size_t i = 0; i < std::min(stretches.size(), kSaidStretches); ++i) {
    out += (i == 0 ? "" : ", ") + name(stretches[i].start);
    if (stretches[i].stop - stretches[i].start > 1) out += " to " + name(stretches[i].stop - 1);
  }
  const size_t more = stretches.size() - std::min(stretches.size(), kSaidStretches);
  return more == 0 ? out : out + " and " + std::to_string(more) + (more == 1 ? " more stretch" : " more stretches");
}

// Neighbours that lack the same share are one; of too many, some that follow one another are put together.
std::vector<MissingPart> Condensed(const std::vector<MissingPart>& parts) {
  std::vector<MissingPart> out;
  const auto join = [](MissingPart& into, const MissingPart& next) {
    into.places.stop = next.places.stop;
    into.values += next.values;
    into.missing += next.missing;
  };
  for (const MissingPart& part : parts) {
    const bool same =
        !out.empty() && ShareOf(out.back().missing, out.back().values) == ShareOf(part.missing, part.values);
    if (same) join(out.back(), part);
    if (!same) out.push_back(part);
  }
  if (out.size() <= kStoredStretches) return out;
  const size_t each = (out.size() + kStoredStretches - 1) / kStoredStretches;
  std::vector<MissingPart> fewer;
  for (size_t i = 0; i < out.size(); ++i) {
    if (i % each == 0) fewer.push_back(out[i]);
    if (i % each != 0) join(fewer.back(), out[i]);
  }
  return fewer;
}

// [[from, to, share], …], both ends included.
template <class Name>
Json PartsJson(const std::vector<MissingPart>& parts, const Name& name) {
  Json out = Json::array();
  for (const MissingPart& part : Condensed(parts)) {
    out.push_back({name(part.places.start), name(part.places.stop - 1), ShareOf(part.missing, part.values)});
  }
  return out;
}

template <class Name>
Json StretchesJson(const std::vector<Stretch>& stretches, const Name& name) {
  Json out = Json::array();
  for (size_t i = 0; i < std::min(stretches.size(), kStoredStretches); ++i) {
    out.push_back({name(stretches[i].start), name(stretches[i].stop - 1)});
  }
  return out;
}

Json ShareJson(const Plan& plan, const MissingShare& share) {
  const DataArray& array = plan.arrays[share.array];
  const Names names(plan, array);
  const auto date = [&](uint64_t step) { return names.Date(step); };
  const auto level = [&](uint64_t place) { return names.Level(place); };
  Json out = {{"values", share.values}, {"missing", share.missing}, {"empty_steps", Count(share.empty_steps)}};
  if (share.missing == 0) return out;
  if (!share.empty_steps.empty()) {
    out["first_empty"] = names.Date(share.empty_steps[0].start);
    out["empty"] = StretchesJson(share.empty_steps, date);
  }
  if (array.time) out["by_time"] = PartsJson(share.by_time, date);
  if (array.level) {
    out["level"] = names.level();
    out["empty_levels"] = StretchesJson(share.empty_levels, level);
    out["by_level"] = PartsJson(share.by_level, level);
  }
  return out;
}

Json AllJson(const Plan& plan, const std::vector<MissingShare>& shares, bool all) {
  Json out = Json::object();
  for (const MissingShare& share : shares) {
    if (all || share.missing > 0) out[plan.arrays[share.array].name] = ShareJson(plan, share);
  }
  return out;
}

}  // namespace

std::vector<std::string> MissingNotes(const Plan& plan, const std::vector<MissingShare>& shares) {
  std::vector<std::string> out;
  for (const MissingShare& share : shares) {
    if (share.missing == 0) continue;
    const DataArray& array = plan.arrays[share.array];
    const Names names(plan, array);
    std::string text = "'" + array.name + "': " + Percent(share.missing, share.values) + " of the values are missing";
    if (!share.empty_steps.empty()) {
      const uint64_t count = Count(share.empty_steps);
      text += "; " + std::to_string(count) + (count == 1 ? " step holds" : " steps hold") +
              " nothing else: " + Ranges(share.empty_steps, [&](uint64_t step) { return names.Date(step); });
    }
    if (!share.empty_levels.empty()) {
      text += "; nor does '" + names.level() + "' " +
              Ranges(share.empty_levels, [&](uint64_t place) { return names.LevelText(place); });
    }
    out.push_back(std::move(text));
  }
  return out;
}

std::string MissingJson(const Plan& plan, const std::vector<MissingShare>& shares, bool all) {
  return AllJson(plan, shares, all).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string WithMissing(const std::string& attributes, const Plan& plan, const std::vector<MissingShare>& shares) {
  Json out = Json::parse(attributes);
  Json missing = AllJson(plan, shares, false);
  if (!missing.empty()) out["seamount"]["missing"] = std::move(missing);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace seamount::prepare
