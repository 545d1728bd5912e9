// Look-ups answered from listings: after a listing of a folder, a Stat of a name in it asks nobody for a while, whether
// the name is there or not.
//
// How it works. What listings (by the delimiter "/", of a prefix that is empty or ends with it) and look-ups have told
// is kept for a ttl, each page by its own time (known_names.h). What is changed through this store is known at once,
// and a listing or look-up that began before such a change does not bring the old state back. A change whose outcome is
// not known, or that met another one of the same key, leaves nothing known. What others change shows after the ttl at
// the latest; StatNow asks the store now.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "store/decorated_store.h"
#include "store/listing/known_names.h"

namespace seamount::store {

struct ListingOptions {
  base::Duration ttl = std::chrono::seconds(1);  // zero: nothing is kept
  uint64_t max_bytes = 64ULL << 20;              // what was listed longest ago is dropped
  base::Clock* clock = &base::RealClock();
};

// Thread-safe. Every Stat, and a List of a prefix that is known to be empty, may be as old as the ttl.
class ListingStore final : public DecoratedStore<ListingStore> {
 public:
  ListingStore(std::shared_ptr<Store> inner, const ListingOptions& options);

  // Both without asking anybody; null where nothing is known.
  std::optional<std::optional<ObjectInfo>> KnownObject(const std::string& key) const;
  std::optional<bool> KnownFolder(const std::string& folder) const;  // ends with '/': has it anything in it?
  // As Stat of the store below; what it finds is kept.
  Result<std::optional<ObjectInfo>> StatNow(const std::string& key, const CallContext& context);
  // Somebody has learnt elsewhere that what is known of this key is out of date.
  void Forget(const std::string& key);

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override;
  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override;
  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override;
  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override;
  Result<ListPage> List(const ListOptions& options, const CallContext& context) override;
  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override;
  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override;
  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override;
  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override;

 private:
  struct Reading;   // a listing or look-up in progress
  struct Changing;  // a change in progress

  template <class Call>
  Result<ObjectInfo> Change(const std::string& key, const Call& call);
  void Keep(const ListOptions& options, const ListPage& page, const Reading& reading);
  // What is at the key now; null in the outer optional: not known. mutex_ held.
  void Know(const std::string& key, std::optional<std::optional<ObjectInfo>> object, base::SteadyTime now);
  std::optional<KnownNames::Page> Place(const ListOptions& options, const ListPage& page);

  base::Clock& clock_;
  mutable std::mutex mutex_;
  KnownNames known_;
  uint64_t changes_ = 0;                     // so far
  std::multiset<uint64_t> reading_since_;    // changes_ when each reading began
  std::map<std::string, uint64_t> changed_;  // last change of a key, while a reading from before is going on
  std::map<std::string, std::pair<int, bool>> changing_;  // changes in progress of a key; whether they have overlapped
  std::map<std::string, std::string> page_starts_;        // by folder and page token: the first name of that page
};

}  // namespace seamount::store
