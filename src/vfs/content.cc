#include "vfs/content.h"

#include <algorithm>
#include <cerrno>

#include "vfs/names.h"

namespace seamount::vfs {
namespace {

// GCS's limit for an object; beyond it an upload would be refused after all the work.
constexpr uint64_t kMaxObjectBytes = uint64_t{5} << 40;

// So much takes no longer to come than the question whether it is still there.
constexpr uint64_t kReadAtOpen = 64 << 10;

// A folder in which nothing was written for so long is not one in which machines hand files to each other.
constexpr auto kQuiet = std::chrono::seconds(10);

}  // namespace

std::shared_ptr<ObjectReader> Content::ReaderOf(const InodePtr& inode) {
  std::scoped_lock lock(names_.mutex());
  if (inode->reader == nullptr) inode->reader = std::make_shared<ObjectReader>(&fetcher_, inode->info);
  return inode->reader;
}

std::shared_ptr<WalkAhead> Content::WalkOf(const InodePtr& inode) {
  std::scoped_lock lock(names_.mutex());
  if (inode->gone || inode->moving || inode->dirty() || inode->info.size_bytes == 0 ||
      walks_.ttl() == base::Duration::zero())
    return nullptr;
  auto& walk = inode->parent->ahead;
  if (walk == nullptr) walk = std::make_shared<WalkAhead>(fetcher_, walks_);
  return walk;
}

Outcome<void> Content::Refresh(const InodePtr& inode, bool reads_only, const CallContext& context) {
  bool before = false;
  std::string name;
  store::Generation generation;
  {
    std::scoped_lock lock(names_.mutex());
    before = std::exchange(inode->opened, true);
    name = inode->name;
    generation = inode->info.generation;
  }
  if (const auto walk = reads_only ? WalkOf(inode) : nullptr) {
    FetchAhead(inode, *walk);
    if (before) {
      if (Unchanged(inode, *walk)) return {};
    } else if (auto data = walk->Take(name, generation, context)) {
      ReaderOf(inode)->Provide(0, *std::move(data));
      return {};
    } else if (ReadAtOpen(inode, *walk, context)) {
      return {};
    }
  }
  return names_.Revalidate(inode, context);
}

bool Content::ToldByListing(const Inode& inode) const {
  const auto listing = inode.gone ? nullptr : names_.FreshListing(inode.parent);
  const DirectoryEntry* entry = listing != nullptr ? listing->Find(inode.name) : nullptr;
  return entry != nullptr && entry->info().generation == inode.info.generation;
}

bool Content::Unchanged(const InodePtr& inode, WalkAhead& walk) {
  if (!walk.Walking()) return false;
  std::scoped_lock lock(names_.mutex());
  // Where somebody writes, what is asked for is what was written last.
  if (!ToldByListing(*inode) || walks_.clock().WallNow() - inode->parent->listing->newest < kQuiet) return false;
  walks_.WasOfUse();
  return true;
}

bool Content::ReadAtOpen(const InodePtr& inode, WalkAhead& walk, const CallContext& context) {
  const bool walking = walk.Walking();
  std::string key;
  store::ObjectInfo info;
  store::ReadOptions options;
  {
    std::scoped_lock lock(names_.mutex());
    if (inode->gone || inode->moving || inode->handles > 0) return false;
    key = InodeTree::KeyOf(*inode);
    info = inode->info;
    if (walking && ToldByListing(*inode)) options.if_generation = info.generation;
  }
  uint64_t length = info.size_bytes;
  if (options.if_generation && length > kSmallFile) {
    length = kSmallFile;
    options.range = store::ByteRange{0, length};
  }
  if (!options.if_generation && length > kReadAtOpen) return false;
  auto read = fetcher_.store().Read(key, options, context);
  if (!read || !*read || !((*read)->info.generation == info.generation) || (*read)->data.size() != length) return false;
  {
    std::scoped_lock lock(names_.mutex());
    if (inode->gone || inode->moving || InodeTree::KeyOf(*inode) != key) return false;
  }
  ReaderOf(inode)->Provide(0, std::move((*read)->data));
  return true;
}

// What follows a file that is being opened in its folder's listing and was not opened yet is fetched, if this is a
// walk.
void Content::FetchAhead(const InodePtr& inode, WalkAhead& walk) {
  size_t wanted = walk.Wanted();
  std::vector<DirectoryEntry> next;
  {
    std::scoped_lock lock(names_.mutex());
    const InodePtr folder = inode->parent;
    if (folder == nullptr) return;
    const std::shared_ptr<const Listing> listing = names_.FreshListing(folder);
    if (wanted == 0 || listing == nullptr) return;
    const auto& entries = listing->entries;
    auto it = std::upper_bound(entries.begin(), entries.end(), inode->name,
                               [](const std::string& n, const DirectoryEntry& entry) { return n < entry.name; });
    // From there to the end and on from the beginning: an import opens in no order.
    for (size_t seen = 0; seen < std::min<size_t>(entries.size(), 512) && wanted > 0; ++seen, ++it) {
      if (it == entries.end()) it = entries.begin();
      if (it->kind != Kind::kFile || it->info().size_bytes == 0 || it->info().size_bytes > kSmallFile) continue;
      const InodePtr known = names_.tree().Child(folder, it->name);
      if (known != nullptr && (known->opened || !(known->info.generation == it->info().generation))) continue;
      next.push_back(*it);
      --wanted;
    }
  }
  walk.Opened(next);
}

Outcome<std::unique_ptr<OpenFile>> Content::Open(uint64_t number, const OpenOptions& options,
                                                 const CallContext& context) {
  InodePtr inode;
  {
    std::scoped_lock lock(names_.mutex());
    SEAMOUNT_TRY_ASSIGN(inode, names_.Existing(number));
    if (inode->kind == Kind::kDirectory) return Fault{EISDIR, "'" + inode->name + "' is a folder"};
    if (inode->kind == Kind::kSymlink) return Fault{ELOOP, "'" + inode->name + "' is a symbolic link"};
    if (inode->kind != Kind::kFile) return Fault{ENXIO, "'" + inode->name + "' is a pipe, socket or device"};
  }
  SEAMOUNT_TRY(Refresh(inode, !options.write && !options.truncate, context));
  bool drop_pages = false;
  {
    std::scoped_lock lock(names_.mutex());
    ++inode->handles;
    drop_pages = std::exchange(inode->stale_pages, false);
  }
  const auto emptied = [&]() -> Outcome<void> {
    if (!options.truncate) return {};
    SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*inode, context));
    SEAMOUNT_TRY(Stage(inode, true));
    return {};
  }();
  if (emptied) return std::make_unique<OpenFile>(OpenFile{inode, options, drop_pages});
  std::scoped_lock lock(names_.mutex());
  --inode->handles;
  inode->stale_pages = inode->stale_pages || drop_pages;
  names_.tree().ReleaseIfUnused(inode);
  return emptied.error();
}

Outcome<std::shared_ptr<StagedFile>> Content::StageNew() {
  SEAMOUNT_TRY_ASSIGN(base::Fd fd, staging_.Create());
  return std::make_shared<StagedFile>(std::move(fd), nullptr);
}

Outcome<std::shared_ptr<StagedFile>> Content::Stage(const InodePtr& inode, bool empty) {
  std::shared_ptr<StagedFile> staged;
  bool in_bucket = false;
  {
    std::scoped_lock lock(names_.mutex());
    staged = inode->staged;
    in_bucket = inode->info.generation != store::kAbsent;
    inode->upload_fault.reset();
    if (empty) {
      names_.MarkChanged(*inode);
      inode->kept.mtime = inode->changed;
    }
  }
  if (staged != nullptr) {
    if (empty) SEAMOUNT_TRY(staged->Truncate(0));
    return staged;
  }
  SEAMOUNT_TRY_ASSIGN(base::Fd fd, staging_.Create());
  std::shared_ptr<ObjectReader> base;
  if (in_bucket && !empty) base = ReaderOf(inode);
  staged = std::make_shared<StagedFile>(std::move(fd), std::move(base));
  recorder_.Watch(inode);
  std::scoped_lock lock(names_.mutex());
  inode->staged = staged;
  return staged;
}

Outcome<std::vector<Bytes>> Content::Read(const OpenFile& file, uint64_t offset, uint64_t length,
                                          const CallContext& context) {
  if (!file.options.read) return Fault{EBADF, "not open for reading"};
  ++stats_.reads;
  for (;;) {
    std::shared_ptr<StagedFile> staged;
    std::shared_ptr<ObjectReader> reader;
    {
      std::scoped_lock lock(names_.mutex());
      staged = file.inode->staged;
    }
    if (staged == nullptr) reader = ReaderOf(file.inode);
    auto pieces = staged != nullptr ? staged->Read(offset, length, context) : reader->Read(offset, length, context);
    if (pieces) {
      for (const Bytes& piece : *pieces) stats_.read_bytes += piece.size();
      return pieces;
    }
    if (pieces.error().error == EINTR) return pieces;
    std::scoped_lock lock(names_.mutex());
    // An upload, or the end of one, may have put another source in place while this one was read.
    if (file.inode->staged == staged && (staged != nullptr || file.inode->reader == reader)) return pieces;
  }
}

Outcome<void> Content::Write(const OpenFile& file, uint64_t offset, std::span<const std::byte> data, bool append,
                             const CallContext& context) {
  if (!file.options.write) return Fault{EBADF, "not open for writing"};
  if (offset > kMaxObjectBytes || data.size() > kMaxObjectBytes - offset) return Fault{EFBIG, "objects end at 5 TiB"};
  SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*file.inode, context));
  SEAMOUNT_TRY_ASSIGN(const auto staged, Stage(file.inode, false));
  SEAMOUNT_TRY(staged->Write(append ? staged->size() : offset, data));
  send_ahead_(*staged);
  recorder_.Wrote(file.inode, *staged);
  ++stats_.writes;
  stats_.written_bytes += data.size();
  std::scoped_lock lock(names_.mutex());
  names_.MarkChanged(*file.inode);
  file.inode->kept.mtime = file.inode->changed;
  return {};
}

Outcome<uint64_t> Content::CopyRange(const OpenFile& from, uint64_t from_offset, const OpenFile& to, uint64_t to_offset,
                                     uint64_t length, const CallContext& context) {
  constexpr uint64_t kMostAtOnce = uint64_t{3} << 30;  // the kernel has 32 bits for the answer
  if (!from.options.read || !to.options.write) return Fault{EBADF, "not open for that"};
  const Fault not_here{EOPNOTSUPP, "not a copy of a file into an empty one"};
  if (from.inode == to.inode || from_offset != to_offset) return not_here;
  SEAMOUNT_TRY_ASSIGN(const auto commit, LockCommit(*to.inode, context));
  {
    std::scoped_lock lock(names_.mutex());
    const Inode& source = *from.inode;
    const Inode& target = *to.inode;
    const uint64_t size = target.staged != nullptr ? target.staged->size() : target.info.size_bytes;
    const bool in_bucket = !source.dirty() && !source.moving && source.info.generation != store::kAbsent;
    if (size != to_offset || !in_bucket) return not_here;
  }
  const std::shared_ptr<ObjectReader> source = ReaderOf(from.inode);
  if (from_offset >= source->size()) return uint64_t{0};
  length = std::min({length, source->size() - from_offset, kMostAtOnce});
  SEAMOUNT_TRY_ASSIGN(const auto staged, Stage(to.inode, false));
  if (!staged->TakeFrom(source, from_offset, length)) return not_here;
  recorder_.Wrote(to.inode, *staged);
  std::scoped_lock lock(names_.mutex());
  names_.MarkChanged(*to.inode);
  to.inode->kept.mtime = to.inode->changed;
  return length;
}

Outcome<void> Content::Resize(const InodePtr& inode, uint64_t size_bytes) {
  if (size_bytes > kMaxObjectBytes) return Fault{EFBIG, "objects end at 5 TiB"};
  SEAMOUNT_TRY_ASSIGN(const auto staged, Stage(inode, size_bytes == 0));
  auto resized = [&]() -> Outcome<void> {
    // A hole takes no room here, but what cannot be filled must not be promised: all of it is uploaded.
    const uint64_t now = staged->size();
    if (size_bytes > now) SEAMOUNT_TRY(staging_.CheckRoom(size_bytes - now));
    return staged->Truncate(size_bytes);
  }();
  if (resized) return {};
  std::scoped_lock lock(names_.mutex());
  if (inode->handles == 0) inode->staged = nullptr;
  return resized;
}

}  // namespace seamount::vfs
