// Boxes of elements: which units a box touches, in parallel over them; a unit that the box needs most of is read whole,
// one that it touches little is read chunk by chunk.
#include <cstring>
#include <limits>

#include "exec/for_each.h"
#include "nd/box.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "zarr/array_state.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

Result<void> CheckBox(const ArrayMetadata& metadata, const nd::Box& box, size_t buffer_bytes, const std::string& path) {
  const auto bad = [&](const std::string& what) { return base::InvalidArgument("array '" + path + "': " + what); };
  if (box.origin.size() != metadata.shape.size() || box.shape.size() != metadata.shape.size()) {
    return bad("a box of another rank than the array's " + std::to_string(metadata.shape.size()));
  }
  uint64_t bytes = ElementTypeOf(metadata).size;
  for (size_t d = 0; d < box.shape.size(); ++d) {
    if (box.origin[d] > metadata.shape[d] || box.shape[d] > metadata.shape[d] - box.origin[d]) {
      return bad("the box reaches beyond dimension " + std::to_string(d) + " of size " +
                 std::to_string(metadata.shape[d]));
    }
    if (box.shape[d] != 0 && bytes > std::numeric_limits<uint64_t>::max() / box.shape[d])
      return bad("the box is too large");
    bytes *= box.shape[d];
  }
  if (bytes != buffer_bytes) {
    return bad("a buffer of " + std::to_string(buffer_bytes) + " bytes for a box of " + std::to_string(bytes));
  }
  return {};
}

// Whether `part` is one stretch of the dense buffer that holds `box`; then also a chunk that it fills can be decoded
// there.
bool IsContiguous(const nd::Box& part, const nd::Box& box) {
  bool one_stretch = true;  // every dimension up to here has size 1
  for (size_t d = 0; d < part.shape.size(); ++d) {
    if (!one_stretch && part.shape[d] != box.shape[d]) return false;
    one_stretch = one_stretch && part.shape[d] == 1;
  }
  return true;
}

// Where it begins there, in elements.
uint64_t OffsetIn(const nd::Box& part, const nd::Box& box) {
  return nd::LinearIndex(nd::RelativeTo(part, box.origin).origin, box.shape);
}

}  // namespace

// Puts one chunk's part of the box in place. encoded: nullopt where absent.
Result<void> Array::PlaceChunk(const nd::Index& chunk, const std::optional<Bytes>& encoded, const nd::Box& box,
                               std::span<std::byte> into, StringArena* arena) const {
  const State& s = *state_;
  const nd::Box chunk_box = nd::CellBox(chunk, s.metadata.chunk_shape);
  const nd::Box part = nd::Intersection(chunk_box, box);
  if (!encoded) {
    nd::FillBox(part, s.fill.span(), box, into);
    return {};
  }
  if (part == chunk_box && IsContiguous(part, box)) {
    return s.DecodeChunk(chunk, *encoded, into.subspan(OffsetIn(part, box) * s.element_bytes, chunk_bytes()), arena);
  }
  if (s.chain && s.chain->stores_as_is() && encoded->size() == chunk_bytes()) {
    nd::CopyBox(part, chunk_box, encoded->span(), box, into, s.element_bytes);
    return {};
  }
  Scratch decoded(chunk_bytes());
  SEAMOUNT_TRY(s.DecodeChunk(chunk, *encoded, decoded.span(), arena));
  nd::CopyBox(part, chunk_box, decoded.span(), box, into, s.element_bytes);
  return {};
}

// Puts the unit's part of the box in place, from the unit's whole object (nullopt where absent).
Result<void> Array::PlaceUnit(const nd::Index& unit, const std::optional<store::ReadResult>& object, const nd::Box& box,
                              std::span<std::byte> into, StringArena* arena) const {
  const State& s = *state_;
  if (!object) {
    nd::FillBox(nd::Intersection(nd::CellBox(unit, s.unit_shape), box), s.fill.span(), box, into);
    return {};
  }
  if (!s.shard) return PlaceChunk(unit, object->data, box, into, arena);
  auto index = ShardIndexOf(*s.shard, object->data, object->info.generation);
  if (!index) return index.error().Wrap("shard '" + s.UnitKey(unit) + "'");
  for (const nd::Index& chunk : nd::IndicesOf(
           nd::CellsTouched(nd::Intersection(nd::CellBox(unit, s.unit_shape), box), s.metadata.chunk_shape))) {
    auto range = index->Find(s.PlaceInUnit(chunk));
    if (!range) return range.error().Wrap("shard '" + s.UnitKey(unit) + "'");
    std::optional<Bytes> encoded;
    if (*range) encoded = object->data.Slice((*range)->offset, *(*range)->length);
    SEAMOUNT_TRY(PlaceChunk(chunk, encoded, box, into, arena));
  }
  return {};
}

Result<std::optional<store::ReadResult>> Array::ReadUnit(const nd::Index& unit, const CallContext& context) const {
  const std::string key = state_->UnitKey(unit);
  auto read = state_->store->Read(key, {}, context);
  if (!read) return read.error().Wrap("reading '" + key + "'");
  return read;
}

Result<void> Array::ReadRegion(const nd::Box& box, std::span<std::byte> into, exec::ThreadPool* pool,
                               const CallContext& context) {
  SEAMOUNT_TRY(state_->CheckFixedSize());
  return ReadElements(box, into, nullptr, pool, context);
}

Result<void> Array::ReadElements(const nd::Box& box, std::span<std::byte> into, StringArena* arena,
                                 exec::ThreadPool* pool, const CallContext& context) {
  const State& s = *state_;
  SEAMOUNT_TRY(CheckBox(s.metadata, box, into.size(), s.path));
  if (s.rectilinear) return ReadRectilinear(box, into, arena, pool, context);
  const auto units = nd::IndicesOf(nd::CellsTouched(box, s.unit_shape));
  const auto read_chunk = [&](const nd::Index& chunk) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(const auto encoded, Fetch(chunk, context));
    return PlaceChunk(chunk, encoded, box, into, arena);
  };
  const auto read_unit = [&](size_t i, exec::ThreadPool* inner) -> Result<void> {
    const auto chunks = nd::IndicesOf(
        nd::CellsTouched(nd::Intersection(nd::CellBox(units[i], s.unit_shape), box), s.metadata.chunk_shape));
    if (2 * chunks.size() > nd::Elements(s.unit_chunks)) {
      SEAMOUNT_TRY_ASSIGN(const auto object, ReadUnit(units[i], context));
      return PlaceUnit(units[i], object, box, into, arena);
    }
    return exec::ForEach(inner, chunks.size(), [&](size_t c) { return read_chunk(chunks[c]); });
  };
  if (units.size() == 1) return read_unit(0, pool);
  return exec::ForEach(pool, units.size(), [&](size_t i) { return read_unit(i, nullptr); });
}

// Writes the unit's part of the box, keeping its other elements.
Result<void> Array::UpdateUnit(const nd::Index& unit, const nd::Box& box, std::span<const std::byte> from,
                               const CallContext& context) {
  const State& s = *state_;
  const std::string key = s.UnitKey(unit);
  const nd::Box unit_box = nd::CellBox(unit, s.unit_shape);
  const nd::Box inside = nd::Intersection(unit_box, {nd::Index(s.metadata.shape.size(), 0), s.metadata.shape});
  const nd::Box part = nd::Intersection(unit_box, box);
  const bool partial = part != inside;
  // A whole shard is held to be encoded, and may be as large as the format can say.
  constexpr uint64_t kMaxUnitBytes = uint64_t{16} << 30;
  if (static_cast<double>(nd::Elements(s.unit_chunks)) * static_cast<double>(chunk_bytes()) > double{kMaxUnitBytes}) {
    return base::InvalidArgument("writing '" + key +
                                 "': a shard of more than 16 GiB is not supported (make it smaller)");
  }
  // What is encoded is written before this returns, so it need not be copied out of where it was made. The thread,
  // which is a pool's, keeps that for its next unit: pages of fresh memory cost as much as what is encoded into them.
  thread_local Buffer encoded_in;
  const auto encode = [&](std::span<const std::byte> elements) -> Result<Bytes> {
    if (!s.chain) return s.EncodeUnit(elements);
    if (!s.shard && s.chain->stores_as_is()) return Bytes(nullptr, elements.data(), elements.size());
    const size_t room = s.shard ? s.shard_codec->encoded_bound() : s.chain->encoded_bound();
    if (encoded_in.size() < room) encoded_in = Buffer(room);
    SEAMOUNT_TRY_ASSIGN(const size_t size, s.shard ? s.shard_codec->EncodeInto(elements, encoded_in.span())
                                                   : s.chain->EncodeInto(elements, encoded_in.span()));
    return Bytes(nullptr, encoded_in.data(), size);
  };
  const size_t unit_bytes = nd::Elements(s.unit_shape) * s.element_bytes;
  const bool as_it_lies = part == unit_box && IsContiguous(part, box);
  Buffer elements(as_it_lies ? 0 : unit_bytes);
  StringArena arena;
  constexpr int kTries = 16;  // each lost to another writer of the same unit
  for (int left = kTries;; --left) {
    store::WriteOptions options;
    if (partial) {
      SEAMOUNT_TRY_ASSIGN(const auto object, ReadUnit(unit, context));
      options.if_generation = object ? object->info.generation : store::kAbsent;
      SEAMOUNT_TRY(PlaceUnit(unit, object, unit_box, elements.span(), &arena));
    } else if (inside != unit_box) {
      Fill(elements.span());
    }
    if (!as_it_lies) nd::CopyBox(part, box, from, unit_box, elements.span(), s.element_bytes);
    auto encoded =
        encode(as_it_lies ? from.subspan(OffsetIn(part, box) * s.element_bytes, unit_bytes) : elements.span());
    if (!encoded) return encoded.error().Wrap("encoding '" + key + "'");
    auto written = s.store->Write(key, store::BytesSource(*std::move(encoded)), options, context);
    const bool lost = !written && partial && written.error().code() == ErrorCode::kPreconditionFailed;
    if (lost && left > 1) continue;
    if (!written) return written.error().Wrap("writing '" + key + "'");
    s.DropIndex(unit);
    return {};
  }
}

Result<void> Array::WriteRegion(const nd::Box& box, std::span<const std::byte> from, exec::ThreadPool* pool,
                                const CallContext& context) {
  SEAMOUNT_TRY(state_->CheckFixedSize());
  return WriteElements(box, from, pool, context);
}

Result<void> Array::WriteElements(const nd::Box& box, std::span<const std::byte> from, exec::ThreadPool* pool,
                                  const CallContext& context) {
  SEAMOUNT_TRY(state_->CheckRegular("writing"));
  SEAMOUNT_TRY(CheckBox(state_->metadata, box, from.size(), state_->path));
  const auto units = nd::IndicesOf(nd::CellsTouched(box, state_->unit_shape));
  return exec::ForEach(pool, units.size(), [&](size_t i) { return UpdateUnit(units[i], box, from, context); });
}

}  // namespace seamount::zarr
