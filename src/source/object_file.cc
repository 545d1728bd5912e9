#include "source/object_file.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace seamount::source {
namespace {

constexpr uint64_t kSmallestFetch = uint64_t{128} << 10;  // about what a slow link carries in one round trip
constexpr uint64_t kLargestFetch = uint64_t{4} << 20;
constexpr uint64_t kSmallGap = uint64_t{64} << 10;  // cheaper to fetch than to ask twice

using Answer = std::shared_future<Result<Bytes>>;

}  // namespace

class FetchedParts {
 public:
  explicit FetchedParts(uint64_t limit_bytes) : limit_(limit_bytes) {}

  // What a read needs: a part that is there or on its way, or (`owed`) one that the caller must fetch.
  struct Found {
    uint64_t begin = 0;
    uint64_t end = 0;
    Answer answer;
    std::optional<std::promise<Result<Bytes>>> owed;
  };

  // The part with byte `at` of the file; where there is none, a new one up to `end` or the next part.
  Found Take(uint64_t file, uint64_t at, uint64_t end) {
    const std::scoped_lock lock(mutex_);
    auto next = parts_.upper_bound({file, at});
    if (next != parts_.begin()) {
      const auto before = std::prev(next);
      if (before->first.first == file && at < before->second.end) {
        Part& part = before->second;
        recent_.splice(recent_.begin(), recent_, part.place);
        if (std::exchange(part.expected, false)) expected_ -= part.end - before->first.second;
        return {before->first.second, part.end, part.answer, std::nullopt};
      }
    }
    if (next != parts_.end() && next->first.first == file) end = std::min(end, next->first.second);
    return Add(file, at, end, /*expected=*/false);
  }

  // The same for what is only expected; nullopt where it is there, on its way, or has no room.
  std::optional<Found> Expect(uint64_t file, uint64_t begin, uint64_t end) {
    const std::scoped_lock lock(mutex_);
    if (expected_ + (end - begin) > limit_ / 2) return std::nullopt;
    const auto next = parts_.upper_bound({file, begin});
    if (next != parts_.begin()) {
      const auto before = std::prev(next);
      if (before->first.first == file) begin = std::max(begin, before->second.end);
    }
    if (next != parts_.end() && next->first.first == file) end = std::min(end, next->first.second);
    if (begin >= end) return std::nullopt;
    return Add(file, begin, end, /*expected=*/true);
  }

  // One whose fetch failed, so that the next read tries again.
  void Drop(uint64_t file, uint64_t begin) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = parts_.find({file, begin}); found != parts_.end()) Erase(found);
  }

  void DropFile(uint64_t file) {
    const std::scoped_lock lock(mutex_);
    for (auto it = parts_.lower_bound({file, 0}); it != parts_.end() && it->first.first == file;) it = Erase(it);
  }

  uint64_t NewFile() { return next_file_++; }

 private:
  using Key = std::pair<uint64_t, uint64_t>;  // file, first byte
  struct Part {
    uint64_t end = 0;
    Answer answer;
    bool expected = false;  // and not used yet
    std::list<Key>::iterator place;
  };
  using Map = std::map<Key, Part>;

  Found Add(uint64_t file, uint64_t begin, uint64_t end, bool expected) {
    std::promise<Result<Bytes>> owed;
    const Answer answer = owed.get_future().share();
    recent_.emplace_front(file, begin);
    parts_[{file, begin}] = {end, answer, expected, recent_.begin()};
    held_ += end - begin;
    if (expected) expected_ += end - begin;
    while (held_ > limit_ && recent_.size() > 1) Erase(parts_.find(recent_.back()));
    return {begin, end, answer, std::move(owed)};
  }

  Map::iterator Erase(Map::iterator part) {
    const uint64_t bytes = part->second.end - part->first.second;
    held_ -= bytes;
    if (part->second.expected) expected_ -= bytes;
    recent_.erase(part->second.place);
    return parts_.erase(part);
  }

  const uint64_t limit_;
  std::atomic<uint64_t> next_file_ = 0;
  std::mutex mutex_;
  uint64_t held_ = 0;
  uint64_t expected_ = 0;
  std::list<Key> recent_;  // used last at the front
  Map parts_;              // of one file none overlap
};

std::shared_ptr<FetchedParts> MakeFetchedParts(uint64_t limit_bytes) {
  return std::make_shared<FetchedParts>(limit_bytes);
}

namespace {

// What a fetch needs, so that one on its way may outlive the file.
struct Object {
  ObjectPlace place;
  store::Generation generation;
  std::stop_token stop;

  Result<Bytes> Fetch(uint64_t begin, uint64_t end) const {
    auto read = place.store->Read(
        place.key, {.range = store::ByteRange{.offset = begin, .length = end - begin}, .if_generation = generation},
        {.stop = stop});
    const auto changed = [&] {
      return base::DataLoss(place.address + " changed while it was read: run it again when nobody writes to it");
    };
    if (!read) return read.error().code() == ErrorCode::kPreconditionFailed ? changed() : read.error();
    if (!*read || (*read)->data.size() != end - begin) return changed();
    return std::move((*read)->data);
  }
};

class ObjectFile final : public File {
 public:
  ObjectFile(Object object, FileIdentity identity, std::shared_ptr<FetchedParts> parts,
             std::shared_ptr<exec::ThreadPool> pool, const Bytes& beginning)
      : object_(std::make_shared<const Object>(std::move(object))),
        identity_(std::move(identity)),
        parts_(std::move(parts)),
        pool_(std::move(pool)),
        id_(parts_->NewFile()),
        fetched_to_(beginning.size()) {
    if (beginning.empty()) return;
    auto found = parts_->Take(id_, 0, beginning.size());
    found.owed->set_value(beginning);
  }
  ~ObjectFile() override { parts_->DropFile(id_); }

  const FileIdentity& identity() const override { return identity_; }

  Result<void> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    if (offset > size() || into.size() > size() - offset) {
      return base::DataLoss("reading " + identity_.path + ": bytes " + std::to_string(offset) + " to " +
                            std::to_string(offset + into.size()) + " of " + std::to_string(size()));
    }
    const uint64_t end = offset + into.size();
    for (uint64_t at = offset; at < end;) {
      if (end - at > kLargestFetch) {
        const store::ByteSpan rest{at, end};
        Expect({&rest, 1});
      }
      auto found = parts_->Take(id_, at, FetchEnd(at, end));
      if (found.owed) {
        fetched_to_ = found.end;
        last_fetch_ = found.end - found.begin;
        found.owed->set_value(object_->Fetch(found.begin, found.end));
      }
      const Result<Bytes>& bytes = found.answer.get();
      if (!bytes) {
        parts_->Drop(id_, found.begin);
        return bytes.error();
      }
      const uint64_t stop = std::min(end, found.end);
      std::memcpy(into.data() + (at - offset), bytes->data() + (at - found.begin), stop - at);
      at = stop;
    }
    return {};
  }

  void Expect(std::span<const store::ByteSpan> parts) const override {
    store::ByteSpan now;
    for (const store::ByteSpan& part : parts) {
      const store::ByteSpan next{part.begin, std::min(part.end, size())};
      if (next.begin >= next.end) continue;
      const bool near = next.begin >= now.begin && next.begin <= now.end + kSmallGap;
      if (now.size() > 0 && near && next.end - now.begin <= kLargestFetch) {
        now.end = std::max(now.end, next.end);
        continue;
      }
      ExpectOne(now);
      now = next;
    }
    ExpectOne(now);
  }

 private:
  // Where a fetch ends that begins at `at` and is wanted up to `end`.
  uint64_t FetchEnd(uint64_t at, uint64_t end) const {
    const bool goes_on = at == fetched_to_;
    const uint64_t ahead = std::clamp(goes_on ? 2 * last_fetch_ : 0, kSmallestFetch, kLargestFetch);
    return std::min(size(), at + std::clamp(end - at, ahead, kLargestFetch));
  }

  void ExpectOne(store::ByteSpan part) const {
    for (uint64_t at = part.begin; at < part.end; at += kLargestFetch) {
      auto found = parts_->Expect(id_, at, std::min(part.end, at + kLargestFetch));
      if (!found) continue;
      pool_->Run([object = object_, begin = found->begin, end = found->end,
                  owed = std::make_shared<std::promise<Result<Bytes>>>(*std::move(found->owed))] {
        owed->set_value(object->Fetch(begin, end));
      });
    }
  }

  const std::shared_ptr<const Object> object_;
  const FileIdentity identity_;
  const std::shared_ptr<FetchedParts> parts_;
  const std::shared_ptr<exec::ThreadPool> pool_;
  const uint64_t id_;
  // Guesses at what is read next: threads may disagree about them.
  mutable std::atomic<uint64_t> fetched_to_;
  mutable std::atomic<uint64_t> last_fetch_ = kSmallestFetch;
};

}  // namespace

Result<std::shared_ptr<const File>> OpenObjectFile(ObjectPlace place, std::shared_ptr<FetchedParts> parts,
                                                   std::shared_ptr<exec::ThreadPool> pool, std::stop_token stop) {
  auto head = place.store->Read(
      place.key, {.range = store::ByteRange{.offset = 0, .length = kSmallestFetch}, .if_generation = std::nullopt},
      {.stop = stop});
  if (!head) return head.error().Wrap("opening " + place.address);
  if (!*head) return base::NotFound("opening " + place.address + ": there is no such object");
  FileIdentity identity;
  identity.path = place.address;
  identity.size_bytes = (*head)->info.size_bytes;
  identity.generation = (*head)->info.generation.text();
  Object object{std::move(place), (*head)->info.generation, std::move(stop)};
  return std::shared_ptr<const File>(std::make_shared<ObjectFile>(std::move(object), std::move(identity),
                                                                  std::move(parts), std::move(pool), (*head)->data));
}

}  // namespace seamount::source
