// Folders that programs have open: what is in them, as of when they were opened or rewound.
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <utility>

#include "vfs/names.h"
#include "vfs/namespace.h"

namespace seamount::vfs {
namespace {

// Names of a stretch that is listed at once: most of a page, so that some may be added until it takes two.
constexpr size_t kStretch = 800;

void Append(store::ListPage&& page, store::ListPage& all) {
  std::move(page.objects.begin(), page.objects.end(), std::back_inserter(all.objects));
  std::move(page.prefixes.begin(), page.prefixes.end(), std::back_inserter(all.prefixes));
}

}  // namespace

Result<ListAhead::Told> Namespace::ListWhole(const std::string& folder_key, const CallContext& context) {
  store::ListOptions options{.prefix = folder_key, .delimiter = "/", .include_trailing_delimiter = true};
  SEAMOUNT_TRY_ASSIGN(ListAhead::Told all, store_.ListFolder(options, ListAhead::For::kReading, context));
  if (!all.page.next_page_token.empty()) {
    options.page_token = std::exchange(all.page.next_page_token, {});
    SEAMOUNT_TRY_ASSIGN(store::ListPage rest, store::ListAll(store_, options, context));
    Append(std::move(rest), all.page);
  }
  return all;
}

// A long folder, each stretch between two bounds by requests of its own: the pages of one come after each other, and
// each is a round trip.
Result<store::ListPage> Namespace::ListStretches(const std::string& folder_key, const std::vector<std::string>& bounds,
                                                 const CallContext& context) {
  std::vector<Result<store::ListPage>> stretches(bounds.size() + 1, base::Internal("not listed"));
  exec::ParallelFor(pool_, stretches.size(), [&](size_t i) {
    store::ListOptions options{.prefix = folder_key, .delimiter = "/", .include_trailing_delimiter = true};
    if (i > 0) options.start_offset = folder_key + bounds[i - 1];
    if (i < bounds.size()) options.end_offset = folder_key + bounds[i];
    stretches[i] = store::ListAll(store_, options, context);
  });
  store::ListPage all;
  for (Result<store::ListPage>& stretch : stretches) {
    SEAMOUNT_TRY_ASSIGN(store::ListPage page, std::move(stretch));
    Append(std::move(page), all);
  }
  return all;
}

Outcome<OpenDirectory> Namespace::List(const InodePtr& folder, const CallContext& context) {
  OpenDirectory open;
  auto listing = std::make_shared<Listing>();
  std::vector<std::string> bounds;
  {
    std::scoped_lock lock(mutex_);
    if (folder->gone) return NoEntry(folder->name);
    open.inode = folder->number;
    open.parent = folder->parent == nullptr ? kRootInode : folder->parent->number;
    open.watch = std::make_unique<FolderWatch>(mutex_, folder);
    listing->key = InodeTree::KeyOf(*folder);
    listing->asked = Now();
    bounds = folder->bounds;
  }
  store::ListPage page;
  if (bounds.empty()) {
    SEAMOUNT_VFS_ASSIGN(auto told, ListWhole(listing->key, context));
    listing->age = told.age;
    listing->asked.time -= told.age;
    page = std::move(told.page);
  } else {
    SEAMOUNT_VFS_ASSIGN(page, ListStretches(listing->key, bounds, context));
  }
  listing->Hold(EntriesOf(listing->key, std::move(page)));
  open.listing = listing;
  std::scoped_lock lock(mutex_);
  open.listed = clock_.Now() - listing->age;
  folder->bounds.clear();
  for (size_t at = kStretch; at + kStretch / 2 < listing->entries.size(); at += kStretch) {
    folder->bounds.emplace_back(WithoutMark(listing->entries[at].name));
  }
  if (InodeTree::KeyOf(*folder) == listing->key) Remember(folder, listing);
  // What was made or removed here while the store was asked.
  std::map<std::string_view, const InodePtr*> made;
  for (const auto& [name, child] : folder->children) {
    if (child->dirty() || child->checked.order > listing->asked.order) made.emplace(name, &child);
  }
  open.entries.reserve(listing->entries.size() + made.size());
  for (const DirectoryEntry& entry : listing->entries) {
    if (made.contains(entry.name)) continue;
    const auto change = folder->changes.find(entry.name);
    if (change != folder->changes.end() && change->second > listing->asked.order) continue;
    open.entries.push_back(entry);
  }
  for (const auto& [name, child] : made) {
    auto told = std::make_shared<const store::ObjectInfo>((*child)->info);
    open.entries.push_back({std::string(name), (*child)->kind, std::move(told)});
  }
  std::sort(open.entries.begin(), open.entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return open;
}

Outcome<std::unique_ptr<OpenDirectory>> Namespace::OpenFolder(uint64_t number, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const InodePtr folder, FindFolder(number));
  SEAMOUNT_TRY_ASSIGN(OpenDirectory open, List(folder, context));
  return std::make_unique<OpenDirectory>(std::move(open));
}

bool Namespace::IsCurrent(const OpenDirectory& folder) {
  // Who believes nothing asks when the folder is opened, and reads it then.
  constexpr base::Duration kOpenAndRead = std::chrono::seconds(1);
  std::scoped_lock lock(mutex_);
  if (clock_.Now() - folder.listed >= std::max(options_.attribute_ttl, kOpenAndRead)) return false;
  const auto& changes = folder.watch->folder()->changes;
  return std::ranges::none_of(changes, [&](const auto& change) { return change.second > folder.listing->asked.order; });
}

Outcome<void> Namespace::Rewind(OpenDirectory& folder, const CallContext& context) {
  const InodePtr inode = folder.watch->folder();
  auto listed = List(inode, context);
  if (listed) {
    folder = *std::move(listed);
  } else if (listed.error().error != ENOENT) {
    return std::move(listed).error();
  } else {
    folder.entries.clear();  // removed meanwhile: it is empty now
  }
  return {};
}

std::optional<Attributes> Namespace::EntryAttributes(const OpenDirectory& folder, const DirectoryEntry& entry) {
  std::scoped_lock lock(mutex_);
  const InodePtr& parent = folder.watch->folder();
  if (parent->gone || InodeTree::KeyOf(*parent) != folder.listing->key) return std::nullopt;
  if (parent->listing == folder.listing) parent->listing_read = clock_.Now();
  InodePtr child = tree_.Child(parent, entry.name);
  const bool created_since = entry.kind != Kind::kDirectory && entry.info().generation == store::kAbsent;
  if (child == nullptr && created_since) return std::nullopt;
  if (child == nullptr || !child->dirty()) {
    child = Attach(parent, entry.name, {.kind = entry.kind, .info = entry.info()}, folder.listing->asked);
  }
  if (child == nullptr) return std::nullopt;
  ++child->lookups;
  return AttributesOf(*child);
}

}  // namespace seamount::vfs
