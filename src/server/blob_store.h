// Object contents as files: blobs/aa/<id>, where id is random hex, never an object's name. A blob is written under
// tmp/, fsynced, linked into place and its directory fsynced; only then may a catalog row name it, and when the row is
// durable the name in tmp/ goes. So a row always has its bytes, and a name in tmp/ is the record that a write was not
// finished: the next start removes what a crash left there. A blob that neither a row nor a name in tmp/ knows (an
// older catalog was put back) is never removed but put aside, in quarantine/.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "server/block_sums.h"

struct evp_md_ctx_st;

namespace seamount::server {

// Checksums (by block, and of the whole) and MD5 of what passes through.
class ContentHash {
 public:
  // The MD5 costs more time than all else of a write: it is left out where nobody needs it.
  explicit ContentHash(bool with_md5 = true);
  ~ContentHash();
  ContentHash(ContentHash&& other) noexcept;
  ContentHash& operator=(ContentHash&& other) noexcept;
  void Add(std::span<const std::byte> data);
  uint32_t crc32c() const { return sums_.crc32c(); }
  const BlockSums& sums() const { return sums_; }
  // Base64, as GCS writes it; empty where it was left out. Ends the MD5: call once.
  std::string FinishMd5();

 private:
  BlockSums sums_;
  evp_md_ctx_st* md5_;  // null: left out
};

// A content up to this size is no file: the catalog keeps it, so that a small write costs one commit and nothing more.
constexpr size_t kSmallContentBytes = 32 << 10;

struct BlobInfo {
  std::string id;  // empty: no bytes, so no blob; IsSmallId: in the catalog
  uint64_t size = 0;
  uint32_t crc32c = 0;
  std::string md5;    // base64; empty for a composed content, and where it was left out
  std::string small;  // the bytes, where the catalog is to keep them
  bool is_file() const { return !id.empty() && small.empty(); }
};

class BlobStore;

struct BlobOptions {
  bool may_be_small = true;
  bool md5 = true;
};

// A blob being written. Discarded unless committed. Used by one thread at a time.
class BlobWriter {
 public:
  BlobWriter(BlobWriter&&) = default;
  ~BlobWriter();
  Result<void> Append(std::span<const std::byte> data);
  uint64_t size() const { return hash_.sums().size(); }
  // Durable when it returns, but for a small content, which only the catalog makes so.
  Result<BlobInfo> Commit();

 private:
  friend class BlobStore;
  BlobWriter(BlobStore* blobs, const BlobOptions& options)
      : blobs_(blobs), may_be_small_(options.may_be_small), hash_(options.md5) {}
  Result<void> OpenFile();
  BlobStore* blobs_;
  bool may_be_small_;
  std::string id_;
  base::Fd file_;  // once it is larger than small
  std::string small_;
  ContentHash hash_;
};

// Thread-safe.
class BlobStore {
 public:
  // Makes the folders where missing.
  static Result<std::unique_ptr<BlobStore>> Open(const std::string& directory);

  BlobWriter Create(const BlobOptions& options = {}) { return BlobWriter(this, options); }
  // nullopt: no such blob (deleted since its row was read).
  Result<std::optional<base::Fd>> OpenForRead(const std::string& id);
  // While the pin lives, Remove leaves these blobs alone: for who reads a content of several.
  using Pin = std::shared_ptr<void>;
  Pin PinAll(std::vector<std::string> ids);
  // A row names the blob now, durably: it is no unfinished write any more.
  void Confirm(const std::string& id);
  // False where it is pinned, or the file could not be removed: try again later.
  bool Remove(const std::string& id);
  // Gives up what was written and never became an object's.
  void Discard(const BlobInfo& blob) {
    if (blob.is_file()) Remove(blob.id);
  }
  // Writes all of `data`; on a full disk asks `make_room` (see SetMakeRoom) as long as that helps, and
  // tries again where files were removed meanwhile.
  Result<void> Write(int fd, std::span<const std::byte> data);
  // True when it freed some room. Set before anything is written.
  void SetMakeRoom(std::function<bool()> make_room) { make_room_ = std::move(make_room); }
  // What others may still write on this disk.
  uint64_t FreeBytes() const;
  // At a start, before anything is written. Removes unfinished writes; moves blobs that `is_live` does not know into
  // quarantine/, and those there that it knows back.
  struct Swept {
    uint64_t removed = 0;
    uint64_t put_aside = 0;
    uint64_t moved_back = 0;
  };
  Result<Swept> Sweep(const std::function<bool(const std::string&)>& is_live);
  // Out of quarantine/. False, with nothing changed, where blobs/ holds one of that name.
  Result<bool> TakeBack(const std::string& id);
  // Puts checksums behind a content that has none, while no server runs. It is copied for that, so that a crash leaves
  // the one or the other. DataLoss, with nothing changed, unless its bytes are so many and have this checksum.
  Result<void> Seal(const std::string& id, uint64_t size, uint32_t crc32c);

  // Files of resumable uploads: uploads/<id>, appended to over many requests, later moved to be a blob.
  Result<base::Fd> OpenUpload(const std::string& id, bool create);
  // Seals the upload's file, which holds what `sums` were taken of, and makes it a blob, durable; returns the blob's
  // id. The upload stays until RemoveUpload.
  Result<std::string> UploadToBlob(const std::string& id, int fd, const BlockSums& sums);
  bool RemoveUpload(const std::string& id);
  // When an upload's file was last added to, in seconds since 1970; nullopt if there is none.
  std::optional<int64_t> UploadChanged(const std::string& id) const;
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
  bool RemoveFile(const std::string& path);  // true where there is none any more
  Result<void> PutAside(const std::string& path, const std::string& id);

  std::string directory_;
  std::function<bool()> make_room_;
  std::atomic<uint64_t> removed_ = 0;  // files
  std::mutex pins_mutex_;
  std::unordered_map<std::string, int> pins_;
};

// 32 hex digits that nobody can guess.
std::string RandomId();
// Whether a file's name has the form of one that RandomId gave: no other is ever touched.
bool IsContentId(std::string_view name);
// Of a content that the catalog keeps.
inline bool IsSmallId(std::string_view id) { return id.starts_with('='); }
Result<void> WriteAll(int fd, std::span<const std::byte> data, const std::string& what);
// Of the server's own disk: ENOSPC and EDQUOT are ResourceExhausted, the rest Internal, since that a client lacks a
// right or that there is no such object (base/os_error.h) is not what it means.
Error FromErrno(const std::string& what, int error);
Result<void> SyncDirectory(const std::string& path);

}  // namespace seamount::server
