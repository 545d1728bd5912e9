// Open files: reading, writing, attributes, release.
#include <cerrno>

#include "vfs/file_system.h"
#include "vfs/names.h"

namespace seamount::vfs {
namespace {

// GCS's limit for an object; beyond it an upload would be refused after all the work.
constexpr uint64_t kMaxObjectBytes = uint64_t{5} << 40;

}  // namespace

std::shared_ptr<ObjectReader> FileSystem::ReaderOf(const InodePtr& inode) {
  std::scoped_lock lock(mutex_);
  if (inode->reader == nullptr) inode->reader = std::make_shared<ObjectReader>(fetcher_.get(), inode->info);
  return inode->reader;
}

Outcome<std::unique_ptr<OpenFile>> FileSystem::OpenExisting(uint64_t number, const OpenOptions& options) {
  if (options.write || options.truncate) SEAMOUNT_TRY(CheckWritable());
  InodePtr inode;
  {
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY_ASSIGN(inode, Existing(number));
    if (inode->kind == Kind::kDirectory) return Fault{EISDIR, "'" + inode->name + "' is a folder"};
    if (inode->kind == Kind::kSymlink) return Fault{ELOOP, "'" + inode->name + "' is a symbolic link"};
    if (inode->kind != Kind::kFile) return Fault{ENXIO, "'" + inode->name + "' is a pipe, socket or device"};
  }
  SEAMOUNT_TRY(Revalidate(inode));
  auto file = std::make_unique<OpenFile>(OpenFile{inode, options});
  {
    std::scoped_lock lock(mutex_);
    ++inode->handles;
  }
  if (!options.truncate) return file;
  auto emptied = [&]() -> Outcome<void> {
    std::scoped_lock commit(inode->commit);
    SEAMOUNT_TRY(Stage(inode, true));
    return {};
  }();
  if (emptied) return file;
  Release(std::move(file));
  return std::move(emptied).error();
}

// The staged file of an inode, made if there is none. Under the inode's commit lock.
Outcome<std::shared_ptr<StagedFile>> FileSystem::Stage(const InodePtr& inode, bool empty) {
  std::shared_ptr<StagedFile> staged;
  bool in_bucket = false;
  {
    std::scoped_lock lock(mutex_);
    staged = inode->staged;
    in_bucket = inode->info.generation != store::kAbsent;
    inode->upload_fault.reset();
    if (empty) {
      MarkChanged(*inode);
      inode->kept.mtime = inode->changed;
    }
  }
  if (staged != nullptr) {
    if (empty) SEAMOUNT_TRY(staged->Truncate(0));
    return staged;
  }
  SEAMOUNT_TRY_ASSIGN(StagingFd fd, staging_.Create());
  std::shared_ptr<ObjectReader> base;
  if (in_bucket && !empty) base = ReaderOf(inode);
  staged = std::make_shared<StagedFile>(std::move(fd), std::move(base));
  std::scoped_lock lock(mutex_);
  inode->staged = staged;
  return staged;
}

Outcome<std::vector<Bytes>> FileSystem::Read(const OpenFile& file, uint64_t offset, uint64_t length) {
  if (!file.options.read) return Fault{EBADF, "not open for reading"};
  ++stats_.reads;
  for (;;) {
    std::shared_ptr<StagedFile> staged;
    std::shared_ptr<ObjectReader> reader;
    {
      std::scoped_lock lock(mutex_);
      staged = file.inode->staged;
    }
    if (staged == nullptr) reader = ReaderOf(file.inode);
    auto pieces = staged != nullptr ? staged->Read(offset, length) : reader->Read(offset, length);
    if (pieces) {
      for (const Bytes& piece : *pieces) stats_.read_bytes += piece.size();
      return pieces;
    }
    std::scoped_lock lock(mutex_);
    // An upload, or the end of one, may have put another source in place while this one was read.
    if (file.inode->staged == staged && (staged != nullptr || file.inode->reader == reader)) return pieces;
  }
}

Outcome<void> FileSystem::Write(const OpenFile& file, uint64_t offset, std::span<const std::byte> data, bool append) {
  if (!file.options.write) return Fault{EBADF, "not open for writing"};
  if (offset > kMaxObjectBytes || data.size() > kMaxObjectBytes - offset) return Fault{EFBIG, "objects end at 5 TiB"};
  std::scoped_lock commit(file.inode->commit);
  SEAMOUNT_TRY_ASSIGN(const auto staged, Stage(file.inode, false));
  SEAMOUNT_TRY(staged->Write(append ? staged->size() : offset, data));
  ++stats_.writes;
  stats_.written_bytes += data.size();
  std::scoped_lock lock(mutex_);
  MarkChanged(*file.inode);
  file.inode->kept.mtime = file.inode->changed;
  return {};
}

Outcome<void> FileSystem::Resize(const InodePtr& inode, uint64_t size_bytes) {
  SEAMOUNT_TRY_ASSIGN(const auto staged, Stage(inode, size_bytes == 0));
  auto resized = staged->Truncate(size_bytes);
  if (resized) return {};
  std::scoped_lock lock(mutex_);
  if (inode->handles == 0) inode->staged = nullptr;
  return resized;
}

// Puts a change into what is kept. Under mutex_.
void FileSystem::Apply(Inode& inode, const AttributeChange& change) {
  const KeptAttributes before = inode.kept;
  const Attributes shown = AttributesOf(inode);
  MarkChanged(inode);
  // A new generation has a new time of its own; what was shown stays unless it is changed.
  inode.kept.mtime = change.mtime ? *change.mtime : change.size_bytes ? inode.changed : shown.mtime;
  if (change.mtime) inode.filled = base::SystemTime::min();
  if (change.atime) inode.kept.atime = change.atime;
  if (change.permissions) inode.kept.permissions = *change.permissions & 07777;
  if (change.uid) inode.kept.uid = change.uid;
  if (change.gid) inode.kept.gid = change.gid;
  const Attributes wanted = AttributesOf(inode);
  if (wanted.mtime == shown.mtime && wanted.atime == shown.atime && wanted.permissions == shown.permissions &&
      wanted.uid == shown.uid && wanted.gid == shown.gid) {
    inode.kept = before;
  } else {
    inode.kept_dirty = true;
  }
}

// Brings a change to the bucket, or takes it back. Under the inode's commit lock.
Outcome<void> FileSystem::CommitChange(const InodePtr& inode) {
  auto committed = CommitInode(inode);
  std::scoped_lock lock(mutex_);
  if (inode->handles == 0) {
    inode->staged = nullptr;
    inode->reader = nullptr;
  }
  if (committed) return {};
  inode->kept = ParseMetadata(inode->info.metadata);
  inode->kept_dirty = false;
  if (inode->handles > 0 || !inode->upload_fault || inode->upload_fault->error != ESTALE) return committed;
  if (!inode->gone) tree_.Detach(inode);
  return *inode->upload_fault;  // the kernel looks the name up again, and asks again
}

Outcome<Attributes> FileSystem::Change(uint64_t number, const AttributeChange& change, const OpenFile* handle) {
  SEAMOUNT_TRY(CheckWritable());
  InodePtr inode;
  {
    std::scoped_lock lock(mutex_);
    SEAMOUNT_TRY_ASSIGN(inode, Existing(number));
    if (number == kRootInode) {  // has no object to keep them
      Apply(*inode, change);
      inode->kept_dirty = false;
      return AttributesOf(*inode);
    }
    if (change.size_bytes && inode->kind != Kind::kFile) return Fault{EINVAL, "'" + inode->name + "' has no size"};
  }
  if (change.size_bytes && *change.size_bytes > kMaxObjectBytes) return Fault{EFBIG, "objects end at 5 TiB"};
  std::shared_lock layout(layout_);
  std::scoped_lock commit(inode->commit);
  if (change.size_bytes) SEAMOUNT_TRY(Resize(inode, *change.size_bytes));
  bool later = false;
  {
    std::scoped_lock lock(mutex_);
    Apply(*inode, change);
    const bool writing = inode->handles > 0 && inode->staged != nullptr && inode->staged->dirty();
    later = writing && (handle != nullptr || !change.size_bytes);
  }
  if (!later) SEAMOUNT_TRY(CommitChange(inode));
  std::scoped_lock lock(mutex_);
  return AttributesOf(*inode);
}

Outcome<void> FileSystem::Commit(const OpenFile& file) {
  std::shared_lock layout(layout_);
  std::scoped_lock commit(file.inode->commit);
  return CommitInode(file.inode);
}

void FileSystem::Release(std::unique_ptr<OpenFile> file) {
  const InodePtr inode = file->inode;
  std::shared_lock layout(layout_);
  std::scoped_lock commit(inode->commit);
  bool last = false;
  bool commit_due = false;
  {
    std::scoped_lock lock(mutex_);
    last = inode->handles == 1;
    commit_due = last && !inode->upload_fault && inode->dirty();
  }
  // close has uploaded already; what is still to be done comes from a memory map written to after the close.
  if (commit_due) {
    if (auto committed = CommitInode(inode); !committed) Abandon(inode, committed.error());
  }
  std::shared_ptr<ObjectReader> reader;
  std::string parked;
  std::optional<Fault> lost;
  {
    std::scoped_lock lock(mutex_);
    --inode->handles;
    if (inode->handles > 0) return;
    if (inode->dirty() && !inode->unlinked) lost = inode->upload_fault.value_or(Fault{EIO, "unmounting"});
    reader = std::move(inode->reader);
    inode->reader = nullptr;
    parked = std::move(inode->parked_key);
    inode->parked_key.clear();
  }
  if (lost) Abandon(inode, *lost);
  {
    std::scoped_lock lock(mutex_);
    inode->staged = nullptr;
    inode->kept_dirty = false;
    if (lost && !inode->gone) {
      tree_.Detach(inode);
    } else {
      tree_.ReleaseIfUnused(inode);
    }
  }
  if (reader != nullptr) reader->Close();
  // Left behind if this fails; the next mount's sweep takes it.
  if (!parked.empty()) (void)store_.Delete(parked, {}, {});
}

}  // namespace seamount::vfs
