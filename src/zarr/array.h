// A Zarr array (v2 or v3) over a Store.
//
// How it works: Open reads the metadata document once. A chunk is found by arithmetic (ChunkLocation); in a sharded
// array the chunk here is the inner one, found through the shard's index, which is read once and kept. Fetching (bytes
// from the store) and decoding (bytes to numbers) are separate calls, because the loader schedules them on different
// threads and decodes straight into a batch; ReadRegion/WriteRegion put them together for everybody else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "exec/thread_pool.h"
#include "nd/box.h"
#include "store/store.h"
#include "zarr/metadata.h"

namespace seamount::zarr {

class StringArena;

// Where a chunk's encoded bytes lie. Absent chunks (never written, or empty in a shard) hold fill values.
struct ChunkLocation {
  std::string key;                        // relative to the store
  std::optional<store::ByteRange> range;  // the whole object if absent
  // Of the shard whose index gave the range: a read of it should be conditional, since another shard may lie there now.
  std::optional<store::Generation> generation;
};

// Thread-safe. All element buffers are C order, native byte order, dense.
class Array {
 public:
  // path: the array's prefix in the store, without trailing '/'. NotFound when there is no zarr.json/.zarray there.
  static Result<std::unique_ptr<Array>> Open(std::shared_ptr<Store> store, std::string path,
                                             const CallContext& context);
  // Writes the metadata document, only if none is there unless `overwrite` (which does not delete old chunks).
  static Result<std::unique_ptr<Array>> Create(std::shared_ptr<Store> store, std::string path, ArrayMetadata metadata,
                                               bool overwrite, const CallContext& context);
  ~Array();

  const ArrayMetadata& metadata() const;
  const std::string& path() const;
  // Whether chunks (shards where sharded) differ in size. Such an array is read by ReadRegion and ReadStrings alone:
  // all that takes or counts single chunks, or writes, is InvalidArgument or means nothing.
  bool rectilinear() const;
  // The storage units that a box within the shape touches, as a box of units; and one unit's box in elements.
  nd::Box UnitsTouched(const nd::Box& box) const;
  nd::Box UnitBox(std::span<const uint64_t> unit) const;
  // Chunks per dimension (inner chunks where sharded).
  const nd::Index& grid_shape() const;
  size_t chunk_bytes() const;  // of one decoded chunk; edge chunks are stored whole

  // nullopt: absent. Reads the shard's index the first time one of its chunks is asked for; the indices used last are
  // kept, 64 MiB of them. Where not sharded, no I/O: an absent chunk shows when it is read.
  Result<std::optional<ChunkLocation>> Locate(std::span<const uint64_t> chunk, const CallContext& context);
  // The encoded bytes of one chunk; nullopt: absent. A shard that was overwritten since its index was read is noticed.
  Result<std::optional<Bytes>> Fetch(std::span<const uint64_t> chunk, const CallContext& context);
  struct Fetched {
    std::vector<std::optional<Bytes>> chunks;  // in the order asked for; nullopt: absent
    uint64_t requests = 0;                     // reads of chunk bytes that it took
  };
  // Fetch of several: chunks that lie next to each other in one shard are read by one request.
  Result<Fetched> FetchMany(std::span<const nd::Index> chunks, const CallContext& context);
  // The number of the storage unit that holds the chunk, in C order: what to group chunks by that are fetched together.
  uint64_t UnitNumber(std::span<const uint64_t> chunk) const;
  // Decodes to exactly chunk_bytes(). DataLoss names the chunk's key. No I/O.
  Result<void> Decode(std::span<const uint64_t> chunk, const Bytes& encoded, std::span<std::byte> into) const;
  // Fills a chunk-sized (or smaller) buffer with the fill value.
  void Fill(std::span<std::byte> into) const;

  // Encodes one storage unit (a chunk, or a whole shard of them) from a dense buffer of its full shape. No I/O.
  Result<Bytes> EncodeUnit(std::span<const std::byte> elements) const;
  // The unit's object key: `unit` counts storage units, not inner chunks.
  std::string UnitKey(std::span<const uint64_t> unit) const;
  // Chunk shape, or shard shape where sharded.
  const nd::Index& unit_shape() const;
  Result<void> WriteUnit(std::span<const uint64_t> unit, std::span<const std::byte> elements,
                         const CallContext& context);

  // Any box within the shape; `pool` (may be null) reads chunks in parallel. into.size() must match.
  Result<void> ReadRegion(const nd::Box& box, std::span<std::byte> into, exec::ThreadPool* pool,
                          const CallContext& context);
  // Any box; units touched only partly are read first, and written only if nobody wrote them meanwhile (then read
  // again). Neither may be called from a task on `pool`.
  Result<void> WriteRegion(const nd::Box& box, std::span<const std::byte> from, exec::ThreadPool* pool,
                           const CallContext& context);

  // The same for text and bytes of variable length, which the others refuse (and these refuse what is not).
  struct Strings {
    std::vector<std::string_view> elements;  // in C order
    std::shared_ptr<StringArena> arena;      // what they point into
  };
  Result<Strings> ReadStrings(const nd::Box& box, exec::ThreadPool* pool, const CallContext& context);
  Result<void> WriteStrings(const nd::Box& box, std::span<const std::string_view> from, exec::ThreadPool* pool,
                            const CallContext& context);

  // The same array with another shape; this object keeps the old one and is then of no more use for writing. The
  // document changes from one shape to the other by one conditional write. What a smaller shape cuts off is deleted
  // after it, or set to the fill value in chunks and shards at the edge; what an interrupted append left beyond the
  // edge is so before it. PreconditionFailed when the shape is not this one any more. Consolidated metadata in groups
  // above keep the old shape until ConsolidateMetadata is called.
  Result<std::unique_ptr<Array>> Resized(const nd::Index& shape, exec::ThreadPool* pool, const CallContext& context);
  // Longer by `from`, which holds whole steps along `axis`: they are written first, then the document, so that readers
  // see all of them or none. One writer at a time: of two, the second fails with PreconditionFailed, but may have
  // overwritten what the first appended.
  Result<std::unique_ptr<Array>> Appended(size_t axis, std::span<const std::byte> from, exec::ThreadPool* pool,
                                          const CallContext& context);
  Result<std::unique_ptr<Array>> AppendedStrings(size_t axis, std::span<const std::string_view> from,
                                                 exec::ThreadPool* pool, const CallContext& context);

 private:
  struct State;
  static Result<std::unique_ptr<State>> MakeState(std::shared_ptr<Store> store, std::string path,
                                                  ArrayMetadata metadata);
  explicit Array(std::unique_ptr<State> state);
  Result<void> PlaceChunk(const nd::Index& chunk, const std::optional<Bytes>& encoded, const nd::Box& box,
                          std::span<std::byte> into, StringArena* arena) const;
  Result<void> PlaceUnit(const nd::Index& unit, const std::optional<store::ReadResult>& object, const nd::Box& box,
                         std::span<std::byte> into, StringArena* arena) const;
  // Of elements as they are in memory, of variable length too.
  Result<void> ReadElements(const nd::Box& box, std::span<std::byte> into, StringArena* arena, exec::ThreadPool* pool,
                            const CallContext& context);
  Result<void> WriteElements(const nd::Box& box, std::span<const std::byte> from, exec::ThreadPool* pool,
                             const CallContext& context);
  Result<std::unique_ptr<Array>> AppendElements(size_t axis, std::span<const std::byte> from, exec::ThreadPool* pool,
                                                const CallContext& context);
  Result<std::unique_ptr<Array>> OneUnit(const nd::Index& unit) const;
  Result<void> ReadRectilinear(const nd::Box& box, std::span<std::byte> into, StringArena* arena,
                               exec::ThreadPool* pool, const CallContext& context) const;
  Result<std::optional<store::ReadResult>> ReadUnit(const nd::Index& unit, const CallContext& context) const;
  Result<void> UpdateUnit(const nd::Index& unit, const nd::Box& box, std::span<const std::byte> from,
                          const CallContext& context);
  Result<std::unique_ptr<Array>> WithShape(const nd::Index& shape) const;
  Result<void> TrimUnit(const nd::Index& unit, const CallContext& context);
  Result<void> ClearBeyond(const std::vector<size_t>& along, exec::ThreadPool* pool, const CallContext& context);
  std::unique_ptr<State> state_;
};

}  // namespace seamount::zarr
