#include "loader/group.h"

#include "base/text.h"
#include "loader/required_objects.h"

namespace seamount::loader {
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
  if (group.state_) group.attributes_json_ = group.state_->attributes_json;
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
  SEAMOUNT_TRY_ASSIGN(const ArrayNotes notes, ParseArrayNotes((*array)->metadata().attributes_json));
  if (missing == MissingChunks::kError || (missing == MissingChunks::kByRecord && notes.every_object)) {
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
  SEAMOUNT_TRY_ASSIGN(const auto now, zarr::GroupGeneration(*store_, "", state_->format, context));
  if (now == state_->generation) return {};
  return base::PreconditionFailed(
      "the data were replaced since they were opened" +
      std::string(now ? "" : ", and are not whole yet (seamount prepare is at work there, or was interrupted)") +
      ": nothing of the new data was handed out; open them again when they are whole");
}

}  // namespace seamount::loader
