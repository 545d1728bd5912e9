// A store in which writing what lies there already changes nothing: the object keeps its generation, and caches what
// they hold of it. For the few small objects of an output that is replaced; those of regions are in region_writer.h.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "store/decorated_store.h"

namespace seamount::prepare {

class EqualStays final : public store::DecoratedStore<EqualStays> {
 public:
  explicit EqualStays(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}
  // Conditional writes go through as they are.
  Result<store::ObjectInfo> Write(const std::string& key, const store::ByteSource& source,
                                  const store::WriteOptions& options, const CallContext& context) override;

 private:
  // The object, if it is what is to be written.
  Result<std::optional<store::ObjectInfo>> FindEqual(const std::string& key, const store::ByteSource& source,
                                                     const store::WriteOptions& options, const CallContext& context);
};

}  // namespace seamount::prepare
