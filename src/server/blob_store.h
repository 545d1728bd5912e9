// Object contents as files: blobs/aa/<id>, where id is random hex, never an object's name. A blob is written under
// tmp/, fsynced, linked into place and its directory fsynced; only then may a catalog row name it, and when the row is
// durable the name in tmp/ goes. So a row always has its bytes, and a name in tmp/ is the record that a write was not
// finished: the next start removes what a crash left there. A blob that neither a row nor a name in tmp/ knows (an
// older catalog was put back) is never removed but put aside, in quarantine/.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct evp_md_ctx_st;

namespace seamount::server {

// An open file descriptor, closed on destruction.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release();

 private:
  int fd_ = -1;
};

// CRC32C and MD5 of what passes through.
class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(ContentHash&& other) noexcept;
  ContentHash& operator=(ContentHash&& other) noexcept;
  void Add(std::span<const std::byte> data);
  uint32_t crc32c() const { return crc32c_; }
  // Base64, as GCS writes it. Ends the MD5: call once.
  std::string FinishMd5();

 private:
  uint32_t crc32c_ = 0;
  evp_md_ctx_st* md5_;
};

struct BlobInfo {
  std::string id;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  std::string md5;  // base64; empty for a composed blob, which has none
};

class BlobStore;

// A blob being written. Discarded unless committed. Used by one thread at a time.
class BlobWriter {
 public:
  BlobWriter(BlobWriter&&) = default;
  ~BlobWriter();
  Result<void> Append(std::span<const std::byte> data);
  uint64_t size() const { return size_; }
  // Durable when it returns.
  Result<BlobInfo> Commit();

 private:
  friend class BlobStore;
  BlobWriter(BlobStore* blobs, std::string id, FileDescriptor file)
      : blobs_(blobs), id_(std::move(id)), file_(std::move(file)) {}
  BlobStore* blobs_;
  std::string id_;
  FileDescriptor file_;
  ContentHash hash_;
  uint64_t size_ = 0;
};

// Thread-safe.
class BlobStore {
 public:
  // Makes the folders where missing.
  static Result<std::unique_ptr<BlobStore>> Open(const std::string& directory);

  Result<BlobWriter> Create();
  // nullopt: no such blob (deleted since its row was read).
  Result<std::optional<FileDescriptor>> OpenForRead(const std::string& id);
  // A blob with the same bytes under a new id: a hard link, so it costs nothing; copied where links are not possible.
  Result<std::string> Duplicate(const std::string& id);
  // The bytes of all `parts` one after the other. Hashes are the caller's to combine.
  Result<std::string> Concatenate(const std::vector<std::string>& parts);
  // A row names the blob now, durably: it is no unfinished write any more.
  void Confirm(const std::string& id);
  // Best effort: what stays behind is put aside at the next start.
  void Remove(const std::string& id);
  // At a start, before anything is written. Removes unfinished writes; moves blobs that `is_live` does not know into
  // quarantine/, and those there that it knows back.
  struct Swept {
    uint64_t removed = 0;
    uint64_t put_aside = 0;
    uint64_t moved_back = 0;
  };
  Result<Swept> Sweep(const std::function<bool(const std::string&)>& is_live);

  // Files of resumable uploads: uploads/<id>, appended to over many requests, later moved to be a blob.
  Result<FileDescriptor> OpenUpload(const std::string& id, bool create);
  // Makes the upload's file a blob, durable, and returns the blob's id. The upload stays until RemoveUpload.
  Result<std::string> UploadToBlob(const std::string& id, int fd);
  void RemoveUpload(const std::string& id);
  // What the catalog says of an upload's file. One that it does not know is removed only while it is empty, as a crash
  // leaves it; else it is put aside.
  enum class Fate { kKept, kEnded, kUnknown };
  Result<Swept> SweepUploads(const std::function<Fate(const std::string&)>& fate_of);

 private:
  friend class BlobWriter;
  explicit BlobStore(std::string directory) : directory_(std::move(directory)) {}
  std::string BlobPath(const std::string& id) const;
  std::string TemporaryPath(const std::string& id) const { return directory_ + "/tmp/" + id; }
  std::string UploadPath(const std::string& id) const { return directory_ + "/uploads/" + id; }
  std::string QuarantinePath(const std::string& id) const { return directory_ + "/quarantine/" + id; }
  Result<void> LinkIntoPlace(const std::string& id);
  Result<void> PutAside(const std::string& path, const std::string& id);

  std::string directory_;
};

// 32 hex digits that nobody can guess.
std::string RandomId();
// Whether a file's name has the form of one that RandomId gave: no other is ever touched.
bool IsContentId(std::string_view name);
Result<void> WriteAll(int fd, std::span<const std::byte> data, const std::string& what);
// ENOSPC and EDQUOT are ResourceExhausted, the rest Internal.
Error FromErrno(const std::string& what, int error);
Result<void> SyncDirectory(const std::string& path);

}  // namespace seamount::server
