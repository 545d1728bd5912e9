#include "loader/notes.h"

#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "zarr/whole_group.h"

namespace seamount::loader {
namespace {

using nlohmann::json;

// The member `seamount` of a JSON object; an empty object where there is none.
json OwnNotes(const std::string& attributes_json) {
  const json attributes = base::NestsDeeper(attributes_json) ? json() : json::parse(attributes_json, nullptr, false);
  if (!attributes.is_object()) return json::object();
  const auto own = attributes.find("seamount");
  return own != attributes.end() && own->is_object() ? *own : json::object();
}

Result<Interval> ParseInterval(const std::string& what, const json& value) {
  if (value.is_array() && value.size() == 2 && value[0].is_number_unsigned() && value[1].is_number_unsigned()) {
    const Interval interval{value[0].get<uint64_t>(), value[1].get<uint64_t>()};
    if (interval.begin <= interval.end) return interval;
  }
  return base::DataLoss("the group's attribute seamount." + what + " is " + value.dump() +
                        ": expected [start, stop], two positions");
}

// Several, in order and apart from each other.
Result<std::vector<Interval>> ParseIntervals(const std::string& what, const json& value) {
  std::vector<Interval> intervals;
  for (const json& range : value) {
    SEAMOUNT_TRY_ASSIGN(const Interval interval, ParseInterval(what, range));
    if (!intervals.empty() && interval.begin < intervals.back().end) {
      return base::DataLoss("the group's attribute seamount." + what + " is not in order: " + value.dump());
    }
    intervals.push_back(interval);
  }
  return intervals;
}

}  // namespace

Result<GroupNotes> ParseGroupNotes(const std::string& attributes_json) {
  const json own = OwnNotes(attributes_json);
  GroupNotes notes;
  if (const auto it = own.find("sample_dim"); it != own.end() && it->is_string()) {
    notes.sample_dim = it->get<std::string>();
  }
  if (const auto it = own.find("splits"); it != own.end() && it->is_object()) {
    for (const auto& [name, range] : it->items()) {
      SEAMOUNT_TRY_ASSIGN(const Interval whole, ParseInterval("splits." + name, range));
      notes.splits[name] = {whole};
    }
  }
  if (const auto it = own.find("split_ranges"); it != own.end() && it->is_object()) {
    for (const auto& [name, ranges] : it->items()) {
      if (!ranges.is_array() || ranges.empty()) {
        return base::DataLoss("the group's attribute seamount.split_ranges." + name + " is " + ranges.dump() +
                              ": expected [[start, stop], …], the stretches of a split");
      }
      SEAMOUNT_TRY_ASSIGN(notes.splits[name], ParseIntervals("split_ranges." + name, ranges));
    }
  }
  if (const auto it = own.find("segments"); it != own.end() && it->is_array()) {
    SEAMOUNT_TRY_ASSIGN(notes.segments, ParseIntervals("segments", *it));
  }
  return notes;
}

Result<ArrayNotes> ParseArrayNotes(const std::string& attributes_json) {
  const json own = OwnNotes(attributes_json);
  ArrayNotes notes{.every_object = zarr::HasEveryObject(attributes_json)};
  const auto normalize = own.find("normalize");
  if (normalize == own.end()) return notes;
  const json mean = normalize->is_object() ? normalize->value("mean", json()) : json();
  const json std = normalize->is_object() ? normalize->value("std", json()) : json();
  if (!mean.is_number() || !std.is_number()) {
    return base::InvalidArgument("attribute seamount.normalize: expected numbers mean and std");
  }
  notes.normalization = {mean.get<double>(), std.get<double>()};
  return notes;
}

}  // namespace seamount::loader
