// What v2 and v3 share: checks, codecs by the names people use.
#include "zarr/metadata.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "nd/data_type.h"
#include "zarr/chunk_grid.h"
#include "zarr/codecs/codec_chain.h"
#include "zarr/codecs/codec_config.h"
#include "zarr/codecs/json.h"
#include "zarr/codecs/sharding.h"
#include "zarr/codecs/variable_length.h"

namespace seamount::zarr {
namespace {

// The number of chunks is counted in 64 bits, in bytes of their index even.
Result<void> CheckGrid(const ArrayMetadata& metadata) {
  constexpr uint64_t kMaxChunks = uint64_t{1} << 56;
  uint64_t chunks = 1;
  for (size_t d = 0; d < metadata.shape.size(); ++d) {
    const uint64_t size = metadata.shape[d];
    if (size > uint64_t{1} << 62) return base::InvalidArgument("dimension " + std::to_string(d) + " is too long");
    const uint64_t along = std::max<uint64_t>(1, (size + metadata.chunk_shape[d] - 1) / metadata.chunk_shape[d]);
    if (along > kMaxChunks / chunks) return base::InvalidArgument("the array has more than 2^56 chunks");
    chunks *= along;
  }
  return {};
}

// "name:level" taken apart.
Result<int> LevelOr(std::string_view text, int fallback, int min, int max) {
  if (text.empty()) return fallback;
  int level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc() || end != text.data() + text.size() || level < min || level > max) {
    return base::InvalidArgument("compression level '" + std::string(text) + "' (" + std::to_string(min) + " to " +
                                 std::to_string(max) + " expected)");
  }
  return level;
}

CodecSpec BloscSpec(std::string_view compressor, int level, nd::DataType type) {
  const Json configuration{{"cname", std::string(compressor)},
                           {"clevel", level},
                           {"shuffle", nd::SizeOf(type) > 1 ? "shuffle" : "noshuffle"},
                           {"typesize", nd::SizeOf(type)},
                           {"blocksize", 0}};
  return {"blosc", DumpJson(configuration)};
}

const std::vector<std::string>& CodecNames() {
  static const std::vector<std::string> names = {"none",       "zstd",        "gzip",          "blosc-lz4",
                                                 "blosc-zstd", "blosc-lz4hc", "blosc-blosclz", "blosc-zlib"};
  return names;
}

}  // namespace

ElementType ElementTypeOf(const ArrayMetadata& metadata) {
  return metadata.other_type ? *metadata.other_type : ElementType(metadata.data_type);
}

void SetElementType(const ElementType& type, ArrayMetadata& metadata) {
  const bool number = type.kind == ElementKind::kNumber;
  metadata.data_type = number ? type.number : nd::DataType::kOther;
  metadata.other_type = number ? std::nullopt : std::optional(type);
}

Bytes FillElementOf(const ArrayMetadata& metadata) {
  if (!metadata.fill_value.empty()) return metadata.fill_value;
  return ZeroElement(ElementTypeOf(metadata));
}

Result<void> CheckArrayMetadata(const ArrayMetadata& metadata) {
  const size_t rank = metadata.shape.size();
  if (metadata.format != 2 && metadata.format != 3) return base::InvalidArgument("zarr_format must be 2 or 3");
  if (rank > kMaxDimensions) return base::InvalidArgument("more than 64 dimensions");
  if (metadata.chunk_shape.size() != rank)
    return base::InvalidArgument("the chunk shape has another rank than the array");
  if (!metadata.dimension_names.empty() && metadata.dimension_names.size() != rank) {
    return base::InvalidArgument("dimension_names: " + std::to_string(metadata.dimension_names.size()) + " names for " +
                                 std::to_string(rank) + " dimensions");
  }
  if (metadata.other_type.has_value() != (metadata.data_type == nd::DataType::kOther) ||
      metadata.data_type == nd::DataType::kChar) {
    return base::InvalidArgument("the data type is not one that a Zarr array can have");
  }
  const ElementType type = ElementTypeOf(metadata);
  if (!type.variable() && !metadata.fill_value.empty() && metadata.fill_value.size() != type.size) {
    return base::InvalidArgument("the fill value is not one element of " + NameOf(type));
  }
  if (metadata.separator != '/' && metadata.separator != '.') {
    return base::InvalidArgument("the chunk key separator must be '/' or '.'");
  }
  if (type.variable()) {
    SEAMOUNT_TRY(VariableChain::Make(WithBytesCodec(metadata.codecs, type), type, metadata.chunk_shape));
  } else {
    SEAMOUNT_TRY(CodecChain::Make(metadata.codecs, type, metadata.chunk_shape, FillElementOf(metadata)));
  }
  SEAMOUNT_TRY(CheckGrid(metadata));
  if (metadata.shard_shape && metadata.format != 3) return base::InvalidArgument("shards need Zarr v3");
  if (metadata.shard_shape) SEAMOUNT_TRY(CheckShardShape(*metadata.shard_shape, metadata.chunk_shape));
  if (!metadata.chunk_edges.empty() && metadata.format != 3) {
    return base::InvalidArgument("chunks that differ in size need Zarr v3");
  }
  const ChunkGrid grid{metadata.shard_shape.value_or(metadata.chunk_shape), metadata.chunk_edges};
  SEAMOUNT_TRY(CheckChunkEdges(grid, metadata.shape, metadata.shard_shape ? &metadata.chunk_shape : nullptr));
  auto attributes = ParseJsonObject(metadata.attributes_json);
  if (!attributes) return attributes.error().Wrap("attributes");
  return {};
}

Result<std::vector<CodecSpec>> CodecsFromName(std::string_view name, nd::DataType type, bool checksum) {
  const size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  const std::string_view level_text = colon == std::string_view::npos ? "" : name.substr(colon + 1);
  std::vector<CodecSpec> codecs = {BytesSpec(type, /*big_endian=*/false)};
  constexpr std::string_view kBlosc = "blosc-";
  if (kind == "zstd") {
    SEAMOUNT_TRY_ASSIGN(const int level, LevelOr(level_text, 3, 1, 22));
    codecs.push_back({"zstd", DumpJson(Json{{"level", level}, {"checksum", false}})});
  } else if (kind == "gzip") {
    SEAMOUNT_TRY_ASSIGN(const int level, LevelOr(level_text, 5, 0, 9));
    codecs.push_back({"gzip", DumpJson(Json{{"level", level}})});
  } else if (kind.starts_with(kBlosc) && std::find(std::begin(kBloscCompressors), std::end(kBloscCompressors),
                                                   kind.substr(kBlosc.size())) != std::end(kBloscCompressors)) {
    SEAMOUNT_TRY_ASSIGN(const int level, LevelOr(level_text, kind == "blosc-zstd" ? 3 : 5, 0, 9));
    codecs.push_back(BloscSpec(kind.substr(kBlosc.size()), level, type));
  } else if (kind != "none" || colon != std::string_view::npos) {
    return base::InvalidArgument("codec '" + std::string(name) + "' is unknown" + base::NameHint(kind, CodecNames()));
  }
  if (checksum) codecs.push_back({"crc32c", "{}"});
  return codecs;
}

}  // namespace seamount::zarr
