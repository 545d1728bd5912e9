// Folders of a tree that is being walked, listed many at a time.
//
// A program that goes through a tree (find, du, a copy, an import) lists one folder after the other and waits a round
// trip for each. After a few of them, a listing is asked for flat: the next thousand keys from that folder on, which
// hold whatever folders follow it. Such a stretch answers for every folder that lies in it whole, for as long as names
// are believed; who reads a folder once more wants to know what is new, and asks anew.
//
// A decorator, for changes made through it end what was asked before them: an answer never lacks one of those.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/decorated_store.h"

namespace seamount::vfs {

// Thread-safe.
class ListAhead final : public store::DecoratedStore<ListAhead> {
 public:
  // ttl: how long names are believed; 0: every folder is asked for.
  ListAhead(std::shared_ptr<Store> inner, base::Clock& clock, base::Duration ttl);

  struct Told {
    store::ListPage page;
    base::Duration age{};  // how long ago the store was asked
  };
  enum class For { kLookup, kReading };
  // As List, of a folder (prefix "" or "…/", delimiter "/", with trailing delimiters).
  Result<Told> ListFolder(const store::ListOptions& options, For use, const CallContext& context);

  Result<store::ObjectInfo> Copy(const std::string& from, const std::string& to, const store::CopyOptions& options,
                                 const CallContext& context) override;
  Result<store::ObjectInfo> Move(const std::string& from, const std::string& to, const store::MoveOptions& options,
                                 const CallContext& context) override;
  template <class T, class Call>
  Result<T> Around(const store::StoreCall& which, const Call& call) {
    using store::CallKind;
    if (which.kind == CallKind::kRead || which.kind == CallKind::kStat || which.kind == CallKind::kList) return call();
    const Change change(*this, which.key);
    return call();
  }

 private:
  // All keys from `from` on, up to `last`.
  struct Stretch {
    std::string from;
    std::string last;  // empty: to the end of the bucket
    base::SteadyTime asked;
    std::vector<store::ObjectInfo> objects;
    // Folders for which it does not answer: those that were read from it, and (nobody) those that were changed here.
    std::set<std::string, std::less<>> read, changed;

    bool Holds(std::string_view key) const { return key >= from && (last.empty() || key <= last); }
    bool HoldsFolder(std::string_view folder) const;
  };
  // While one lives, and of what was asked before, nothing is known of the folders that hold the key.
  class Change {
   public:
    Change(ListAhead& ahead, std::string_view key) : ahead_(ahead), key_(key) { ahead_.Forget(key_); }
    ~Change() { ahead_.Forget(key_); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    ListAhead& ahead_;
    const std::string_view key_;
  };

  void Forget(std::string_view key);
  // Notes that the folder is asked for, and answers whether this is a walk through a tree.
  bool Walking(const std::string& folder);
  std::optional<Told> FromStretch(const std::string& folder, For use);
  // Asks for what lies from there on. False: it came without a key that tells how far it reaches.
  Result<bool> Ask(Stretch& stretch, const CallContext& context);
  static store::ListPage PageOf(const Stretch& stretch, const std::string& folder);

  base::Clock& clock_;
  const base::Duration ttl_;
  std::mutex mutex_;
  uint64_t changes_ = 0;
  std::vector<std::shared_ptr<Stretch>> stretches_;  // the newest last
  std::set<std::string, std::less<>> walked_;        // folders asked for, each soon after a new one
  base::SteadyTime new_at_;                          // when one was asked for that was not among them
};

}  // namespace seamount::vfs
