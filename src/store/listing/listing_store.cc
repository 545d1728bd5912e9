#include "store/listing/listing_store.h"

#include <algorithm>
#include <utility>

namespace seamount::store {
namespace {

// Listings that were begun and not continued leave their tokens here.
constexpr size_t kMostTokens = 1024;

// Of a key: null where it is not known, and null in it where there is no object.
using State = std::optional<std::optional<ObjectInfo>>;
const State kGone = State(std::in_place);

std::string TokenKey(const std::string& folder, const std::string& token) { return folder + '\0' + token; }

}  // namespace

// What it finds counts only for keys that were not changed meanwhile.
struct ListingStore::Reading {
  explicit Reading(ListingStore* owner) : store(owner), asked(owner->clock_.Now()) {
    std::scoped_lock lock(store->mutex_);
    since = store->changes_;
    store->reading_since_.insert(since);
  }
  ~Reading() {
    std::scoped_lock lock(store->mutex_);
    store->reading_since_.erase(store->reading_since_.find(since));
    if (store->reading_since_.empty()) store->changed_.clear();
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  // mutex_ held.
  bool Counts(const std::string& key) const {
    const auto it = store->changed_.find(key);
    return (it == store->changed_.end() || it->second <= since) && !store->changing_.contains(key);
  }

  ListingStore* const store;
  const base::SteadyTime asked;
  uint64_t since = 0;
};

struct ListingStore::Changing {
  Changing(ListingStore* owner, std::string which) : store(owner), key(std::move(which)) {
    std::scoped_lock lock(store->mutex_);
    auto& [count, overlapped] = store->changing_[key];
    overlapped = overlapped || count > 0;
    ++count;
  }
  void End(State object) {
    std::scoped_lock lock(store->mutex_);
    const auto it = store->changing_.find(key);
    const bool alone = !it->second.second;
    if (--it->second.first == 0) store->changing_.erase(it);
    ++store->changes_;
    if (!store->reading_since_.empty()) store->changed_[key] = store->changes_;
    store->Know(key, alone ? std::move(object) : State(), store->clock_.Now());
  }

  ListingStore* const store;
  const std::string key;
};

ListingStore::ListingStore(std::shared_ptr<Store> inner, const ListingOptions& options)
    : DecoratedStore(std::move(inner)), clock_(*options.clock), known_(options.ttl, options.max_bytes) {}

std::optional<std::optional<ObjectInfo>> ListingStore::KnownObject(const std::string& key) const {
  std::scoped_lock lock(mutex_);
  return known_.Object(key, clock_.Now());
}

std::optional<bool> ListingStore::KnownFolder(const std::string& folder) const {
  std::scoped_lock lock(mutex_);
  return known_.Folder(folder, clock_.Now());
}

Result<std::optional<ObjectInfo>> ListingStore::StatNow(const std::string& key, const CallContext& context) {
  const Reading reading(this);
  SEAMOUNT_TRY_ASSIGN(auto info, inner().Stat(key, context));
  std::scoped_lock lock(mutex_);
  if (reading.Counts(key)) known_.Set(key, info, reading.asked);
  return info;
}

void ListingStore::Forget(const std::string& key) {
  std::scoped_lock lock(mutex_);
  known_.Forget(key);
}

Result<std::optional<ObjectInfo>> ListingStore::Stat(const std::string& key, const CallContext& context) {
  SEAMOUNT_TRY(CheckKey(key));
  SEAMOUNT_TRY(CheckContext(context));
  if (auto known = KnownObject(key)) return *std::move(known);
  return StatNow(key, context);
}

Result<std::optional<ReadResult>> ListingStore::Read(const std::string& key, const ReadOptions& options,
                                                     const CallContext& context) {
  auto read = inner().Read(key, options, context);
  const bool replaced = !read && read.error().code() == ErrorCode::kPreconditionFailed;
  if (replaced || (read && !*read)) Forget(key);
  return read;
}

template <class Call>
Result<ObjectInfo> ListingStore::Change(const std::string& key, const Call& call) {
  Changing changing(this, key);
  Result<ObjectInfo> made = call();
  changing.End(made ? State(*made) : State());
  return made;
}

Result<ObjectInfo> ListingStore::Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                                       const CallContext& context) {
  return Change(key, [&] { return inner().Write(key, source, options, context); });
}

Result<bool> ListingStore::Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) {
  Changing changing(this, key);
  auto deleted = inner().Delete(key, options, context);
  changing.End(deleted ? kGone : State());
  return deleted;
}

Result<ObjectInfo> ListingStore::Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                                      const CallContext& context) {
  return Change(to, [&] { return inner().Copy(from, to, options, context); });
}

Result<ObjectInfo> ListingStore::Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                                         const WriteOptions& options, const CallContext& context) {
  return Change(to, [&] { return inner().Compose(sources, to, options, context); });
}

Result<ObjectInfo> ListingStore::Move(const std::string& from, const std::string& to, const MoveOptions& options,
                                      const CallContext& context) {
  Changing leaving(this, from);
  auto moved = Change(to, [&] { return inner().Move(from, to, options, context); });
  leaving.End(moved ? kGone : State());
  return moved;
}

Result<ObjectInfo> ListingStore::Patch(const std::string& key, const AttributeChanges& changes,
                                       const PatchOptions& options, const CallContext& context) {
  return Change(key, [&] { return inner().Patch(key, changes, options, context); });
}

Result<ListPage> ListingStore::List(const ListOptions& options, const CallContext& context) {
  SEAMOUNT_TRY(CheckContext(context));
  const bool first = options.page_token.empty() && options.max_results > 0;
  if (first && options.prefix.ends_with('/') && KnownFolder(options.prefix) == false) return ListPage();
  const Reading reading(this);
  SEAMOUNT_TRY_ASSIGN(ListPage page, inner().List(options, context));
  if (options.delimiter == "/" && (options.prefix.empty() || options.prefix.ends_with('/'))) {
    Keep(options, page, reading);
  }
  return page;
}

// Where in its folder the page lies; nothing where that is not known.
std::optional<KnownNames::Page> ListingStore::Place(const ListOptions& options, const ListPage& page) {
  const std::string& folder = options.prefix;
  KnownNames::Page place{.folder = folder, .from = {}, .to = {}, .markers = options.include_trailing_delimiter};
  if (!options.page_token.empty()) {
    const auto start = page_starts_.find(TokenKey(folder, options.page_token));
    if (start == page_starts_.end()) return std::nullopt;
    place.from = start->second;
  } else if (options.start_offset > folder) {
    if (!options.start_offset.starts_with(folder)) return std::nullopt;
    place.from = options.start_offset.substr(folder.size());
  }
  if (!options.end_offset.empty()) {
    if (!options.end_offset.starts_with(folder)) return std::nullopt;
    // Of a folder that the end lies in, the page tells only a part.
    const std::string end = options.end_offset.substr(folder.size());
    place.to = end.substr(0, end.find('/') == std::string::npos ? end.size() : end.find('/') + 1);
  }
  if (page.next_page_token.empty()) return place;
  // All up to the last name is told; the next page begins behind it.
  std::string last;
  if (!page.objects.empty()) last = page.objects.back().key;
  if (!page.prefixes.empty()) last = std::max(last, page.prefixes.back());
  const bool empty = last.empty();
  place.to = empty ? place.from : last.substr(folder.size()) + '\0';
  if (page_starts_.size() >= kMostTokens) page_starts_.clear();
  page_starts_[TokenKey(folder, page.next_page_token)] = *place.to;
  if (empty) return std::nullopt;
  return place;
}

void ListingStore::Keep(const ListOptions& options, const ListPage& page, const Reading& reading) {
  std::scoped_lock lock(mutex_);
  const auto place = Place(options, page);
  if (!place) return;
  // What this store has changed since the listing was asked for is known better.
  std::map<std::string, State> better;
  const auto now = clock_.Now();
  for (const auto& [key, change] : changed_) {
    if (change > reading.since) better.emplace(key, known_.Object(key, now));
  }
  for (const auto& [key, count] : changing_) better.emplace(key, std::nullopt);
  known_.AddPage(*place, page, reading.asked);
  for (auto& [key, object] : better) {
    if (!key.starts_with(place->folder)) continue;
    Know(key, std::move(object), now);
  }
}

void ListingStore::Know(const std::string& key, std::optional<std::optional<ObjectInfo>> object, base::SteadyTime now) {
  if (!object) {
    known_.Forget(key);
  } else if (*object) {
    known_.Set(key, *std::move(object), now);
  } else {
    known_.Remove(key, now);
  }
}

}  // namespace seamount::store
