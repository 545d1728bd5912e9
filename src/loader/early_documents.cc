#include "loader/early_documents.h"

#include <algorithm>

namespace seamount::loader {

Result<std::optional<store::ReadResult>> EarlyDocuments::Read(const std::string& key, const store::ReadOptions& options,
                                                              const CallContext& context) {
  {
    const std::scoped_lock lock(mutex_);
    if (auto found = documents_.extract(key)) {
      used_.push_back({key, found.mapped().info.generation});
      return std::optional(std::move(found.mapped()));
    }
  }
  return inner().Read(key, options, context);
}

std::vector<EarlyDocuments::Used> EarlyDocuments::Unconfirmed() const {
  const std::scoped_lock lock(mutex_);
  return used_;
}

void EarlyDocuments::Confirm(const std::vector<Used>& used) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(used_, [&](const Used& one) {
    return std::any_of(used.begin(), used.end(), [&](const Used& seen) { return seen.key == one.key; });
  });
}

}  // namespace seamount::loader
