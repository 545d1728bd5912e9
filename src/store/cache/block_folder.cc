#include "store/cache/block_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <vector>

#include "store/file/file_folder.h"

namespace seamount::store {
namespace {

// What is removed at once, so that not every block written scans the directory: a tenth.
uint64_t LowWater(uint64_t limit) { return limit - limit / 10; }
// A temporary file as old as this belongs to a process that was killed.
constexpr time_t kStaleSeconds = 600;

uint64_t DiskBytes(const struct stat& status) { return static_cast<uint64_t>(status.st_blocks) * 512; }

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
  return ErrnoError(errno, "making the cache folder", path);
}

}  // namespace

Result<void> BlockFolder::Make() {
  for (size_t slash = directory_.find('/', 1); slash != std::string::npos; slash = directory_.find('/', slash + 1)) {
    SEAMOUNT_TRY(MakeFolder(directory_.substr(0, slash)));
  }
  SEAMOUNT_TRY(MakeFolder(directory_));
  SEAMOUNT_TRY(MakeFolder(directory_ + "/tmp"));
  SEAMOUNT_TRY(MakeFolder(directory_ + "/blocks"));
  if (access((directory_ + "/tmp").c_str(), W_OK) != 0) {
    return ErrnoError(errno, "writing the cache folder", directory_);
  }
  return {};
}

Result<bool> BlockFolder::Write(const BlockHeader& header, std::span<const std::byte> payload) {
  const auto encoded = EncodeBlockHeader(header);
  if (!encoded) return true;
  SEAMOUNT_TRY_ASSIGN(const bool room, MakeRoom(kBlockHeaderBytes + payload.size()));
  if (!room) return false;
  const std::string temporary = directory_ + "/tmp/" + std::to_string(getpid()) + "-" +
                                std::to_string(reinterpret_cast<uintptr_t>(this)) + "-" + std::to_string(++counter_);
  const Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return ErrnoError(errno, "writing the cache", directory_);
  const std::array<iovec, 2> parts = {iovec{const_cast<std::byte*>(encoded->data()), encoded->size()},
                                      iovec{const_cast<std::byte*>(payload.data()), payload.size()}};
  // A short write is a full disk: the rest would fail.
  const ssize_t written = writev(fd.get(), parts.data(), static_cast<int>(parts.size()));
  struct stat status {};
  if (written != static_cast<ssize_t>(encoded->size() + payload.size()) || fstat(fd.get(), &status) != 0) {
    const int error = written < 0 ? errno : ENOSPC;
    unlink(temporary.c_str());
    return ErrnoError(error, "writing the cache", directory_);
  }
  const std::string path = PathOf(header.id);
  struct stat before {};
  const uint64_t replaced = stat(path.c_str(), &before) == 0 ? DiskBytes(before) : 0;
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    mkdir(path.substr(0, path.rfind('/')).c_str(), 0700);
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      const int error = errno;
      unlink(temporary.c_str());
      return ErrnoError(error, "writing the cache", directory_);
    }
  }
  // Counted by length: blocks are given to a file late, and st_blocks of a fresh one may still be nothing.
  AddUsage(static_cast<int64_t>(std::max<uint64_t>(DiskBytes(status), static_cast<uint64_t>(written))) -
           static_cast<int64_t>(replaced));
  return true;
}

Result<bool> BlockFolder::MakeRoom(uint64_t bytes) {
  if (bytes > LowWater(limit_bytes_)) return false;
  if (AddUsage(0) + bytes <= limit_bytes_) return true;
  const Fd lock(open((directory_ + "/evict.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return ErrnoError(errno, "locking the cache", directory_);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return false;
  SEAMOUNT_TRY_ASSIGN(const uint64_t left, Evict(LowWater(limit_bytes_) - bytes));
  return left + bytes <= limit_bytes_;
}

Result<uint64_t> BlockFolder::Evict(uint64_t target_bytes) {
  std::vector<Block> blocks;
  uint64_t total = 0;
  for (int i = 0; i < 256; ++i) {
    std::array<char, 3> name;
    std::snprintf(name.data(), name.size(), "%02x", i);
    ForFiles(directory_ + "/blocks/" + name.data(), [&](std::string path, const struct stat& status) {
      const uint64_t bytes = std::max(DiskBytes(status), static_cast<uint64_t>(status.st_size));
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
        return ErrnoError(errno, "evicting from the cache", directory_);
      }
      total -= block.bytes;
      ++evicted_;
    }
  }
  SetUsage(total);
  return total;
}

uint64_t BlockFolder::AddUsage(int64_t bytes) {
  // The lock of this file is held for three system calls. Without the file nothing is counted, and the next scan that
  // an eviction makes sets it right.
  const Fd fd(open((directory_ + "/usage").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd || flock(fd.get(), LOCK_EX) != 0) return 0;
  int64_t usage = 0;
  if (pread(fd.get(), &usage, sizeof usage, 0) != sizeof usage || usage < 0) usage = 0;
  usage = std::max<int64_t>(0, usage + bytes);
  if (bytes != 0 && pwrite(fd.get(), &usage, sizeof usage, 0) != sizeof usage) unlink((directory_ + "/usage").c_str());
  return static_cast<uint64_t>(usage);
}

void BlockFolder::SetUsage(uint64_t bytes) {
  const Fd fd(open((directory_ + "/usage").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd || flock(fd.get(), LOCK_EX) != 0) return;
  const auto usage = static_cast<int64_t>(bytes);
  if (pwrite(fd.get(), &usage, sizeof usage, 0) != sizeof usage) unlink((directory_ + "/usage").c_str());
}

}  // namespace seamount::store
