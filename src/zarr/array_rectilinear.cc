// Arrays whose chunks or shards differ in size: each of them is read as an array of its own that is one unit large, so
// that codecs, shards and their indices work on it as on any other.
#include "exec/for_each.h"
#include "nd/copy.h"
#include "zarr/array_state.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {

Result<void> Array::State::CheckRegular(const char* what) const {
  if (!rectilinear) return {};
  return base::InvalidArgument("array '" + path + "' has a rectilinear chunk grid, which is read only, by boxes (" +
                               what + " needs a regular one: copy it into an array with chunks of one size)");
}

nd::Box Array::UnitsTouched(const nd::Box& box) const {
  const State& s = *state_;
  return s.rectilinear ? s.rectilinear->CellsTouched(box) : nd::CellsTouched(box, s.unit_shape);
}

nd::Box Array::UnitBox(std::span<const uint64_t> unit) const {
  const State& s = *state_;
  return s.rectilinear ? s.rectilinear->CellBox(unit) : nd::CellBox(unit, s.unit_shape);
}

Result<std::unique_ptr<Array>> Array::OneUnit(const nd::Index& unit) const {
  ArrayMetadata metadata = state_->metadata;
  metadata.chunk_edges.clear();
  metadata.shape = UnitBox(unit).shape;
  (metadata.shard_shape ? *metadata.shard_shape : metadata.chunk_shape) = metadata.shape;
  SEAMOUNT_TRY_ASSIGN(auto state, MakeState(state_->store, state_->path, std::move(metadata)));
  state->only_key = state_->UnitKey(unit);
  return std::unique_ptr<Array>(new Array(std::move(state)));
}

Result<void> Array::ReadRectilinear(const nd::Box& box, std::span<std::byte> into, StringArena* arena,
                                    exec::ThreadPool* pool, const CallContext& context) const {
  const size_t element_bytes = state_->element_bytes;
  const auto units = nd::IndicesOf(UnitsTouched(box));
  const auto read_unit = [&](size_t i, exec::ThreadPool* inner) -> Result<void> {
    const nd::Box unit = UnitBox(units[i]);
    const nd::Box part = nd::Intersection(unit, box);
    SEAMOUNT_TRY_ASSIGN(const auto array, OneUnit(units[i]));
    Scratch elements(nd::Elements(part.shape) * element_bytes);
    SEAMOUNT_TRY(array->ReadElements(nd::RelativeTo(part, unit.origin), elements.span(), arena, inner, context));
    nd::CopyBox(part, part, elements.span(), box, into, element_bytes);
    return {};
  };
  if (units.size() == 1) return read_unit(0, pool);
  return exec::ForEach(pool, units.size(), [&](size_t i) { return read_unit(i, nullptr); });
}

}  // namespace seamount::zarr
