// Within store/listing: what is known of the names in a bucket, from listings and look-ups that are younger than a ttl.
// Pure: time is handed in, nothing is asked of anybody.
//
// How it works. Names are kept by folder, as listings with the delimiter "/" give them: below "a/" the objects "x" and
// the folded prefixes "x/". A page tells of every name between its first and its last: what it does not hold, is
// absent. So each page leaves a span with its own time, and a look-up that finds no name asks whether a span covers it.
// A name that was looked up or changed alone has a time of its own.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "store/store.h"

namespace seamount::store {

// "a/b/c" is "c" in the folder "a/b/"; "a/b/" is "b/" in "a/"; "x" is "x" in "".
struct SplitName {
  std::string folder;
  std::string name;
};
SplitName SplitKey(std::string_view key);

// Not thread-safe.
class KnownNames {
 public:
  KnownNames(base::Duration ttl, uint64_t max_bytes) : ttl_(ttl), max_bytes_(max_bytes) {}

  // The object of that key: null in the outer optional where nothing is known, in the inner one where it is absent.
  std::optional<std::optional<ObjectInfo>> Object(const std::string& key, base::SteadyTime now) const;
  // Whether any object's key begins with `folder`, which ends with '/'. Null: not known.
  std::optional<bool> Folder(const std::string& folder, base::SteadyTime now) const;

  // One page of a listing of `folder` ("" or ending with '/') by the delimiter "/", asked for at `asked`: all names
  // from `from` on, up to `to` (null: the end), which lies behind the page.
  struct Page {
    std::string folder;
    std::string from;
    std::optional<std::string> to;
    bool markers = false;  // objects "x/" are given beside their prefixes
  };
  void AddPage(const Page& page, const ListPage& names, base::SteadyTime asked);

  // What a look-up at `asked` has found, or a change has made.
  void Set(const std::string& key, std::optional<ObjectInfo> object, base::SteadyTime asked);
  // It was deleted: the folders it was in may have gone with it.
  void Remove(const std::string& key, base::SteadyTime asked);
  // The object and the folders it is in may be anything now.
  void Forget(const std::string& key);

  uint64_t bytes() const { return bytes_; }

 private:
  struct Name {
    base::SteadyTime asked;  // when the object was
    std::optional<ObjectInfo> object;
    bool object_known = false;
    base::SteadyTime below_asked;  // of "x/": when it was known whether there are keys below
    bool below = false;
    bool below_known = false;
  };
  struct Span {
    std::string from;
    std::optional<std::string> to;  // exclusive
    base::SteadyTime asked;
    bool markers = false;
  };
  struct Contents {
    std::map<std::string, Name> names;
    std::vector<Span> spans;
    uint64_t bytes = 0;
    base::SteadyTime newest;
    std::list<std::string>::iterator place;  // in order_
  };

  bool Fresh(base::SteadyTime asked, base::SteadyTime now) const { return now - asked < ttl_; }
  const Contents* Find(const std::string& folder) const;
  Contents& Touch(const std::string& folder, base::SteadyTime asked);
  const Span* Covering(const Contents& contents, const std::string& name, base::SteadyTime now) const;
  // Whether a folder above is known to be empty, so that the key cannot be.
  bool BelowNothing(const std::string& key, base::SteadyTime now) const;
  void SetBelow(const std::string& key, bool known, base::SteadyTime asked);
  Name& NameIn(Contents& contents, const std::string& name);
  void Erase(Contents& contents, std::map<std::string, Name>::iterator it);
  void Put(Contents& contents, Name& name, std::optional<ObjectInfo> object, base::SteadyTime asked);
  void Trim(base::SteadyTime now);

  const base::Duration ttl_;
  const uint64_t max_bytes_;
  uint64_t bytes_ = 0;
  std::map<std::string, Contents> folders_;
  std::list<std::string> order_;  // folders, the one told of last at the end
};

}  // namespace seamount::store
