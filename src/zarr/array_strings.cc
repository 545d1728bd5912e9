// Boxes of text and bytes of variable length: as those of other elements, which here are views.
#include <algorithm>
#include <cstring>
#include <limits>

#include "nd/copy.h"
#include "zarr/array_state.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

std::span<const std::string_view> ViewsIn(std::span<const std::byte> elements) {
  return {reinterpret_cast<const std::string_view*>(elements.data()), elements.size() / sizeof(std::string_view)};
}

}  // namespace

Result<void> Array::State::CheckFixedSize() const {
  if (!variable) return {};
  return base::InvalidArgument("array '" + path + "' holds " + NameOf(ElementTypeOf(metadata)) +
                               ", not elements of one size");
}

bool Array::State::SameElements(std::span<const std::byte> a, std::span<const std::byte> b) const {
  if (!variable) return std::memcmp(a.data(), b.data(), a.size()) == 0;
  const auto theirs = ViewsIn(b);
  return std::equal(theirs.begin(), theirs.end(), ViewsIn(a).begin());
}

// Chunks that hold nothing but the fill value are left out.
Result<Bytes> Array::State::EncodeStringShard(std::span<const std::byte> elements) const {
  const nd::Box whole = nd::Whole(unit_shape);
  const std::string_view fill_text = metadata.fill_value.view();
  std::vector<std::optional<Bytes>> chunks;
  chunks.reserve(shard->chunks);
  Scratch chunk(variable->decoded_bytes());
  for (const nd::Index& index : nd::IndicesOf(nd::Whole(unit_chunks))) {
    const nd::Box box = nd::CellBox(index, metadata.chunk_shape);
    nd::CopyBox(box, whole, elements, box, chunk.span(), element_bytes);
    const auto views = ViewsIn(chunk.span());
    chunks.emplace_back();
    if (std::all_of(views.begin(), views.end(), [&](std::string_view text) { return text == fill_text; })) continue;
    SEAMOUNT_TRY_ASSIGN(chunks.back(), variable->Encode(chunk.span()));
  }
  return BuildShard(*shard, chunks);
}

Result<Array::Strings> Array::ReadStrings(const nd::Box& box, exec::ThreadPool* pool, const CallContext& context) {
  const State& s = *state_;
  if (!s.variable) return base::InvalidArgument("array '" + s.path + "' holds no text or bytes of variable length");
  constexpr uint64_t kMost = uint64_t{1} << 28;
  uint64_t count = 1;
  for (const uint64_t size : box.shape) {
    if (size > 0 && count > kMost / size) {
      return base::InvalidArgument("array '" + s.path +
                                   "': more than 2^28 elements of variable length in one box (read parts of it)");
    }
    count *= size;
  }
  Strings strings{std::vector<std::string_view>(count), std::make_shared<StringArena>()};
  strings.arena->Keep(s.metadata.fill_value);
  const auto into = std::as_writable_bytes(std::span(strings.elements));
  SEAMOUNT_TRY(ReadElements(box, into, strings.arena.get(), pool, context));
  return strings;
}

Result<void> Array::WriteStrings(const nd::Box& box, std::span<const std::string_view> from, exec::ThreadPool* pool,
                                 const CallContext& context) {
  if (!state_->variable) {
    return base::InvalidArgument("array '" + state_->path + "' holds no text or bytes of variable length");
  }
  return WriteElements(box, std::as_bytes(from), pool, context);
}

Result<std::unique_ptr<Array>> Array::AppendedStrings(size_t axis, std::span<const std::string_view> from,
                                                      exec::ThreadPool* pool, const CallContext& context) {
  if (!state_->variable) {
    return base::InvalidArgument("array '" + state_->path + "' holds no text or bytes of variable length");
  }
  return AppendElements(axis, std::as_bytes(from), pool, context);
}

}  // namespace seamount::zarr
