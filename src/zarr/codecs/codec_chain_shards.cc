#include "zarr/codecs/codec_chain_shards.h"

#include <algorithm>
#include <cstring>

#include "nd/copy.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/codec_config.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

bool IsFill(std::span<const std::byte> elements, const Bytes& fill) {
  // Equal to itself one element on, and beginning with the fill value.
  return std::memcmp(elements.data(), fill.data(), fill.size()) == 0 &&
         std::memcmp(elements.data(), elements.data() + fill.size(), elements.size() - fill.size()) == 0;
}

}  // namespace

ShardCodec::ShardCodec(ShardLayout layout, std::vector<uint64_t> shape, std::vector<uint64_t> chunk_shape,
                       std::shared_ptr<const CodecChain> chain, Bytes fill)
    : grid_(nd::GridShape(shape, chunk_shape)),
      layout_(layout),
      shape_(std::move(shape)),
      chunk_shape_(std::move(chunk_shape)),
      chain_(std::move(chain)),
      fill_(std::move(fill)) {}

Result<ShardCodec> ShardCodec::Make(const std::string& configuration_json, const ElementType& type,
                                    const std::vector<uint64_t>& shape, const Bytes& fill) {
  SEAMOUNT_TRY_ASSIGN(ShardingSpec spec, ParseShardingConfiguration(configuration_json, type));
  SEAMOUNT_TRY(CheckShardShape(shape, spec.chunk_shape));
  SEAMOUNT_TRY_ASSIGN(const ShardLayout layout, ShardLayoutOf(shape, spec));
  SEAMOUNT_TRY_ASSIGN(CodecChain chain, CodecChain::Make(spec.codecs, type, spec.chunk_shape, fill));
  return ShardCodec(layout, shape, std::move(spec.chunk_shape), std::make_shared<const CodecChain>(std::move(chain)),
                    fill);
}

size_t ShardCodec::encoded_bound() const { return layout_.index_bytes() + layout_.chunks * chain_->encoded_bound(); }

Result<Bytes> ShardCodec::Encode(std::span<const std::byte> elements) const {
  Buffer shard(encoded_bound());
  SEAMOUNT_TRY_ASSIGN(const size_t size, EncodeInto(elements, shard.span()));
  // Shards wait in queues, so they are as large as needed, or nearly so.
  constexpr size_t kSpare = 8;
  if (shard.size() - size > shard.size() / kSpare) return Bytes::Copy(shard.span().first(size));
  return Bytes(std::move(shard)).Slice(0, size);
}

// Chunks are encoded to the place where they stay.
Result<size_t> ShardCodec::EncodeInto(std::span<const std::byte> elements, std::span<std::byte> into) const {
  const nd::Box whole = nd::Whole(shape_);
  std::vector<std::optional<store::ByteRange>> places;
  places.reserve(layout_.chunks);
  size_t end = layout_.index_at_start ? layout_.index_bytes() : 0;
  Scratch chunk(chain_->decoded_bytes());
  for (const nd::Index& index : nd::IndicesOf(nd::Whole(grid_))) {
    const nd::Box box = nd::CellBox(index, chunk_shape_);
    const auto room = into.subspan(end);
    const auto decoded = chain_->stores_as_is() ? room.first(chunk.span().size()) : chunk.span();
    nd::CopyBox(box, whole, elements, box, decoded, fill_.size());
    places.emplace_back();
    if (IsFill(decoded, fill_)) continue;
    size_t size = decoded.size();
    if (!chain_->stores_as_is()) {
      SEAMOUNT_TRY_ASSIGN(size, chain_->EncodeInto(decoded, room));
    }
    places.back() = {end, size};
    end += size;
  }
  const size_t at = layout_.index_at_start ? 0 : end;
  WriteShardIndex(layout_, places, into.subspan(at, layout_.index_bytes()));
  return layout_.index_at_start ? end : end + layout_.index_bytes();
}

Result<void> ShardCodec::Decode(std::span<const std::byte> encoded, std::span<std::byte> into) const {
  const Bytes shard(nullptr, encoded.data(), encoded.size());
  SEAMOUNT_TRY_ASSIGN(const ShardIndex index, ShardIndexOf(layout_, shard, store::kAbsent));
  const nd::Box whole{nd::Index(shape_.size(), 0), shape_};
  Scratch chunk(chain_->decoded_bytes());
  uint64_t place = 0;
  for (const nd::Index& cell : nd::IndicesOf({nd::Index(grid_.size(), 0), grid_})) {
    const nd::Box box = nd::CellBox(cell, chunk_shape_);
    SEAMOUNT_TRY_ASSIGN(const auto range, index.Find(place));
    if (range) {
      auto decoded = chain_->Decode(encoded.subspan(range->offset, *range->length), chunk.span());
      if (!decoded) return decoded.error().Wrap("chunk " + std::to_string(place) + " within");
      nd::CopyBox(box, box, chunk.span(), whole, into, fill_.size());
    } else {
      nd::FillBox(box, fill_.span(), whole, into);
    }
    ++place;
  }
  return {};
}

namespace {

// A shard among the codecs of a chunk.
class ShardStage final : public ByteCodec {
 public:
  explicit ShardStage(ShardCodec shards, size_t bytes) : shards_(std::move(shards)), bytes_(bytes) {}

  size_t EncodedBound(size_t) const override { return shards_.encoded_bound(); }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    return shards_.EncodeInto(from, into);
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (into.size() != bytes_) return base::Internal("decoding a shard into a buffer of another size");
    SEAMOUNT_TRY(shards_.Decode(from, into));
    return std::span<const std::byte>(into);
  }

 private:
  const ShardCodec shards_;
  const size_t bytes_;
};

}  // namespace

CodecMaker MakeShards;
Result<std::unique_ptr<ByteCodec>> MakeShards(const Json& configuration, ChunkForm& form) {
  if (form.fill.size() != form.type.size) {
    return base::InvalidArgument("is not supported behind codecs that change the numbers (put them within)");
  }
  SEAMOUNT_TRY_ASSIGN(ShardCodec shards, ShardCodec::Make(DumpJson(configuration), form.type, form.shape, form.fill));
  const size_t decoded = form.bytes;
  form.exact = false;
  return NewCodec<ShardStage>(std::move(shards), decoded);
}

}  // namespace seamount::zarr
