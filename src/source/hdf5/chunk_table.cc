#include "source/hdf5/chunk_table.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "source/hdf5/worker.h"

namespace seamount::source::hdf5 {
namespace {

constexpr uint64_t kBlockChunks = 1 << 14;  // of the grid, in C order: 384 KiB, some milliseconds of libhdf5
constexpr uint64_t kKeptChunks = (uint64_t{64} << 20) / sizeof(ChunkAddress);

using Key = std::tuple<uint64_t, size_t, uint64_t>;  // file, variable, block
using Block = std::shared_ptr<const std::vector<ChunkAddress>>;

// Thread-safe.
class Kept {
 public:
  Block Find(const Key& key) {
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.block;
  }

  void Add(const Key& key, Block block) {
    const std::scoped_lock lock(mutex_);
    if (entries_.contains(key)) return;
    chunks_ += block->size();
    recent_.push_front(key);
    entries_[key] = {std::move(block), recent_.begin()};
    while (chunks_ > kKeptChunks && recent_.size() > 1) Erase(entries_.find(recent_.back()));
  }

  void DropFile(uint64_t file) {
    const std::scoped_lock lock(mutex_);
    for (auto it = entries_.lower_bound({file, 0, 0}); it != entries_.end() && std::get<0>(it->first) == file;) {
      it = Erase(it);
    }
  }

 private:
  struct Entry {
    Block block;
    std::list<Key>::iterator place;
  };
  std::map<Key, Entry>::iterator Erase(std::map<Key, Entry>::iterator entry) {
    chunks_ -= entry->second.block->size();
    recent_.erase(entry->second.place);
    return entries_.erase(entry);
  }

  std::mutex mutex_;
  uint64_t chunks_ = 0;
  std::list<Key> recent_;  // used last at the front
  std::map<Key, Entry> entries_;
};

Kept& Tables() {
  static Kept kept;
  return kept;
}

uint64_t NextId() {
  static std::atomic<uint64_t> next = 0;
  return next++;
}

}  // namespace

ChunkTables::ChunkTables(std::shared_ptr<const File> file) : file_(std::move(file)), id_(NextId()) {}
ChunkTables::~ChunkTables() { Tables().DropFile(id_); }

Result<ChunkAddress> ChunkTables::Find(const StoredVariable& variable, size_t index, const nd::Index& chunk) const {
  const nd::Index grid = nd::GridShape(variable.stored_shape, variable.variable.chunk_shape);
  const uint64_t number = nd::LinearIndex(chunk, grid);
  const uint64_t first = number / kBlockChunks * kBlockChunks;
  const Key key{id_, index, first};
  Block block = Tables().Find(key);
  if (block == nullptr) {
    const uint64_t count = std::min(kBlockChunks, nd::Elements(grid) - first);
    SEAMOUNT_TRY_ASSIGN(auto chunks, Worker::Shared().Locate(*file_, variable, first, count));
    block = std::make_shared<const std::vector<ChunkAddress>>(std::move(chunks));
    Tables().Add(key, block);
  }
  return (*block)[number - first];
}

}  // namespace seamount::source::hdf5
