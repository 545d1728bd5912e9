#include "loader/group.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/text.h"
#include "exec/for_each.h"
#include "exec/thread_pool.h"
#include "zarr/required_objects.h"

namespace seamount::loader {
namespace {

// Documents that are read together with the group's.
constexpr size_t kMostEarly = 16;

// Requests that wait for the store at the same time.
Result<void> Together(size_t count, const CallContext& context,
                      const std::function<Result<void>(size_t, const CallContext&)>& body) {
  if (count == 1) return body(0, context);
  exec::ThreadPool pool(static_cast<int>(count));
  return exec::ForEachItem(pool, count, count, context,
                           [&](size_t i, size_t, const CallContext& inner) { return body(i, inner); });
}

Error Replaced(bool there) {
  return base::PreconditionFailed(
      "the data were replaced since they were opened" +
      std::string(there ? "" : ", and are not whole yet (seamount prepare is at work there, or was interrupted)") +
      ": nothing of the new data was handed out; open them again when they are whole");
}

}  // namespace

Result<MissingChunks> MissingChunksFromName(const std::string& name) {
  if (name.empty()) return MissingChunks::kByRecord;
  if (name == "error") return MissingChunks::kError;
  if (name == "fill") return MissingChunks::kFill;
  return base::InvalidArgument("missing_chunks is '" + name + "': expected 'error', 'fill' or None");
}

Result<Group> Group::Open(std::shared_ptr<Store> store, const std::vector<std::string>& early,
                          const CallContext& context) {
  Group group;
  const size_t documents = std::min(early.size(), kMostEarly);
  Result<std::optional<zarr::GroupMetadata>> state = std::optional<zarr::GroupMetadata>();
  std::vector<std::optional<store::ReadResult>> read(documents);
  const auto key_of = [&](size_t i) { return early[i] + "/zarr.json"; };
  SEAMOUNT_TRY(Together(1 + documents, context, [&](size_t i, const CallContext& inner) -> Result<void> {
    if (i == 0) {
      state = zarr::OpenWholeGroup(*store, "", inner);
    } else if (auto document = store->Read(key_of(i - 1), {}, inner)) {  // what fails is told when it is opened
      read[i - 1] = *std::move(document);
    }
    return {};
  }));
  if (!state && state.error().code() == ErrorCode::kInvalidArgument) {
    return base::InvalidArgument(
        "there is an array here, not a group: give the URL of the folder around it, and the "
        "array by its name");
  }
  SEAMOUNT_TRY_ASSIGN(group.state_, std::move(state));
  std::map<std::string, store::ReadResult> found;
  for (size_t i = 0; i < documents; ++i) {
    if (read[i]) found.emplace(key_of(i), *std::move(read[i]));
  }
  group.early_ = std::make_shared<EarlyDocuments>(store, std::move(found));
  group.store_ = std::move(store);
  if (group.state_) group.attributes_json_ = group.state_->attributes_json;
  SEAMOUNT_TRY_ASSIGN(group.notes_, ParseGroupNotes(group.attributes_json_));
  return group;
}

Result<std::unique_ptr<zarr::Array>> Group::OpenArray(const std::string& name, MissingChunks missing,
                                                      const CallContext& context) const {
  const auto required =
      std::make_shared<zarr::RequiredObjects>(early_, "; missing_chunks='fill' takes its values for missing");
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

Result<void> Group::CheckDocument(const CallContext& context) const {
  SEAMOUNT_TRY_ASSIGN(const auto now, zarr::GroupGeneration(*store_, "", state_->format, context));
  if (now == state_->generation) return {};
  return Replaced(now.has_value());
}

Result<void> Group::CheckSame(const CallContext& context) const {
  if (!state_) return {};
  const auto used = early_->Unconfirmed();
  if (used.empty()) return CheckDocument(context);
  SEAMOUNT_TRY(Together(1 + used.size(), context, [&](size_t i, const CallContext& inner) -> Result<void> {
    if (i == 0) return CheckDocument(inner);
    SEAMOUNT_TRY_ASSIGN(const auto now, store_->Stat(used[i - 1].key, inner));
    if (now && now->generation == used[i - 1].generation) return {};
    return Replaced(now.has_value());
  }));
  early_->Confirm(used);
  return {};
}

}  // namespace seamount::loader
