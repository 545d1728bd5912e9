#include "store/cache/cache_store.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>

#include "base/checksum.h"
#include "base/log.h"
#include "store/cache/cache_plan.h"
#include "store/decorated_store.h"

namespace seamount::store {
namespace {

// Reads longer than this that do not know the object's size are not planned block by block before it is known.
constexpr uint64_t kMostPlannedBytes = 4ULL << 30;

// No object is as large; beyond it the arithmetic of blocks would wrap round.
constexpr uint64_t kLargestObject = 1ULL << 60;

// A part of an object whose size may not be known.
struct OpenSpan {
  uint64_t begin = 0;
  uint64_t end = 0;  // UINT64_MAX: the object's end, wherever that is
};

// Not of a suffix: where that begins, only the object's size tells.
OpenSpan SpanAsked(const std::optional<ByteRange>& range) {
  if (!range) return {0, UINT64_MAX};
  if (!range->length || *range->length > kLargestObject) return {range->offset, UINT64_MAX};
  if (range->offset > kLargestObject) return {range->offset, range->offset};
  return {range->offset, range->offset + *range->length};
}

// One request that several readers wait for.
struct Flight {
  std::mutex mutex;
  std::condition_variable_any landed;
  std::optional<Result<ReadResult>> result;
};

class CacheStore final : public DecoratedStore<CacheStore> {
 public:
  CacheStore(std::shared_ptr<Store> inner, std::shared_ptr<BlockCache> cache, std::string identity)
      : DecoratedStore(std::move(inner)), cache_(std::move(cache)), identity_(std::move(identity)) {}

  Result<std::optional<ReadResult>> Read(const std::string& key, const ReadOptions& options,
                                         const CallContext& context) override {
    SEAMOUNT_TRY(CheckKey(key));
    SEAMOUNT_TRY(CheckContext(context));
    const OpenSpan span = SpanAsked(options.range);
    // Nothing to read, or a condition that no content can fulfil: only the store can say.
    if (span.begin >= std::min(span.end, kLargestObject) || options.if_generation == kAbsent)
      return inner().Read(key, options, context);
    if (options.range && options.range->suffix) return ReadSuffix(key, options, context);
    if (options.if_generation) return Some(ReadAt(key, *options.if_generation, span, context));
    if (!HoldsBegin(FindBlock(key, span.begin / kBlockBytes, std::nullopt), span)) return ReadCold(key, span, context);
    SEAMOUNT_TRY_ASSIGN(const auto now, inner().Stat(key, context));
    if (!now) return std::optional<ReadResult>();
    auto read = ReadAt(key, now->generation, span, context);
    // Replaced between the two requests: its reader named no generation, so any current one will do.
    if (!read && read.error().code() == ErrorCode::kPreconditionFailed) return ReadCold(key, span, context);
    return Some(std::move(read));
  }

 private:
  using Found = std::unique_ptr<BlockCache::Found>;
  using Facts = BlockCache::Facts;

  static Result<std::optional<ReadResult>> Some(Result<ReadResult> read) {
    if (!read) return std::move(read).error();
    return std::optional<ReadResult>(*std::move(read));
  }

  static Facts FactsOf(const ReadResult& read) {
    return {read.info.generation, read.info.size_bytes, read.info.crc32c};
  }

  BlockId IdOf(const std::string& key, uint64_t index) const { return {identity_ + "\n" + key, index}; }

  Found FindBlock(const std::string& key, uint64_t index, std::optional<Generation> generation) const {
    return cache_->Find(IdOf(key, index), std::move(generation));
  }

  // Whether the first byte is there.
  static bool HoldsBegin(const Found& found, const OpenSpan& span) {
    if (!found) return false;
    return std::any_of(found->parts().begin(), found->parts().end(),
                       [&](const ByteSpan& part) { return part.begin <= span.begin && span.begin < part.end; });
  }

  Result<ReadResult> ReadAt(const std::string& key, Generation generation, const OpenSpan& span,
                            const CallContext& context) {
    // Any one cached block tells the object's size. Most often the first one is there, or none is.
    const uint64_t first = span.begin / kBlockBytes;
    Found found = FindBlock(key, first, generation);
    if (span.end - span.begin <= kMostPlannedBytes) {
      for (uint64_t index = first + 1; !found && index * kBlockBytes < span.end; ++index) {
        found = FindBlock(key, index, generation);
      }
    }
    // Nothing of it is cached: one request for exactly what is asked, its answer handed through.
    if (!found) return Fetch(key, generation, span, context);
    const Facts facts = found->facts();
    if (span.begin >= facts.object_bytes) return ResultOf(key, facts, Bytes());
    return ReadMixed(key, facts, {span.begin, std::min(span.end, facts.object_bytes)}, context);
  }

  static ReadResult ResultOf(const std::string& key, const Facts& facts, Bytes data) {
    return {.info = {.key = key,
                     .size_bytes = facts.object_bytes,
                     .generation = facts.generation,
                     .crc32c = facts.object_crc32c},
            .data = std::move(data)};
  }

  // Without a generation nothing may be shared with a request that began earlier: the object may have been replaced
  // between them.
  Result<std::optional<ReadResult>> ReadCold(const std::string& key, const OpenSpan& span, const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(auto read, inner().Read(key, {.range = RangeOf(span)}, context));
    if (read) SEAMOUNT_TRY(Keep(key, span, *read));
    return read;
  }

  // The object's size, which tells where a suffix begins, is known where its first block is cached. Otherwise the
  // answer tells it, and is remembered by a first block of no bytes, after which a suffix is read like any other range.
  Result<std::optional<ReadResult>> ReadSuffix(const std::string& key, const ReadOptions& options,
                                               const CallContext& context) {
    if (const Found first = FindBlock(key, 0, options.if_generation)) {
      const Facts& facts = first->facts();
      const ByteSpan span = SpanOf(options.range, facts.object_bytes);
      const OpenSpan asked{span.begin, span.end};
      if (span.size() > 0 && options.if_generation) return Some(ReadAt(key, facts.generation, asked, context));
      SEAMOUNT_TRY_ASSIGN(const auto now, inner().Stat(key, context));
      if (span.size() > 0 && now && now->generation == facts.generation) {
        auto read = ReadAt(key, facts.generation, asked, context);
        if (read || read.error().code() != ErrorCode::kPreconditionFailed) return Some(std::move(read));
      }
    }
    SEAMOUNT_TRY_ASSIGN(auto read, inner().Read(key, options, context));
    if (read) {
      const ByteSpan span = SpanOf(options.range, read->info.size_bytes);
      SEAMOUNT_TRY(Keep(key, {span.begin, span.end}, *read));
      if (span.begin >= kBlockBytes && span.size() > 0) cache_->Put(IdOf(key, 0), FactsOf(*read), 0, Bytes());
    }
    return read;
  }

  // Some of it may be cached: put together in a buffer. The span lies within the object.
  Result<ReadResult> ReadMixed(const std::string& key, const Facts& facts, const OpenSpan& span,
                               const CallContext& context) {
    Buffer buffer;
    const std::vector<OpenSpan> missing = ReadCached(key, facts, span, buffer);
    const bool whole = span.begin == 0 && span.end == facts.object_bytes;
    // Nothing of it is: handed through.
    const bool nothing = missing.size() == 1 && missing[0].begin == span.begin && missing[0].end == span.end;
    if (nothing && !whole) return Fetch(key, facts.generation, span, context);
    if (buffer.size() == 0) buffer = Buffer(span.end - span.begin);
    for (const OpenSpan& run : missing) {
      SEAMOUNT_TRY_ASSIGN(const ReadResult read, Fetch(key, facts.generation, run, context));
      const uint64_t from = std::max(run.begin, span.begin);
      const uint64_t to = std::min(run.end, span.end);
      if (read.info.size_bytes != facts.object_bytes || to - run.begin > read.data.size()) {
        return base::DataLoss("reading '" + key + "': the cache and the store disagree about its size");
      }
      std::memcpy(buffer.data() + (from - span.begin), read.data.data() + (from - run.begin), to - from);
    }
    // What came by ranges nobody below could check. (What lies on the disk was checked block by block.)
    if (whole && !missing.empty() && !Sound(facts, buffer.span())) return ReadAnew(key, facts, context);
    return ResultOf(key, facts, std::move(buffer));
  }

  // Fills in what is cached; what is not, in order. The buffer is made when there is something.
  std::vector<OpenSpan> ReadCached(const std::string& key, const Facts& facts, const OpenSpan& span, Buffer& buffer) {
    std::vector<OpenSpan> missing;
    const auto miss = [&](const ByteSpan& part) {
      if (!missing.empty() && missing.back().end == part.begin) {
        missing.back().end = part.end;
      } else {
        missing.push_back({part.begin, part.end});
      }
    };
    for (uint64_t index = span.begin / kBlockBytes; index * kBlockBytes < span.end; ++index) {
      const ByteSpan wanted{std::max(span.begin, index * kBlockBytes), std::min(span.end, (index + 1) * kBlockBytes)};
      const Found found = FindBlock(key, index, facts.generation);
      if (!found) {
        miss(wanted);
        continue;
      }
      for (const auto& [part, cached] : PlanBlock(found->parts(), wanted)) {
        if (!cached) {
          miss(part);
          continue;
        }
        if (buffer.size() == 0) buffer = Buffer(span.end - span.begin);
        if (found->Read(part.begin, buffer.span().subspan(part.begin - span.begin, part.size()))) {
          cache_->Count(true, part.size());
        } else {
          miss(part);  // damaged, and gone
        }
      }
    }
    return missing;
  }

  static bool Sound(const Facts& facts, std::span<const std::byte> object) {
    return !facts.object_crc32c || base::Crc32c(object) == *facts.object_crc32c;
  }

  // What is cached of the object, or came by ranges, is wrong somewhere: it goes, and the whole is read, which the
  // driver below verifies.
  Result<ReadResult> ReadAnew(const std::string& key, const Facts& facts, const CallContext& context) {
    DropAll(key, facts);
    SEAMOUNT_TRY_ASSIGN(ReadResult read, FetchNow(key, facts.generation, {0, UINT64_MAX}, context));
    if (Sound(facts, read.data.span())) return read;
    DropAll(key, facts);
    return base::DataLoss("reading '" + key + "': what came does not match the object's CRC32C");
  }

  void DropAll(const std::string& key, const Facts& facts) {
    for (uint64_t index = 0; index * kBlockBytes < facts.object_bytes; ++index) cache_->Drop(IdOf(key, index));
  }

  static std::optional<ByteRange> RangeOf(const OpenSpan& span) {
    if (span.end != UINT64_MAX) return ByteRange{span.begin, span.end - span.begin};
    if (span.begin == 0) return std::nullopt;  // the whole: its driver verifies the checksum
    return ByteRange{span.begin, std::nullopt};
  }

  // One request for a run of blocks at a known generation, shared with whoever wants the same one now.
  Result<ReadResult> Fetch(const std::string& key, Generation generation, const OpenSpan& run,
                           const CallContext& context) {
    const std::string name =
        generation.text() + ":" + std::to_string(run.begin) + "-" + std::to_string(run.end) + ":" + key;
    std::shared_ptr<Flight> flight;
    bool mine = false;
    {
      std::scoped_lock lock(mutex_);
      auto& slot = flights_[name];
      mine = slot == nullptr;
      if (mine) slot = std::make_shared<Flight>();
      flight = slot;
    }
    if (!mine) {
      auto shared = Await(*flight, context);
      // What stopped the other reader need not stop this one.
      if (shared || shared.error().code() == ErrorCode::kPreconditionFailed) return shared;
      SEAMOUNT_TRY(CheckContext(context));
      return FetchNow(key, generation, run, context);
    }
    auto fetched = FetchNow(key, generation, run, context);
    {
      std::scoped_lock lock(mutex_);
      flights_.erase(name);
    }
    {
      std::scoped_lock lock(flight->mutex);
      flight->result = fetched;
    }
    flight->landed.notify_all();
    return fetched;
  }

  static Result<ReadResult> Await(Flight& flight, const CallContext& context) {
    std::unique_lock lock(flight.mutex);
    const auto landed = [&] { return flight.result.has_value(); };
    const bool there = context.deadline == base::SteadyTime::max()
                           ? flight.landed.wait(lock, context.stop, landed)
                           : flight.landed.wait_until(lock, context.stop, context.deadline, landed);
    if (!there) return base::Unavailable("the deadline passed while another reader fetched the same block");
    return *flight.result;
  }

  Result<ReadResult> FetchNow(const std::string& key, Generation generation, const OpenSpan& run,
                              const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(auto read, inner().Read(key, {.range = RangeOf(run), .if_generation = generation}, context));
    if (!read || read->info.generation != generation) {
      return base::PreconditionFailed("reading '" + key + "': the object is not at the generation expected");
    }
    SEAMOUNT_TRY(Keep(key, run, *read));
    return *std::move(read);
  }

  // Queues what was read for the cache. An error when it is not what was asked for.
  Result<void> Keep(const std::string& key, const OpenSpan& asked, const ReadResult& read) {
    const Facts facts = FactsOf(read);
    const uint64_t end = std::max(asked.begin, std::min(asked.end, facts.object_bytes));
    if (read.data.size() != end - asked.begin) {
      return base::Unavailable("reading '" + key + "': " + std::to_string(read.data.size()) +
                               " bytes came instead of " + std::to_string(end - asked.begin));
    }
    if (end == asked.begin) return {};
    for (uint64_t at = asked.begin; at < end;) {
      const uint64_t to = std::min(end, (at / kBlockBytes + 1) * kBlockBytes);
      cache_->Put(IdOf(key, at / kBlockBytes), facts, at, read.data.Slice(at - asked.begin, to - at));
      cache_->Count(false, to - at);
      at = to;
    }
    return {};
  }

  const std::shared_ptr<BlockCache> cache_;
  const std::string identity_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace

std::shared_ptr<Store> MakeCacheStore(std::shared_ptr<Store> inner, std::shared_ptr<BlockCache> cache,
                                      std::string identity) {
  return std::make_shared<CacheStore>(std::move(inner), std::move(cache), std::move(identity));
}

}  // namespace seamount::store
