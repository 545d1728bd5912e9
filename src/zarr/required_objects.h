// A view of a store in which the chunks of an array must be there: who wrote it wrote each of them.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "store/decorated_store.h"

namespace seamount::zarr {

// Reading or asking for an absent object is DataLoss that names it, once Require was called. Before, while metadata are
// read, absence is a value as in every store. For reading only.
class RequiredObjects final : public store::DecoratedStore<RequiredObjects> {
 public:
  // hint: ends the message, with what else may be done.
  explicit RequiredObjects(std::shared_ptr<Store> inner, std::string hint = "")
      : DecoratedStore(std::move(inner)), hint_(std::move(hint)) {}
  void Require() { required_ = true; }

  Result<std::optional<store::ReadResult>> Read(const std::string& key, const store::ReadOptions& options,
                                                const CallContext& context) override;
  Result<std::optional<store::ObjectInfo>> Stat(const std::string& key, const CallContext& context) override;

 private:
  template <class T>
  Result<std::optional<T>> Present(const std::string& key, Result<std::optional<T>> found) const;

  const std::string hint_;
  std::atomic<bool> required_ = false;
};

}  // namespace seamount::zarr
