#include "cli/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/checksum.h"
#include "base/fd.h"
#include "base/os_error.h"
#include "exec/thread_pool.h"

namespace seamount::cli {
namespace {

using base::Fd;

constexpr uint64_t kPart = 8ULL << 20;
constexpr int kThreads = 16;

Error FileError(const std::string& doing, int error) {
  Error said = base::OsError(error, doing);
  if (error == ENOTDIR) return base::NotFound(said.message());
  if (error == EEXIST || error == EISDIR) return base::PreconditionFailed(said.message());
  return said;
}

// The process's umask, which can only be read by setting it: once, before there is a second thread.
mode_t Mask() {
  static const mode_t mask = [] {
    const mode_t was = ::umask(0);
    ::umask(was);
    return was;
  }();
  return mask;
}

// A file that takes its name when it is whole.
class NewFile {
 public:
  NewFile(const store::ObjectInfo& object, std::string path) : object_(object), path_(std::move(path)) {
    parts_.resize(std::max<uint64_t>(1, (object.size_bytes + kPart - 1) / kPart));
    left_ = parts_.size();
  }
  ~NewFile() {
    if (fd_ && !whole_) ::unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;

  size_t parts() const { return parts_.size(); }

  Result<void> Fetch(Store& store, size_t part, const Moved& moved, const CallContext& context) {
    SEAMOUNT_TRY(Open());
    const uint64_t begin = part * kPart, size = std::min(kPart, object_.size_bytes - begin);
    if (size > 0) {
      const store::ReadOptions options{.range = store::ByteRange{.offset = begin, .length = size},
                                       .if_generation = object_.generation};
      SEAMOUNT_TRY_ASSIGN(const auto read, store.Read(object_.key, options, context));
      if (!read || read->data.size() != size)
        return base::DataLoss("object '" + object_.key + "': a part of it is missing in the answer");
      SEAMOUNT_TRY(Put(begin, read->data));
      parts_[part] = base::Crc32c(read->data.span());
      moved(size);
    }
    return --left_ == 0 ? Finish() : Result<void>();
  }

 private:
  Result<void> Open() {
    std::scoped_lock lock(mutex_);
    if (fd_) return {};
    temporary_ = path_ + ".seamount-XXXXXX";
    fd_ = Fd(::mkostemp(temporary_.data(), O_CLOEXEC));
    if (!fd_) return FileError("making a file beside '" + path_ + "'", errno);
    if (::fchmod(fd_.get(), 0666 & ~Mask()) != 0) return FileError("setting the mode of '" + path_ + "'", errno);
    return {};
  }

  Result<void> Put(uint64_t offset, const Bytes& data) {
    std::span<const std::byte> left = data.span();
    while (!left.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), left.data(), left.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return FileError("writing '" + path_ + "'", errno);
      left = left.subspan(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return {};
  }

  Result<void> Finish() {
    uint32_t crc = 0;
    for (size_t i = 0; i < parts_.size(); ++i) {
      const uint64_t size = std::min(kPart, object_.size_bytes - i * kPart);
      if (size > 0) crc = i == 0 ? parts_[0] : base::Crc32cCombine(crc, parts_[i], size);
    }
    if (object_.size_bytes > 0 && object_.crc32c && *object_.crc32c != crc)
      return base::DataLoss("object '" + object_.key + "': its content does not have its checksum");
    if (::fsync(fd_.get()) != 0) return FileError("writing '" + path_ + "'", errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return FileError("naming '" + path_ + "'", errno);
    whole_ = true;
    return {};
  }

  const store::ObjectInfo& object_;
  const std::string path_;
  std::mutex mutex_;
  std::string temporary_;
  Fd fd_;
  bool whole_ = false;
  std::vector<uint32_t> parts_;  // their checksums
  std::atomic<size_t> left_;
};

// Tells what an upload has read of it.
class HeardSource final : public store::ByteSource {
 public:
  HeardSource(const store::ByteSource& inner, const Moved& moved) : inner_(inner), moved_(moved) {}
  uint64_t size() const override { return inner_.size(); }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    SEAMOUNT_TRY(inner_.ReadAt(offset, into));
    uint64_t before = furthest_;
    const uint64_t end = offset + into.size();
    while (end > before && !furthest_.compare_exchange_weak(before, end)) {}
    if (end > before) moved_(end - before);  // what a retry reads again is not moved twice
    return {};
  }

 private:
  const store::ByteSource& inner_;
  const Moved& moved_;
  mutable std::atomic<uint64_t> furthest_ = 0;
};

// An object of another bucket, read while it is written.
class ObjectSource final : public store::ByteSource {
 public:
  ObjectSource(Store& store, const store::ObjectInfo& object, const CallContext& context)
      : store_(store), object_(object), context_(context) {}
  uint64_t size() const override { return object_.size_bytes; }
  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    const store::ReadOptions options{.range = store::ByteRange{.offset = offset, .length = into.size()},
                                     .if_generation = object_.generation};
    SEAMOUNT_TRY_ASSIGN(const auto read, store_.Read(object_.key, options, context_));
    if (!read || read->data.size() != into.size())
      return base::DataLoss("object '" + object_.key + "': a part of it is missing in the answer");
    std::memcpy(into.data(), read->data.data(), into.size());
    return {};
  }

 private:
  Store& store_;
  const store::ObjectInfo& object_;
  const CallContext& context_;
};

Result<void> UploadOne(Store& store, const Upload& upload, const Moved& moved, const CallContext& context) {
  const Fd file(::open(upload.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return FileError("reading '" + upload.path + "'", errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return FileError("reading '" + upload.path + "'", errno);
  const store::FileSource content(file.get(), 0, static_cast<uint64_t>(status.st_size));
  const auto written = store.Write(upload.key, HeardSource(content, moved), {}, context);
  if (!written) return written.error();
  return {};
}

Result<void> CopyOne(Store& from, Store& to, const Transfer& transfer, const Moved& moved, const CallContext& context) {
  const store::ObjectInfo& object = transfer.object;
  if (&from == &to) {
    const auto copied = to.Copy(object.key, transfer.key, {.if_source_generation = object.generation}, context);
    if (!copied) return copied.error();
    moved(object.size_bytes);
    return {};
  }
  const ObjectSource content(from, object, context);
  const store::WriteOptions options{
      .content_type = object.content_type, .metadata = object.metadata, .headers = object.headers};
  const auto written = to.Write(transfer.key, HeardSource(content, moved), options, context);
  if (!written) return written.error();
  return {};
}

}  // namespace

Result<void> ForAll(size_t count, const std::function<Result<void>(size_t)>& body) {
  exec::ThreadPool pool(static_cast<int>(std::clamp<size_t>(count, 1, kThreads)));
  std::mutex mutex;
  std::optional<Error> first;
  std::atomic<bool> failed = false;
  exec::ParallelFor(pool, count, [&](size_t i) {
    if (failed) return;
    auto done = body(i);
    if (done) return;
    failed = true;
    std::scoped_lock lock(mutex);
    if (!first) first = std::move(done).error();
  });
  if (first) return *std::move(first);
  return {};
}

Result<void> DownloadAll(Store& store, const std::vector<Download>& files, const Moved& moved,
                         const CallContext& context) {
  (void)Mask();
  // A part knows its file by number; files that are done let go of their descriptor.
  struct Part {
    size_t file, number;
  };
  std::vector<std::unique_ptr<NewFile>> opened(files.size());
  std::vector<std::atomic<size_t>> left(files.size());
  std::vector<Part> parts;
  for (size_t i = 0; i < files.size(); ++i) {
    opened[i] = std::make_unique<NewFile>(files[i].object, files[i].path);
    left[i] = opened[i]->parts();
    for (size_t part = 0; part < opened[i]->parts(); ++part) parts.push_back({i, part});
  }
  return ForAll(parts.size(), [&](size_t i) -> Result<void> {
    const Part& part = parts[i];
    auto fetched = opened[part.file]->Fetch(store, part.number, moved, context);
    if (--left[part.file] == 0) opened[part.file].reset();
    return fetched;
  });
}

Result<void> UploadAll(Store& store, const std::vector<Upload>& files, const Moved& moved, const CallContext& context) {
  return ForAll(files.size(), [&](size_t i) { return UploadOne(store, files[i], moved, context); });
}

Result<void> CopyAll(Store& from, Store& to, const std::vector<Transfer>& objects, const Moved& moved,
                     const CallContext& context) {
  return ForAll(objects.size(), [&](size_t i) { return CopyOne(from, to, objects[i], moved, context); });
}

Result<void> Stream(Store& store, const store::ObjectInfo& object, const store::ByteSpan& span,
                    const std::function<Result<void>(const Bytes&)>& sink, const CallContext& context) {
  for (uint64_t at = span.begin; at < span.end; at += kPart) {
    const uint64_t size = std::min(kPart, span.end - at);
    const store::ReadOptions options{.range = store::ByteRange{.offset = at, .length = size},
                                     .if_generation = object.generation};
    SEAMOUNT_TRY_ASSIGN(const auto read, store.Read(object.key, options, context));
    if (!read || read->data.size() != size)
      return base::DataLoss("object '" + object.key + "': a part of it is missing in the answer");
    SEAMOUNT_TRY(sink(read->data));
  }
  return {};
}

Result<uint32_t> ChecksumOfFile(const std::string& path, const CallContext& context) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return FileError("reading '" + path + "'", errno);
  std::vector<std::byte> buffer(1 << 20);
  uint32_t crc = 0;
  while (true) {
    SEAMOUNT_TRY(store::CheckContext(context));
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("reading '" + path + "'", errno);
    if (n == 0) return crc;
    crc = base::Crc32c(std::span(buffer).first(static_cast<size_t>(n)), crc);
  }
}

}  // namespace seamount::cli
