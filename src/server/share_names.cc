#include "server/share_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/os_error.h"
#include "store/store.h"

namespace seamount::server {
namespace {

constexpr size_t kCacheBytes = 128 << 20;  // some 2 million names
constexpr size_t kWorthKeeping = 256;      // fewer names are read again as fast
// File systems' clocks tick in steps of up to 2 s (FAT); most in a few ms.
constexpr int64_t kSettledNs = 2'500'000'000;

unsigned char TypeOf(int folder, const std::string& name) {
  struct stat status {};
  if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
  return static_cast<unsigned char>(IFTODT(status.st_mode));
}

bool IsSettled(const FileIdentity& folder) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  return std::max(folder.mtime_ns, folder.ctime_ns) + kSettledNs < now_ns;
}

}  // namespace

Result<void> ForEachEntry(int fd, const std::string& what,
                          const std::function<Result<bool>(const std::string& name, unsigned char type)>& visit) {
  const int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* opened = own < 0 ? nullptr : fdopendir(own);
  if (opened == nullptr) {
    const int error = errno;
    if (own >= 0) close(own);
    return base::OsError(error, "opening the folder", what);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opened, closedir);
  while (true) {
    errno = 0;
    const dirent* entry = readdir(opened);
    if (entry == nullptr) return errno == 0 ? Result<void>() : base::OsError(errno, "reading the folder", what);
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const unsigned char type = entry->d_type == DT_UNKNOWN ? TypeOf(fd, name) : entry->d_type;
    SEAMOUNT_TRY_ASSIGN(const bool go_on, visit(name, type));
    if (!go_on) return {};
  }
}

FolderNames::Entry FolderNames::at(size_t index) const {
  const Packed& packed = entries_[index];
  return {std::string_view(text_).substr(packed.offset, packed.size), packed.is_folder, packed.is_link};
}

size_t FolderNames::LowerBound(std::string_view name) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), name, [&](const Packed& a, std::string_view b) {
    return std::string_view(text_).substr(a.offset, a.size) < b;
  });
  return static_cast<size_t>(found - entries_.begin());
}

void FolderNames::Add(std::string_view name, bool is_folder, bool is_link) {
  const size_t offset = text_.size();
  text_.append(name);
  if (is_folder) text_ += '/';
  entries_.push_back({offset, static_cast<uint32_t>(text_.size() - offset), is_folder, is_link});
  has_links_ |= is_link;
}

void FolderNames::Sort() {
  const std::string_view text = text_;
  std::sort(entries_.begin(), entries_.end(), [text](const Packed& a, const Packed& b) {
    return text.substr(a.offset, a.size) < text.substr(b.offset, b.size);
  });
  text_.shrink_to_fit();
  entries_.shrink_to_fit();
}

Result<std::shared_ptr<const FolderNames>> FolderNames::Read(const ShareFolder& share, int fd,
                                                             const std::string& prefix) {
  auto names = std::make_shared<FolderNames>();
  const auto visit = [&](const std::string& name, unsigned char type) -> Result<bool> {
    if (const auto good = store::CheckKey(name); !good) {
      share.LeaveOut(prefix + name, "that can be no object's name: " + good.error().message());
      return true;
    }
    switch (type) {
      case DT_REG: names->Add(name, false, false); break;
      case DT_DIR: names->Add(name, true, false); break;
      case DT_LNK: {
        SEAMOUNT_TRY_ASSIGN(const auto kind, share.KindOfLink(prefix + name));
        if (kind != ShareFolder::Kind::kNothing) names->Add(name, kind == ShareFolder::Kind::kFolder, true);
        break;
      }
      case DT_UNKNOWN: break;  // gone meanwhile
      default: share.LeaveOut(prefix + name, "it is no regular file");
    }
    return true;
  };
  SEAMOUNT_TRY(ForEachEntry(fd, share.bucket() + "/" + prefix, visit));
  names->Sort();
  return std::shared_ptr<const FolderNames>(std::move(names));
}

Result<std::shared_ptr<const FolderNames>> NamesCache::Get(const ShareFolder& share, int fd,
                                                           const std::string& prefix) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return base::OsError(errno, "looking at the folder", share.bucket() + "/" + prefix);
  const FileIdentity folder = IdentityOf(status);
  {
    std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.folder == folder; });
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return found->names;
    }
  }
  SEAMOUNT_TRY_ASSIGN(auto names, FolderNames::Read(share, fd, prefix));
  if (names->size() < kWorthKeeping || names->bytes() > kCacheBytes || names->has_links() || !IsSettled(folder))
    return names;
  std::lock_guard lock(mutex_);
  kept_.push_front({folder, names});
  bytes_ += names->bytes();
  for (; bytes_ > kCacheBytes; kept_.pop_back()) bytes_ -= kept_.back().names->bytes();
  return names;
}

}  // namespace seamount::server
