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
#include "base/fd.h"
#include "base/log.h"
#include "store/cache/block_folder.h"
#include "store/cache/open_blocks.h"

namespace seamount::store {
namespace {

using base::Fd;

// How exactly the time of a block's last use is kept. More would cost a write for every read.
constexpr time_t kTouchSeconds = 60;
// Threads that write. A file is one request to the disk, which works fastest on several at once; and one thread alone
// waits too long for its turn where fetching keeps all processors busy.
constexpr int kWriters = 4;
// After an error of the disk, until it is tried again.
constexpr auto kPause = std::chrono::seconds(60);

bool ReadWhole(int fd, std::span<std::byte> into, uint64_t offset) {
  while (!into.empty()) {
    const ssize_t n = pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    into = into.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

// A block that waits to be written.
class QueuedBlock final : public BlockCache::Found {
 public:
  QueuedBlock(const BlockCache::Facts& facts, uint64_t begin, Bytes payload)
      : facts_(facts), begin_(begin), payload_(std::move(payload)) {}
  const BlockCache::Facts& facts() const override { return facts_; }
  uint64_t begin() const override { return begin_; }
  uint64_t end() const override { return begin_ + payload_.size(); }
  bool Read(uint64_t offset, std::span<std::byte> into) override {
    std::memcpy(into.data(), payload_.data() + (offset - begin_), into.size());
    return true;
  }

 private:
  const BlockCache::Facts facts_;
  const uint64_t begin_;
  const Bytes payload_;
};

// A block on disk.
class StoredBlock final : public BlockCache::Found {
 public:
  StoredBlock(std::shared_ptr<const OpenBlock> block, std::atomic<uint64_t>& damaged)
      : block_(std::move(block)),
        header_(block_->header),
        facts_{header_.generation, header_.object_bytes, header_.object_crc32c},
        begin_(header_.id.index * header_.id.block_bytes + header_.payload_begin),
        damaged_(damaged) {}
  const BlockCache::Facts& facts() const override { return facts_; }
  uint64_t begin() const override { return begin_; }
  uint64_t end() const override { return begin_ + header_.payload_bytes; }

  bool Read(uint64_t offset, std::span<std::byte> into) override {
    if (into.empty()) return true;
    // Whole checksummed parts go straight to their place, all at once; a partial one at either end by way of a copy.
    const uint64_t from = offset - begin_;
    const uint64_t to = from + into.size();
    const uint64_t whole_from = std::min(RoundUp(from), to);
    const uint64_t whole_to =
        to == header_.payload_bytes ? to : std::max(whole_from, to / kChecksummedBytes * kChecksummedBytes);
    const auto part = [&](uint64_t first, uint64_t last) { return into.subspan(first - from, last - first); };
    const bool sound = ReadInside(from, part(from, whole_from)) && ReadParts(whole_from, part(whole_from, whole_to)) &&
                       ReadInside(whole_to, part(whole_to, to));
    return sound || Damaged();
  }

 private:
  static uint64_t RoundUp(uint64_t at) { return (at + kChecksummedBytes - 1) / kChecksummedBytes * kChecksummedBytes; }

  // Whole parts of the payload from the beginning of one.
  bool ReadParts(uint64_t from, std::span<std::byte> into) const {
    if (into.empty()) return true;
    if (!ReadWhole(block_->fd.get(), into, kBlockHeaderBytes + from)) return false;
    for (uint64_t part = from / kChecksummedBytes; !into.empty(); ++part) {
      const auto one = into.first(std::min<size_t>(into.size(), kChecksummedBytes));
      if (base::Crc32c(one) != header_.crc32c[part]) return false;
      into = into.subspan(one.size());
    }
    return true;
  }

  // Bytes of the payload that lie within one part, and are not all of it.
  bool ReadInside(uint64_t from, std::span<std::byte> into) const {
    if (into.empty()) return true;
    const uint64_t part_begin = from / kChecksummedBytes * kChecksummedBytes;
    Buffer whole(std::min<uint64_t>(kChecksummedBytes, header_.payload_bytes - part_begin));
    if (!ReadParts(part_begin, whole.span())) return false;
    std::memcpy(into.data(), whole.data() + (from - part_begin), into.size());
    return true;
  }

  bool Damaged() {
    ++damaged_;
    unlink(block_->path.c_str());
    return false;
  }

  const std::shared_ptr<const OpenBlock> block_;
  const BlockHeader& header_;
  const BlockCache::Facts facts_;
  const uint64_t begin_;
  std::atomic<uint64_t>& damaged_;
};

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
    if (waiting_ > 0) {
      const std::string path = folder_.PathOf(id);
      std::scoped_lock lock(mutex_);
      const auto it = queued_.find(path);
      if (it != queued_.end() && it->second.id.object == id.object &&
          generation.value_or(it->second.facts.generation) == it->second.facts.generation) {
        return std::make_unique<QueuedBlock>(it->second.facts, it->second.begin, it->second.payload);
      }
    }
    return FindStored(id, generation);
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
    const auto [it, inserted] = queued_.try_emplace(path, Queued{});
    // The block that is being written stays as it is; the next reader brings this one again.
    if (!inserted) return;
    ++waiting_;
    queued_bytes_ += payload.size();
    it->second = {id, facts, begin, std::move(payload)};
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
  struct Queued {
    BlockId id;
    Facts facts;
    uint64_t begin = 0;
    Bytes payload;

    uint64_t end() const { return begin + payload.size(); }
    bool whole() const {
      const uint64_t block_begin = id.index * id.block_bytes;
      return begin == block_begin && end() == std::min(block_begin + id.block_bytes, facts.object_bytes);
    }
  };

  std::unique_ptr<Found> FindStored(const BlockId& id, std::optional<Generation> generation) {
    std::shared_ptr<const OpenBlock> block = open_.Find(id);
    struct stat status {};
    if (block && (fstat(block->fd.get(), &status) != 0 || status.st_nlink == 0 || !IsWhole(status, block->header))) {
      open_.Drop(id);
      block = nullptr;
    }
    if (!block && (block = OpenStored(id, status))) open_.Hold(block);
    if (!block || generation.value_or(block->header.generation) != block->header.generation) return nullptr;
    if (time(nullptr) - status.st_mtim.tv_sec > kTouchSeconds) futimens(block->fd.get(), nullptr);
    return std::make_unique<StoredBlock>(std::move(block), damaged_);
  }

  static bool IsWhole(const struct stat& status, const BlockHeader& header) {
    return static_cast<uint64_t>(status.st_size) == kBlockHeaderBytes + header.payload_bytes;
  }

  std::shared_ptr<const OpenBlock> OpenStored(const BlockId& id, struct stat& status) {
    std::string path = folder_.PathOf(id);
    // A pipe or a device in a block's place must not hold up its readers.
    Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd) return nullptr;
    EncodedBlockHeader bytes;
    if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || !ReadWhole(fd.get(), bytes, 0)) {
      return Discard(path);
    }
    auto header = DecodeBlockHeader(bytes);
    if (!header || !IsWhole(status, *header)) return Discard(path);
    if (header->id.object != id.object || header->id.block_bytes != id.block_bytes || header->id.index != id.index) {
      return nullptr;
    }
    return std::make_shared<OpenBlock>(OpenBlock{std::move(fd), *std::move(header), std::move(path)});
  }

  std::shared_ptr<const OpenBlock> Discard(const std::string& path) {
    ++damaged_;
    unlink(path.c_str());
    return nullptr;
  }

  void WriteQueue() {
    BlockImage image;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return counted_ && (closing_ || !order_.empty()); });
      if (order_.empty()) return;
      const std::string path = std::move(order_.front());
      order_.pop_front();
      const Queued block = queued_.at(path);  // stays findable while it is written
      const bool behind = queued_bytes_ > options_.queue_bytes / 2;
      lock.unlock();
      WriteBlock(block.whole() ? block : Joined(block), behind, image);
      lock.lock();
      queued_bytes_ -= block.payload.size();
      queued_.erase(path);
      --waiting_;
      idle_.notify_all();
    }
  }

  // A part of a block, with what is cached of it already if the two touch.
  Queued Joined(const Queued& block) {
    const auto there = FindStored(block.id, block.facts.generation);
    if (there == nullptr || there->end() < block.begin || there->begin() > block.end()) return block;
    const uint64_t begin = std::min(block.begin, there->begin());
    Buffer both(std::max(block.end(), there->end()) - begin);
    if (!there->Read(there->begin(), both.span().subspan(there->begin() - begin, there->end() - there->begin()))) {
      return block;
    }
    std::memcpy(both.data() + (block.begin - begin), block.payload.data(), block.payload.size());
    return {block.id, block.facts, begin, std::move(both)};
  }

  void WriteBlock(const Queued& block, bool behind, BlockImage& image) {
    if (std::chrono::steady_clock::now().time_since_epoch().count() < paused_until_) {
      ++dropped_;
      return;
    }
    BlockHeader header{.id = block.id,
                       .generation = block.facts.generation,
                       .object_bytes = block.facts.object_bytes,
                       .object_crc32c = block.facts.object_crc32c,
                       .payload_begin = static_cast<uint32_t>(block.begin - block.id.index * block.id.block_bytes),
                       .payload_bytes = static_cast<uint32_t>(block.payload.size())};
    ChecksumPayload(block.payload.span(), header);
    const uint64_t evicted_before = folder_.evicted();
    const auto written =
        folder_.Write(header, block.payload.span(), behind ? Through::kPageCache : Through::kNothing, image);
    // What was evicted for it shall give its room back; the block itself may have replaced an older one.
    if (folder_.evicted() != evicted_before) open_.Clear();
    open_.Drop(block.id);
    if (written && *written) {
      ++stored_;
      return;
    }
    ++dropped_;
    if (written) return;
    paused_until_ = (std::chrono::steady_clock::now() + kPause).time_since_epoch().count();
    Warn(written.error());
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
