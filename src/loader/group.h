// The Zarr group that is read from. One that is half-written is refused (zarr/whole_group.h), and whether it is still
// the one that was opened can be asked as long as it is read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/early_documents.h"
#include "loader/notes.h"
#include "store/store.h"
#include "zarr/array.h"
#include "zarr/whole_group.h"

namespace seamount::loader {

// What an absent chunk means.
enum class MissingChunks {
  kByRecord,  // an error in arrays of which each chunk was written, fill values in others
  kError,
  kFill,
};
// "error", "fill", "" (kByRecord).
Result<MissingChunks> MissingChunksFromName(const std::string& name);

// Immutable; thread-safe; copies share the store.
class Group {
 public:
  // Arrays without a group around them are a group without attributes. PreconditionFailed where it is half-written.
  // early: arrays that will be opened next; their documents are read meanwhile (early_documents.h).
  static Result<Group> Open(std::shared_ptr<Store> store, const std::vector<std::string>& early,
                            const CallContext& context);

  const std::shared_ptr<Store>& store() const { return store_; }
  const std::string& attributes_json() const { return attributes_json_; }
  const GroupNotes& notes() const { return notes_; }

  // NotFound says which arrays there are, the nearest name first. Reading an absent chunk is DataLoss, where `missing`
  // says so.
  Result<std::unique_ptr<zarr::Array>> OpenArray(const std::string& name, MissingChunks missing,
                                                 const CallContext& context) const;
  // The names of the arrays directly within.
  Result<std::vector<std::string>> Arrays(const CallContext& context) const;

  // Whether it is still what was opened. Where that cannot be told, as there is no group document, always.
  Result<void> CheckSame(const CallContext& context) const;
  bool CanTell() const { return state_.has_value(); }

 private:
  Result<void> CheckDocument(const CallContext& context) const;

  std::shared_ptr<Store> store_;
  std::shared_ptr<EarlyDocuments> early_;
  std::optional<zarr::GroupMetadata> state_;
  std::string attributes_json_ = "{}";
  GroupNotes notes_;
};

}  // namespace seamount::loader
