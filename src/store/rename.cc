#include "store/rename.h"

namespace seamount::store {
namespace {

Error SourceChanged(const std::string& from, const std::string& to, bool copy_stays) {
  std::string message = "moving '" + from + "': it was moved, replaced or deleted meanwhile";
  if (copy_stays) message += " ('" + to + "' holds a copy of what it was)";
  return base::PreconditionFailed(std::move(message));
}

Result<ObjectInfo> CopyAndDelete(Store& store, const std::string& from, const std::string& to,
                                 const MoveOptions& options, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto source, store.Stat(from, context));
  if (!source) return base::NotFound("moving '" + from + "': no such object");
  SEAMOUNT_TRY(CheckGeneration(from, source->generation, options.if_source_generation));
  CopyOptions copy{.if_generation = options.if_generation, .if_source_generation = source->generation};
  if (!copy.if_generation) {
    SEAMOUNT_TRY_ASSIGN(const auto there, store.Stat(to, context));
    copy.if_generation = there ? there->generation : kAbsent;
  }
  SEAMOUNT_TRY_ASSIGN(ObjectInfo made, store.Copy(from, to, copy, context));
  const auto deleted = store.Delete(from, {.if_generation = source->generation}, context);
  if (deleted && *deleted) return made;
  const bool gone = deleted.has_value();
  if (!gone && deleted.error().code() != ErrorCode::kPreconditionFailed) {
    // Not known, or not permitted: a copy too many is better than none.
    return deleted.error().Wrap("moving '" + from + "': '" + to + "' is made, but the old name may still be there");
  }
  const bool replaced = *copy.if_generation != kAbsent;
  if (!replaced) SEAMOUNT_TRY(store.Delete(to, {.if_generation = made.generation}, context));
  return SourceChanged(from, to, replaced);
}

}  // namespace

Result<ObjectInfo> Rename(Store& store, const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) {
  if (from == to) return base::InvalidArgument("moving '" + from + "': onto itself");
  if (store.capabilities().move) {
    auto moved = store.Move(from, to, options, context);
    // A store may learn at its first Move that the server has none.
    if (moved || store.capabilities().move) return moved;
  }
  return CopyAndDelete(store, from, to, options, context);
}

}  // namespace seamount::store
