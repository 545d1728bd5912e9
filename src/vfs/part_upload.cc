#include "vfs/part_upload.h"

#include <algorithm>

#include "store/byte_source.h"

namespace seamount::vfs {
namespace {

// Long enough that a round trip is a small share of sending it at 50 MB/s; short enough that the last one, for which
// close waits, is soon there.
constexpr uint64_t kPart = 8 << 20;
// One compose of groups takes 32 of 32 parts: 8 GiB. Longer files get longer parts from there on.
constexpr uint64_t kParts = store::kMaxComposeSources * store::kMaxComposeSources;

uint64_t PartLength(uint64_t offset) {
  // The first half of the parts is of the shortest length; each further one may be as long as 1/256 of what is sent.
  if (offset < kParts / 2 * kPart) return kPart;
  return std::max(kPart, offset / 256 / kPart * kPart);
}

}  // namespace

PartUpload::PartUpload(Store& store, exec::ThreadPool& pool, ReservedKeys& keys, int fd)
    : store_(store), pool_(pool), keys_(keys), fd_(fd) {}

PartUpload::~PartUpload() {
  stop_.request_stop();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return running_ == 0; });
  std::vector<std::string> left;
  for (const auto* pieces : {&parts_, &groups_}) {
    for (const Piece& piece : *pieces) left.push_back(piece.key);
  }
  lock.unlock();
  // Left behind if this fails; a later mount's sweep takes it.
  for (std::string& key : left) {
    pool_.Run([store = &store_, key = std::move(key)] { (void)store->Delete(key, {}, {}); });
  }
}

void PartUpload::Offer(uint64_t bytes) {
  while (sent_ + PartLength(sent_) <= bytes) {
    const uint64_t end = sent_ + PartLength(sent_);
    Send(sent_, end);
    sent_ = end;
  }
}

void PartUpload::Send(uint64_t begin, uint64_t end) {
  std::unique_lock lock(mutex_);
  const size_t number = parts_.size();
  const std::string key = keys_.Next();
  parts_.push_back({.key = key});
  ++running_;
  lock.unlock();
  pool_.Run([this, begin, end, number, key] {
    Result<store::ObjectInfo> made = base::Cancelled("no longer needed");
    if (!stop_.stop_requested()) {
      made = store_.Write(key, store::FileSource(fd_, begin, end - begin),
                          {.if_generation = store::kAbsent, .is_part = true}, {.stop = stop_.get_token()});
    }
    std::scoped_lock done(mutex_);
    parts_[number].made = std::move(made);
    GatherWhole();
    --running_;
    changed_.notify_all();
  });
}

bool PartUpload::Made(size_t begin, size_t end) const {
  return std::all_of(parts_.begin() + static_cast<std::ptrdiff_t>(begin),
                     parts_.begin() + static_cast<std::ptrdiff_t>(end),
                     [](const Piece& part) { return part.made && *part.made; });
}

// Under mutex_, as the next.
void PartUpload::GatherWhole() {
  while (parts_.size() - gathered_ > store::kMaxComposeSources &&
         Made(gathered_, gathered_ + store::kMaxComposeSources)) {
    Gather(gathered_, gathered_ + store::kMaxComposeSources);
  }
}

void PartUpload::Gather(size_t begin, size_t end) {
  std::vector<store::ComposeSource> sources;
  for (size_t i = begin; i < end; ++i) sources.push_back(SourceOf(parts_[i]));
  const size_t number = groups_.size();
  const std::string key = keys_.Next();
  groups_.push_back({.key = key});
  gathered_ = end;
  ++running_;
  pool_.Run([this, number, key, sources = std::move(sources)] {
    auto made = store_.Compose(sources, key, {.if_generation = store::kAbsent}, {.stop = stop_.get_token()});
    std::scoped_lock done(mutex_);
    groups_[number].made = std::move(made);
    --running_;
    changed_.notify_all();
  });
}

Result<void> PartUpload::CheckMade(const std::vector<Piece>& pieces, size_t begin) {
  for (size_t i = begin; i < pieces.size(); ++i) {
    if (!*pieces[i].made) return pieces[i].made->error();
  }
  return {};
}

store::ComposeSource PartUpload::SourceOf(const Piece& piece) { return {piece.key, (*piece.made)->generation}; }

Result<store::ObjectInfo> PartUpload::Finish(const std::string& key, uint64_t size_bytes,
                                             const store::WriteOptions& options, const CallContext& context) {
  Offer(size_bytes);
  if (sent_ < size_bytes) Send(sent_, size_bytes);
  sent_ = size_bytes;
  std::unique_lock lock(mutex_);
  const auto all_made = [&] { return running_ == 0; };
  if (!changed_.wait(lock, context.stop, all_made)) return base::Cancelled("interrupted");
  // What is not in groups yet goes into the last compose beside them, where there is room: one round trip less.
  while (groups_.size() + parts_.size() - gathered_ > store::kMaxComposeSources) {
    if (gathered_ == parts_.size()) return base::InvalidArgument("the file has too many parts");
    SEAMOUNT_TRY(CheckMade(parts_, gathered_));
    Gather(gathered_, std::min(parts_.size(), gathered_ + store::kMaxComposeSources));
  }
  if (!changed_.wait(lock, context.stop, all_made)) return base::Cancelled("interrupted");
  SEAMOUNT_TRY(CheckMade(groups_, 0));
  SEAMOUNT_TRY(CheckMade(parts_, gathered_));
  std::vector<store::ComposeSource> sources;
  for (const Piece& group : groups_) sources.push_back(SourceOf(group));
  for (size_t i = gathered_; i < parts_.size(); ++i) sources.push_back(SourceOf(parts_[i]));
  lock.unlock();
  return store_.Compose(sources, key, options, context);
}

}  // namespace seamount::vfs
