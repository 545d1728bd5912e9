#include "vfs/namespace.h"

#include <algorithm>
#include <cerrno>

#include "vfs/names.h"
#include "vfs/soon_after.h"

namespace seamount::vfs {
namespace {

// Names asked for in one folder, each soon after the other, from which on it is listed.
constexpr uint32_t kWalk = 6;
// Folders of which a listing is kept: about as many as a program's search path and what it unpacks at once.
constexpr size_t kMaxListed = 64;
constexpr int kMetadataThreads = 32;

}  // namespace

Outcome<std::unique_lock<std::timed_mutex>> LockCommit(Inode& inode, const CallContext& context) {
  std::unique_lock lock(inode.commit, std::try_to_lock);
  // Held by others for as long as an upload takes; a mutex does not know of stop tokens.
  while (!lock.owns_lock()) {
    if (context.stop.stop_requested()) return Fault{EINTR, "interrupted while the file was being uploaded"};
    (void)lock.try_lock_for(std::chrono::milliseconds(50));
  }
  return lock;
}

Namespace::Namespace(ListAhead& store, const FileSystemOptions& options, base::Clock& clock)
    : options_(options), clock_(clock), store_(store), mounted_(clock.WallNow()), pool_(kMetadataThreads) {}

Outcome<InodePtr> Namespace::Existing(uint64_t number) {
  InodePtr inode = tree_.Find(number);
  if (inode == nullptr) return Fault{ESTALE, "inode " + std::to_string(number) + " is forgotten"};
  return inode;
}

Outcome<InodePtr> Namespace::Folder(uint64_t number) {
  SEAMOUNT_TRY_ASSIGN(InodePtr inode, Existing(number));
  if (inode->kind != Kind::kDirectory) return Fault{ENOTDIR, "'" + inode->name + "' is not a folder"};
  if (inode->gone) return NoEntry(inode->name);
  return inode;
}

Outcome<InodePtr> Namespace::FindFolder(uint64_t number) {
  std::scoped_lock lock(mutex_);
  return Folder(number);
}

Attributes Namespace::AttributesOf(const Inode& inode) const {
  const bool folder = inode.kind == Kind::kDirectory;
  const bool in_bucket = inode.info.generation != store::kAbsent;
  const base::SystemTime updated = folder && !in_bucket ? mounted_ : inode.info.updated;
  const bool changed = inode.changed != base::SystemTime::min();
  const uint32_t usual = folder ? options_.directory_permissions : options_.file_permissions;
  Attributes attributes{.inode = inode.number,
                        .kind = inode.kind,
                        // Of a folder too: how many it holds is not counted, and `find` would believe a 2.
                        .links = inode.gone ? 0U : 1U,
                        .size_bytes = inode.info.size_bytes,
                        .permissions = inode.kept.permissions.value_or(usual),
                        .uid = inode.kept.uid.value_or(options_.uid),
                        .gid = inode.kept.gid.value_or(options_.gid),
                        .mtime = std::max(inode.kept.mtime.value_or(updated), inode.filled),
                        .ctime = folder    ? std::max(updated, inode.changed)
                                 : changed ? inode.changed
                                           : updated};
  attributes.atime = inode.kept.atime.value_or(attributes.mtime);
  if (inode.staged != nullptr) attributes.size_bytes = inode.staged->size();
  if (inode.kept.special) attributes.device = inode.kept.special->device;
  if (inode.kind == Kind::kSymlink) {
    attributes.permissions = 0777;
    attributes.size_bytes = inode.kept.symlink_target.value_or("").size();
  }
  return attributes;
}

bool Namespace::Fresh(const Inode& folder, const Listing& listing) const {
  const auto told = std::max(listing.asked.time, folder.listing_read);
  return clock_.Now() - told < options_.attribute_ttl;
}

bool Namespace::Fresh(const Inode& inode) const {
  if (inode.dirty() || clock_.Now() - inode.checked.time < options_.attribute_ttl) return true;
  if (inode.parent == nullptr || inode.parent->listing == nullptr) return false;
  // Attached from a listing that still counts.
  const Listing& listing = *inode.parent->listing;
  return inode.checked.order >= listing.asked.order && Fresh(*inode.parent, listing);
}

void Namespace::SetInfo(Inode& inode, const store::ObjectInfo& info) {
  inode.info = info;
  const auto atime = inode.kept.atime;
  inode.kept = ParseMetadata(info.metadata);
  // Metadata holds whole seconds.
  if (atime && inode.kept.atime == std::chrono::floor<std::chrono::seconds>(*atime)) inode.kept.atime = atime;
  inode.kept_dirty = false;
}

void Namespace::Written(Inode& inode, const store::ObjectInfo& info) {
  SetInfo(inode, info);
  inode.checked = Now();
  if (inode.parent != nullptr) Changed(*inode.parent, inode.name);
}

void Namespace::MarkChanged(Inode& inode) {
  // The store's clock, which told the time before, may be ahead.
  inode.changed = std::max(clock_.WallNow(), AttributesOf(inode).ctime + std::chrono::nanoseconds(1));
}

void Namespace::Touch(Inode& folder) {
  MarkChanged(folder);
  folder.filled = folder.changed;
}

bool Namespace::HoldsDirty(const InodePtr& inode) const {
  const auto below = tree_.Subtree(inode);
  return std::any_of(below.begin(), below.end(), [](const InodePtr& each) { return each->dirty(); });
}

void Namespace::Changed(Inode& folder, std::string_view name) {
  if (folder.listing != nullptr && !Fresh(folder, *folder.listing)) ForgetListing(folder);
  if (folder.watchers > 0) folder.changes.insert_or_assign(std::string(name), ++order_);
}

// Somebody else replaced the object. Where nobody has the file open here, it is the same file with another content: a
// program that asks for the path and then for the descriptor sees one number. Under mutex_.
bool Namespace::Renew(Inode& inode, const store::ObjectInfo& info) {
  const bool file = inode.kind == Kind::kFile && KindOf(ParseMetadata(info.metadata)) == Kind::kFile;
  if (!file || inode.gone || inode.moving || inode.dirty() || inode.handles > 0 || inode.staged != nullptr)
    return false;
  inode.reader = nullptr;
  inode.stale_pages = true;
  SetInfo(inode, info);
  return true;
}

InodePtr Namespace::Attach(const InodePtr& parent, std::string_view name, const Found& found, const Moment& asked) {
  InodePtr child = tree_.Child(parent, name);
  if (child != nullptr && (child->dirty() || child->moving || child->checked.order > asked.order)) {
    return child;  // we know better
  }
  const bool same = child != nullptr && child->kind == found.kind &&
                    (found.kind == Kind::kDirectory || child->info.generation == found.info.generation);
  if (!same) {
    if (child != nullptr && HoldsDirty(child)) return child;
    const auto change = parent->changes.find(name);
    if (change != parent->changes.end() && change->second > asked.order) return child;
    if (child == nullptr || found.kind != Kind::kFile || !Renew(*child, found.info)) {
      if (child != nullptr) tree_.Detach(child);
      child = tree_.Add(parent, std::string(name), found.kind);
    }
  }
  SetInfo(*child, found.info);
  child->checked = asked;
  return child;
}

Outcome<std::optional<Namespace::Found>> Namespace::Probe(const std::string& parent_key, std::string_view name,
                                                          const CallContext& context) {
  const std::string key = parent_key + std::string(WithoutMark(name));
  const bool hidden = name.ends_with(kHiddenObjectMark);
  if (WithoutMark(name).empty() || !store::CheckKey(key)) return std::optional<Found>();
  // Both questions at once; a folder costs no second round trip, and neither does a file.
  auto stat = pool_.Submit([this, &key, &context] { return store_.Stat(key, context); });
  Result<store::ListPage> listed = store_.List({.prefix = key + "/", .max_results = 1}, context);
  auto object = stat.get();
  SEAMOUNT_VFS_ASSIGN(store::ListPage below, std::move(listed));
  SEAMOUNT_VFS_ASSIGN(const auto info, std::move(object));
  const bool folder = !below.objects.empty();
  if (hidden && !folder) return std::optional<Found>();  // the object has its own name, and one only
  if (folder && !hidden) {
    Found found{.kind = Kind::kDirectory};
    if (below.objects[0].key == key + "/") found.info = std::move(below.objects[0]);
    return std::optional<Found>(std::move(found));
  }
  if (!info) return std::optional<Found>();
  return std::optional<Found>({.kind = KindOf(ParseMetadata(info->metadata)), .info = *info});
}

std::shared_ptr<const Listing> Namespace::FreshListing(const InodePtr& folder) const {
  const auto& listing = folder->listing;
  if (listing == nullptr || folder->gone || !Fresh(*folder, *listing)) return nullptr;
  return InodeTree::KeyOf(*folder) == listing->key ? listing : nullptr;
}

// Another name of the folder is asked for. Under mutex_.
bool Namespace::WorthListing(Inode& folder) {
  const auto now = clock_.Now();
  // Four times: a walk that itself waits for the network is no less one.
  folder.asked_names = SoonAfter(folder.asked_at, now, options_.attribute_ttl) ? folder.asked_names + 1 : 1;
  folder.asked_at = now;
  return folder.asked_names > kWalk || Searching();
}

bool Namespace::Searching() const {
  return absent_streak_ > kWalk && SoonAfter(absent_at_, clock_.Now(), options_.attribute_ttl);
}

std::optional<InodePtr> Namespace::FromListing(const InodePtr& folder, std::string_view name) {
  const std::shared_ptr<const Listing> listing = FreshListing(folder);
  if (listing == nullptr || !listing->SpeaksOf(name)) return std::nullopt;
  const auto change = folder->changes.find(name);
  if (change != folder->changes.end() && change->second > listing->asked.order) return std::nullopt;
  if (const DirectoryEntry* entry = listing->Find(name)) {
    InodePtr child = Attach(folder, name, {.kind = entry->kind, .info = entry->info()}, listing->asked);
    if (child == nullptr) return std::nullopt;
    return child;
  }
  if (!Searching()) return std::nullopt;  // another machine may have made it just now
  return Absent(folder, name, listing->asked);
}

// The store, asked then, has nothing of that name. Null, or the child that is there all the same. Under mutex_.
InodePtr Namespace::Absent(const InodePtr& folder, std::string_view name, const Moment& asked) {
  const auto now = clock_.Now();
  if (!SoonAfter(absent_at_, now, options_.attribute_ttl)) absent_streak_ = 0;
  if (name != last_absent_) ++absent_streak_;
  last_absent_ = name;
  absent_at_ = now;
  InodePtr child = tree_.Child(folder, name);
  if (child == nullptr || child->moving || child->checked.order > asked.order || HoldsDirty(child)) return child;
  tree_.Detach(child);
  return nullptr;
}

// One page of the folder from a name on ("": from its beginning). Under no lock; the caller watches the folder.
Outcome<std::shared_ptr<const Listing>> Namespace::ListFrom(const std::string& folder_key, std::string_view name,
                                                            const Moment& now, const CallContext& context) {
  auto listing = std::make_shared<Listing>();
  listing->key = folder_key;
  listing->from = WithoutMark(name);
  SEAMOUNT_VFS_ASSIGN(auto told, store_.ListFolder({.prefix = folder_key,
                                                    .delimiter = "/",
                                                    .include_trailing_delimiter = true,
                                                    .start_offset = folder_key + listing->from},
                                                   ListAhead::For::kLookup, context));
  listing->asked = {now.time - told.age, now.order};
  listing->age = told.age;
  store::ListPage page = std::move(told.page);
  if (!page.next_page_token.empty()) {
    std::string last = folder_key;
    if (!page.objects.empty()) last = std::max(last, page.objects.back().key);
    if (!page.prefixes.empty()) last = std::max(last, page.prefixes.back());
    listing->last = last.substr(folder_key.size());
  }
  listing->Hold(EntriesOf(folder_key, std::move(page)));
  return std::shared_ptr<const Listing>(std::move(listing));
}

void Namespace::ForgetListing(Inode& folder) {
  if (folder.listing == nullptr) return;
  folder.listing = nullptr;
  FolderWatch::End(folder);
}

// Under mutex_, and while a watch since it was asked is held.
void Namespace::Remember(const InodePtr& folder, std::shared_ptr<const Listing> listing) {
  if (options_.attribute_ttl == base::Duration::zero() || folder->gone) return;
  FolderWatch::Begin(*folder);
  if (folder->listing == nullptr) listed_.push_back(folder);
  ForgetListing(*folder);
  folder->listing = std::move(listing);
  // Asked as of now, however long the answer took: else a slow line would ask for ever.
  folder->listing_read = clock_.Now() - folder->listing->age;
  while (listed_.size() > kMaxListed) {
    if (const InodePtr oldest = listed_.front().lock()) ForgetListing(*oldest);
    listed_.pop_front();
  }
}

Outcome<InodePtr> Namespace::Resolve(const InodePtr& parent, std::string_view name, const CallContext& context,
                                     uint64_t lookups) {
  if (name.size() > kMaxNameBytes) return Fault{ENAMETOOLONG, "a name may hold 255 bytes"};
  const auto counted = [&](InodePtr child) {
    if (child != nullptr) child->lookups += lookups;
    return child;
  };
  for (bool listed = false;;) {
    std::string parent_key;
    Moment asked;
    std::optional<FolderWatch> watch;
    bool list = false;
    std::string from;
    {
      std::scoped_lock lock(mutex_);
      if (parent->gone) return NoEntry(parent->name);
      InodePtr child = tree_.Child(parent, name);
      if (child != nullptr && Fresh(*child)) return counted(std::move(child));
      if (parent->number == kRootInode && WithoutMark(name) == kReservedName) return InodePtr();
      list = WorthListing(*parent) && !WithoutMark(name).empty() && !listed;
      if (const auto told = FromListing(parent, name)) return counted(*told);
      parent_key = InodeTree::KeyOf(*parent);
      if (!parent->bounds.empty()) from = name;  // known to be longer than a page
      watch.emplace(mutex_, parent);
      asked = Now();
    }
    if (list) {
      listed = true;
      SEAMOUNT_TRY_ASSIGN(auto listing, ListFrom(parent_key, from, asked, context));
      const bool tells = listing->SpeaksOf(name);
      std::scoped_lock lock(mutex_);
      if (listing->last && parent->bounds.empty()) parent->bounds.emplace_back(WithoutMark(name));
      if (InodeTree::KeyOf(*parent) != parent_key) continue;
      const bool aged = listing->age > base::Duration::zero();
      Remember(parent, std::move(listing));
      const auto change = parent->changes.find(name);
      const bool changed = change != parent->changes.end() && change->second > asked.order;
      if (tells && !changed && parent->listing != nullptr) {
        if (parent->listing->Find(name) != nullptr) continue;
        if (!aged || Searching()) return counted(Absent(parent, name, asked));
      }
    }
    SEAMOUNT_TRY_ASSIGN(const auto found, Probe(parent_key, name, context));
    std::scoped_lock lock(mutex_);
    if (parent->gone) return NoEntry(parent->name);
    if (InodeTree::KeyOf(*parent) != parent_key) continue;  // renamed meanwhile
    if (!found) return counted(Absent(parent, name, asked));
    InodePtr child = Attach(parent, name, *found, asked);
    if (child == nullptr) continue;  // removed here meanwhile; somebody may have made it again
    return counted(std::move(child));
  }
}

Outcome<Attributes> Namespace::Lookup(uint64_t parent, std::string_view name, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(parent));
  SEAMOUNT_TRY_ASSIGN(const InodePtr child, Resolve(folder, name, context, 1));
  if (child == nullptr) return NoEntry(name);
  std::scoped_lock lock(mutex_);
  return AttributesOf(*child);
}

void Namespace::Forget(uint64_t number, uint64_t lookups) {
  std::scoped_lock lock(mutex_);
  const InodePtr inode = tree_.Find(number);
  if (inode == nullptr) return;
  inode->lookups -= std::min(inode->lookups, lookups);
  tree_.ReleaseIfUnused(inode);
}

std::vector<Namespace::Name> Namespace::SurplusNames(size_t at_once) {
  std::scoped_lock lock(mutex_);
  std::vector<Name> names;
  for (const InodePtr& inode : tree_.Surplus(options_.most_names, at_once)) {
    if (inode->parent != nullptr) names.push_back({inode->parent->number, inode->name});
  }
  return names;
}

Outcome<void> Namespace::Revalidate(const InodePtr& inode, const CallContext& context) {
  for (;;) {
    SEAMOUNT_TRY_ASSIGN(const bool answered, AskAgain(inode, context));
    if (answered) return {};
    // Being renamed: whoever does that holds the commit lock.
    SEAMOUNT_TRY(LockCommit(*inode, context));
  }
}

// False: it is being renamed, and what the store says now means nothing.
Outcome<bool> Namespace::AskAgain(const InodePtr& inode, const CallContext& context) {
  std::string key;
  Moment asked;
  {
    std::scoped_lock lock(mutex_);
    if (inode->gone) return Fault{ESTALE, "'" + inode->name + "' was removed or replaced"};
    if (inode->dirty()) return true;
    key = InodeTree::KeyOf(*inode);
    asked = Now();
  }
  SEAMOUNT_VFS_ASSIGN(const auto info, store_.Stat(key, context));
  std::scoped_lock lock(mutex_);
  if (inode->moving) return false;
  if (inode->dirty() || inode->checked.order > asked.order) return true;
  if (!inode->gone && InodeTree::KeyOf(*inode) != key) return true;  // renamed here meanwhile
  if (!info || info->generation != inode->info.generation) {
    if (inode->parent != nullptr) ForgetListing(*inode->parent);  // others change the folder: it is out of date
    if (info && Renew(*inode, *info)) {
      inode->checked = asked;
      return true;
    }
    if (!inode->gone) tree_.Detach(inode);
    return Fault{ESTALE, "'" + key + "' was removed or replaced"};
  }
  SetInfo(*inode, *info);
  inode->checked = asked;
  return true;
}

Outcome<Attributes> Namespace::Stat(uint64_t number, const CallContext& context) {
  InodePtr inode;
  {
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY_ASSIGN(inode, Existing(number));
    // An open file shows the generation it is pinned to.
    if (inode->kind == Kind::kDirectory || inode->handles > 0 || Fresh(*inode)) return AttributesOf(*inode);
  }
  SEAMOUNT_TRY(Revalidate(inode, context));
  std::scoped_lock lock(mutex_);
  return AttributesOf(*inode);
}

Outcome<std::string> Namespace::ReadLink(uint64_t number) {
  std::scoped_lock lock(mutex_);
  SEAMOUNT_TRY_ASSIGN(const InodePtr inode, Existing(number));
  if (!inode->kept.symlink_target) return Fault{EINVAL, "'" + inode->name + "' is not a symbolic link"};
  return *inode->kept.symlink_target;
}

}  // namespace seamount::vfs
