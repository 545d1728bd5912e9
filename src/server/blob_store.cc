#include "server/blob_store.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/encoding.h"

namespace seamount::server {

namespace fs = std::filesystem;

Error FromErrno(const std::string& what, int error) {
  std::string message = what + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT)
    return base::ResourceExhausted(message + " (free space on the server's disk)");
  return base::Internal(std::move(message));
}

std::string RandomId() {
  std::array<std::byte, 16> bytes;
  // RAND_bytes fails only when the kernel has no randomness to give, which ends OpenSSL's use for keys too.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size()) != 1) std::abort();
  return base::HexEncode(bytes);
}

bool IsContentId(std::string_view name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<void> WriteAll(int fd, std::span<const std::byte> data, const std::string& what) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return FromErrno("writing " + what, errno);
    }
    data = data.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<void> SyncDirectory(const std::string& path) {
  base::Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return FromErrno("opening folder " + path, errno);
  if (::fsync(directory.get()) != 0) return FromErrno("fsync of folder " + path, errno);
  return {};
}

ContentHash::ContentHash(bool with_md5) : md5_(with_md5 ? EVP_MD_CTX_new() : nullptr) {
  if (md5_ != nullptr) EVP_DigestInit_ex(md5_, EVP_md5(), nullptr);
}
ContentHash::~ContentHash() { EVP_MD_CTX_free(md5_); }
ContentHash::ContentHash(ContentHash&& other) noexcept
    : sums_(std::move(other.sums_)), md5_(std::exchange(other.md5_, nullptr)) {}
ContentHash& ContentHash::operator=(ContentHash&& other) noexcept {
  sums_ = std::move(other.sums_);
  std::swap(md5_, other.md5_);
  return *this;
}

void ContentHash::Add(std::span<const std::byte> data) {
  sums_.Add(data);
  if (md5_ != nullptr) EVP_DigestUpdate(md5_, data.data(), data.size());
}

std::string ContentHash::FinishMd5() {
  if (md5_ == nullptr) return "";
  std::array<std::byte, 16> digest{};
  EVP_DigestFinal_ex(md5_, reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return base::Base64Encode(digest);
}

BlobWriter::~BlobWriter() {
  if (file_) ::unlink(blobs_->TemporaryPath(id_).c_str());
}

Result<void> BlobWriter::OpenFile() {
  id_ = RandomId();
  file_ = base::Fd(::open(blobs_->TemporaryPath(id_).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file_) return FromErrno("making a file for object contents", errno);
  SEAMOUNT_TRY(blobs_->Write(file_.get(), base::AsBytes(small_)));
  small_ = {};
  return {};
}

Result<void> BlobWriter::Append(std::span<const std::byte> data) {
  hash_.Add(data);
  if (!file_) {
    if (may_be_small_ && small_.size() + data.size() <= kSmallContentBytes) {
      small_.append(reinterpret_cast<const char*>(data.data()), data.size());
      return {};
    }
    SEAMOUNT_TRY(OpenFile());
  }
  return blobs_->Write(file_.get(), data);
}

Result<BlobInfo> BlobWriter::Commit() {
  BlobInfo info{{}, size(), hash_.crc32c(), hash_.FinishMd5(), {}};
  if (info.size == 0) return info;
  if (!file_) {
    info.id = "=" + RandomId();
    info.small = std::move(small_);
    return info;
  }
  SEAMOUNT_TRY(blobs_->Write(file_.get(), hash_.sums().Seal()));
  if (::fsync(file_.get()) != 0) return FromErrno("fsync of object contents", errno);
  SEAMOUNT_TRY(blobs_->LinkIntoPlace(id_));
  file_.Close();  // the destructor has nothing to discard any more
  info.id = std::move(id_);
  return info;
}

// All made at once, so that no later write has to make one durable.
static Result<void> MakeBlobFolders(const std::string& blobs) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (char high : kHex) {
    for (char low : kHex) {
      const std::string folder = blobs + "/" + high + low;
      if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return FromErrno("making folder " + folder, errno);
    }
  }
  return SyncDirectory(blobs);
}

Result<std::unique_ptr<BlobStore>> BlobStore::Open(const std::string& directory) {
  for (const char* name : {"/blobs", "/quarantine", "/tmp", "/uploads"}) {
    std::error_code error;
    fs::create_directories(directory + name, error);
    if (error) return FromErrno("making folder " + directory + name, error.value());
    if (::chmod((directory + name).c_str(), 0700) != 0)
      return FromErrno("changing the mode of folder " + directory + name, errno);
  }
  SEAMOUNT_TRY(MakeBlobFolders(directory + "/blobs"));
  SEAMOUNT_TRY(SyncDirectory(directory));
  return std::unique_ptr<BlobStore>(new BlobStore(directory));
}

std::string BlobStore::BlobPath(const std::string& id) const {
  return directory_ + "/blobs/" + id.substr(0, 2) + "/" + id;
}

Result<std::optional<base::Fd>> BlobStore::OpenForRead(const std::string& id) {
  base::Fd file(::open(BlobPath(id).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return std::optional<base::Fd>();
    return FromErrno("opening object contents", errno);
  }
  return std::optional<base::Fd>(std::move(file));
}

// On a file system without links the blob moves, and a crash before its row leaves it to be put aside.
Result<void> BlobStore::LinkIntoPlace(const std::string& id) {
  const std::string from = TemporaryPath(id);
  if (::link(from.c_str(), BlobPath(id).c_str()) != 0 && ::rename(from.c_str(), BlobPath(id).c_str()) != 0)
    return FromErrno("moving object contents into place", errno);
  return SyncDirectory(directory_ + "/blobs/" + id.substr(0, 2));
}

BlobStore::Pin BlobStore::PinAll(std::vector<std::string> ids) {
  {
    std::lock_guard lock(pins_mutex_);
    for (const std::string& id : ids) ++pins_[id];
  }
  return Pin(nullptr, [this, ids = std::move(ids)](void*) {
    std::lock_guard lock(pins_mutex_);
    for (const std::string& id : ids)
      if (const auto found = pins_.find(id); --found->second == 0) pins_.erase(found);
  });
}

uint64_t BlobStore::FreeBytes() const {
  struct statvfs info {};
  if (::statvfs(directory_.c_str(), &info) != 0) return UINT64_MAX;  // unknown: a write will tell
  return uint64_t{info.f_bavail} * info.f_frsize;
}

Result<void> BlobStore::Write(int fd, std::span<const std::byte> data) {
  while (!data.empty()) {
    const uint64_t removed = removed_;
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n >= 0) {
      data = data.subspan(static_cast<size_t>(n));
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    // Who removes files in the background may have made the room that is asked for, and left none to be made.
    const bool full = error == ENOSPC || error == EDQUOT;
    if (full && ((make_room_ && make_room_()) || removed_ != removed)) continue;
    return FromErrno("writing object contents", error);
  }
  return {};
}

void BlobStore::Confirm(const std::string& id) { ::unlink(TemporaryPath(id).c_str()); }

// The name in tmp/ goes last: while it is there, the next start knows that this is nobody's.
bool BlobStore::Remove(const std::string& id) {
  {
    std::lock_guard lock(pins_mutex_);
    if (pins_.contains(id)) return false;
  }
  return RemoveFile(BlobPath(id)) && RemoveFile(TemporaryPath(id));
}

Result<base::Fd> BlobStore::OpenUpload(const std::string& id, bool create) {
  const int flags = O_RDWR | O_CLOEXEC | O_APPEND | (create ? O_CREAT | O_EXCL : 0);
  base::Fd file(::open(UploadPath(id).c_str(), flags, 0600));
  if (!file) return FromErrno("opening an upload's file", errno);
  if (create) SEAMOUNT_TRY(SyncDirectory(directory_ + "/uploads"));
  return file;
}

Result<std::string> BlobStore::UploadToBlob(const std::string& id, int fd, const BlockSums& sums) {
  if (::ftruncate(fd, static_cast<off_t>(sums.size())) != 0) return FromErrno("truncating an upload's file", errno);
  SEAMOUNT_TRY(Write(fd, sums.Seal()));
  if (::fsync(fd) != 0) return FromErrno("fsync of object contents", errno);
  const std::string blob = RandomId();
  // File systems without links: the upload ends here.
  if (::link(UploadPath(id).c_str(), TemporaryPath(blob).c_str()) != 0 &&
      ::rename(UploadPath(id).c_str(), TemporaryPath(blob).c_str()) != 0)
    return FromErrno("moving an upload's file into place", errno);
  SEAMOUNT_TRY(LinkIntoPlace(blob));
  return blob;
}

Result<void> BlobStore::Seal(const std::string& id, uint64_t size, uint32_t crc32c) {
  const std::string path = BlobPath(id);
  const base::Fd from(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) return FromErrno("opening " + path, errno);
  // Not under the content's own name, which may be in tmp/ already, as another name of the same file.
  const std::string copy = TemporaryPath(RandomId());
  const base::Fd to(::open(copy.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!to) return FromErrno("making " + copy, errno);
  const auto replace = [&]() -> Result<void> {
    BlockSums sums;
    SEAMOUNT_TRY(ReadThrough(from.get(), path, [&](std::span<const std::byte> data) {
      sums.Add(data);
      return Write(to.get(), data);
    }));
    if (sums.size() != size || sums.crc32c() != crc32c)
      return base::DataLoss(path + ": its bytes are others than a moment ago");
    SEAMOUNT_TRY(Write(to.get(), sums.Seal()));
    if (::fsync(to.get()) != 0) return FromErrno("fsync of " + copy, errno);
    if (::rename(copy.c_str(), path.c_str()) != 0) return FromErrno("moving " + copy + " to " + path, errno);
    return {};
  };
  if (auto replaced = replace(); !replaced) {
    ::unlink(copy.c_str());
    return replaced;
  }
  return SyncDirectory(directory_ + "/blobs/" + id.substr(0, 2));
}

std::optional<int64_t> BlobStore::UploadChanged(const std::string& id) const {
  struct stat info {};
  if (::stat(UploadPath(id).c_str(), &info) != 0) return std::nullopt;
  return info.st_mtim.tv_sec;
}

bool BlobStore::RemoveUpload(const std::string& id) { return RemoveFile(UploadPath(id)); }

bool BlobStore::RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return errno == ENOENT;
  ++removed_;
  return true;
}

}  // namespace seamount::server
