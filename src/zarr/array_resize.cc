// Arrays that become longer or shorter. The metadata document is switched from one shape to the other by one
// conditional write; before it (growing) or after it (shrinking) nothing is left beyond the smaller shape that could
// come to light.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>

#include "exec/for_each.h"
#include "nd/copy.h"
#include "zarr/array_state.h"
#include "zarr/codecs/json.h"
#include "zarr/documents.h"

namespace seamount::zarr {
namespace {

std::string TextOf(const nd::Index& shape) { return DumpJson(Json(shape)); }

// Who wrote the array may have noted that each of its objects was written (whole_group.h). True no more.
bool DropEveryObject(Json& attributes) {
  if (!attributes.is_object() || !attributes.contains("seamount") || !attributes["seamount"].is_object()) return false;
  return attributes["seamount"].erase("every_object") > 0;
}

Result<void> DropEveryObjectV2(Store& store, const std::string& path, const CallContext& context) {
  const std::string key = JoinPath(path, ".zattrs");
  SEAMOUNT_TRY_ASSIGN(const auto document, ReadDocument(store, key, context));
  if (!document) return {};
  SEAMOUNT_TRY_ASSIGN(Json attributes, ParseJsonObject(document->text()));
  if (!DropEveryObject(attributes)) return {};
  return WriteDocument(store, key, DumpPrettyJson(attributes), /*overwrite=*/true, context);
}

// Replaces the shape in the document, and nothing else. sparse: there may be objects now that were never written.
Result<void> SwitchShape(Store& store, const std::string& path, const ArrayMetadata& metadata, const nd::Index& shape,
                         bool sparse, const CallContext& context) {
  const std::string key = JoinPath(path, metadata.format == 3 ? "zarr.json" : ".zarray");
  SEAMOUNT_TRY_ASSIGN(const auto document, ReadDocument(store, key, context));
  if (!document) return base::NotFound("'" + key + "' is gone");
  SEAMOUNT_TRY_ASSIGN(Json json, ParseJsonObject(document->text()));
  SEAMOUNT_TRY_ASSIGN(const nd::Index there, SizesMember(json, "shape"));
  if (there != metadata.shape) {
    return base::PreconditionFailed("its shape is " + TextOf(there) + " by now, not " + TextOf(metadata.shape) +
                                    ": another writer changed it (open it again; what was appended to it meanwhile "
                                    "may have to be written anew)");
  }
  json["shape"] = shape;
  if (sparse && metadata.format == 2) SEAMOUNT_TRY(DropEveryObjectV2(store, path, context));
  if (sparse && metadata.format == 3 && json.contains("attributes")) DropEveryObject(json["attributes"]);
  store::WriteOptions options{.content_type = "application/json", .headers = {.cache_control = "no-cache"}};
  options.if_generation = document->generation;
  SEAMOUNT_TRY(store.Write(key, store::BytesSource(DumpPrettyJson(json)), options, context));
  return {};
}

}  // namespace

// The unit whose key this is; nullopt for other objects.
std::optional<nd::Index> Array::State::UnitFromKey(std::string_view key) const {
  const std::string prefix = JoinPath(path, "");
  if (!key.starts_with(prefix)) return std::nullopt;
  std::string_view rest = key.substr(prefix.size());
  nd::Index unit;
  while (unit.size() < unit_shape.size() && !rest.empty()) {
    const size_t digits = rest.find_first_of("0123456789");
    if (digits == std::string_view::npos) return std::nullopt;
    uint64_t position = 0;
    const auto [end, error] = std::from_chars(rest.data() + digits, rest.data() + rest.size(), position);
    if (error != std::errc()) return std::nullopt;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    unit.push_back(position);
  }
  if (unit.size() != unit_shape.size() || UnitKey(unit) != key) return std::nullopt;
  return unit;
}

// Sets the unit's elements beyond the shape to the fill value, if they are not.
Result<void> Array::TrimUnit(const nd::Index& unit, const CallContext& context) {
  const State& s = *state_;
  const std::string key = s.UnitKey(unit);
  const nd::Box unit_box = nd::CellBox(unit, s.unit_shape);
  const nd::Box inside = nd::Intersection(unit_box, nd::Whole(s.metadata.shape));
  Buffer stored(nd::Elements(s.unit_shape) * s.element_bytes);
  Buffer trimmed(stored.size());
  StringArena arena;
  constexpr int kTries = 16;  // each lost to another writer of the same unit
  for (int left = kTries;; --left) {
    SEAMOUNT_TRY_ASSIGN(const auto object, ReadUnit(unit, context));
    if (!object) return {};
    SEAMOUNT_TRY(PlaceUnit(unit, object, unit_box, stored.span(), &arena));
    Fill(trimmed.span());
    nd::CopyBox(inside, unit_box, stored.span(), unit_box, trimmed.span(), s.element_bytes);
    if (s.SameElements(stored.span(), trimmed.span())) return {};
    auto encoded = s.EncodeUnit(trimmed.span());
    if (!encoded) return encoded.error().Wrap("encoding '" + key + "'");
    const store::WriteOptions options{.if_generation = object->info.generation};
    auto written = s.store->Write(key, store::BytesSource(*std::move(encoded)), options, context);
    if (!written && written.error().code() == ErrorCode::kPreconditionFailed && left > 1) continue;
    if (!written) return written.error().Wrap("writing '" + key + "'");
    s.DropIndex(unit);
    return {};
  }
}

// Deletes the units that lie beyond the shape, and trims those that reach beyond it along an axis of `along`.
Result<void> Array::ClearBeyond(const std::vector<size_t>& along, exec::ThreadPool* pool, const CallContext& context) {
  const State& s = *state_;
  SEAMOUNT_TRY_ASSIGN(const auto listed, store::ListAll(*s.store, {.prefix = JoinPath(s.path, "")}, context));
  std::vector<nd::Index> units;
  for (const auto& object : listed.objects) {
    if (auto unit = s.UnitFromKey(object.key)) units.push_back(*std::move(unit));
  }
  const auto clear = [&](size_t i) -> Result<void> {
    const nd::Index& unit = units[i];
    bool outside = false;
    bool sticks_out = false;
    for (size_t d = 0; d < unit.size(); ++d) {
      const uint64_t size = s.metadata.shape[d];
      outside = outside || unit[d] >= s.unit_grid_shape[d] || unit[d] * s.unit_shape[d] >= size;
      const bool named = std::find(along.begin(), along.end(), d) != along.end();
      sticks_out = sticks_out || (named && size - std::min(size, unit[d] * s.unit_shape[d]) < s.unit_shape[d]);
    }
    if (!outside) return sticks_out ? TrimUnit(unit, context) : Result<void>();
    s.DropIndex(unit);
    auto deleted = s.store->Delete(s.UnitKey(unit), {}, context);
    if (!deleted && deleted.error().code() != ErrorCode::kNotFound) return deleted.error();
    return {};
  };
  return exec::ForEach(pool, units.size(), clear);
}

Result<std::unique_ptr<Array>> Array::WithShape(const nd::Index& shape) const {
  SEAMOUNT_TRY(state_->CheckRegular("another shape"));
  ArrayMetadata metadata = state_->metadata;
  if (shape.size() != metadata.shape.size()) {
    return base::InvalidArgument("a shape of another rank than the array's " + std::to_string(metadata.shape.size()));
  }
  metadata.shape = shape;
  SEAMOUNT_TRY(CheckArrayMetadata(metadata));
  SEAMOUNT_TRY_ASSIGN(auto state, MakeState(state_->store, state_->path, std::move(metadata)));
  return std::unique_ptr<Array>(new Array(std::move(state)));
}

Result<std::unique_ptr<Array>> Array::Resized(const nd::Index& shape, exec::ThreadPool* pool,
                                              const CallContext& context) {
  const auto resize = [&]() -> Result<std::unique_ptr<Array>> {
    SEAMOUNT_TRY_ASSIGN(auto resized, WithShape(shape));
    std::vector<size_t> longer;
    std::vector<size_t> shorter;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] > state_->metadata.shape[d]) longer.push_back(d);
      if (shape[d] < state_->metadata.shape[d]) shorter.push_back(d);
    }
    if (!longer.empty()) SEAMOUNT_TRY(ClearBeyond(longer, pool, context));
    SEAMOUNT_TRY(SwitchShape(*state_->store, state_->path, state_->metadata, shape, !longer.empty(), context));
    if (!shorter.empty()) SEAMOUNT_TRY(resized->ClearBeyond(shorter, pool, context));
    return resized;
  };
  auto resized = resize();
  if (!resized) return resized.error().Wrap("resizing the Zarr array '" + state_->path + "' to " + TextOf(shape));
  return resized;
}

Result<std::unique_ptr<Array>> Array::Appended(size_t axis, std::span<const std::byte> from, exec::ThreadPool* pool,
                                               const CallContext& context) {
  SEAMOUNT_TRY(state_->CheckFixedSize());
  return AppendElements(axis, from, pool, context);
}

Result<std::unique_ptr<Array>> Array::AppendElements(size_t axis, std::span<const std::byte> from,
                                                     exec::ThreadPool* pool, const CallContext& context) {
  const auto append = [&]() -> Result<std::unique_ptr<Array>> {
    nd::Box box = nd::Whole(state_->metadata.shape);
    if (axis >= box.shape.size()) return base::InvalidArgument("there is no axis " + std::to_string(axis));
    box.origin[axis] = box.shape[axis];
    box.shape[axis] = 1;
    const uint64_t step = nd::Elements(box.shape) * state_->element_bytes;
    if (step == 0 || from.size() % step != 0) {
      return base::InvalidArgument(std::to_string(from.size()) + " bytes are not whole steps of " +
                                   std::to_string(step) + " along axis " + std::to_string(axis));
    }
    box.shape[axis] = from.size() / step;
    nd::Index shape = state_->metadata.shape;
    shape[axis] += box.shape[axis];
    SEAMOUNT_TRY_ASSIGN(auto appended, WithShape(shape));
    SEAMOUNT_TRY(appended->WriteElements(box, from, pool, context));
    SEAMOUNT_TRY(SwitchShape(*state_->store, state_->path, state_->metadata, shape, /*sparse=*/false, context));
    return appended;
  };
  auto appended = append();
  if (!appended) return appended.error().Wrap("appending to the Zarr array '" + state_->path + "'");
  return appended;
}

}  // namespace seamount::zarr
