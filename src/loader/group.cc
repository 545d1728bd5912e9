#include "loader/group.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "loader/required_objects.h"

namespace seamount::loader {
namespace {

using nlohmann::json;

// The member `seamount` of a JSON object; an empty object where there is none.
json OwnNotes(const std::string& attributes_json) {
  const json attributes = json::parse(attributes_json, nullptr, false);
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

bool EveryObjectWasWritten(const zarr::Array& array) {
  return OwnNotes(array.metadata().attributes_json).value("every_object", json()) == json(true);
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
      SEAMOUNT_TRY_ASSIGN(notes.splits[name], ParseInterval("splits." + name, range));
    }
  }
  if (const auto it = own.find("segments"); it != own.end() && it->is_array()) {
    for (const json& range : *it) {
      SEAMOUNT_TRY_ASSIGN(const Interval segment, ParseInterval("segments", range));
      if (!notes.segments.empty() && segment.begin < notes.segments.back().end) {
        return base::DataLoss("the group's attribute seamount.segments is not in order: " + it->dump());
      }
      notes.segments.push_back(segment);
    }
  }
  return notes;
}

Result<MissingChunks> MissingChunksFromName(const std::string& name) {
  if (name.empty()) return MissingChunks::kByRecord;
  if (name == "error") return MissingChunks::kError;
  if (name == "fill") return MissingChunks::kFill;
  return base::InvalidArgument("missing_chunks is '" + name + "': expected 'error', 'fill' or None");
}

Result<Group> Group::Open(std::shared_ptr<Store> store, const CallContext& context) {
  Group group;
  auto state = zarr::OpenWholeGroup(*store, "", context);
  if (!state && state.error().code() == ErrorCode::kInvalidArgument) {
    return base::InvalidArgument(
        "there is an array here, not a group: give the URL of the folder around it, and the "
        "array by its name");
  }
  SEAMOUNT_TRY_ASSIGN(group.state_, std::move(state));
  group.store_ = std::move(store);
  if (group.state_) group.attributes_json_ = group.state_->metadata.attributes_json;
  SEAMOUNT_TRY_ASSIGN(group.notes_, ParseGroupNotes(group.attributes_json_));
  return group;
}

Result<std::unique_ptr<zarr::Array>> Group::OpenArray(const std::string& name, MissingChunks missing,
                                                      const CallContext& context) const {
  const auto required = std::make_shared<RequiredObjects>(store_);
  auto array = zarr::Array::Open(required, name, context);
  if (!array && array.error().code() == ErrorCode::kNotFound) {
    SEAMOUNT_TRY_ASSIGN(const std::vector<std::string> names, Arrays(context));
    if (names.empty()) return base::NotFound("no variable '" + name + "', nor any other: is there a Zarr group here?");
    return base::NotFound("there is no variable '" + name + "'" + base::NameHint(name, names));
  }
  if (!array) return array.error();
  if (missing == MissingChunks::kError || (missing == MissingChunks::kByRecord && EveryObjectWasWritten(**array))) {
    required->Require();
  }
  return array;
}

Result<std::vector<std::string>> Group::Arrays(const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const auto members, zarr::ListMembers(*store_, "", context));
  std::vector<std::string> names;
  for (const zarr::GroupMember& member : members) {
    if (member.kind == zarr::NodeKind::kArray) names.push_back(member.name);
  }
  return names;
}

Result<void> Group::CheckSame(const CallContext& context) const {
  if (!state_) return {};
  SEAMOUNT_TRY_ASSIGN(const auto now, zarr::GroupGeneration(*store_, "", state_->metadata.format, context));
  if (now == state_->generation) return {};
  return base::PreconditionFailed(
      "the data were replaced since they were opened" +
      std::string(now ? "" : ", and are not whole yet (seamount prepare is at work there, or was interrupted)") +
      ": nothing of the new data was handed out; open them again when they are whole");
}

}  // namespace seamount::loader
