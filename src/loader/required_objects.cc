#include "loader/required_objects.h"

namespace seamount::loader {
namespace {

template <class T>
Result<std::optional<T>> Present(bool required, const std::string& key, Result<std::optional<T>> found) {
  if (!required || !found || *found) return found;
  return base::DataLoss(
      "the object '" + key +
      "' is gone, though every chunk of this array was written: restore it, or prepare the data anew; "
      "missing_chunks='fill' takes its values for missing");
}

}  // namespace

Result<std::optional<store::ReadResult>> RequiredObjects::Read(const std::string& key,
                                                               const store::ReadOptions& options,
                                                               const CallContext& context) {
  return Present(required_, key, inner().Read(key, options, context));
}

Result<std::optional<store::ObjectInfo>> RequiredObjects::Stat(const std::string& key, const CallContext& context) {
  return Present(required_, key, inner().Stat(key, context));
}

}  // namespace seamount::loader
