#include "vfs/part_upload.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

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

// What the calling thread and those of the pool share.
class PartUpload::Work : public std::enable_shared_from_this<Work> {
 public:
  Work(Store& store, exec::ThreadPool& pool, ReservedKeys& keys, int fd)
      : store_(store), pool_(pool), keys_(keys), fd_(fd) {}

  void Send(uint64_t begin, uint64_t end) {
    std::scoped_lock lock(mutex_);
    if (failure_) return;
    Piece& part = parts_.emplace_back(Piece{.key = keys_.Next()});
    waiting_.push_back({part, [this, begin, end, key = part.key] {
                          return store_.Write(key, store::FileSource(fd_, begin, end - begin),
                                              {.if_generation = store::kAbsent, .is_part = true},
                                              {.stop = stop_.get_token()});
                        }});
    Queue();
  }

  Result<store::ObjectInfo> Finish(const std::string& key, const store::WriteOptions& options,
                                   const CallContext& context) {
    std::unique_lock lock(mutex_);
    SEAMOUNT_TRY(WaitForAll(lock, context));
    // What is not in groups yet goes into the last compose beside them, where there is room: one round trip less.
    while (groups_.size() + parts_.size() - gathered_ > store::kMaxComposeSources) {
      if (gathered_ == parts_.size()) return base::InvalidArgument("the file has too many parts");
      Gather(std::min(parts_.size(), gathered_ + store::kMaxComposeSources));
    }
    SEAMOUNT_TRY(WaitForAll(lock, context));
    std::vector<store::ComposeSource> sources;
    for (const Piece& group : groups_) sources.push_back(SourceOf(group));
    for (size_t i = gathered_; i < parts_.size(); ++i) sources.push_back(SourceOf(parts_[i]));
    lock.unlock();
    return store_.Compose(sources, key, options, context);
  }

  void GiveUp() {
    std::unique_lock lock(mutex_);
    Fail(base::Cancelled("no longer needed"));
    changed_.wait(lock, [&] { return running_ == 0; });
    // Left behind if this fails; a later mount's sweep takes it.
    for (const auto* pieces : {&parts_, &groups_}) {
      for (const Piece& piece : *pieces) {
        if (piece.begun) pool_.Run([store = &store_, key = piece.key] { (void)store->Delete(key, {}, {}); });
      }
    }
  }

 private:
  struct Piece {
    std::string key;
    bool begun = false;
    std::optional<store::ObjectInfo> made;  // once it is there
  };
  struct Task {
    Piece& piece;
    std::function<Result<store::ObjectInfo>()> make;
  };

  // All below is called under mutex_.

  // One task in the pool for each that waits, up to one for each of its threads.
  void Queue() {
    if (queued_ >= waiting_.size() || queued_ >= static_cast<size_t>(pool_.threads())) return;
    ++queued_;
    pool_.Run([self = shared_from_this()] { self->MakeNext(); });
  }

  void Fail(Error error) {
    if (!failure_) failure_ = std::move(error);
    stop_.request_stop();
    waiting_.clear();
  }

  Result<void> WaitForAll(std::unique_lock<std::mutex>& lock, const CallContext& context) {
    const auto over = [&] { return failure_ || (running_ == 0 && waiting_.empty()); };
    if (!changed_.wait(lock, context.stop, over)) return base::Cancelled("interrupted");
    if (failure_) return *failure_;
    return {};
  }

  bool GroupIsMade() const {
    const auto begin = parts_.begin() + static_cast<std::ptrdiff_t>(gathered_);
    return std::all_of(begin, begin + store::kMaxComposeSources,
                       [](const Piece& part) { return part.made.has_value(); });
  }

  // Composes the parts up to `end` that are in no group yet into one. They are made.
  void Gather(size_t end) {
    std::vector<store::ComposeSource> sources;
    for (size_t i = gathered_; i < end; ++i) sources.push_back(SourceOf(parts_[i]));
    gathered_ = end;
    Piece& group = groups_.emplace_back(Piece{.key = keys_.Next()});
    waiting_.push_front({group, [this, key = group.key, sources = std::move(sources)] {
                           return store_.Compose(sources, key, {.if_generation = store::kAbsent},
                                                 {.stop = stop_.get_token()});
                         }});
    Queue();
  }

  static store::ComposeSource SourceOf(const Piece& piece) { return {piece.key, piece.made->generation}; }

  // Takes the mutex itself: on a thread of the pool.
  void MakeNext() {
    std::unique_lock lock(mutex_);
    --queued_;
    if (waiting_.empty()) return;
    const Task task = std::move(waiting_.front());
    waiting_.pop_front();
    task.piece.begun = true;
    ++running_;
    lock.unlock();
    Result<store::ObjectInfo> made = task.make();
    lock.lock();
    if (made)
      task.piece.made = *std::move(made);
    else
      Fail(std::move(made).error());
    while (!failure_ && parts_.size() - gathered_ > store::kMaxComposeSources && GroupIsMade()) {
      Gather(gathered_ + store::kMaxComposeSources);
    }
    --running_;
    Queue();
    changed_.notify_all();
  }

  Store& store_;
  exec::ThreadPool& pool_;
  ReservedKeys& keys_;
  const int fd_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Error> failure_;  // the first
  std::deque<Task> waiting_;
  size_t queued_ = 0;         // tasks in the pool that have not begun
  int running_ = 0;           // that have
  std::deque<Piece> parts_;   // in the file's order; each stays where it is
  std::deque<Piece> groups_;  // of kMaxComposeSources parts each, the last of fewer
  size_t gathered_ = 0;       // parts that are in groups
};

PartUpload::PartUpload(Store& store, exec::ThreadPool& pool, ReservedKeys& keys, int fd)
    : work_(std::make_shared<Work>(store, pool, keys, fd)) {}

PartUpload::~PartUpload() { work_->GiveUp(); }

void PartUpload::Offer(uint64_t bytes) {
  while (sent_ + PartLength(sent_) <= bytes) {
    const uint64_t end = sent_ + PartLength(sent_);
    work_->Send(sent_, end);
    sent_ = end;
  }
}

Result<store::ObjectInfo> PartUpload::Finish(const std::string& key, uint64_t size_bytes,
                                             const store::WriteOptions& options, const CallContext& context) {
  Offer(size_bytes);
  if (sent_ < size_bytes) work_->Send(sent_, size_bytes);
  sent_ = size_bytes;
  return work_->Finish(key, options, context);
}

}  // namespace seamount::vfs
