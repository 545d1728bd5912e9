#include "store/prefix/prefix_store.h"

namespace seamount::store {
namespace {

class PrefixStore final : public Store {
 public:
  PrefixStore(std::shared_ptr<Store> inner, std::string prefix)
      : inner_(std::move(inner)), prefix_(std::move(prefix)) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(key));
    auto read = inner_->Read(prefix_ + key, options, context);
    if (read && *read) (*read)->info.key = key;
    return read;
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(key));
    auto info = inner_->Stat(prefix_ + key, context);
    if (info && *info) (*info)->key = key;
    return info;
  }

  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(key));
    return Named(key, inner_->Write(prefix_ + key, source, options, context));
  }

  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(key));
    return inner_->Delete(prefix_ + key, options, context);
  }

  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    ListOptions whole = options;
    whole.prefix = prefix_ + options.prefix;
    if (!options.start_offset.empty()) whole.start_offset = prefix_ + options.start_offset;
    if (!options.end_offset.empty()) whole.end_offset = prefix_ + options.end_offset;
    SEAMOUNT_TRY_ASSIGN(ListPage page, inner_->List(whole, context));
    std::erase_if(page.objects, [&](const ObjectInfo& object) { return object.key == prefix_; });
    for (ObjectInfo& object : page.objects) object.key.erase(0, prefix_.size());
    for (std::string& prefix : page.prefixes) prefix.erase(0, prefix_.size());
    return page;
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(from));
    SEAMOUNT_TRY(CheckKey(to));
    return Named(to, inner_->Copy(prefix_ + from, prefix_ + to, options, context));
  }

  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(to));
    std::vector<ComposeSource> whole = sources;
    for (ComposeSource& source : whole) {
      SEAMOUNT_TRY(CheckKey(source.key));
      source.key.insert(0, prefix_);
    }
    return Named(to, inner_->Compose(whole, prefix_ + to, options, context));
  }

  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(from));
    SEAMOUNT_TRY(CheckKey(to));
    return Named(to, inner_->Move(prefix_ + from, prefix_ + to, options, context));
  }

  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(key));
    return Named(key, inner_->Patch(prefix_ + key, changes, options, context));
  }

  Capabilities capabilities() const override { return inner_->capabilities(); }

 private:
  static Result<ObjectInfo> Named(const std::string& key, Result<ObjectInfo> info) {
    if (info) info->key = key;
    return info;
  }

  const std::shared_ptr<Store> inner_;
  const std::string prefix_;
};

}  // namespace

std::shared_ptr<Store> MakePrefixStore(std::shared_ptr<Store> inner, std::string prefix) {
  return std::make_shared<PrefixStore>(std::move(inner), std::move(prefix));
}

}  // namespace seamount::store
