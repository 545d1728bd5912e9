#include "fuse/operations.h"

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <utility>
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
// Calls the file system, until the program that asked is interrupted.
template <class F>
auto Call(fuse_req_t req, F call) {
  const Interrupts::Call interruptible(*Context(req).interrupts, req);
  return call(Fs(req), interruptible.context());
}
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

mode_t TypeOf(Kind kind) {
  switch (kind) {
    case Kind::kDirectory: return S_IFDIR;
    case Kind::kFile: return S_IFREG;
    case Kind::kSymlink: return S_IFLNK;
    case Kind::kFifo: return S_IFIFO;
    case Kind::kSocket: return S_IFSOCK;
    case Kind::kBlockDevice: return S_IFBLK;
    case Kind::kCharacterDevice: return S_IFCHR;
  }
  return S_IFREG;
}

struct stat ToStat(const Attributes& attributes) {
  struct stat out = {};
  out.st_ino = attributes.inode;
  out.st_mode = TypeOf(attributes.kind) | attributes.permissions;
  out.st_nlink = attributes.links;
  out.st_rdev = makedev(attributes.device.major, attributes.device.minor);
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_size = static_cast<off_t>(attributes.size_bytes);
  out.st_blksize = 1 << 20;  // what cp and Python read at a time
  out.st_blocks = static_cast<blkcnt_t>((attributes.size_bytes + 511) / 512);
  out.st_mtim = ToTimespec(attributes.mtime);
  out.st_ctim = ToTimespec(attributes.ctime);
  out.st_atim = ToTimespec(attributes.atime);
  return out;
}

fuse_entry_param ToEntry(fuse_req_t req, const Attributes& attributes) {
  fuse_entry_param entry = {};
  entry.ino = attributes.inode;
  entry.attr = ToStat(attributes);
  entry.attr_timeout = entry.entry_timeout = Context(req).ttl_seconds;
  Context(req).forgetter->Notice();
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
  // The kernel knows who may keep the setuid and setgid bits when a file is written or given away, and clears them by
  // an ordinary setattr.
  conn->want &= ~static_cast<unsigned>(FUSE_CAP_HANDLE_KILLPRIV);
  // Not wanted, and so off: FUSE_CAP_WRITEBACK_CACHE. With it the kernel would answer write() before we saw the bytes,
  // and a full staging disk could not be told to the writer; it would also own mtime and size.
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  ReplyEntry(req, Call(req, [&](auto& fs, const auto& context) { return fs.Lookup(parent, name, context); }));
}

void Forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups) {
  Fs(req).Forget(ino, lookups);
  fuse_reply_none(req);
}

void ForgetMulti(fuse_req_t req, size_t count, fuse_forget_data* forgets) {
  for (size_t i = 0; i < count; ++i) Fs(req).Forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

void GetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  ReplyAttributes(req, Call(req, [&](auto& fs, const auto& context) { return fs.Stat(ino, context); }));
}

void SetAttr(fuse_req_t req, fuse_ino_t ino, struct stat* wanted, int to_set, fuse_file_info* fi) {
  vfs::AttributeChange change;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) change.size_bytes = static_cast<uint64_t>(wanted->st_size);
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) change.permissions = wanted->st_mode;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) change.uid = wanted->st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) change.gid = wanted->st_gid;
  const auto time = [&](int now, int set, const timespec& given) -> std::optional<base::SystemTime> {
    if ((to_set & now) != 0) return std::chrono::system_clock::now();
    if ((to_set & set) == 0) return std::nullopt;
    // What a 64-bit count of nanoseconds holds: years 1678 to 2261.
    constexpr int64_t kMost = 9'223'372'035;
    const int64_t seconds = std::clamp<int64_t>(given.tv_sec, -kMost, kMost);
    return base::SystemTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(given.tv_nsec));
  };
  change.mtime = time(FUSE_SET_ATTR_MTIME_NOW, FUSE_SET_ATTR_MTIME, wanted->st_mtim);
  change.atime = time(FUSE_SET_ATTR_ATIME_NOW, FUSE_SET_ATTR_ATIME, wanted->st_atim);
  const OpenFile* file = fi == nullptr ? nullptr : FileOf(fi);
  ReplyAttributes(req, Call(req, [&](auto& fs, const auto& context) { return fs.Change(ino, change, file, context); }));
}

void ReadLink(fuse_req_t req, fuse_ino_t ino) {
  const auto target = Fs(req).ReadLink(ino);
  if (!target) return ReplyFault(req, target.error());
  fuse_reply_readlink(req, target->c_str());
}

// Who asks, and for what mode. The kernel has applied the umask.
vfs::Ownership OwnerOf(fuse_req_t req, mode_t mode) {
  const fuse_ctx* caller = fuse_req_ctx(req);
  return {.permissions = mode & 07777, .uid = caller->uid, .gid = caller->gid};
}

void MakeDirectory(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  ReplyEntry(req, Call(req, [&](auto& fs, const auto& context) {
               return fs.MakeDirectory(parent, name, OwnerOf(req, mode), context);
             }));
}

void MakeSymlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  ReplyEntry(req, Call(req, [&](auto& fs, const auto& context) {
               return fs.MakeSymlink(parent, name, target, OwnerOf(req, 0777), context);
             }));
}

void HardLink(fuse_req_t req, fuse_ino_t, fuse_ino_t, const char*) {
  fuse_reply_err(req, EPERM);  // two names cannot be one object
}

void Unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  ReplyDone(req, Call(req, [&](auto& fs, const auto& context) { return fs.Unlink(parent, name, context); }));
}

void RemoveDirectory(fuse_req_t req, fuse_ino_t parent, const char* name) {
  ReplyDone(req, Call(req, [&](auto& fs, const auto& context) { return fs.RemoveDirectory(parent, name, context); }));
}

void Rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
            unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) {
    fuse_reply_err(req, EINVAL);  // an exchange would need two objects to change at once
    return;
  }
  ReplyDone(req, Call(req, [&](auto& fs, const auto& context) {
              return fs.Rename(parent, name, new_parent, new_name, flags == 0, context);
            }));
}

vfs::OpenOptions ToOptions(int flags) {
  const int access = flags & O_ACCMODE;
  return {.read = access != O_WRONLY,
          .write = access != O_RDONLY,
          .truncate = (flags & O_TRUNC) != 0,
          .exclusive = (flags & O_EXCL) != 0};
}

void PutFile(fuse_req_t req, fuse_ino_t ino, std::unique_ptr<OpenFile> file, fuse_file_info* fi) {
  // Cached pages belong to the inode, and its content changes behind our back only while nobody has it open.
  fi->keep_cache = file->drop_pages ? 0 : 1;
  if (file->drop_pages) fuse_lowlevel_notify_inval_inode(Context(req).session, ino, 0, 0);  // its size too
  fi->fh = reinterpret_cast<uint64_t>(file.release());
}

void Open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
  auto file =
      Call(req, [&](auto& fs, const auto& context) { return fs.OpenExisting(ino, ToOptions(fi->flags), context); });
  if (!file) return ReplyFault(req, file.error());
  auto& fs = Fs(req);
  PutFile(req, ino, *std::move(file), fi);
  if (fuse_reply_open(req, fi) != 0) fs.Release(std::unique_ptr<OpenFile>(FileOf(fi)));
}

void Create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* fi) {
  auto created = Call(req, [&](auto& fs, const auto& context) {
    return fs.Create(parent, name, OwnerOf(req, mode), ToOptions(fi->flags), context);
  });
  if (!created) return ReplyFault(req, created.error());
  auto& fs = Fs(req);
  const fuse_entry_param entry = ToEntry(req, created->attributes);
  PutFile(req, entry.ino, std::move(created->file), fi);
  if (fuse_reply_create(req, &entry, fi) != 0) {
    fs.Release(std::unique_ptr<OpenFile>(FileOf(fi)));
    fs.Forget(entry.ino, 1);
  }
}

// Pipes, sockets and devices are the kernel's own work; the bucket keeps that they exist.
std::optional<vfs::Special> ToSpecial(mode_t mode, dev_t device) {
  const vfs::Device numbers = {.major = major(device), .minor = minor(device)};
  switch (mode & S_IFMT) {
    case S_IFIFO: return vfs::Special{Kind::kFifo, {}};
    case S_IFSOCK: return vfs::Special{Kind::kSocket, {}};
    case S_IFBLK: return vfs::Special{Kind::kBlockDevice, numbers};
    case S_IFCHR: return vfs::Special{Kind::kCharacterDevice, numbers};
    default: return std::nullopt;
  }
}

void MakeNode(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  const vfs::Ownership owner = OwnerOf(req, mode);
  if (const auto special = ToSpecial(mode, device)) {
    return ReplyEntry(req, Call(req, [&](auto& fs, const auto& context) {
                        return fs.MakeSpecial(parent, name, *special, owner, context);
                      }));
  }
  auto created = Call(req, [&](auto& fs, const auto& context) {
    return fs.Create(parent, name, owner, {.write = true, .exclusive = true}, context);
  });
  if (!created) return ReplyFault(req, created.error());
  Fs(req).Release(std::move(created->file));
  ReplyEntry(req, created->attributes);
}

// From the fetched block straight to the kernel: one writev over the slices, no copy on our side.
void Read(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info* fi) {
  const auto pieces = Call(req, [&](auto& fs, const auto& context) {
    return fs.Read(*FileOf(fi), static_cast<uint64_t>(offset), size, context);
  });
  if (!pieces) return ReplyFault(req, pieces.error());
  std::vector<iovec> vector;
  vector.reserve(pieces->size());
  for (const Bytes& piece : *pieces) {
    vector.push_back({const_cast<std::byte*>(piece.data()), piece.size()});  // writev only reads
  }
  fuse_reply_iov(req, vector.data(), static_cast<int>(vector.size()));
}

void Write(fuse_req_t req, fuse_ino_t, const char* data, size_t size, off_t offset, fuse_file_info* fi) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto written = Call(req, [&](auto& fs, const auto& context) {
    return fs.Write(*FileOf(fi), static_cast<uint64_t>(offset), bytes, (fi->flags & O_APPEND) != 0, context);
  });
  if (!written) return ReplyFault(req, written.error());
  fuse_reply_write(req, size);
}

// The file is there until the request is answered: its release comes after all other requests for it.
void Commit(fuse_req_t req, const OpenFile& file) {
  if (Fs(req).Settled(file)) {
    fuse_reply_err(req, 0);
    return;
  }
  auto call = std::make_shared<Interrupts::Call>(*Context(req).interrupts, req);
  Context(req).waiters->Run([req, &file, call = std::move(call)]() mutable {
    const auto committed = Fs(req).Commit(file, call->context());
    call = nullptr;
    ReplyDone(req, committed);
  });
}

// How cp copies: nothing is read, and close has the bucket copy. There are no flags yet.
void CopyFileRange(fuse_req_t req, fuse_ino_t, off_t offset_in, fuse_file_info* in, fuse_ino_t, off_t offset_out,
                   fuse_file_info* out, size_t length, int) {
  const auto copied = Call(req, [&](auto& fs, const auto& context) {
    return fs.CopyRange(*FileOf(in), static_cast<uint64_t>(offset_in), *FileOf(out), static_cast<uint64_t>(offset_out),
                        length, context);
  });
  if (!copied) return ReplyFault(req, copied.error());
  fuse_reply_write(req, *copied);
}

// Every close of a descriptor. Who only read need not wait for another's upload.
void Flush(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  if (FileOf(fi)->options.write) return Commit(req, *FileOf(fi));
  fuse_reply_err(req, 0);
}

void Fsync(fuse_req_t req, fuse_ino_t, int, fuse_file_info* fi) { Commit(req, *FileOf(fi)); }

void Release(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  const auto release = [req, file = FileOf(fi)] {
    Fs(req).Release(std::unique_ptr<OpenFile>(file));
    fuse_reply_err(req, 0);
  };
  if (Fs(req).Settled(*FileOf(fi))) return release();
  Context(req).waiters->Run(release);
}

void OpenDir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
  auto folder = Call(req, [&](auto& fs, const auto& context) { return fs.OpenFolder(ino, context); });
  if (!folder) return ReplyFault(req, folder.error());
  fi->fh = reinterpret_cast<uint64_t>(folder->release());
  if (fuse_reply_open(req, fi) != 0) delete FolderOf(fi);
}

void ReleaseDir(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  delete FolderOf(fi);
  fuse_reply_err(req, 0);
}

// Entry 0 is ".", 1 is "..", the rest are the folder's. An entry's offset is the number of the one after it.
void ReadFolder(fuse_req_t req, size_t size, off_t offset, OpenDirectory& folder, bool plus) {
  auto& fs = Fs(req);
  if (offset > 0) folder.walked = true;
  // rewinddir, or read long after it was opened: as the folder is now.
  if (offset == 0 && (std::exchange(folder.walked, false) || !fs.IsCurrent(folder))) {
    const auto listed = Call(req, [&](auto& f, const auto& context) { return f.Rewind(folder, context); });
    if (!listed) return ReplyFault(req, listed.error());
  }
  std::vector<char> buffer(size);
  std::vector<uint64_t> looked_up;
  size_t used = 0;
  for (auto i = static_cast<size_t>(offset); i < folder.entries.size() + 2; ++i) {
    const vfs::DirectoryEntry* entry = i < 2 ? nullptr : &folder.entries[i - 2];
    const char* name = i == 0 ? "." : i == 1 ? ".." : entry->name.c_str();
    const size_t needed = plus ? fuse_add_direntry_plus(req, nullptr, 0, name, nullptr, 0)
                               : fuse_add_direntry(req, nullptr, 0, name, nullptr, 0);
    if (used + needed > size) break;
    // inode 0: the kernel takes the name and type, and looks the rest up when it wants it.
    fuse_entry_param out = {};
    out.attr.st_ino = i == 0 ? folder.inode : i == 1 ? folder.parent : FUSE_ROOT_ID + i;
    out.attr.st_mode = TypeOf(i < 2 ? Kind::kDirectory : entry->kind);
    if (plus && entry != nullptr) {
      if (const auto attributes = fs.EntryAttributes(folder, *entry)) {
        out = ToEntry(req, *attributes);
        looked_up.push_back(out.ino);
      }
    }
    const auto next = static_cast<off_t>(i + 1);
    used += plus ? fuse_add_direntry_plus(req, buffer.data() + used, size - used, name, &out, next)
                 : fuse_add_direntry(req, buffer.data() + used, size - used, name, &out.attr, next);
  }
  if (fuse_reply_buf(req, buffer.data(), used) == 0) return;
  for (const uint64_t inode : looked_up) fs.Forget(inode, 1);
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

// A bucket has no size, and programs that check for room must find plenty; but what is written waits in the staging
// folder for its upload, and when its disk is nearly full, that is the room there is.
void StatFs(fuse_req_t req, fuse_ino_t) {
  constexpr uint64_t kNearlyFull = uint64_t{1} << 30;
  struct statvfs out = {};
  out.f_bsize = out.f_frsize = 1 << 20;
  out.f_blocks = out.f_bfree = out.f_bavail = uint64_t{1} << 30;  // 1 PiB
  if (const auto room = Fs(req).StagingRoom(); room && *room < kNearlyFull) {
    out.f_bfree = out.f_bavail = *room / out.f_frsize;
  }
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
    ops.copy_file_range = CopyFileRange;
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
