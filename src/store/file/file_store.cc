#include "store/file/file_store.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/checksum.h"
#include "base/os_error.h"
#include "store/file/file_folder.h"
#include "store/file/file_listing.h"
#include "store/file/file_names.h"

namespace seamount::store {
namespace {

// Part of an object held in memory while it is written.
constexpr size_t kPartBytes = 1 << 20;
// How often a write makes its folders anew because others keep removing them, before it gives up.
constexpr int kMaxPlacings = 1000;

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Several files, one after the other.
class FilesSource final : public ByteSource {
 public:
  explicit FilesSource(const std::vector<OpenedFile>& files) : files_(files) {
    for (const OpenedFile& file : files_) size_ += static_cast<uint64_t>(file.status.st_size);
  }
  uint64_t size() const override { return size_; }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    for (const OpenedFile& file : files_) {
      const auto size = static_cast<uint64_t>(file.status.st_size);
      if (offset < size && !into.empty()) {
        const auto piece = into.first(std::min<uint64_t>(into.size(), size - offset));
        SEAMOUNT_TRY(FileSource(file.fd.get(), 0, size).ReadAt(offset, piece));
        into = into.subspan(piece.size());
        offset = size;
      }
      offset -= size;
    }
    return into.empty() ? Result<void>() : base::Internal("reading past the end of the files to join");
  }

 private:
  const std::vector<OpenedFile>& files_;
  uint64_t size_ = 0;
};

class FileStore final : public Store {
 public:
  FileStore(const std::string& directory, const FileStoreOptions& options) : folder_(directory, options) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    SEAMOUNT_TRY_ASSIGN(auto found, Find(key));
    SEAMOUNT_TRY(CheckGeneration(key, GenerationIn(found), options.if_generation));
    if (!found) return std::optional<ReadResult>();
    ReadResult result{.info = std::move(found->info)};
    const uint64_t size = result.info.size_bytes;
    const ByteSpan span = SpanOf(options.range, size);
    Buffer buffer(span.size());
    const FileSource source(found->file.fd.get(), 0, size);
    SEAMOUNT_TRY(source.ReadAt(span.begin, buffer.span()));
    struct stat after {};
    if (fstat(found->file.fd.get(), &after) != 0 || GenerationOf(after) != result.info.generation ||
        after.st_size != found->file.status.st_size) {
      return base::Unavailable("reading '" + key + "': the file was changed while it was read");
    }
    if (buffer.size() == size && result.info.crc32c && base::Crc32c(buffer.span()) != *result.info.crc32c) {
      return base::DataLoss("reading '" + key + "': the file does not match its CRC32C");
    }
    result.data = std::move(buffer);
    return std::optional<ReadResult>(std::move(result));
  }

  Result<std::optional<ObjectInfo>> Stat(const std::string& key, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    SEAMOUNT_TRY_ASSIGN(auto found, Find(key, /*readable=*/false));
    if (!found) return std::optional<ObjectInfo>();
    return std::optional<ObjectInfo>(std::move(found->info));
  }

  Result<ObjectInfo> Write(const std::string& key, const ByteSource& source, const WriteOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    return Put(key, source, std::nullopt, options, context);
  }

  Result<bool> Delete(const std::string& key, const DeleteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    {
      // A directory that is not there, or cannot be written, has nothing to lock.
      SEAMOUNT_TRY_ASSIGN(const auto found, Find(key));
      if (!found) {
        SEAMOUNT_TRY(CheckGeneration(key, GenerationIn(found), options.if_generation));
        return false;
      }
    }
    const std::string path = PathOfKey(key);
    SEAMOUNT_TRY_ASSIGN(const Fd lock, folder_.Lock(path, context));
    SEAMOUNT_TRY_ASSIGN(const auto found, Find(key));
    SEAMOUNT_TRY(CheckGeneration(key, GenerationIn(found), options.if_generation));
    if (!found) return false;
    SEAMOUNT_TRY(folder_.Remove(found->file));
    return true;
  }

  Result<ListPage> List(const ListOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(CheckContext(context));
    return ListFolder(folder_, options, context, [this](const std::string& key) -> Result<std::optional<ObjectInfo>> {
      SEAMOUNT_TRY_ASSIGN(auto found, Find(key, /*readable=*/false));
      if (!found) return std::optional<ObjectInfo>();
      return std::optional<ObjectInfo>(std::move(found->info));
    });
  }

  Result<ObjectInfo> Copy(const std::string& from, const std::string& to, const CopyOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(Check(from, context));
    SEAMOUNT_TRY(Check(to, context));
    SEAMOUNT_TRY_ASSIGN(const auto source, Find(from));
    if (!source) return base::NotFound("copying '" + from + "': no such object");
    SEAMOUNT_TRY(CheckGeneration(from, GenerationIn(source), options.if_source_generation));
    const WriteOptions write{.if_generation = options.if_generation,
                             .content_type = source->info.content_type,
                             .metadata = options.metadata.value_or(source->info.metadata),
                             .headers = source->info.headers};
    return Put(to, FileSource(source->file.fd.get(), 0, source->info.size_bytes), source->info.crc32c, write, context);
  }

  Result<ObjectInfo> Compose(const std::vector<ComposeSource>& sources, const std::string& to,
                             const WriteOptions& options, const CallContext& context) override {
    SEAMOUNT_TRY(Check(to, context));
    for (const ComposeSource& source : sources) SEAMOUNT_TRY(CheckKey(source.key));
    if (sources.empty() || sources.size() > kMaxComposeSources) {
      return base::InvalidArgument("composing '" + to + "': takes 1 to 32 sources");
    }
    std::vector<OpenedFile> files;
    std::optional<uint32_t> crc32c = 0;
    for (const ComposeSource& source : sources) {
      SEAMOUNT_TRY_ASSIGN(auto found, Find(source.key));
      if (!found) return base::NotFound("composing '" + to + "': no object '" + source.key + "'");
      SEAMOUNT_TRY(CheckGeneration(source.key, GenerationIn(found), source.if_generation));
      const ObjectInfo& info = found->info;
      crc32c = crc32c && info.crc32c
                   ? std::optional<uint32_t>(base::Crc32cCombine(*crc32c, *info.crc32c, info.size_bytes))
                   : std::nullopt;
      files.push_back(std::move(found->file));
    }
    return Put(to, FilesSource(files), crc32c, options, context);
  }

  Result<ObjectInfo> Move(const std::string& from, const std::string& to, const MoveOptions& options,
                          const CallContext& context) override {
    SEAMOUNT_TRY(Check(from, context));
    SEAMOUNT_TRY(Check(to, context));
    if (from == to) return base::InvalidArgument("moving '" + from + "': onto itself");
    const std::string path = PathOfKey(to);
    std::optional<Generation> wanted = options.if_source_generation;
    for (int placing = 0; placing < kMaxPlacings; ++placing) {
      {
        SEAMOUNT_TRY_ASSIGN(const auto source, Find(from));
        if (!source) return base::NotFound("moving '" + from + "': no such object");
        SEAMOUNT_TRY(CheckGeneration(from, GenerationIn(source), wanted));
        if (source->file.link) {
          SEAMOUNT_TRY_ASSIGN(const auto before, Find(to));
          SEAMOUNT_TRY(CheckGeneration(to, GenerationIn(before), options.if_generation));
          SEAMOUNT_TRY_ASSIGN(wanted, PutInPlaceOfLink(*source, context));
        }
      }
      SEAMOUNT_TRY(folder_.MakeFolders(path, context));
      SEAMOUNT_TRY_ASSIGN(const auto locks, folder_.LockBoth(PathOfKey(from), path, context));
      SEAMOUNT_TRY_ASSIGN(auto source, Find(from));
      if (!source) return base::NotFound("moving '" + from + "': no such object");
      SEAMOUNT_TRY(CheckGeneration(from, GenerationIn(source), wanted));
      if (source->file.link) continue;  // somebody has put one there just now
      SEAMOUNT_TRY_ASSIGN(const auto before, Find(to));
      SEAMOUNT_TRY(CheckGeneration(to, GenerationIn(before), options.if_generation));
      SEAMOUNT_TRY_ASSIGN(const bool placed, folder_.Place(source->file, path));
      if (!placed) continue;
      if (before) folder_.RemoveRecord(before->file);
      if (before && !before->file.link && before->info.generation == source->info.generation) {
        SEAMOUNT_TRY(folder_.Remove(source->file));  // two names of one file: a rename leaves both
      } else {
        SEAMOUNT_TRY(folder_.LeaveFolderOf(source->file.path));
      }
      source->info.key = to;
      return std::move(source->info);
    }
    return FoldersVanish("moving '" + from + "' to '" + to + "'");
  }

  Result<ObjectInfo> Patch(const std::string& key, const AttributeChanges& changes, const PatchOptions& options,
                           const CallContext& context) override {
    SEAMOUNT_TRY(Check(key, context));
    {
      SEAMOUNT_TRY_ASSIGN(const auto found, Find(key));
      if (!found) return base::NotFound("changing the attributes of '" + key + "': no such object");
    }
    SEAMOUNT_TRY_ASSIGN(const Fd lock, folder_.Lock(PathOfKey(key), context));
    SEAMOUNT_TRY_ASSIGN(auto found, Find(key));
    if (!found) return base::NotFound("changing the attributes of '" + key + "': no such object");
    SEAMOUNT_TRY(CheckGeneration(key, GenerationIn(found), options.if_generation));
    ApplyChanges(changes, found->info);
    SEAMOUNT_TRY(folder_.WriteRecord(found->file, {.size_bytes = found->info.size_bytes,
                                                   .mtime_ns = MtimeOf(found->file.status),
                                                   .crc32c = found->info.crc32c,
                                                   .content_type = found->info.content_type,
                                                   .metadata = found->info.metadata,
                                                   .headers = found->info.headers}));
    return std::move(found->info);
  }

  Capabilities capabilities() const override { return {}; }

 private:
  struct Found {
    ObjectInfo info;
    OpenedFile file;
  };

  static Result<void> Check(const std::string& key, const CallContext& context) {
    SEAMOUNT_TRY(CheckKey(key));
    return CheckContext(context);
  }

  static const Generation& GenerationIn(const std::optional<Found>& found) {
    return found ? found->info.generation : kAbsent;
  }

  Result<std::optional<Found>> Find(const std::string& key, bool readable = true) {
    const std::string path = PathOfKey(key);
    for (;;) {
      SEAMOUNT_TRY_ASSIGN(auto file, folder_.Open(path, readable));
      if (!file) return std::optional<Found>();
      std::optional<FileRecord> record = folder_.RecordOf(*file);
      if (!record) {
        // Its record may have gone with it, if it was replaced since it was opened.
        struct stat now {};
        if (fstat(file->fd.get(), &now) == 0 && now.st_nlink == 0) continue;
      }
      Found found{InfoOf(key, file->status, record), std::move(*file)};
      if (!record && !folder_.IsPublic(found.file)) SayWhose(found.file.status, found.info);
      return std::optional<Found>(std::move(found));
    }
  }

  // In the words of other tools, which a mount understands: who may read the file on the disk may read it there.
  static void SayWhose(const struct stat& status, ObjectInfo& info) {
    std::array<char, 8> mode{};
    std::snprintf(mode.data(), mode.size(), "%o", status.st_mode & 0700);
    info.metadata = {{"goog-reserved-posix-mode", mode.data()},
                     {"goog-reserved-posix-uid", std::to_string(status.st_uid)},
                     {"goog-reserved-posix-gid", std::to_string(status.st_gid)}};
  }

  static ObjectInfo InfoOf(const std::string& key, const struct stat& status, const std::optional<FileRecord>& record) {
    ObjectInfo info{.key = key,
                    .size_bytes = static_cast<uint64_t>(status.st_size),
                    .generation = GenerationOf(status),
                    .updated = base::SystemTime(std::chrono::duration_cast<base::SystemTime::duration>(
                        std::chrono::nanoseconds(MtimeOf(status)))),
                    .content_type = "application/octet-stream"};
    if (!record) return info;
    info.crc32c = record->crc32c;
    info.content_type = record->content_type;
    info.metadata = record->metadata;
    info.headers = record->headers;
    return info;
  }

  // expected_crc32c: of the bytes, where it is known beforehand; others than these are DataLoss.
  Result<ObjectInfo> Put(const std::string& key, const ByteSource& source, std::optional<uint32_t> expected_crc32c,
                         const WriteOptions& options, const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(OpenedFile temporary, folder_.MakeTemporary());
    auto info = PutThrough(temporary, key, source, expected_crc32c, options, context);
    if (!info) folder_.RemoveTemporary(temporary);
    return info;
  }

  Result<ObjectInfo> PutThrough(OpenedFile& temporary, const std::string& key, const ByteSource& source,
                                std::optional<uint32_t> expected_crc32c, const WriteOptions& options,
                                const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(const uint32_t crc32c, Fill(temporary, key, source, context));
    if (expected_crc32c.value_or(crc32c) != crc32c) {
      return base::DataLoss("writing '" + key + "': a source does not match its CRC32C");
    }
    const FileRecord record{.size_bytes = source.size(),
                            .mtime_ns = NowNs(),
                            .crc32c = crc32c,
                            .content_type = options.content_type,
                            .metadata = options.metadata,
                            .headers = options.headers};
    SEAMOUNT_TRY(folder_.Finish(temporary, record));
    const std::string path = PathOfKey(key);
    for (int placing = 0; placing < kMaxPlacings; ++placing) {
      SEAMOUNT_TRY(folder_.MakeFolders(path, context));
      SEAMOUNT_TRY_ASSIGN(const Fd lock, folder_.Lock(path, context));
      SEAMOUNT_TRY_ASSIGN(const auto before, Find(key));
      SEAMOUNT_TRY(CheckGeneration(key, GenerationIn(before), options.if_generation));
      SEAMOUNT_TRY_ASSIGN(const bool placed, folder_.Place(temporary, path));
      if (!placed) continue;
      if (before) folder_.RemoveRecord(before->file);
      return InfoOf(key, temporary.status, record);
    }
    return FoldersVanish("writing '" + key + "'");
  }

  // A link leads elsewhere, or nowhere, from another folder. So it becomes a file of what it led to, which can be moved
  // in one step; its generation.
  Result<Generation> PutInPlaceOfLink(const Found& link, const CallContext& context) {
    const WriteOptions options{.if_generation = link.info.generation,
                               .content_type = link.info.content_type,
                               .metadata = link.info.metadata,
                               .headers = link.info.headers};
    const FileSource content(link.file.fd.get(), 0, link.info.size_bytes);
    SEAMOUNT_TRY_ASSIGN(ObjectInfo made, Put(link.info.key, content, link.info.crc32c, options, context));
    return std::move(made.generation);
  }

  static Error FoldersVanish(const std::string& what) {
    return base::Unavailable(what + ": its folder is removed as often as it is made");
  }

  // Copies the source into the file; its checksum.
  Result<uint32_t> Fill(const OpenedFile& file, const std::string& key, const ByteSource& source,
                        const CallContext& context) {
    Buffer part(std::min<uint64_t>(source.size(), kPartBytes));
    uint32_t crc32c = 0;
    for (uint64_t at = 0; at < source.size();) {
      SEAMOUNT_TRY(CheckContext(context));
      auto piece = part.span().first(std::min<uint64_t>(part.size(), source.size() - at));
      SEAMOUNT_TRY(source.ReadAt(at, piece));
      crc32c = base::Crc32c(piece, crc32c);
      at += piece.size();
      while (!piece.empty()) {
        const ssize_t n = write(file.fd.get(), piece.data(), piece.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return base::OsError(errno, "writing", folder_.directory() + "/" + key);
        piece = piece.subspan(static_cast<size_t>(n));
      }
    }
    return crc32c;
  }

  FileFolder folder_;
};

}  // namespace

std::shared_ptr<Store> MakeFileStore(const std::string& directory, const FileStoreOptions& options) {
  return std::make_shared<FileStore>(directory, options);
}

}  // namespace seamount::store
