#include "zarr/required_objects.h"

namespace seamount::zarr {

template <class T>
Result<std::optional<T>> RequiredObjects::Present(const std::string& key, Result<std::optional<T>> found) const {
  if (!required_ || !found || *found) return found;
  return base::DataLoss(
      "the object '" + key +
      "' is gone, though every chunk of this array was written: restore it, or prepare the data anew" + hint_);
}

Result<std::optional<store::ReadResult>> RequiredObjects::Read(const std::string& key,
                                                               const store::ReadOptions& options,
                                                               const CallContext& context) {
  return Present(key, inner().Read(key, options, context));
}

Result<std::optional<store::ObjectInfo>> RequiredObjects::Stat(const std::string& key, const CallContext& context) {
  return Present(key, inner().Stat(key, context));
}

}  // namespace seamount::zarr
