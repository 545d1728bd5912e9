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

constexpr CachePiece kFirstPiece{kSmallBlockBytes, 0};

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
    if (!FindFirst(key, span, std::nullopt)) return ReadCold(key, span, context);
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

  BlockId IdOf(const std::string& key, const CachePiece& piece) const {
    return {identity_ + "\n" + key, piece.block_bytes, piece.index};
  }

  // What is cached of the piece: its block, a part of it, or the large block that holds it.
  Found FindPiece(const std::string& key, const CachePiece& piece, std::optional<Generation> generation) const {
    const CachePiece large{kLargeBlockBytes, piece.begin() / kLargeBlockBytes};
    if (Found found = cache_->Find(IdOf(key, large), generation)) return found;
    if (piece == large) return nullptr;
    return cache_->Find(IdOf(key, piece), generation);
  }

  Found FindFirst(const std::string& key, const OpenSpan& span, std::optional<Generation> generation) const {
    return FindPiece(key, {kSmallBlockBytes, span.begin / kSmallBlockBytes}, generation);
  }

  // Blocks of a read whose size is known or bounded; empty where that would be too many to look for.
  static std::vector<CachePiece> PiecesOf(const OpenSpan& span, std::optional<uint64_t> object_bytes) {
    const uint64_t end = std::min(span.end, object_bytes.value_or(UINT64_MAX));
    if (end <= span.begin) return {};
    if (!object_bytes && end - span.begin > kMostPlannedBytes) return {};
    return PlanPieces(span.begin, end, object_bytes);
  }

  Result<ReadResult> ReadAt(const std::string& key, Generation generation, const OpenSpan& span,
                            const CallContext& context) {
    // Any one cached block tells the object's size. Most often the first one is there, or none is.
    Found first = FindFirst(key, span, generation);
    std::vector<CachePiece> pieces = PiecesOf(span, first ? std::optional(first->facts().object_bytes) : std::nullopt);
    if (!first) {
      for (size_t i = 1; i < pieces.size() && !first; ++i) first = FindPiece(key, pieces[i], generation);
    }
    // Nothing of it is cached: one request for exactly what is asked, its answer handed through.
    if (!first) return Fetch(key, generation, span, context);
    const Facts facts = first->facts();
    if (span.begin >= facts.object_bytes) return ResultOf(key, facts, Bytes());
    return ReadMixed(key, facts, {span.begin, std::min(span.end, facts.object_bytes)}, std::move(first), context);
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
    if (const Found first = FindFirst(key, {0, UINT64_MAX}, options.if_generation)) {
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
      if (span.begin >= kSmallBlockBytes && span.size() > 0)
        cache_->Put(IdOf(key, kFirstPiece), FactsOf(*read), 0, Bytes());
    }
    return read;
  }

  // Some of it is cached (one block is found already): put together in a buffer. The span lies within the object.
  Result<ReadResult> ReadMixed(const std::string& key, const Facts& facts, const OpenSpan& span, Found found,
                               const CallContext& context) {
    Buffer buffer(span.end - span.begin);
    std::vector<OpenSpan> missing;
    for (const CachePiece& piece : PlanPieces(span.begin, span.end, facts.object_bytes)) {
      OpenSpan part{std::max(piece.begin(), span.begin), std::min(piece.end(), span.end)};
      if (!Covers(found, part)) found = FindPiece(key, piece, facts.generation);
      const auto into = buffer.span().subspan(part.begin - span.begin, part.end - part.begin);
      if (Covers(found, part)) {
        if (found->Read(part.begin, into)) {
          cache_->Count(true, into.size());
          continue;
        }
        found.reset();  // damaged, and gone
      }
      // A block of which another part is wanted than is cached is fetched whole, unless the two make one part.
      const bool apart =
          found && found->end() > found->begin() && (found->end() < part.begin || part.end < found->begin());
      if (apart) part = {piece.begin(), std::min(piece.end(), facts.object_bytes)};
      if (!missing.empty() && missing.back().end == part.begin) {
        missing.back().end = part.end;
      } else {
        missing.push_back(part);
      }
    }
    found.reset();
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
    const bool whole = span.begin == 0 && span.end == facts.object_bytes;
    if (whole && !missing.empty() && !Sound(facts, buffer.span())) return ReadAnew(key, facts, context);
    return ResultOf(key, facts, std::move(buffer));
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
    for (uint64_t at = 0; at < facts.object_bytes; at += kSmallBlockBytes) {
      cache_->Drop(IdOf(key, {kSmallBlockBytes, at / kSmallBlockBytes}));
      if (at % kLargeBlockBytes == 0) cache_->Drop(IdOf(key, {kLargeBlockBytes, at / kLargeBlockBytes}));
    }
  }

  static bool Covers(const Found& found, const OpenSpan& part) {
    return found && found->begin() <= part.begin && part.end <= found->end();
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
    const uint64_t object_end = facts.object_bytes;
    const uint64_t end = std::max(asked.begin, std::min(asked.end, object_end));
    if (read.data.size() != end - asked.begin) {
      return base::Unavailable("reading '" + key + "': " + std::to_string(read.data.size()) +
                               " bytes came instead of " + std::to_string(end - asked.begin));
    }
    if (end == asked.begin) return {};
    for (const CachePiece& piece : PlanPieces(asked.begin, end, object_end)) {
      const uint64_t from = std::max(piece.begin(), asked.begin);
      const uint64_t to = std::min(piece.end(), end);
      cache_->Put(IdOf(key, piece), facts, from, read.data.Slice(from - asked.begin, to - from));
      cache_->Count(false, to - from);
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
