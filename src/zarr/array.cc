#include "zarr/array.h"

#include <algorithm>
#include <cstring>

#include "nd/copy.h"
#include "nd/data_type.h"
#include "zarr/array_state.h"
#include "zarr/codecs/scratch.h"
#include "zarr/documents.h"

namespace seamount::zarr {
namespace {

constexpr uint64_t kIndexCacheBytes = uint64_t{64} << 20;

Result<ArrayMetadata> ReadMetadata(Store& store, const std::string& path, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto v3, ReadDocument(store, JoinPath(path, "zarr.json"), context));
  if (v3) return ParseArrayMetadataV3(v3->text());
  SEAMOUNT_TRY_ASSIGN(const auto v2, ReadDocument(store, JoinPath(path, ".zarray"), context));
  if (!v2) return base::NotFound("there is neither zarr.json nor .zarray");
  SEAMOUNT_TRY_ASSIGN(const auto attributes, ReadDocument(store, JoinPath(path, ".zattrs"), context));
  return ParseArrayMetadataV2(v2->text(), attributes ? attributes->text() : std::string_view("{}"));
}

Result<void> WriteMetadata(Store& store, const std::string& path, const ArrayMetadata& metadata, bool overwrite,
                           const CallContext& context) {
  SEAMOUNT_TRY(ClearNode(store, path, metadata.format == 3 ? "zarr.json" : ".zarray", overwrite, context));
  if (metadata.format == 3) {
    return WriteDocument(store, JoinPath(path, "zarr.json"), SerializeArrayMetadataV3(metadata), overwrite, context);
  }
  SEAMOUNT_TRY_ASSIGN(const V2Documents documents, SerializeArrayMetadataV2(metadata));
  SEAMOUNT_TRY(WriteDocument(store, JoinPath(path, ".zattrs"), documents.zattrs, /*overwrite=*/true, context));
  return WriteDocument(store, JoinPath(path, ".zarray"), documents.zarray, overwrite, context);
}

// "c/0/1" as the metadata has chunk keys.
std::string ChunkKey(std::span<const uint64_t> unit, char separator, bool v2_style) {
  std::string key = v2_style ? "" : "c";
  if (v2_style && unit.empty()) return "0";
  for (const uint64_t position : unit) {
    if (!key.empty()) key += separator;
    key += std::to_string(position);
  }
  return key;
}

}  // namespace

nd::Index Array::State::UnitOf(std::span<const uint64_t> chunk) const {
  nd::Index unit(chunk.begin(), chunk.end());
  for (size_t d = 0; d < unit.size(); ++d) unit[d] /= unit_chunks[d];
  return unit;
}

uint64_t Array::State::PlaceInUnit(std::span<const uint64_t> chunk) const {
  uint64_t place = 0;
  for (size_t d = 0; d < chunk.size(); ++d) place = place * unit_chunks[d] + chunk[d] % unit_chunks[d];
  return place;
}

std::string Array::State::UnitKey(std::span<const uint64_t> unit) const {
  if (!only_key.empty()) return only_key;
  return JoinPath(path, ChunkKey(unit, metadata.separator, metadata.format == 2 || metadata.v2_chunk_keys));
}

Result<void> Array::State::CheckChunk(std::span<const uint64_t> chunk) const {
  SEAMOUNT_TRY(CheckRegular("reading single chunks"));
  bool inside = chunk.size() == grid_shape.size();
  for (size_t d = 0; inside && d < chunk.size(); ++d) inside = chunk[d] < grid_shape[d];
  if (!inside) return base::InvalidArgument("array '" + path + "': no such chunk in its grid");
  return {};
}

std::string Array::State::Describe(std::span<const uint64_t> chunk) const {
  const std::string key = UnitKey(UnitOf(chunk));
  if (!shard) return "chunk '" + key + "'";
  return "chunk " + std::to_string(PlaceInUnit(chunk)) + " of shard '" + key + "'";
}

Result<void> Array::State::DecodeChunk(std::span<const uint64_t> chunk, const Bytes& encoded, std::span<std::byte> into,
                                       StringArena* arena) const {
  if (arena == nullptr) SEAMOUNT_TRY(CheckFixedSize());
  auto decoded = variable ? variable->Decode(encoded.span(), into, *arena) : chain->Decode(encoded.span(), into);
  if (!decoded) return decoded.error().Wrap(Describe(chunk));
  return {};
}

Result<Bytes> Array::State::EncodeUnit(std::span<const std::byte> elements) const {
  if (variable) return shard ? EncodeStringShard(elements) : variable->Encode(elements);
  return shard_codec ? shard_codec->Encode(elements) : chain->Encode(elements);
}

Result<ShardIndexCache::IndexPtr> Array::State::ReadIndex(const std::string& key, const CallContext& context) const {
  const uint64_t bytes = shard->index_bytes();
  const store::ByteRange range = shard->index_at_start ? store::ByteRange{0, bytes} : store::ByteRange::Last(bytes);
  SEAMOUNT_TRY_ASSIGN(const auto read, store->Read(key, {.range = range}, context));
  if (!read) return ShardIndexCache::IndexPtr();
  if (read->info.size_bytes < bytes) {
    return base::DataLoss("shard '" + key + "' of " + std::to_string(read->info.size_bytes) +
                          " bytes is shorter than its index");
  }
  auto index = ShardIndex::Parse(*shard, read->data, read->info.size_bytes, read->info.generation);
  if (!index) return index.error().Wrap("shard '" + key + "'");
  return ShardIndexCache::IndexPtr(std::make_shared<const ShardIndex>(*std::move(index)));
}

Result<ShardIndexCache::IndexPtr> Array::State::IndexOf(std::span<const uint64_t> unit,
                                                        const CallContext& context) const {
  return indices->Get(nd::LinearIndex(unit, unit_grid_shape), [&] { return ReadIndex(UnitKey(unit), context); });
}

void Array::State::DropIndex(std::span<const uint64_t> unit) const {
  if (indices) indices->Drop(nd::LinearIndex(unit, unit_grid_shape));
}

Array::Array(std::unique_ptr<State> state) : state_(std::move(state)) {}
Array::~Array() = default;

Result<std::unique_ptr<Array::State>> Array::MakeState(std::shared_ptr<Store> store, std::string path,
                                                       ArrayMetadata metadata) {
  auto state = std::make_unique<State>();
  const ElementType type = ElementTypeOf(metadata);
  if (type.variable()) {
    const std::string_view fill = metadata.fill_value.view();
    state->fill = Bytes::Copy(std::as_bytes(std::span(&fill, 1)));
    SEAMOUNT_TRY_ASSIGN(state->variable,
                        VariableChain::Make(WithBytesCodec(metadata.codecs, type), type, metadata.chunk_shape));
  } else {
    state->fill = FillElementOf(metadata);
    SEAMOUNT_TRY_ASSIGN(CodecChain chain, CodecChain::Make(metadata.codecs, type, metadata.chunk_shape, state->fill));
    state->chain = std::make_shared<const CodecChain>(std::move(chain));
  }
  state->store = std::move(store);
  state->path = std::move(path);
  state->element_bytes = type.size;
  state->grid_shape = nd::GridShape(metadata.shape, metadata.chunk_shape);
  state->unit_shape = metadata.shard_shape ? *metadata.shard_shape : metadata.chunk_shape;
  state->unit_grid_shape = nd::GridShape(metadata.shape, state->unit_shape);
  state->unit_chunks = nd::GridShape(state->unit_shape, metadata.chunk_shape);
  if (!metadata.chunk_edges.empty()) state->rectilinear.emplace(metadata.chunk_edges);
  if (metadata.shard_shape) {
    const ShardingSpec spec{metadata.chunk_shape, metadata.codecs, metadata.shard_index_codecs,
                            metadata.shard_index_at_start};
    SEAMOUNT_TRY_ASSIGN(state->shard, ShardLayoutOf(*metadata.shard_shape, spec));
    if (state->chain) {
      state->shard_codec.emplace(*state->shard, *metadata.shard_shape, metadata.chunk_shape, state->chain, state->fill);
    }
    // One is kept even where it alone is larger.
    const uint64_t most = std::max<uint64_t>(1, kIndexCacheBytes / state->shard->index_bytes());
    state->indices = std::make_unique<ShardIndexCache>(most);
  }
  state->metadata = std::move(metadata);
  return state;
}

Result<std::unique_ptr<Array>> Array::Open(std::shared_ptr<Store> store, std::string path, const CallContext& context) {
  const std::string what = "opening the Zarr array" + (path.empty() ? " at the root" : " '" + path + "'");
  auto metadata = ReadMetadata(*store, path, context);
  if (!metadata) return metadata.error().Wrap(what);
  auto state = MakeState(std::move(store), std::move(path), *std::move(metadata));
  if (!state) return state.error().Wrap(what);
  return std::unique_ptr<Array>(new Array(*std::move(state)));
}

Result<std::unique_ptr<Array>> Array::Create(std::shared_ptr<Store> store, std::string path, ArrayMetadata metadata,
                                             bool overwrite, const CallContext& context) {
  const std::string what = "creating the Zarr array '" + path + "'";
  if (auto checked = CheckArrayMetadata(metadata); !checked) return checked.error().Wrap(what);
  if (auto written = WriteMetadata(*store, path, metadata, overwrite, context); !written) {
    return written.error().Wrap(what);
  }
  auto state = MakeState(std::move(store), std::move(path), std::move(metadata));
  if (!state) return state.error().Wrap(what);
  return std::unique_ptr<Array>(new Array(*std::move(state)));
}

const ArrayMetadata& Array::metadata() const { return state_->metadata; }
const std::string& Array::path() const { return state_->path; }
bool Array::rectilinear() const { return state_->rectilinear.has_value(); }
const nd::Index& Array::grid_shape() const { return state_->grid_shape; }
size_t Array::chunk_bytes() const {
  return state_->variable ? state_->variable->decoded_bytes() : state_->chain->decoded_bytes();
}
const nd::Index& Array::unit_shape() const { return state_->unit_shape; }
std::string Array::UnitKey(std::span<const uint64_t> unit) const { return state_->UnitKey(unit); }

Result<void> Array::Decode(std::span<const uint64_t> chunk, const Bytes& encoded, std::span<std::byte> into) const {
  return state_->DecodeChunk(chunk, encoded, into, nullptr);
}

void Array::Fill(std::span<std::byte> into) const { nd::FillElements(state_->fill.span(), into); }

Result<Bytes> Array::EncodeUnit(std::span<const std::byte> elements) const {
  const State& s = *state_;
  SEAMOUNT_TRY(s.CheckFixedSize());
  SEAMOUNT_TRY(s.CheckRegular("writing"));
  if (elements.size() != nd::Elements(s.unit_shape) * s.element_bytes) {
    return base::InvalidArgument("array '" + s.path + "': " + std::to_string(elements.size()) +
                                 " bytes are not one chunk or shard");
  }
  return s.EncodeUnit(elements);
}

Result<void> Array::WriteUnit(std::span<const uint64_t> unit, std::span<const std::byte> elements,
                              const CallContext& context) {
  const std::string key = state_->UnitKey(unit);
  auto encoded = EncodeUnit(elements);
  if (!encoded) return encoded.error().Wrap("encoding '" + key + "'");
  auto written = state_->store->Write(key, store::BytesSource(*std::move(encoded)), {}, context);
  if (!written) return written.error().Wrap("writing '" + key + "'");
  state_->DropIndex(unit);
  return {};
}

}  // namespace seamount::zarr
