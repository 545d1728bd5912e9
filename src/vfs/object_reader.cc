#include "vfs/object_reader.h"

#include <algorithm>
#include <cerrno>

namespace seamount::vfs {
namespace {

// Read-ahead of a reader that has not read for this long is given up when another one needs the memory.
constexpr auto kIdle = std::chrono::seconds(2);

// Of the budget, what read-ahead may take; the rest is for reads on the callers' threads, which are not charged.
uint64_t AheadBudget(uint64_t memory_bytes) { return memory_bytes / 4 * 3; }

}  // namespace

Fetcher::Fetcher(std::shared_ptr<Store> store, const Options& options, Stats* stats)
    : store_(std::move(store)),
      stats_(stats),
      clock_(options.clock != nullptr ? options.clock : &base::RealClock()),
      budget_(AheadBudget(options.memory_bytes)),
      pool_(options.threads) {}

uint64_t Fetcher::Share(ObjectReader* reader) {
  const auto now = clock_->Now();
  std::scoped_lock lock(mutex_);
  last_read_[reader] = now;
  const auto active = std::count_if(last_read_.begin(), last_read_.end(),
                                    [&](const auto& entry) { return now - entry.second < kIdle; });
  return budget_.limit() / static_cast<uint64_t>(std::max<int64_t>(1, active));
}

void Fetcher::Forget(ObjectReader* reader) {
  std::scoped_lock lock(mutex_);
  last_read_.erase(reader);
}

exec::ByteLease Fetcher::Reserve(uint64_t bytes, ObjectReader* reader) {
  auto lease = budget_.TryAcquire(bytes);
  if (lease.bytes() > 0) return lease;
  std::vector<std::shared_ptr<ObjectReader>> idle;
  {
    const auto now = clock_->Now();
    std::scoped_lock lock(mutex_);
    for (const auto& [other, at] : last_read_) {
      if (other == reader || now - at < kIdle) continue;
      if (auto held = other->weak_from_this().lock()) idle.push_back(std::move(held));
    }
  }
  for (const auto& other : idle) other->Shed();
  return budget_.TryAcquire(bytes);
}

ObjectReader::ObjectReader(Fetcher* fetcher, const store::ObjectInfo& info)
    : fetcher_(fetcher),
      size_(info.size_bytes),
      key_(info.key),
      generation_(info.generation),
      pattern_(info.size_bytes) {}

ObjectReader::~ObjectReader() { fetcher_->Forget(this); }

Outcome<std::vector<Bytes>> ObjectReader::Read(uint64_t offset, uint64_t length, const CallContext& context) {
  std::vector<Bytes> pieces;
  if (offset >= size_ || length == 0) return pieces;
  const uint64_t end = offset + std::min(length, size_ - offset);
  const uint64_t cap = fetcher_->Share(this);
  std::unique_lock lock(mutex_);
  const auto advice = pattern_.OnRead(offset, end - offset, cap);
  DropBehind(advice);
  bool started = false;
  bool waited = false;
  for (uint64_t at = offset; at < end;) {
    PartPtr part = Covering(at);
    if (part == nullptr) {
      const auto next = parts_.lower_bound(at);
      part = std::make_shared<Part>();
      part->range = {at, next == parts_.end() ? end : std::min(end, next->first)};
      parts_.emplace(at, part);
    }
    ++part->waiters;  // from here on nobody drops it
    if (!started) StartAhead(advice, lock);
    started = true;
    if (part->state != State::kDone && !waited) {
      waited = true;
      ++fetcher_->stats().read_waits;
      StartAhead(pattern_.OnWait(offset, end - offset, cap), lock);
    }
    const Extent wanted{at, std::min(end, part->range.end)};
    auto data = Take(part, wanted, lock, context);
    --part->waiters;
    // Somebody else was interrupted who fetched it; that is not our concern.
    if (!data && data.error().error == EINTR && !context.stop.stop_requested() && !stop_.stop_requested()) continue;
    if (!data) return std::move(data).error();
    at += data->size();
    pieces.push_back(*std::move(data));
  }
  return pieces;
}

ObjectReader::PartPtr ObjectReader::Covering(uint64_t offset) const {
  auto it = parts_.upper_bound(offset);
  if (it == parts_.begin()) return nullptr;
  --it;
  return offset < it->second->range.end ? it->second : nullptr;
}

// Puts what is advised and not yet there into the map, as far as the budget allows, and queues it.
void ObjectReader::StartAhead(const ReadPattern::Advice& advice, std::unique_lock<std::mutex>& lock) {
  for (const Extent& wanted : advice.ahead) {
    for (uint64_t at = wanted.begin; at < wanted.end;) {
      if (const PartPtr there = Covering(at)) {
        at = there->range.end;
        continue;
      }
      const auto next = parts_.lower_bound(at);
      const uint64_t end = next == parts_.end() ? wanted.end : std::min(wanted.end, next->first);
      auto lease = fetcher_->budget().TryAcquire(end - at);
      if (lease.bytes() == 0) {
        DropOutside();
        lock.unlock();  // idle readers are asked for room, and they lock themselves
        lease = fetcher_->Reserve(end - at, this);
        lock.lock();
        if (lease.bytes() == 0 || stop_.stop_requested()) return;
        // Others may have put parts there meanwhile, and `next` may be gone.
        const auto now = parts_.lower_bound(at);
        if (Covering(at) != nullptr || (now != parts_.end() && now->first < end)) continue;
      }
      auto part = std::make_shared<Part>();
      part->range = {at, end};
      part->lease = std::move(lease);
      parts_.emplace(at, part);
      Queue(part);
      at = end;
    }
  }
}

void ObjectReader::Queue(const PartPtr& part) {
  fetcher_->pool().Run([self = shared_from_this(), part] {
    std::unique_lock lock(self->mutex_);
    if (part->state != State::kQueued) return;  // a reader took it over, or it was dropped
    self->Fetch(part, lock, self->stop_.get_token());
  });
}

// Waits for a part, or fetches it here if nobody has begun to, and hands out a slice of it.
Outcome<Bytes> ObjectReader::Take(const PartPtr& part, Extent wanted, std::unique_lock<std::mutex>& lock,
                                  const CallContext& context) {
  if (part->state == State::kQueued) {
    // Ends when the reader is closed and when this caller is interrupted.
    std::stop_source either;
    const auto stop = [&] { either.request_stop(); };
    lock.unlock();  // a callback that runs at once must not be under the lock
    const std::stop_callback closed(stop_.get_token(), stop), interrupted(context.stop, stop);
    lock.lock();
    if (part->state == State::kQueued) Fetch(part, lock, either.get_token());
  }
  if (!arrived_.wait(lock, context.stop, [&] { return part->state == State::kDone; })) {
    return Fault{EINTR, "reading '" + key_ + "': interrupted"};
  }
  if (part->fault) return *part->fault;
  part->handed_out += wanted.size();
  if (part->handed_out >= part->range.size()) Erase(part);
  return part->data.Slice(wanted.begin - part->range.begin, wanted.size());
}

void ObjectReader::Fetch(const PartPtr& part, std::unique_lock<std::mutex>& lock, std::stop_token stop) {
  part->state = State::kFetching;
  std::string key;
  store::Generation generation;
  bool lost = false;
  Result<std::optional<store::ReadResult>> result = std::optional<store::ReadResult>();
  do {
    key = key_;
    generation = generation_;
    const store::ReadOptions options{.range = store::ByteRange{part->range.begin, part->range.size()},
                                     .if_generation = generation};
    lock.unlock();
    result = fetcher_->store().Read(key, options, {.stop = stop});
    ++fetcher_->stats().fetches;
    lock.lock();
    lost = result ? !result->has_value() : result.error().code() == ErrorCode::kPreconditionFailed;
    if (lost) arrived_.wait(lock, stop, [&] { return !moving_; });
  } while (lost && (key != key_ || !(generation == generation_)));  // renamed meanwhile
  if (!result) {
    part->fault = ToFault(result.error().Wrap("reading '" + key + "'"));
  } else if (!*result) {
    part->fault = Fault{ESTALE, "reading '" + key + "': the object is gone"};
  } else if ((*result)->data.size() != part->range.size()) {
    part->fault = Fault{EIO, "reading '" + key + "': the store gave " + std::to_string((*result)->data.size()) +
                                 " bytes of " + std::to_string(part->range.size())};
  } else {
    part->data = std::move((*result)->data);
    fetcher_->stats().fetched_bytes += part->data.size();
  }
  part->state = State::kDone;
  if (part->fault || stop_.stop_requested()) Erase(part);
  arrived_.notify_all();
}

void ObjectReader::Erase(const PartPtr& part) {
  const auto it = parts_.find(part->range.begin);
  if (it != parts_.end() && it->second == part) parts_.erase(it);
  part->lease.Release();
}

void ObjectReader::DropBehind(const ReadPattern::Advice& advice) {
  if (!advice.sequential) return;
  auto it = parts_.lower_bound(advice.stream_begin);
  while (it != parts_.end() && it->second->range.end <= advice.keep_behind) {
    const PartPtr part = (it++)->second;
    if (part->state != State::kDone || part->waiters > 0) continue;
    fetcher_->stats().ahead_unused_bytes += part->range.size() - std::min(part->handed_out, part->range.size());
    Erase(part);
  }
}

// Drops parts that lie in no window any more: the reader has gone elsewhere.
void ObjectReader::DropOutside() {
  const auto windows = pattern_.Windows();
  for (auto it = parts_.begin(); it != parts_.end();) {
    const PartPtr part = (it++)->second;
    const bool wanted = std::any_of(windows.begin(), windows.end(), [&](const Extent& window) {
      return part->range.begin < window.end && window.begin < part->range.end;
    });
    if (wanted || part->waiters > 0 || part->state == State::kFetching) continue;
    part->state = State::kDone;
    fetcher_->stats().ahead_unused_bytes += part->data.size();
    Erase(part);
  }
}

void ObjectReader::Provide(uint64_t offset, Bytes data) {
  std::scoped_lock lock(mutex_);
  if (data.empty() || Covering(offset) != nullptr) return;
  const auto next = parts_.lower_bound(offset);
  if (next != parts_.end() && next->first < offset + data.size()) return;
  auto part = std::make_shared<Part>();
  part->range = {offset, offset + data.size()};
  part->state = State::kDone;
  part->lease = fetcher_->budget().TryAcquire(data.size());
  if (part->lease.bytes() == 0) return;
  part->data = std::move(data);
  parts_.emplace(offset, std::move(part));
}

void ObjectReader::BeginMove() {
  std::scoped_lock lock(mutex_);
  moving_ = true;
}

store::ComposeSource ObjectReader::Where() const {
  std::scoped_lock lock(mutex_);
  return {key_, generation_};
}

void ObjectReader::Retarget(std::string key, store::Generation generation) {
  std::scoped_lock lock(mutex_);
  key_ = std::move(key);
  generation_ = std::move(generation);
  moving_ = false;
  arrived_.notify_all();
}

void ObjectReader::Shed() {
  std::scoped_lock lock(mutex_);
  for (auto it = parts_.begin(); it != parts_.end();) {
    const PartPtr part = (it++)->second;
    if (part->waiters > 0 || part->state == State::kFetching) continue;
    part->state = State::kDone;
    fetcher_->stats().ahead_unused_bytes += part->data.size();
    Erase(part);
  }
}

void ObjectReader::Close() {
  stop_.request_stop();
  Shed();
  fetcher_->Forget(this);
}

}  // namespace seamount::vfs
