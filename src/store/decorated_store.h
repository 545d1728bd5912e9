// What decorators of a store share: the store below, and the way of every call to it.
//
//   class Slow final : public DecoratedStore<Slow> {
//    public:
//     explicit Slow(std::shared_ptr<Store> inner) : DecoratedStore(std::move(inner)) {}
//     Result<std::optional<ObjectInfo>> Stat(…) override { … inner().Stat(…) … }   // one call that is different
//     template <class T, class Call>                                              // or what is done around every call
//     Result<T> Around(const StoreCall& which, const Call& call) { Wait(which.context); return call(); }
//   };
//
// What a decorator neither overrides nor surrounds goes to the store below unchanged.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "store/store.h"

namespace seamount::store {

enum class CallKind { kRead, kStat, kWrite, kDelete, kList, kCopy, kCompose, kMove, kPatch };

struct StoreCall {
  CallKind kind;
  const std::string& key;  // of List the prefix, of Copy and Move the source, of Compose the destination
  const CallContext& context;
  uint64_t written_bytes = 0;  // of Write: the content's size
};

// Bytes of content that a call has moved.
template <class T>
uint64_t MovedBytes(const StoreCall& which, const Result<T>& result) {
  if (!result) return 0;
  if constexpr (std::is_same_v<T, std::optional<ReadResult>>) return *result ? (*result)->data.size() : 0;
  return which.written_bytes;
}

template <class Self>
class DecoratedStore : public Store {
 public:
  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    return Pass<std::optional<ReadResult>>({CallKind::kRead, key, context},
                                           [&] { return inner_->Read(key, options, context); });
  }
  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    return Pass<std::optional<ObjectInfo>>({CallKind::kStat, key, context}, [&] { return inner_->Stat(key, context); });
  }
  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    return Pass<ObjectInfo>({CallKind::kWrite, key, context, source.size()},
                            [&] { return inner_->Write(key, source, options, context); });
  }
  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    return Pass<bool>({CallKind::kDelete, key, context}, [&] { return inner_->Delete(key, options, context); });
  }
  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    return Pass<ListPage>({CallKind::kList, options.prefix, context}, [&] { return inner_->List(options, context); });
  }
  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    return Pass<ObjectInfo>({CallKind::kCopy, from, context}, [&] { return inner_->Copy(from, to, options, context); });
  }
  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override {
    return Pass<ObjectInfo>({CallKind::kCompose, to, context},
                            [&] { return inner_->Compose(sources, to, options, context); });
  }
  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override {
    return Pass<ObjectInfo>({CallKind::kMove, from, context}, [&] { return inner_->Move(from, to, options, context); });
  }
  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override {
    return Pass<ObjectInfo>({CallKind::kPatch, key, context},
                            [&] { return inner_->Patch(key, changes, options, context); });
  }
  Capabilities capabilities() const override { return inner_->capabilities(); }

  template <class T, class Call>
  Result<T> Around(const StoreCall&, const Call& call) {
    return call();
  }

 protected:
  explicit DecoratedStore(std::shared_ptr<Store> inner) : inner_(std::move(inner)) {}
  Store& inner() { return *inner_; }

 private:
  template <class T, class Call>
  Result<T> Pass(const StoreCall& which, const Call& call) {
    return static_cast<Self*>(this)->template Around<T>(which, call);
  }

  const std::shared_ptr<Store> inner_;
};

}  // namespace seamount::store
