#include "store/testing/fault_store.h"

#include <algorithm>

namespace seamount::store {

bool FaultStore::Chance(double probability) {
  if (probability <= 0) return false;
  std::scoped_lock lock(mutex_);
  const bool hit = std::uniform_real_distribution<double>(0, 1)(random_) < probability;
  if (hit) ++faults_;
  return hit;
}

uint64_t FaultStore::Below(uint64_t bound) {
  std::scoped_lock lock(mutex_);
  return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random_);
}

template <class T>
Result<T> FaultStore::Faulty(const std::function<Result<T>()>& call) {
  ++calls_;
  if (Chance(options_.fail_before)) return base::Unavailable("injected: before the effect");
  auto result = call();
  if (result && Chance(options_.fail_after)) return base::Unavailable("injected: after the effect");
  return result;
}

Result<std::optional<ReadResult>> FaultStore::Read(const std::string& key, const ReadOptions& options,
                                                   const CallContext& context) {
  auto read = Faulty<std::optional<ReadResult>>([&] { return inner_->Read(key, options, context); });
  if (!read || !*read || (*read)->data.empty()) return read;
  Bytes& data = (*read)->data;
  if (Chance(options_.short_read)) data = data.Slice(0, Below(data.size()));
  if (!data.empty() && Chance(options_.bit_flip)) {
    Buffer flipped(data.size());
    std::copy(data.span().begin(), data.span().end(), flipped.data());
    flipped.data()[Below(data.size())] ^= std::byte{1} << Below(8);
    data = std::move(flipped);
  }
  return read;
}

Result<std::optional<ObjectInfo>> FaultStore::Stat(const std::string& key, const CallContext& context) {
  return Faulty<std::optional<ObjectInfo>>([&] { return inner_->Stat(key, context); });
}

Result<ObjectInfo> FaultStore::Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                                     const CallContext& context) {
  return Faulty<ObjectInfo>([&] { return inner_->Write(key, source, options, context); });
}

Result<bool> FaultStore::Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) {
  if (!options_.faulty_deletes) return inner_->Delete(key, options, context);
  return Faulty<bool>([&] { return inner_->Delete(key, options, context); });
}

Result<ListPage> FaultStore::List(const ListOptions& options, const CallContext& context) {
  return Faulty<ListPage>([&] { return inner_->List(options, context); });
}

Result<ObjectInfo> FaultStore::Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                                    const CallContext& context) {
  return Faulty<ObjectInfo>([&] { return inner_->Copy(from, to, options, context); });
}

Result<ObjectInfo> FaultStore::Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                                       const WriteOptions& options, const CallContext& context) {
  return Faulty<ObjectInfo>([&] { return inner_->Compose(sources, to, options, context); });
}

}  // namespace seamount::store
