#include "store/cache/block_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <vector>

#include "base/fd.h"
#include "base/os_error.h"

namespace seamount::store {
namespace {

using base::Fd;

// What is removed at once, so that not every block written scans the directory: a tenth.
uint64_t LowWater(uint64_t limit) { return limit - limit / 10; }
// O_DIRECT takes whole pages from page boundaries.
constexpr size_t kPageBytes = 4096;
// A temporary file as old as this belongs to a process that was killed.
constexpr time_t kStaleSeconds = 600;

// Not less than its length: blocks are given to a file late, and st_blocks of a fresh one may still be nothing.
uint64_t DiskBytes(const struct stat& status) {
  return std::max(static_cast<uint64_t>(status.st_blocks) * 512, static_cast<uint64_t>(status.st_size));
}

uint64_t FileBytes(std::span<const NewPart> parts) {
  uint64_t bytes = 0;
  for (const NewPart& part : parts) bytes += PartFileBytes(part.payload.size());
  return bytes;
}

struct Block {
  std::string path;
  uint64_t bytes = 0;
  timespec used{};
};

// Calls with (path, status) for each regular file in a folder.
template <class Each>
void ForFiles(const std::string& folder, const Each& each) {
  DIR* stream = opendir(folder.c_str());
  if (stream == nullptr) return;
  while (const dirent* entry = readdir(stream)) {
    if (entry->d_name[0] == '.') continue;
    struct stat status {};
    if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) continue;
    each(folder + "/" + entry->d_name, status);
  }
  closedir(stream);
}

Result<void> MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return base::OsError(errno, "making the cache folder", path);
}

// What lies in it is read back and handed out: nobody else may put anything there, nor lead our writes elsewhere.
Result<void> CheckOwner(const std::string& path) {
  const std::string name = "cache folder '" + path + "'";
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return base::OsError(errno, "looking at the cache folder", path);
  if (S_ISLNK(status.st_mode)) {
    return base::PermissionDenied(name + ": is a symbolic link: name the folder that it leads to");
  }
  if (!S_ISDIR(status.st_mode)) return base::InvalidArgument(name + ": is no folder");
  if (status.st_uid != geteuid()) {
    return base::PermissionDenied(name + ": belongs to another user (uid " + std::to_string(status.st_uid) +
                                  "): name a folder of your own");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return base::PermissionDenied(name + ": others may write in it: run 'chmod 700 " + path + "'");
  }
  return {};
}

// What is left free on the disk: for other programs, and for the staging of writes, which mostly shares it.
uint64_t ReserveOf(uint64_t disk_bytes) { return std::min<uint64_t>(disk_bytes / 20, 1ULL << 30); }

}  // namespace

BlockImage::BlockImage()
    : data_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, kBlockHeaderBytes + kBlockBytes)), &std::free) {
  if (data_ == nullptr) throw std::bad_alloc();
}

Result<void> BlockFolder::Make() {
  for (size_t slash = directory_.find('/', 1); slash != std::string::npos; slash = directory_.find('/', slash + 1)) {
    SEAMOUNT_TRY(MakeFolder(directory_.substr(0, slash)));
  }
  SEAMOUNT_TRY(MakeFolder(directory_));
  SEAMOUNT_TRY(CheckOwner(directory_));
  SEAMOUNT_TRY(MakeFolder(directory_ + "/tmp"));
  SEAMOUNT_TRY(MakeFolder(directory_ + "/blocks"));
  if (access((directory_ + "/tmp").c_str(), W_OK) != 0) {
    return base::OsError(errno, "writing the cache folder", directory_);
  }
  return {};
}

Result<void> BlockFolder::Recount() {
  const Fd lock(open((directory_ + "/evict.lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return base::OsError(errno, "locking the cache", directory_);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return {};  // somebody else counts
  SEAMOUNT_TRY(Evict(limit_bytes_));
  return {};
}

Result<bool> BlockFolder::Replace(std::span<const NewPart> parts, Through through, BlockImage& image) {
  if (!EncodeBlockHeader(parts.front().header)) return false;  // too long a name
  SEAMOUNT_TRY_ASSIGN(const bool room, MakeRoom(FileBytes(parts)));
  if (!room) return false;
  const std::string temporary = directory_ + "/tmp/" + std::to_string(getpid()) + "-" +
                                std::to_string(reinterpret_cast<uintptr_t>(this)) + "-" + std::to_string(++counter_);
  const std::string path = PathOf(parts.front().header.id);
  const auto put = [&]() -> Result<bool> {
    const Fd fd = OpenToWrite(temporary, O_CREAT | O_TRUNC, through);
    if (!fd) return base::OsError(errno, "writing the cache", directory_);
    SEAMOUNT_TRY(WriteParts(fd.get(), 0, parts, image));
    struct stat after {};
    struct stat before {};
    if (fstat(fd.get(), &after) != 0) return base::OsError(errno, "writing the cache", directory_);
    const uint64_t replaced = stat(path.c_str(), &before) == 0 ? DiskBytes(before) : 0;
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      mkdir(path.substr(0, path.rfind('/')).c_str(), 0700);
      if (rename(temporary.c_str(), path.c_str()) != 0) return base::OsError(errno, "writing the cache", directory_);
    }
    AddUsage(static_cast<int64_t>(DiskBytes(after)) - static_cast<int64_t>(replaced));
    return true;
  };
  auto placed = put();
  if (!placed) unlink(temporary.c_str());
  return placed;
}

Result<bool> BlockFolder::Append(const StoredBlock& block, std::span<const NewPart> parts, Through through,
                                 BlockImage& image) {
  SEAMOUNT_TRY_ASSIGN(const bool room, MakeRoom(FileBytes(parts)));
  if (!room) return false;
  const Fd fd = OpenToWrite(block.path(), 0, through);
  if (!fd || flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  struct stat known {};
  struct stat now {};
  if (!block.Current(known) || fstat(fd.get(), &now) != 0 || known.st_ino != now.st_ino || known.st_dev != now.st_dev) {
    return false;
  }
  auto end = WriteParts(fd.get(), block.append_at(), parts, image);
  if (!end) {
    // What is there of it would end the file for all that could be appended later.
    if (ftruncate(fd.get(), known.st_size) != 0) unlink(block.path().c_str());
    return std::move(end).error();
  }
  AddUsage(static_cast<int64_t>(*end) - static_cast<int64_t>(known.st_size));
  return true;
}

Fd BlockFolder::OpenToWrite(const std::string& path, int flags, Through through) {
  flags |= O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
  if (direct_ && through == Through::kNothing) {
    Fd fd(open(path.c_str(), flags | O_DIRECT, 0600));
    if (fd || errno != EINVAL) return fd;
    direct_ = false;
  }
  return Fd(open(path.c_str(), flags, 0600));
}

Result<uint64_t> BlockFolder::WriteParts(int fd, uint64_t at, std::span<const NewPart> parts, BlockImage& image) {
  for (const NewPart& part : parts) {
    BlockHeader header = part.header;
    ChecksumPayload(part.payload, header);
    const auto encoded = EncodeBlockHeader(header);
    if (!encoded) return base::Internal("writing the cache: a header that does not fit");
    std::memcpy(image.data(), encoded->data(), kBlockHeaderBytes);
    std::byte* end = std::copy(part.payload.begin(), part.payload.end(), image.data() + kBlockHeaderBytes);
    const uint64_t length = PartFileBytes(part.payload.size());
    std::fill(end, image.data() + length, std::byte{});
    ssize_t written = pwrite(fd, image.data(), length, static_cast<off_t>(at));
    if (written < 0 && errno == EINVAL && (fcntl(fd, F_GETFL) & O_DIRECT) != 0 && fcntl(fd, F_SETFL, 0) == 0) {
      direct_ = false;
      written = pwrite(fd, image.data(), length, static_cast<off_t>(at));
    }
    // A short write is a full disk: the rest would fail.
    if (written != static_cast<ssize_t>(length)) {
      return base::OsError(written < 0 ? errno : ENOSPC, "writing the cache", directory_);
    }
    at += length;
  }
  return at;
}

Result<bool> BlockFolder::MakeRoom(uint64_t bytes) {
  // What the disk lacks, the cache gives back, however much it would be allowed.
  const uint64_t used = AddUsage(0);
  const uint64_t lacking = LackingOnDisk();
  if (lacking > used) return false;
  const uint64_t limit = std::min(limit_bytes_, lacking == 0 ? UINT64_MAX : used - lacking);
  if (bytes > LowWater(limit)) return false;
  if (used + bytes <= limit) return true;
  const Fd lock(open((directory_ + "/evict.lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return base::OsError(errno, "locking the cache", directory_);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return false;
  SEAMOUNT_TRY_ASSIGN(const uint64_t left, Evict(LowWater(limit) - bytes));
  return left + bytes <= limit;
}

// How much less is free on the disk than should be.
uint64_t BlockFolder::LackingOnDisk() const {
  struct statvfs disk {};
  if (statvfs(directory_.c_str(), &disk) != 0) return 0;
  const uint64_t reserve = reserve_bytes_.value_or(ReserveOf(static_cast<uint64_t>(disk.f_blocks) * disk.f_frsize));
  const uint64_t free = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  return reserve - std::min(reserve, free);
}

Result<uint64_t> BlockFolder::Evict(uint64_t target_bytes) {
  // Others write while the folder is read. Their blocks are added to what was counted before, so that none is missed;
  // one that was seen as well counts twice until the next time.
  const uint64_t counted = AddUsage(0);
  std::vector<Block> blocks;
  uint64_t total = 0;
  for (int i = 0; i < 256; ++i) {
    std::array<char, 3> name;
    std::snprintf(name.data(), name.size(), "%02x", i);
    ForFiles(directory_ + "/blocks/" + name.data(), [&](std::string path, const struct stat& status) {
      const uint64_t bytes = DiskBytes(status);
      blocks.push_back({std::move(path), bytes, status.st_mtim});
      total += bytes;
    });
  }
  ForFiles(directory_ + "/tmp", [&](const std::string& path, const struct stat& status) {
    if (time(nullptr) - status.st_mtim.tv_sec > kStaleSeconds) unlink(path.c_str());
  });
  if (total > target_bytes) {
    std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) {
      return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec : a.used.tv_nsec < b.used.tv_nsec;
    });
    for (const Block& block : blocks) {
      if (total <= target_bytes) break;
      if (unlink(block.path.c_str()) != 0 && errno != ENOENT) {
        return base::OsError(errno, "evicting from the cache", directory_);
      }
      total -= block.bytes;
      ++evicted_;
    }
  }
  return std::max(total, AddUsage(static_cast<int64_t>(total) - static_cast<int64_t>(counted)));
}

uint64_t BlockFolder::AddUsage(int64_t bytes) {
  // The lock of this file is held for three system calls. Without the file nothing is counted, and the next scan that
  // an eviction makes sets it right.
  const Fd fd(open((directory_ + "/usage").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd || flock(fd.get(), LOCK_EX) != 0) return 0;
  int64_t usage = 0;
  if (pread(fd.get(), &usage, sizeof usage, 0) != sizeof usage || usage < 0) usage = 0;
  usage = std::max<int64_t>(0, usage + bytes);
  if (bytes != 0 && pwrite(fd.get(), &usage, sizeof usage, 0) != sizeof usage) unlink((directory_ + "/usage").c_str());
  return static_cast<uint64_t>(usage);
}

}  // namespace seamount::store
