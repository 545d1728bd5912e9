#include "fuse/operations.h"

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "fuse/context.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

namespace seamount::fuse {
namespace {

using vfs::Attributes;
using vfs::Fault;
using vfs::Kind;
using vfs::OpenDirectory;
using vfs::OpenFile;

const OperationsContext& Context(fuse_req_t req) {
  return *static_cast<const OperationsContext*>(fuse_req_userdata(req));
}
vfs::FileSystem& Fs(fuse_req_t req) { return *Context(req).file_system; }
OpenFile* FileOf(const fuse_file_info* fi) { return reinterpret_cast<OpenFile*>(fi->fh); }
OpenDirectory* FolderOf(const fuse_file_info* fi) { return reinterpret_cast<OpenDirectory*>(fi->fh); }

// A program sees a number; why it got EIO is told in the log.
void ReplyFault(fuse_req_t req, const Fault& fault) {
  if (fault.error == EIO || fault.error == ENOSPC || fault.error == EACCES) {
    base::Log(base::LogLevel::kWarning, fault.message);
  } else if (base::LogEnabled(base::LogLevel::kDebug)) {
    base::Log(base::LogLevel::kDebug, fault.message);
  }
  fuse_reply_err(req, fault.error);
}

void ReplyDone(fuse_req_t req, const vfs::Outcome<void>& outcome) {
  if (outcome) {
    fuse_reply_err(req, 0);
  } else {
    ReplyFault(req, outcome.error());
  }
}

timespec ToTimespec(base::SystemTime time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  return {.tv_sec = seconds.count(),
          .tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count()};
}

struct stat ToStat(const Attributes& attributes) {
  struct stat out = {};
  out.st_ino = attributes.inode;
  switch (attributes.kind) {
    case Kind::kDirectory: out.st_mode = S_IFDIR; break;
    case Kind::kFile: out.st_mode = S_IFREG; break;
    case Kind::kSymlink: out.st_mode = S_IFLNK; break;
  }
  out.st_mode |= attributes.permissions;
  out.st_nlink = attributes.kind == Kind::kDirectory ? 2 : 1;
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_size = static_cast<off_t>(attributes.size_bytes);
  out.st_blksize = 1 << 20;  // what cp and Python read at a time
  out.st_blocks = static_cast<blkcnt_t>((attributes.size_bytes + 511) / 512);
  out.st_mtim = out.st_ctim = out.st_atim = ToTimespec(attributes.mtime);
  return out;
}

fuse_entry_param ToEntry(fuse_req_t req, const Attributes& attributes) {
  fuse_entry_param entry = {};
  entry.ino = attributes.inode;
  entry.attr = ToStat(attributes);
  entry.attr_timeout = entry.entry_timeout = Context(req).ttl_seconds;
  return entry;
}

// The kernel counts a lookup when it has got the reply; if that fails (the program was killed), it is taken back.
void ReplyEntry(fuse_req_t req, const vfs::Outcome<Attributes>& outcome) {
  if (!outcome) return ReplyFault(req, outcome.error());
  auto& fs = Fs(req);
  const fuse_entry_param entry = ToEntry(req, *outcome);
  if (fuse_reply_entry(req, &entry) != 0) fs.Forget(entry.ino, 1);
}

void ReplyAttributes(fuse_req_t req, const vfs::Outcome<Attributes>& outcome) {
  if (!outcome) return ReplyFault(req, outcome.error());
  const struct stat attributes = ToStat(*outcome);
  fuse_reply_attr(req, &attributes, Context(req).ttl_seconds);
}

void Init(void*, fuse_conn_info* conn) {
  constexpr unsigned kMiB = 1 << 20;
  conn->max_write = kMiB;
  conn->max_readahead = kMiB;
  // How many requests of read-ahead and asynchronous reads may be open; the default of 12 starves parallel readers.
  conn->max_background = 256;
  conn->congestion_threshold = 192;
  // Splicing our memory into pipes costs more here than one copy: the blocks are ours and stay in use.
  conn->want &= ~static_cast<unsigned>(FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_MOVE);
  // An inode is one lineage of contents (vfs/inode.h): its cached pages never go stale by a changed mtime or size, and
  // the server's own time stamp after an upload must not throw them out.
  conn->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
  // Not wanted, and so off: FUSE_CAP_WRITEBACK_CACHE. With it the kernel would answer write() before we saw the bytes,
  // and a full staging disk could not be told to the writer; it would also own mtime and size.
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) { ReplyEntry(req, Fs(req).Lookup(parent, name)); }

void Forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups) {
  Fs(req).Forget(ino, lookups);
  fuse_reply_none(req);
}

void ForgetMulti(fuse_req_t req, size_t count, fuse_forget_data* forgets) {
  for (size_t i = 0; i < count; ++i) Fs(req).Forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

void GetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) { ReplyAttributes(req, Fs(req).Stat(ino)); }

void SetAttr(fuse_req_t req, fuse_ino_t ino, struct stat* wanted, int to_set, fuse_file_info* fi) {
  vfs::AttributeChange change;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) change.size_bytes = static_cast<uint64_t>(wanted->st_size);
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) change.permissions = wanted->st_mode;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) change.uid = wanted->st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) change.gid = wanted->st_gid;
  if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0) {
    change.mtime = std::chrono::system_clock::now();
  } else if ((to_set & FUSE_SET_ATTR_MTIME) != 0) {
    change.mtime = base::SystemTime(std::chrono::seconds(wanted->st_mtim.tv_sec) +
                                    std::chrono::nanoseconds(wanted->st_mtim.tv_nsec));
  }
  ReplyAttributes(req, Fs(req).Change(ino, change, fi == nullptr ? nullptr : FileOf(fi)));
}

void ReadLink(fuse_req_t req, fuse_ino_t ino) {
  const auto target = Fs(req).ReadLink(ino);
  if (!target) return ReplyFault(req, target.error());
  fuse_reply_readlink(req, target->c_str());
}

void MakeDirectory(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t) {
  ReplyEntry(req, Fs(req).MakeDirectory(parent, name));
}

void MakeSymlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  ReplyEntry(req, Fs(req).MakeSymlink(parent, name, target));
}

void HardLink(fuse_req_t req, fuse_ino_t, fuse_ino_t, const char*) {
  fuse_reply_err(req, EPERM);  // two names cannot be one object
}

void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name) { ReplyDone(req, Fs(req).Unlink(parent, name)); }

void RemoveDirectory(fuse_req_t req, fuse_ino_t parent, const char* name) {
  ReplyDone(req, Fs(req).RemoveDirectory(parent, name));
}

void Rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
            unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) {
    fuse_reply_err(req, EINVAL);  // an exchange would need two objects to change at once
    return;
  }
  ReplyDone(req, Fs(req).Rename(parent, name, new_parent, new_name, flags == 0));
}

vfs::OpenOptions ToOptions(int flags) {
  const int access = flags & O_ACCMODE;
  return {.read = access != O_WRONLY,
          .write = access != O_RDONLY,
          .append = (flags & O_APPEND) != 0,
          .truncate = (flags & O_TRUNC) != 0,
          .exclusive = (flags & O_EXCL) != 0};
}

void PutFile(std::unique_ptr<OpenFile> file, fuse_file_info* fi) {
  fi->fh = reinterpret_cast<uint64_t>(file.release());
  // Cached pages belong to the inode, and an inode never changes its content behind our back.
  fi->keep_cache = 1;
}

void Open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
  auto file = Fs(req).OpenExisting(ino, ToOptions(fi->flags));
  if (!file) return ReplyFault(req, file.error());
  auto& fs = Fs(req);
  PutFile(*std::move(file), fi);
  if (fuse_reply_open(req, fi) != 0) fs.Release(std::unique_ptr<OpenFile>(FileOf(fi)));
}

void Create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* fi) {
  auto created = Fs(req).Create(parent, name, mode & 07777, ToOptions(fi->flags));
  if (!created) return ReplyFault(req, created.error());
  auto& fs = Fs(req);
  const fuse_entry_param entry = ToEntry(req, created->attributes);
  PutFile(std::move(created->file), fi);
  if (fuse_reply_create(req, &entry, fi) != 0) {
    fs.Release(std::unique_ptr<OpenFile>(FileOf(fi)));
    fs.Forget(entry.ino, 1);
  }
}

// Only regular files: pipes, sockets and devices are no objects.
void MakeNode(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  if (!S_ISREG(mode)) {
    fuse_reply_err(req, EPERM);
    return;
  }
  auto created = Fs(req).Create(parent, name, mode & 07777, {.write = true, .exclusive = true});
  if (!created) return ReplyFault(req, created.error());
  Fs(req).Release(std::move(created->file));
  ReplyEntry(req, created->attributes);
}

// From the fetched block straight to the kernel: one writev over the slices, no copy on our side.
void Read(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info* fi) {
  const auto pieces = Fs(req).Read(*FileOf(fi), static_cast<uint64_t>(offset), size);
  if (!pieces) return ReplyFault(req, pieces.error());
  std::vector<iovec> vector;
  vector.reserve(pieces->size());
  for (const Bytes& piece : *pieces) {
    vector.push_back({const_cast<std::byte*>(piece.data()), piece.size()});  // writev only reads
  }
  fuse_reply_iov(req, vector.data(), static_cast<int>(vector.size()));
}

void Write(fuse_req_t req, fuse_ino_t, const char* data, size_t size, off_t offset, fuse_file_info* fi) {
  const auto written =
      Fs(req).Write(*FileOf(fi), static_cast<uint64_t>(offset), {reinterpret_cast<const std::byte*>(data), size});
  if (!written) return ReplyFault(req, written.error());
  fuse_reply_write(req, size);
}

// Every close of a descriptor. Who only read need not wait for another's upload.
void Flush(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  if (FileOf(fi)->options.write) return ReplyDone(req, Fs(req).Commit(*FileOf(fi)));
  fuse_reply_err(req, 0);
}

void Fsync(fuse_req_t req, fuse_ino_t, int, fuse_file_info* fi) { ReplyDone(req, Fs(req).Commit(*FileOf(fi))); }

void Release(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  Fs(req).Release(std::unique_ptr<OpenFile>(FileOf(fi)));
  fuse_reply_err(req, 0);
}

void OpenDir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
  auto folder = Fs(req).OpenFolder(ino);
  if (!folder) return ReplyFault(req, folder.error());
  fi->fh = reinterpret_cast<uint64_t>(folder->release());
  if (fuse_reply_open(req, fi) != 0) delete FolderOf(fi);
}

void ReleaseDir(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  delete FolderOf(fi);
  fuse_reply_err(req, 0);
}

// Entry 0 is ".", 1 is "..", the rest are the folder's. An entry's offset is the number of the one after it.
void ReadFolder(fuse_req_t req, size_t size, off_t offset, const OpenDirectory& folder, bool plus) {
  std::vector<char> buffer(size);
  size_t used = 0;
  auto& fs = Fs(req);
  for (auto i = static_cast<size_t>(offset); i < folder.entries.size() + 2; ++i) {
    const vfs::DirectoryEntry* entry = i < 2 ? nullptr : &folder.entries[i - 2];
    const char* name = i == 0 ? "." : i == 1 ? ".." : entry->name.c_str();
    const size_t needed = plus ? fuse_add_direntry_plus(req, nullptr, 0, name, nullptr, 0)
                               : fuse_add_direntry(req, nullptr, 0, name, nullptr, 0);
    if (used + needed > size) break;
    // inode 0: the kernel takes the name and type, and looks the rest up when it wants it.
    fuse_entry_param out = {};
    out.attr.st_ino = i == 0 ? folder.inode : i == 1 ? folder.parent : FUSE_ROOT_ID + i;
    out.attr.st_mode = i < 2 || entry->kind == Kind::kDirectory ? S_IFDIR
                       : entry->kind == Kind::kFile             ? S_IFREG
                                                                : S_IFLNK;
    if (plus && entry != nullptr) {
      if (const auto attributes = fs.EntryAttributes(folder, *entry)) out = ToEntry(req, *attributes);
    }
    const auto next = static_cast<off_t>(i + 1);
    used += plus ? fuse_add_direntry_plus(req, buffer.data() + used, size - used, name, &out, next)
                 : fuse_add_direntry(req, buffer.data() + used, size - used, name, &out.attr, next);
  }
  fuse_reply_buf(req, buffer.data(), used);
}

void ReadDir(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info* fi) {
  ReadFolder(req, size, offset, *FolderOf(fi), false);
}

void ReadDirPlus(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info* fi) {
  ReadFolder(req, size, offset, *FolderOf(fi), true);
}

void FsyncDir(fuse_req_t req, fuse_ino_t, int, fuse_file_info*) {
  fuse_reply_err(req, 0);  // names are durable when the call that made them returns
}

// A bucket has no size; programs that check for room must find plenty.
void StatFs(fuse_req_t req, fuse_ino_t) {
  struct statvfs out = {};
  out.f_bsize = out.f_frsize = 1 << 20;
  out.f_blocks = out.f_bfree = out.f_bavail = uint64_t{1} << 30;  // 1 PiB
  out.f_files = out.f_ffree = out.f_favail = uint64_t{1} << 40;
  out.f_namemax = 255;
  fuse_reply_statfs(req, &out);
}

}  // namespace

const fuse_lowlevel_ops& Operations() {
  // Extended attributes are left out: the kernel then stops asking, where it would ask with every `ls -l`.
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops ops = {};
    ops.init = Init;
    ops.lookup = Lookup;
    ops.forget = Forget;
    ops.forget_multi = ForgetMulti;
    ops.getattr = GetAttr;
    ops.setattr = SetAttr;
    ops.readlink = ReadLink;
    ops.mknod = MakeNode;
    ops.mkdir = MakeDirectory;
    ops.unlink = Unlink;
    ops.rmdir = RemoveDirectory;
    ops.symlink = MakeSymlink;
    ops.rename = Rename;
    ops.link = HardLink;
    ops.open = Open;
    ops.create = Create;
    ops.read = Read;
    ops.write = Write;
    ops.flush = Flush;
    ops.fsync = Fsync;
    ops.release = Release;
    ops.opendir = OpenDir;
    ops.readdir = ReadDir;
    ops.readdirplus = ReadDirPlus;
    ops.releasedir = ReleaseDir;
    ops.fsyncdir = FsyncDir;
    ops.statfs = StatFs;
    return ops;
  }();
  return operations;
}

}  // namespace seamount::fuse
