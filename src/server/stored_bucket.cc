#include "server/stored_bucket.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/checksum.h"
#include "server/block_sums.h"

namespace seamount::server {

using net::ServerResponse;

Result<void> ReadAll(const Content& content, const std::function<Result<void>(std::span<const std::byte>)>& take) {
  if (!content.next) return content.small.size() == 0 ? Result<void>() : take(content.small.span());
  Buffer buffer(1 << 20);
  for (uint64_t at = 0; at < content.size;) {
    SEAMOUNT_TRY_ASSIGN(auto part, content.next(at, content.size));
    at += part.length;
    if (!part.bytes.empty()) {
      SEAMOUNT_TRY(take(part.bytes.span()));
      continue;
    }
    while (part.length > 0) {
      const auto into = buffer.span().first(std::min<uint64_t>(buffer.size(), part.length));
      const ssize_t got = ::pread(part.fd, into.data(), into.size(), static_cast<off_t>(part.offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return base::DataLoss("a content's file became shorter while it was read");
      SEAMOUNT_TRY(take(into.first(static_cast<size_t>(got))));
      part.offset += static_cast<uint64_t>(got);
      part.length -= static_cast<uint64_t>(got);
    }
  }
  return {};
}

namespace {

// So much is checked at a time, before it is sent: what waits for it is short, and the processor's caches hold it.
constexpr uint64_t kWindowBytes = 1 << 20;

// Several blobs as one content: opened one at a time, when its turn comes.
class ExtentReader {
 public:
  ExtentReader(BlobStore& blobs, const std::vector<Extent>& extents, std::string what)
      : blobs_(blobs), extents_(extents), what_(std::move(what)) {
    std::vector<std::string> ids;
    uint64_t end = 0;
    for (const Extent& extent : extents_) {
      ids.push_back(extent.blob);
      ends_.push_back(end += extent.size);
    }
    if (extents_.size() > 1) pin_ = blobs_.PinAll(std::move(ids));
  }

  // False where the blob of the extent is gone.
  Result<bool> OpenExtent(size_t index) {
    if (file_ && index_ == index) return true;
    file_.reset();
    SEAMOUNT_TRY_ASSIGN(auto descriptor, blobs_.OpenForRead(extents_[index].blob));
    if (!descriptor) return false;
    descriptor_ = std::move(*descriptor);
    SEAMOUNT_TRY_ASSIGN(file_, SealedFile::Open(descriptor_.get(), extents_[index].size, what_));
    index_ = index;
    checked_begin_ = checked_end_ = 0;
    return true;
  }

  Result<ServerResponse::FilePart> Next(uint64_t begin, uint64_t end) {
    const auto at = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
    SEAMOUNT_TRY_ASSIGN(const bool there, OpenExtent(at));
    if (!there) return base::DataLoss(what_ + ": a part of its content is missing on the server's disk");
    const uint64_t start = ends_[at] - extents_[at].size;
    const uint64_t first = begin - start;
    const uint64_t until = std::min({end - start, extents_[at].size, first + kWindowBytes});
    if (first < checked_begin_ || until > checked_end_) {
      SEAMOUNT_TRY(file_->Check(first, until));
      checked_begin_ = first;
      checked_end_ = until;
    }
    return ServerResponse::FilePart{descriptor_.get(), first, until - first};
  }

 private:
  BlobStore& blobs_;
  const std::vector<Extent> extents_;
  const std::string what_;
  std::vector<uint64_t> ends_;
  BlobStore::Pin pin_;
  size_t index_ = 0;
  base::Fd descriptor_;
  std::optional<SealedFile> file_;
  uint64_t checked_begin_ = 0;
  uint64_t checked_end_ = 0;
};

}  // namespace

Result<std::optional<Content>> StoredBucket::OpenExtents(const std::vector<Extent>& extents, uint64_t size,
                                                         const std::string& what) {
  Content content{size, {}, {}};
  if (extents.empty()) return std::optional(std::move(content));
  if (IsSmallId(extents.front().blob)) {
    SEAMOUNT_TRY_ASSIGN(const auto small, catalog_.ReadSmall(extents.front().blob));
    if (!small) return std::optional<Content>();
    if (small->size() != size) return base::DataLoss(what + ": its content in the catalog has another length");
    content.small = Bytes::Copy(*small);
    return std::optional(std::move(content));
  }
  const auto reader = std::make_shared<ExtentReader>(blobs_, extents, what);
  SEAMOUNT_TRY_ASSIGN(const bool there, reader->OpenExtent(0));
  if (!there) return std::optional<Content>();
  content.next = [reader](uint64_t begin, uint64_t end) { return reader->Next(begin, end); };
  return std::optional(std::move(content));
}

Result<std::optional<Content>> StoredBucket::Open(const ObjectRow& row) {
  SEAMOUNT_TRY_ASSIGN(auto content, OpenExtents(row.content, row.size, NameOf(row)));
  if (!content) return std::optional<Content>();
  if (!content->next) {
    if (row.crc32c && base::Crc32c(content->small.span()) != *row.crc32c)
      return base::DataLoss(NameOf(row) + ": its content in the catalog is damaged");
    return content;
  }
  // Pinned too late, where it was replaced since the row was read: its blobs may be going already.
  if (row.content.size() > 1) {
    SEAMOUNT_TRY_ASSIGN(const auto now, Find(row.name));
    if (!now || now->generation != row.generation) return std::optional<Content>();
  }
  return content;
}

// A commit that failed in the file system may yet be found in the journal by the next start: its blobs stay until then,
// with their names in tmp/, and go if the row is not there.
void StoredBucket::Settle(const std::vector<std::string>& written, const Stored& stored) {
  if (stored && *stored) {
    for (const std::string& id : written) blobs_.Confirm(id);
    return;
  }
  const ErrorCode code = stored ? ErrorCode::kNotFound : stored.error().code();
  const bool maybe_committed =
      code == ErrorCode::kInternal || code == ErrorCode::kUnavailable || code == ErrorCode::kDataLoss;
  if (maybe_committed) return;
  for (const std::string& id : written) blobs_.Remove(id);
}

Result<std::shared_ptr<const ObjectRow>> StoredBucket::Put(ObjectRow row, const BlobInfo& content, PutOptions options) {
  row.size = content.size;
  row.crc32c = content.crc32c;
  row.md5 = content.md5;
  row.content.clear();
  if (!content.id.empty()) row.content.push_back({content.id, content.size});
  options.small = content.small;
  auto stored = catalog_.PutObject(*bucket_, std::move(row), options);
  if (content.is_file()) Settle({content.id}, stored);
  return stored;
}

// Into one blob. `is_all`: of the whole content, so that it may be a small one.
Result<bool> StoredBucket::JoinRun(std::span<const Extent> run, bool is_all, const std::string& what, Joined& joined) {
  BlobWriter writer = blobs_.Create({.may_be_small = is_all, .md5 = false});
  for (const Extent& extent : run) {
    SEAMOUNT_TRY_ASSIGN(const auto content, OpenExtents({extent}, extent.size, what));
    if (!content) return false;
    SEAMOUNT_TRY(ReadAll(*content, [&](std::span<const std::byte> data) { return writer.Append(data); }));
  }
  SEAMOUNT_TRY_ASSIGN(BlobInfo info, writer.Commit());
  if (info.id.empty()) return true;
  joined.content.push_back({info.id, info.size});
  if (info.is_file()) joined.written.push_back(std::move(info.id));
  joined.small = std::move(info.small);
  return true;
}

Result<bool> StoredBucket::Join(const std::vector<Extent>& extents, const std::string& what, Joined& joined) {
  for (size_t begin = 0, end = 0; begin < extents.size(); begin = end) {
    uint64_t run = 0;
    while (end < extents.size() && extents[end].size < kMergeBytes && run < kMergeBytes) run += extents[end++].size;
    if (end <= begin + 1 && (extents.size() == 1 || !IsSmallId(extents[begin].blob))) {
      end = begin + 1;
      // It must be there, and whole as far as a look at its seal tells.
      SEAMOUNT_TRY_ASSIGN(const auto content, OpenExtents({extents[begin]}, extents[begin].size, what));
      if (!content) return false;
      joined.content.push_back(extents[begin]);
      continue;
    }
    SEAMOUNT_TRY_ASSIGN(const bool there, JoinRun(std::span(extents).subspan(begin, end - begin),
                                                  begin == 0 && end == extents.size(), what, joined));
    if (!there) return false;
  }
  return true;
}

StoredBucket::Stored StoredBucket::JoinAndPut(ObjectRow row, const std::vector<Extent>& extents, PutOptions options,
                                              const std::string& what) {
  Joined joined;
  const auto whole = Join(extents, what, joined);
  Stored stored = std::shared_ptr<const ObjectRow>();
  if (!whole) {
    stored = whole.error();
  } else if (*whole) {
    row.content = std::move(joined.content);
    options.small = std::move(joined.small);
    stored = catalog_.PutObject(*bucket_, std::move(row), options);
  }
  // What was not even tried to be committed is nobody's.
  if (whole) {
    Settle(joined.written, stored);
  } else {
    for (const std::string& id : joined.written) blobs_.Remove(id);
  }
  return stored;
}

Result<std::shared_ptr<const ObjectRow>> StoredBucket::Compose(ObjectRow row, const std::vector<SourceObject>& sources,
                                                               PutOptions options) {
  std::vector<Extent> extents;
  row.size = 0;
  uint32_t crc32c = 0;
  for (const SourceObject& source : sources) {
    extents.insert(extents.end(), source.row->content.begin(), source.row->content.end());
    crc32c = base::Crc32cCombine(crc32c, source.row->crc32c.value_or(0), source.row->size);
    row.size += source.row->size;
    options.sources.push_back({source.bucket->id, source.row->name, source.row->generation});
  }
  row.crc32c = crc32c;
  row.md5 = sources.size() == 1 ? sources.front().row->md5 : "";
  const std::string what = "composing " + NameOf(row);
  return JoinAndPut(std::move(row), extents, std::move(options), what);
}

Result<std::shared_ptr<const ObjectRow>> StoredBucket::PutParts(ObjectRow row, const std::vector<PartRow>& parts,
                                                                PutOptions options) {
  std::vector<Extent> extents;
  row.size = 0;
  uint32_t crc32c = 0;
  for (const PartRow& part : parts) {
    if (part.size > 0) extents.push_back({part.blob, part.size});
    crc32c = base::Crc32cCombine(crc32c, part.crc32c, part.size);
    row.size += part.size;
  }
  row.crc32c = crc32c;
  row.md5.clear();
  const std::string what = "the parts of " + NameOf(row);
  return JoinAndPut(std::move(row), extents, std::move(options), what);
}

}  // namespace seamount::server
