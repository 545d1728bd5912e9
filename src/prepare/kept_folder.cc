#include "prepare/kept_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace seamount::prepare {
namespace {

namespace fs = std::filesystem;

constexpr auto kSumsForgotten = std::chrono::hours(7 * 24);
constexpr auto kSpillsForgotten = std::chrono::hours(24);
constexpr size_t kFingerprintDigits = 32;

bool OursAlone(const std::string& folder) {
  struct stat info = {};
  return ::lstat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() &&
         (info.st_mode & 0077) == 0;
}

bool StartsWithFingerprint(const std::string& file) {
  return file.size() > kFingerprintDigits + 1 && file[kFingerprintDigits] == '-' &&
         file.find_first_not_of("0123456789abcdef") == kFingerprintDigits;
}

bool IsKeptSpill(const std::string& file) {
  return StartsWithFingerprint(file) && file.substr(kFingerprintDigits + 1) == "spill";
}

// False: another has it, or has removed it meanwhile.
bool Lock(int fd) {
  struct stat info = {};
  return ::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &info) == 0 && info.st_nlink == 1;
}

void RemoveForgotten(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string file = at->path().filename().string();
    const bool spill = IsKeptSpill(file);
    if (!spill && !IsKeptSum(file)) continue;
    const auto written = at->last_write_time(error);
    const bool old = !error && fs::file_time_type::clock::now() - written > (spill ? kSpillsForgotten : kSumsForgotten);
    if (old && spill) RemoveKeptSpill(at->path().string());
    if (old && !spill) fs::remove(at->path(), error);
    error.clear();
  }
}

}  // namespace

std::string SpillDirectory(const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  const char* temporary = std::getenv("TMPDIR");
  return temporary != nullptr && *temporary != '\0' ? temporary : "/var/tmp";
}

std::string KeptFolder(const std::string& chosen) {
  std::string folder = SpillDirectory(chosen) + "/seamount-sums-" + std::to_string(::geteuid());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return {};
  if (!OursAlone(folder)) return {};
  RemoveForgotten(folder);
  return folder;
}

bool IsKeptSum(const std::string& file) {
  return StartsWithFingerprint(file) &&
         file.find_first_not_of("0123456789", kFingerprintDigits + 1) >= std::min(file.find(".new"), file.size());
}

std::string KeptSpillPath(const std::string& folder, const std::string& fingerprint) {
  return folder + "/" + fingerprint + "-spill";
}

base::Fd OpenKeptSpill(const std::string& path) {
  base::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  return fd && Lock(fd.get()) ? std::move(fd) : base::Fd();
}

void RemoveKeptSpill(const std::string& path) {
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd && Lock(fd.get())) ::unlink(path.c_str());
}

}  // namespace seamount::prepare
