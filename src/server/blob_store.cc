#include "server/blob_store.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/log.h"

namespace seamount::server {

namespace fs = std::filesystem;

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

int FileDescriptor::Release() { return std::exchange(fd_, -1); }

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
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return FromErrno("opening folder " + path, errno);
  if (::fsync(directory.get()) != 0) return FromErrno("fsync of folder " + path, errno);
  return {};
}

ContentHash::ContentHash() : md5_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(md5_, EVP_md5(), nullptr); }
ContentHash::~ContentHash() { EVP_MD_CTX_free(md5_); }
ContentHash::ContentHash(ContentHash&& other) noexcept
    : crc32c_(other.crc32c_), md5_(std::exchange(other.md5_, nullptr)) {}
ContentHash& ContentHash::operator=(ContentHash&& other) noexcept {
  crc32c_ = other.crc32c_;
  std::swap(md5_, other.md5_);
  return *this;
}

void ContentHash::Add(std::span<const std::byte> data) {
  crc32c_ = base::Crc32c(data, crc32c_);
  EVP_DigestUpdate(md5_, data.data(), data.size());
}

std::string ContentHash::FinishMd5() {
  std::array<std::byte, 16> digest{};
  EVP_DigestFinal_ex(md5_, reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return base::Base64Encode(digest);
}

BlobWriter::~BlobWriter() {
  if (file_.valid()) ::unlink(blobs_->TemporaryPath(id_).c_str());
}

Result<void> BlobWriter::Append(std::span<const std::byte> data) {
  SEAMOUNT_TRY(WriteAll(file_.get(), data, "object contents"));
  hash_.Add(data);
  size_ += data.size();
  return {};
}

Result<BlobInfo> BlobWriter::Commit() {
  if (::fsync(file_.get()) != 0) return FromErrno("fsync of object contents", errno);
  SEAMOUNT_TRY(blobs_->LinkIntoPlace(id_));
  file_ = FileDescriptor();  // the destructor has nothing to discard any more
  return BlobInfo{id_, size_, hash_.crc32c(), hash_.FinishMd5()};
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

Result<BlobWriter> BlobStore::Create() {
  std::string id = RandomId();
  FileDescriptor file(::open(TemporaryPath(id).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return FromErrno("making a file for object contents", errno);
  return BlobWriter(this, std::move(id), std::move(file));
}

Result<std::optional<FileDescriptor>> BlobStore::OpenForRead(const std::string& id) {
  FileDescriptor file(::open(BlobPath(id).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return std::optional<FileDescriptor>();
    return FromErrno("opening object contents", errno);
  }
  return std::optional<FileDescriptor>(std::move(file));
}

// On a file system without links the blob moves, and a crash before its row leaves it to be put aside.
Result<void> BlobStore::LinkIntoPlace(const std::string& id) {
  const std::string from = TemporaryPath(id);
  if (::link(from.c_str(), BlobPath(id).c_str()) != 0 && ::rename(from.c_str(), BlobPath(id).c_str()) != 0)
    return FromErrno("moving object contents into place", errno);
  return SyncDirectory(directory_ + "/blobs/" + id.substr(0, 2));
}

namespace {

// Appends all of `from` to `to` inside the kernel.
Result<void> AppendFile(int from, int to) {
  loff_t offset = 0;
  struct stat info {};
  if (::fstat(from, &info) != 0) return FromErrno("reading the size of object contents", errno);
  while (offset < info.st_size) {
    const ssize_t n = ::copy_file_range(from, &offset, to, nullptr, static_cast<size_t>(info.st_size - offset), 0);
    if (n > 0) continue;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
      return FromErrno("copying object contents", errno);
    std::vector<std::byte> buffer(1 << 20);  // file systems without copy_file_range
    const ssize_t got = ::pread(from, buffer.data(), buffer.size(), offset);
    if (got <= 0) return base::DataLoss("copying object contents: file became shorter");
    SEAMOUNT_TRY(WriteAll(to, std::span(buffer).first(static_cast<size_t>(got)), "object contents"));
    offset += got;
  }
  return {};
}

}  // namespace

Result<std::string> BlobStore::Duplicate(const std::string& id) {
  const std::string copy = RandomId();
  if (::link(BlobPath(id).c_str(), TemporaryPath(copy).c_str()) != 0) return Concatenate({id});
  SEAMOUNT_TRY(LinkIntoPlace(copy));
  return copy;
}

Result<std::string> BlobStore::Concatenate(const std::vector<std::string>& parts) {
  SEAMOUNT_TRY_ASSIGN(BlobWriter writer, Create());
  for (const std::string& part : parts) {
    SEAMOUNT_TRY_ASSIGN(auto source, OpenForRead(part));
    if (!source) return base::NotFound("a source object was deleted or replaced meanwhile");
    SEAMOUNT_TRY(AppendFile(source->get(), writer.file_.get()));
  }
  SEAMOUNT_TRY_ASSIGN(BlobInfo info, writer.Commit());
  return std::move(info.id);
}

void BlobStore::Confirm(const std::string& id) { ::unlink(TemporaryPath(id).c_str()); }

// The name in tmp/ goes last: while it is there, the next start knows that this is nobody's.
void BlobStore::Remove(const std::string& id) {
  ::unlink(BlobPath(id).c_str());
  ::unlink(TemporaryPath(id).c_str());
}

Result<FileDescriptor> BlobStore::OpenUpload(const std::string& id, bool create) {
  const int flags = O_RDWR | O_CLOEXEC | O_APPEND | (create ? O_CREAT | O_EXCL : 0);
  FileDescriptor file(::open(UploadPath(id).c_str(), flags, 0600));
  if (!file.valid()) return FromErrno("opening an upload's file", errno);
  if (create) SEAMOUNT_TRY(SyncDirectory(directory_ + "/uploads"));
  return file;
}

Result<std::string> BlobStore::UploadToBlob(const std::string& id, int fd) {
  if (::fsync(fd) != 0) return FromErrno("fsync of object contents", errno);
  const std::string blob = RandomId();
  // File systems without links: the upload ends here.
  if (::link(UploadPath(id).c_str(), TemporaryPath(blob).c_str()) != 0 &&
      ::rename(UploadPath(id).c_str(), TemporaryPath(blob).c_str()) != 0)
    return FromErrno("moving an upload's file into place", errno);
  SEAMOUNT_TRY(LinkIntoPlace(blob));
  return blob;
}

void BlobStore::RemoveUpload(const std::string& id) { ::unlink(UploadPath(id).c_str()); }

}  // namespace seamount::server
