#include "vfs/staged_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace seamount::vfs {
namespace {

// Of the base, fetched at once while gaps are filled: long enough for read-ahead to see a stream.
constexpr uint64_t kFillStep = 4 << 20;

Outcome<Bytes> ReadLocal(int fd, Extent range) {
  Buffer buffer(range.size());
  for (uint64_t done = 0; done < range.size();) {
    const ssize_t got = pread(fd, buffer.data() + done, range.size() - done, static_cast<off_t>(range.begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fault{errno, std::string("reading the staging file: ") + std::strerror(errno)};
    if (got == 0) {  // beyond the local file's end: written as a hole
      std::memset(buffer.data() + done, 0, range.size() - done);
      break;
    }
    done += static_cast<uint64_t>(got);
  }
  return Bytes(std::move(buffer));
}

}  // namespace

StagedFile::StagedFile(base::Fd file, std::shared_ptr<ObjectReader> base)
    : file_(std::move(file)), base_(std::move(base)) {
  if (base_ != nullptr) size_ = base_kept_ = base_->size();
  dirty_ = base_ == nullptr;
}

uint64_t StagedFile::size() const {
  std::scoped_lock lock(mutex_);
  return size_;
}

bool StagedFile::dirty() const {
  std::scoped_lock lock(mutex_);
  return dirty_;
}

std::optional<Fault> StagedFile::failed() const {
  std::scoped_lock lock(mutex_);
  return failed_;
}

Outcome<std::vector<Bytes>> StagedFile::Read(uint64_t offset, uint64_t length, const CallContext& context) const {
  for (;;) {
    View view;
    {
      std::scoped_lock lock(mutex_);
      const uint64_t end = offset + std::min(length, size_ > offset ? size_ - offset : 0);
      view = {base_, {offset, end}, present_.Gaps(offset, std::min(end, base_kept_))};
    }
    auto pieces = ReadView(view, context);
    if (pieces || pieces.error().error == EINTR) return pieces;
    std::scoped_lock lock(mutex_);
    if (base_ == view.base) return pieces;  // else an upload has replaced the base meanwhile: the new one has the bytes
  }
}

Outcome<std::vector<Bytes>> StagedFile::ReadView(const View& view, const CallContext& context) const {
  std::vector<Bytes> pieces;
  uint64_t at = view.range.begin;
  const auto local_until = [&](uint64_t stop) -> Outcome<void> {
    if (at >= stop) return {};
    SEAMOUNT_TRY_ASSIGN(Bytes data, ReadLocal(file_.get(), {at, stop}));
    pieces.push_back(std::move(data));
    at = stop;
    return {};
  };
  for (const Extent& gap : view.gaps) {
    SEAMOUNT_TRY(local_until(gap.begin));
    SEAMOUNT_TRY_ASSIGN(std::vector<Bytes> fetched, view.base->Read(gap.begin, gap.size(), context));
    for (Bytes& piece : fetched) pieces.push_back(std::move(piece));
    at = gap.end;
  }
  SEAMOUNT_TRY(local_until(view.range.end));
  return pieces;
}

Outcome<void> StagedFile::Put(uint64_t offset, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t put = pwrite(file_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return Fault{errno, std::string("writing the staging file: ") + std::strerror(errno)};
    offset += static_cast<uint64_t>(put);
    data = data.subspan(static_cast<size_t>(put));
  }
  return {};
}

Outcome<void> StagedFile::Write(uint64_t offset, std::span<const std::byte> data) {
  if (offset != size()) Disorder();
  std::scoped_lock lock(mutex_);
  if (failed_) return *failed_;
  if (data.empty()) return {};
  if (auto put = Put(offset, data); !put) {
    failed_ = put.error();
    return put;
  }
  const uint64_t end = offset + data.size();
  if (offset > size_) present_.Add(size_, offset);  // a hole: zeros, not the base
  present_.Add(offset, end);
  overwrote_ = overwrote_ || offset < (base_ == nullptr ? 0 : base_->size());
  size_ = std::max(size_, end);
  unsaved_bytes_ += data.size();
  dirty_ = true;
  return {};
}

void StagedFile::Disorder() {
  parts_ = nullptr;  // waits for what is under way
  std::scoped_lock lock(mutex_);
  in_order_ = false;
}

uint64_t StagedFile::WrittenInOrder() const {
  std::scoped_lock lock(mutex_);
  return in_order_ && base_ == nullptr && !failed_ ? size_ : 0;
}

Outcome<void> StagedFile::Truncate(uint64_t size) {
  Disorder();
  std::scoped_lock lock(mutex_);
  if (failed_ && size != 0) return *failed_;
  // Shrinking first makes what is grown back read as zeros.
  if (ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
    return Fault{errno, std::string("truncating the staging file: ") + std::strerror(errno)};
  }
  if (size < size_) {
    present_.Truncate(size);
    if (base_ != nullptr && size < base_->size()) overwrote_ = true;
    base_kept_ = std::min(base_kept_, size);
  } else {
    present_.Add(size_, size);
  }
  dirty_ = dirty_ || size != size_ || failed_.has_value();
  size_ = size;
  if (size == 0) {
    if (std::exchange(copied_, false)) base_ = nullptr;
    failed_.reset();
    in_order_ = true;
  }
  return {};
}

bool StagedFile::TakeFrom(std::shared_ptr<ObjectReader> source, uint64_t offset, uint64_t length) {
  std::scoped_lock lock(mutex_);
  const bool goes_on = copied_ && base_ == source && base_kept_ == size_;
  if (failed_ || offset != size_ || !present_.empty() || !(size_ == 0 || goes_on)) return false;
  base_ = std::move(source);
  base_kept_ = size_ = offset + length;
  copied_ = dirty_ = true;
  overwrote_ = true;  // no tail of what the name had before
  in_order_ = false;
  return true;
}

std::shared_ptr<ObjectReader> StagedFile::CopyOf() const {
  std::scoped_lock lock(mutex_);
  const bool whole = copied_ && present_.empty() && size_ == base_kept_ && size_ == base_->size();
  return whole && !failed_ ? base_ : nullptr;
}

std::optional<uint64_t> StagedFile::AppendedFrom() const {
  std::scoped_lock lock(mutex_);
  if (base_ == nullptr || overwrote_ || size_ <= base_->size() || base_->size() == 0) return std::nullopt;
  return base_->size();
}

bool StagedFile::Whole() const {
  std::scoped_lock lock(mutex_);
  return present_.Gaps(0, std::min(size_, base_kept_)).empty();
}

uint64_t StagedFile::UnsavedBytes() const {
  std::scoped_lock lock(mutex_);
  return unsaved_bytes_;
}

Outcome<void> StagedFile::FillGaps(const CallContext& context) {
  for (;;) {
    std::vector<Extent> gaps;
    std::shared_ptr<ObjectReader> base;
    {
      std::scoped_lock lock(mutex_);
      gaps = present_.Gaps(0, std::min(size_, base_kept_));
      base = base_;
    }
    if (gaps.empty()) return {};
    const Extent gap{gaps[0].begin, std::min(gaps[0].end, gaps[0].begin + kFillStep)};
    SEAMOUNT_TRY_ASSIGN(const std::vector<Bytes> pieces, base->Read(gap.begin, gap.size(), context));
    std::scoped_lock lock(mutex_);
    uint64_t at = gap.begin;
    for (const Bytes& piece : pieces) {
      SEAMOUNT_TRY(Put(at, piece.span()));
      at += piece.size();
    }
    present_.Add(gap.begin, at);
  }
}

void StagedFile::Uploaded(std::shared_ptr<ObjectReader> base) {
  std::scoped_lock lock(mutex_);
  base_ = std::move(base);
  base_kept_ = base_->size();
  dirty_ = copied_ = false;
  unsaved_bytes_ = 0;
  overwrote_ = false;
}

}  // namespace seamount::vfs
