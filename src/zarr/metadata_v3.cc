// zarr.json of an array. Strict as the specification asks: what it does not name is refused, unless it is marked
// {"must_understand": false}.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "nd/data_type.h"
#include "zarr/chunk_grid.h"
#include "zarr/codecs/codec_chain.h"
#include "zarr/codecs/codec_config.h"
#include "zarr/codecs/json.h"
#include "zarr/fill_value.h"
#include "zarr/metadata.h"

namespace seamount::zarr {
namespace {

Result<void> ParseCodecMember(const Json& json, ArrayMetadata& metadata) {
  SEAMOUNT_TRY_ASSIGN(metadata.codecs, ParseCodecs(json, "codecs", ElementTypeOf(metadata)));
  if (metadata.codecs.size() != 1 || metadata.codecs[0].name != kSharding) return {};
  // The outer chunk is the shard, the inner one our chunk.
  auto sharding = ParseShardingConfiguration(metadata.codecs[0].configuration_json, ElementTypeOf(metadata));
  if (!sharding) return sharding.error().Wrap("codec \"sharding_indexed\"");
  metadata.shard_shape = std::exchange(metadata.chunk_shape, std::move(sharding->chunk_shape));
  metadata.codecs = std::move(sharding->codecs);
  metadata.shard_index_codecs = std::move(sharding->index_codecs);
  metadata.shard_index_at_start = sharding->index_at_start;
  return {};
}

Result<void> ParseChunkKeys(const Json& json, ArrayMetadata& metadata) {
  SEAMOUNT_TRY_ASSIGN(const Json* keys, Member(json, "chunk_key_encoding"));
  SEAMOUNT_TRY_ASSIGN(const CodecSpec keys_spec, ParseNamed(*keys, "chunk_key_encoding"));
  if (keys_spec.name != "default" && keys_spec.name != "v2") {
    return base::InvalidArgument("chunk_key_encoding \"" + keys_spec.name +
                                 "\" is not supported (\"default\" and \"v2\" are)");
  }
  metadata.v2_chunk_keys = keys_spec.name == "v2";
  metadata.separator = metadata.v2_chunk_keys ? '.' : '/';
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(keys_spec.configuration_json));
  if (!configuration.contains("separator")) return {};
  SEAMOUNT_TRY_ASSIGN(const std::string separator, StringMember(configuration, "separator"));
  if (separator != "/" && separator != ".") return base::DataLoss("\"separator\" is neither \"/\" nor \".\"");
  metadata.separator = separator[0];
  return {};
}

Result<void> ParseDimensionNames(const Json& json, ArrayMetadata& metadata) {
  const auto found = json.find("dimension_names");
  if (found == json.end() || found->is_null()) return {};
  if (!found->is_array() || found->size() != metadata.shape.size()) {
    return base::DataLoss("\"dimension_names\" is not a list with a name for each dimension");
  }
  bool any = false;
  for (const Json& name : *found) {
    if (!name.is_string() && !name.is_null()) return base::DataLoss("\"dimension_names\" holds what is not a name");
    metadata.dimension_names.push_back(name.is_string() ? name.get<std::string>() : "");
    any = any || name.is_string();
  }
  if (!any) metadata.dimension_names.clear();
  return {};
}

Result<void> CheckMembers(const Json& json) {
  constexpr std::string_view kKnown[] = {
      "zarr_format",        "node_type",  "shape",  "data_type",  "chunk_grid",
      "chunk_key_encoding", "fill_value", "codecs", "attributes", "storage_transformers",
      "dimension_names"};
  for (const auto& [name, value] : json.items()) {
    if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) continue;
    const bool optional = value.is_object() && value.value("must_understand", Json(true)) == Json(false);
    if (!optional) return base::InvalidArgument("the extension \"" + name.substr(0, 64) + "\" is not supported");
  }
  const auto transformers = json.find("storage_transformers");
  if (transformers != json.end() && !(transformers->is_array() && transformers->empty())) {
    return base::InvalidArgument("\"storage_transformers\" are not supported");
  }
  return {};
}

Json NamedJson(const std::string& name, Json configuration) {
  return Json{{"name", name}, {"configuration", std::move(configuration)}};
}

Json CodecsJson(const std::vector<CodecSpec>& codecs) {
  Json list = Json::array();
  for (const CodecSpec& codec : codecs) {
    Json json = Json::object();
    json["name"] = codec.name;
    auto configuration = ParseJsonObject(codec.configuration_json);
    // zarr-python wants one of numcodecs' codecs even where there is nothing to say.
    const bool wanted = codec.name.starts_with("numcodecs.");
    if (configuration && (wanted || !configuration->empty())) json["configuration"] = *std::move(configuration);
    list.push_back(std::move(json));
  }
  return list;
}

Json ShardingJson(const ArrayMetadata& metadata) {
  std::vector<CodecSpec> index_codecs = metadata.shard_index_codecs;
  if (index_codecs.empty()) index_codecs = {BytesSpec(nd::DataType::kUInt64, /*big_endian=*/false), {"crc32c", "{}"}};
  Json configuration = Json::object();
  configuration["chunk_shape"] = metadata.chunk_shape;
  configuration["codecs"] = CodecsJson(WithBytesCodec(metadata.codecs, ElementTypeOf(metadata)));
  configuration["index_codecs"] = CodecsJson(index_codecs);
  configuration["index_location"] = metadata.shard_index_at_start ? "start" : "end";
  Json list = Json::array();
  list.push_back(NamedJson(kSharding, std::move(configuration)));
  return list;
}

}  // namespace

Result<ArrayMetadata> ParseArrayMetadataV3(std::string_view zarr_json) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseJsonObject(zarr_json));
  SEAMOUNT_TRY_ASSIGN(const Json* format, Member(json, "zarr_format"));
  if (*format != Json(3)) return base::DataLoss("\"zarr_format\" is not 3");
  SEAMOUNT_TRY_ASSIGN(const std::string node_type, StringMember(json, "node_type"));
  if (node_type != "array") return base::InvalidArgument("a " + node_type.substr(0, 64) + ", not an array");
  SEAMOUNT_TRY(CheckMembers(json));

  ArrayMetadata metadata;
  SEAMOUNT_TRY_ASSIGN(metadata.shape, SizesMember(json, "shape"));
  SEAMOUNT_TRY_ASSIGN(const Json* type, Member(json, "data_type"));
  SEAMOUNT_TRY_ASSIGN(const ElementType element, ElementFromV3(*type));
  SetElementType(element, metadata);
  SEAMOUNT_TRY_ASSIGN(ChunkGrid grid, ParseChunkGrid(json, metadata.shape));
  metadata.chunk_shape = std::move(grid.unit_shape);
  metadata.chunk_edges = std::move(grid.edges);
  SEAMOUNT_TRY(ParseChunkKeys(json, metadata));
  SEAMOUNT_TRY(ParseCodecMember(json, metadata));
  SEAMOUNT_TRY_ASSIGN(const Json* fill, Member(json, "fill_value"));
  SEAMOUNT_TRY_ASSIGN(metadata.fill_value, ParseFillValue(element, *fill));
  SEAMOUNT_TRY(ParseDimensionNames(json, metadata));
  if (json.contains("attributes")) metadata.attributes_json = DumpJson(json["attributes"]);
  SEAMOUNT_TRY(CheckArrayMetadata(metadata));
  return metadata;
}

std::string SerializeArrayMetadataV3(const ArrayMetadata& metadata) {
  Json json = Json::object();
  json["zarr_format"] = 3;
  json["node_type"] = "array";
  json["shape"] = metadata.shape;
  json["data_type"] = ElementToV3(ElementTypeOf(metadata));
  json["chunk_grid"] = ChunkGridJson({metadata.shard_shape.value_or(metadata.chunk_shape), metadata.chunk_edges});
  json["chunk_key_encoding"] =
      NamedJson(metadata.v2_chunk_keys ? "v2" : "default", Json{{"separator", std::string(1, metadata.separator)}});
  json["fill_value"] = FormatFillValue(ElementTypeOf(metadata), metadata.fill_value, 3);
  json["codecs"] = metadata.shard_shape ? ShardingJson(metadata)
                                        : CodecsJson(WithBytesCodec(metadata.codecs, ElementTypeOf(metadata)));
  auto attributes = ParseJsonObject(metadata.attributes_json);
  json["attributes"] = attributes ? *std::move(attributes) : Json::object();
  json["storage_transformers"] = Json::array();
  if (!metadata.dimension_names.empty()) {
    Json names = Json::array();
    for (const std::string& name : metadata.dimension_names) names.push_back(name.empty() ? Json() : Json(name));
    json["dimension_names"] = std::move(names);
  }
  return DumpPrettyJson(json);
}

}  // namespace seamount::zarr
