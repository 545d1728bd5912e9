#include "store/cache/block_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/checksum.h"
#include "base/log.h"
#include "store/cache/block_folder.h"
#include "store/cache/cache_plan.h"
#include "store/cache/open_blocks.h"

namespace seamount::store {
namespace {

// How exactly the time of a block's last use is kept. More would cost a write for every read.
constexpr time_t kTouchSeconds = 60;
// Threads that write. A file is one request to the disk, which works fastest on several at once; and one thread alone
// waits too long for its turn where fetching keeps all processors busy.
constexpr int kWriters = 4;
// After an error of the disk, until it is tried again.
constexpr auto kPause = std::chrono::seconds(60);

// A part of a block that waits to be written. Offsets are the object's.
struct Piece {
  uint64_t begin = 0;
  Bytes bytes;

  ByteSpan span() const { return {begin, begin + bytes.size()}; }
};

// The same bytes in pieces that neither overlap nor touch. Of several, those without bytes go.
std::vector<Piece> Joined(std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  std::vector<ByteSpan> spans;
  for (const Piece& piece : pieces) spans.push_back(piece.span());
  spans = Normalized(std::move(spans));
  if (spans.empty()) return {pieces.front()};
  std::vector<Piece> joined;
  auto next = pieces.begin();
  for (const ByteSpan& span : spans) {
    while (next->bytes.empty()) ++next;
    if (next->bytes.size() == span.size()) {
      joined.push_back(*next);
      while (next != pieces.end() && next->span().end <= span.end) ++next;
      continue;
    }
    Buffer bytes(span.size());
    for (; next != pieces.end() && next->span().end <= span.end; ++next) {
      if (!next->bytes.empty())
        std::memcpy(bytes.data() + (next->begin - span.begin), next->bytes.data(), next->bytes.size());
    }
    joined.push_back({span.begin, std::move(bytes)});
  }
  return joined;
}

bool Within(const ByteSpan& span, const std::vector<ByteSpan>& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const ByteSpan& part) { return part.begin <= span.begin && span.end <= part.end; });
}

// What is on disk of a block, and what waits to be.
class FoundBlock final : public BlockCache::Found {
 public:
  // stored: null where nothing is on disk.
  FoundBlock(BlockCache::Facts facts, std::vector<Piece> waiting, std::shared_ptr<const StoredBlock> stored,
             std::atomic<uint64_t>& damaged)
      : facts_(std::move(facts)), waiting_(std::move(waiting)), stored_(std::move(stored)), damaged_(damaged) {
    if (stored_) parts_ = stored_->parts();
    if (waiting_.empty()) return;
    for (const Piece& piece : waiting_) parts_.push_back(piece.span());
    parts_ = Normalized(std::move(parts_));
  }
  const BlockCache::Facts& facts() const override { return facts_; }
  const std::vector<ByteSpan>& parts() const override { return parts_; }

  bool Read(uint64_t offset, std::span<std::byte> into) override {
    while (!into.empty()) {
      size_t read = ReadWaiting(offset, into);
      if (read == 0 && stored_) read = stored_->Read(offset, into);
      if (read == 0) return Damaged();
      offset += read;
      into = into.subspan(read);
    }
    return true;
  }

 private:
  size_t ReadWaiting(uint64_t offset, std::span<std::byte> into) const {
    for (const Piece& piece : waiting_) {
      if (offset < piece.begin || offset >= piece.span().end) continue;
      const size_t size = std::min<uint64_t>(into.size(), piece.span().end - offset);
      std::memcpy(into.data(), piece.bytes.data() + (offset - piece.begin), size);
      return size;
    }
    return 0;
  }

  bool Damaged() {
    ++damaged_;
    if (stored_) unlink(stored_->path().c_str());
    return false;
  }

  const BlockCache::Facts facts_;
  const std::vector<Piece> waiting_;
  const std::shared_ptr<const StoredBlock> stored_;
  std::vector<ByteSpan> parts_;
  std::atomic<uint64_t>& damaged_;
};

BlockCache::Facts FactsOf(const BlockHeader& header) {
  return {header.generation, header.object_bytes, header.object_crc32c};
}

class DiskCache final : public BlockCache {
 public:
  explicit DiskCache(const BlockCacheOptions& options)
      : options_(options), folder_(options.directory, options.limit_bytes, options.reserve_bytes) {}

  ~DiskCache() override {
    {
      std::scoped_lock lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    for (std::thread& writer : writers_) writer.join();
  }

  Result<void> Start() {
    SEAMOUNT_TRY(folder_.Make());
    // What other processes have counted may be wrong: some were killed, and files deleted by hand.
    writers_.emplace_back([this] {
      if (const auto counted = folder_.Recount(); !counted) Warn(counted.error());
      {
        std::scoped_lock lock(mutex_);
        counted_ = true;
      }
      wake_.notify_all();
      WriteQueue();
    });
    while (writers_.size() < kWriters) writers_.emplace_back([this] { WriteQueue(); });
    return {};
  }

  std::unique_ptr<Found> Find(const BlockId& id, std::optional<Generation> generation) override {
    std::optional<Facts> facts;
    std::vector<Piece> waiting;
    if (waiting_ > 0) {
      const std::string path = folder_.PathOf(id);
      std::scoped_lock lock(mutex_);
      const auto it = queued_.find(path);
      if (it != queued_.end() && it->second.id == id &&
          generation.value_or(it->second.facts.generation) == it->second.facts.generation) {
        facts = it->second.facts;
        waiting = it->second.pieces;
        generation = facts->generation;
      }
    }
    auto stored = FindStored(id, generation);
    if (!facts && !stored) return nullptr;
    return std::make_unique<FoundBlock>(facts ? *std::move(facts) : FactsOf(stored->header()), std::move(waiting),
                                        std::move(stored), damaged_);
  }

  void Put(const BlockId& id, const Facts& facts, uint64_t begin, Bytes payload) override {
    std::string path = folder_.PathOf(id);
    std::scoped_lock lock(mutex_);
    // Once full, the queue takes nothing until it is half empty: single blocks of many reads would keep alive all that
    // was read with them.
    full_ = queued_bytes_ + payload.size() > (full_ ? options_.queue_bytes / 2 : options_.queue_bytes);
    if (full_) {
      ++dropped_;
      return;
    }
    const auto [it, inserted] = queued_.try_emplace(path, Queued{id, facts, {}});
    Queued& block = it->second;
    // Of something else than what waits there: the next reader brings it again. So with what waits already.
    if (block.id != id || block.facts.generation != facts.generation) return;
    const Piece piece{begin, std::move(payload)};
    const bool there = std::any_of(block.pieces.begin(), block.pieces.end(), [&](const Piece& other) {
      return other.begin <= piece.begin && piece.span().end <= other.span().end;
    });
    if (there) return;
    queued_bytes_ += piece.bytes.size();
    block.pieces.push_back(piece);
    if (!inserted) return;  // whoever writes it looks for what came meanwhile
    ++waiting_;
    order_.push_back(std::move(path));
    wake_.notify_one();
  }

  void Drop(const BlockId& id) override {
    const std::string path = folder_.PathOf(id);
    std::unique_lock lock(mutex_);
    // What is being written now would come back.
    idle_.wait(lock, [&] { return !queued_.contains(path); });
    if (unlink(path.c_str()) == 0) ++damaged_;
  }

  void Count(bool hit, uint64_t bytes) override {
    ++(hit ? hits_ : misses_);
    (hit ? hit_bytes_ : miss_bytes_) += bytes;
  }

  void Flush() override {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return queued_.empty(); });
  }

  BlockCacheStats Stats() const override {
    return {.hits = hits_,
            .hit_bytes = hit_bytes_,
            .misses = misses_,
            .miss_bytes = miss_bytes_,
            .stored = stored_,
            .dropped = dropped_,
            .damaged = damaged_,
            .evicted = folder_.evicted()};
  }

 private:
  // What waits of one block. It stays findable while it is written.
  struct Queued {
    BlockId id;
    Facts facts;
    std::vector<Piece> pieces;
  };

  std::shared_ptr<const StoredBlock> FindStored(const BlockId& id, std::optional<Generation> generation) {
    std::shared_ptr<const StoredBlock> block = open_.Find(id);
    struct stat status {};
    if (block && !block->Current(status)) {
      open_.Drop(id);
      block = nullptr;
    }
    if (!block && (block = OpenStored(id, status))) open_.Hold(block);
    if (!block || generation.value_or(block->header().generation) != block->header().generation) return nullptr;
    if (time(nullptr) - status.st_mtim.tv_sec > kTouchSeconds) futimens(block->fd(), nullptr);
    return block;
  }

  std::shared_ptr<const StoredBlock> OpenStored(const BlockId& id, struct stat& status) {
    const std::string path = folder_.PathOf(id);
    bool damaged = false;
    auto block = StoredBlock::Open(path, id, status, damaged);
    if (damaged) {
      ++damaged_;
      unlink(path.c_str());
    }
    return block;
  }

  void WriteQueue() {
    BlockImage image;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return counted_ && (closing_ || !order_.empty()); });
      if (order_.empty()) return;
      const std::string path = std::move(order_.front());
      order_.pop_front();
      Queued& queued = queued_.at(path);
      const Queued block = queued;
      const bool behind = queued_bytes_ > options_.queue_bytes / 2;
      lock.unlock();
      WriteBlock(block, behind ? Through::kPageCache : Through::kNothing, image);
      lock.lock();
      for (const Piece& piece : block.pieces) queued_bytes_ -= piece.bytes.size();
      queued.pieces.erase(queued.pieces.begin(), queued.pieces.begin() + static_cast<ptrdiff_t>(block.pieces.size()));
      if (!queued.pieces.empty()) {
        order_.push_back(path);
        wake_.notify_one();
      } else {
        queued_.erase(path);
        --waiting_;
      }
      idle_.notify_all();
    }
  }

  void WriteBlock(const Queued& block, Through through, BlockImage& image) {
    if (std::chrono::steady_clock::now().time_since_epoch().count() < paused_until_) {
      dropped_ += block.pieces.size();
      return;
    }
    const uint64_t evicted_before = folder_.evicted();
    const auto written = WritePieces(block, through, image);
    // What was evicted for it shall give its room back; the block itself may have replaced an older one.
    if (folder_.evicted() != evicted_before) open_.Clear();
    open_.Drop(block.id);
    (written && *written ? stored_ : dropped_) += block.pieces.size();
    if (written) return;
    paused_until_ = (std::chrono::steady_clock::now() + kPause).time_since_epoch().count();
    Warn(written.error());
  }

  // Appended to what is there, or together with it in a new file.
  Result<bool> WritePieces(const Queued& block, Through through, BlockImage& image) {
    std::vector<Piece> pieces = Joined(block.pieces);
    const uint64_t end = std::min(block.id.begin() + kBlockBytes, block.facts.object_bytes);
    const bool whole = pieces.front().begin == block.id.begin() && pieces.front().span().end == end;
    const auto there = whole ? nullptr : FindStored(block.id, block.facts.generation);
    if (there == nullptr) return folder_.Replace(PartsOf(block, pieces), through, image);
    // Other processes, and earlier pieces of this one, may have brought some of it.
    std::erase_if(pieces,
                  [&](const Piece& piece) { return piece.bytes.empty() || Within(piece.span(), there->parts()); });
    if (pieces.empty()) return true;
    if (there->ends_well() && there->part_count() + pieces.size() <= kMostParts) {
      return folder_.Append(*there, PartsOf(block, pieces), through, image);
    }
    for (const ByteSpan& part : there->parts()) {
      Buffer bytes(part.size());
      FoundBlock found(block.facts, {}, there, damaged_);
      if (found.Read(part.begin, bytes.span())) pieces.push_back({part.begin, std::move(bytes)});
    }
    pieces = Joined(std::move(pieces));
    return folder_.Replace(PartsOf(block, pieces), through, image);
  }

  static std::vector<NewPart> PartsOf(const Queued& block, const std::vector<Piece>& pieces) {
    std::vector<NewPart> parts;
    for (const Piece& piece : pieces) {
      parts.push_back({.header = {.id = block.id,
                                  .generation = block.facts.generation,
                                  .object_bytes = block.facts.object_bytes,
                                  .object_crc32c = block.facts.object_crc32c,
                                  .payload_begin = static_cast<uint32_t>(piece.begin - block.id.begin()),
                                  .payload_bytes = static_cast<uint32_t>(piece.bytes.size())},
                       .payload = piece.bytes.span()});
    }
    return parts;
  }

  void Warn(const Error& error) {
    if (!warned_.exchange(true)) {
      base::Log(base::LogLevel::kWarning, "going on without caching: " + error.message());
    }
  }

  const BlockCacheOptions options_;
  BlockFolder folder_;
  OpenBlocks open_;
  std::atomic<std::chrono::steady_clock::rep> paused_until_ = 0;
  std::atomic<bool> warned_ = false;

  std::atomic<uint64_t> hits_ = 0;
  std::atomic<uint64_t> hit_bytes_ = 0;
  std::atomic<uint64_t> misses_ = 0;
  std::atomic<uint64_t> miss_bytes_ = 0;
  std::atomic<uint64_t> stored_ = 0;
  std::atomic<uint64_t> dropped_ = 0;
  std::atomic<uint64_t> damaged_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::map<std::string, Queued> queued_;  // by path
  std::atomic<size_t> waiting_ = 0;       // how many those are: most often none, and then a reader needs no lock
  std::deque<std::string> order_;
  uint64_t queued_bytes_ = 0;
  bool counted_ = false;  // nothing is written before
  bool full_ = false;
  bool closing_ = false;
  std::vector<std::thread> writers_;
};

}  // namespace

Result<std::shared_ptr<BlockCache>> OpenBlockCache(const BlockCacheOptions& options) {
  auto cache = std::make_shared<DiskCache>(options);
  SEAMOUNT_TRY(cache->Start());
  return std::shared_ptr<BlockCache>(std::move(cache));
}

}  // namespace seamount::store
