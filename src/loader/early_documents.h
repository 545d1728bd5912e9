// Documents of arrays that were read together with the group's own, to save the round trip between the two. Whether
// they belong to the group's state is not known then: one may have been read before the data were replaced, and the
// group's document after. So before anything is handed out each is looked at once more: what is still at its generation
// then was so when the group's document was read.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/decorated_store.h"

namespace seamount::loader {

// Thread-safe.
class EarlyDocuments final : public store::DecoratedStore<EarlyDocuments> {
 public:
  EarlyDocuments(std::shared_ptr<Store> inner, std::map<std::string, store::ReadResult> documents)
      : DecoratedStore(std::move(inner)), documents_(std::move(documents)) {}

  // The first read of each document is answered from here.
  Result<std::optional<store::ReadResult>> Read(const std::string& key, const store::ReadOptions& options,
                                                const CallContext& context) override;

  struct Used {
    std::string key;
    store::Generation generation;
  };
  // Those that were answered, until Confirm was called.
  std::vector<Used> Unconfirmed() const;
  // That these were seen at their generations.
  void Confirm(const std::vector<Used>& used);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, store::ReadResult> documents_;
  std::vector<Used> used_;
};

}  // namespace seamount::loader
