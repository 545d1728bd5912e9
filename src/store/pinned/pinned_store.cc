#include "store/pinned/pinned_store.h"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace seamount::store {
namespace {

class PinnedStore final : public Store {
 public:
  explicit PinnedStore(std::shared_ptr<Store> inner) : inner_(std::move(inner)) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    std::shared_lock writes(writes_);
    ReadOptions pinned = options;
    if (const auto generation = PinOf(key)) {
      if (options.if_generation.value_or(*generation) != *generation) return Replaced(key);
      pinned.if_generation = generation;
    }
    auto read = inner_->Read(key, pinned, context);
    if (read && *read && !Pin((*read)->info)) return Replaced(key);
    return read;
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    std::shared_lock writes(writes_);
    auto info = inner_->Stat(key, context);
    if (!info) return info;
    if (!*info && PinOf(key)) return Replaced(key);
    if (*info && !Pin(**info)) return Replaced(key);
    return info;
  }

  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    std::unique_lock writes(writes_);
    return Repinned(inner_->Write(key, source, options, context));
  }

  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    std::unique_lock writes(writes_);
    auto deleted = inner_->Delete(key, options, context);
    std::scoped_lock lock(mutex_);
    if (deleted) pins_.erase(key);
    return deleted;
  }

  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    std::shared_lock writes(writes_);
    auto page = inner_->List(options, context);
    if (!page) return page;
    for (const ObjectInfo& object : page->objects) (void)Pin(object);
    return page;
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    std::unique_lock writes(writes_);
    CopyOptions pinned = options;
    if (const auto generation = PinOf(from)) {
      if (options.if_source_generation.value_or(*generation) != *generation) return Replaced(from);
      pinned.if_source_generation = generation;
    }
    return Repinned(inner_->Copy(from, to, pinned, context));
  }

  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override {
    std::unique_lock writes(writes_);
    std::vector<ComposeSource> pinned = sources;
    for (ComposeSource& source : pinned) {
      const auto generation = PinOf(source.key);
      if (!generation) continue;
      if (source.if_generation.value_or(*generation) != *generation) return Replaced(source.key);
      source.if_generation = generation;
    }
    return Repinned(inner_->Compose(pinned, to, options, context));
  }

  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override {
    std::unique_lock writes(writes_);
    MoveOptions pinned = options;
    if (const auto generation = PinOf(from)) {
      if (options.if_source_generation.value_or(*generation) != *generation) return Replaced(from);
      pinned.if_source_generation = generation;
    }
    auto moved = Repinned(inner_->Move(from, to, pinned, context));
    std::scoped_lock lock(mutex_);
    if (moved) pins_.erase(from);
    return moved;
  }

  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override {
    std::shared_lock writes(writes_);
    PatchOptions pinned = options;
    if (const auto generation = PinOf(key)) {
      if (options.if_generation.value_or(*generation) != *generation) return Replaced(key);
      pinned.if_generation = generation;
    }
    return inner_->Patch(key, changes, pinned, context);
  }

  Capabilities capabilities() const override { return inner_->capabilities(); }

 private:
  static Error Replaced(const std::string& key) {
    return base::PreconditionFailed("object '" + key + "': was replaced or deleted since it was first read");
  }

  std::optional<Generation> PinOf(const std::string& key) const {
    std::scoped_lock lock(mutex_);
    const auto it = pins_.find(key);
    return it == pins_.end() ? std::optional<Generation>() : std::optional<Generation>(it->second);
  }

  // Records at first sight; false when the object is at another generation than recorded.
  bool Pin(const ObjectInfo& info) {
    std::scoped_lock lock(mutex_);
    return pins_.try_emplace(info.key, info.generation).first->second == info.generation;
  }

  Result<ObjectInfo> Repinned(Result<ObjectInfo> info) {
    std::scoped_lock lock(mutex_);
    if (info) pins_.insert_or_assign(info->key, info->generation);
    return info;
  }

  const std::shared_ptr<Store> inner_;
  std::shared_mutex writes_;  // held whole by calls that write, so that no reader meets a pin that is being replaced
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Generation> pins_;
};

}  // namespace

std::shared_ptr<Store> MakePinnedStore(std::shared_ptr<Store> inner) {
  return std::make_shared<PinnedStore>(std::move(inner));
}

}  // namespace seamount::store
