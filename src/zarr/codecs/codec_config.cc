#include "zarr/codecs/codec_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "nd/data_type.h"
#include "zarr/codecs/blosc_options.h"
#include "zarr/codecs/codec_table.h"
#include "zarr/codecs/json.h"

namespace seamount::zarr {

Result<bool> ParseBytesConfiguration(const std::string& json) {
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(json));
  return ParseEndian(configuration);
}

Result<bool> ParseEndian(const Json& configuration) {
  if (!configuration.contains("endian") || configuration["endian"].is_null()) {
    return false;  // little, as zarr-python takes it
  }
  SEAMOUNT_TRY_ASSIGN(const std::string endian, StringMember(configuration, "endian"));
  if (endian == "little") return false;
  if (endian == "big") return true;
  return base::DataLoss("\"endian\" is \"" + endian + "\" (\"little\" or \"big\" expected)");
}

Result<std::vector<size_t>> ParseTransposeConfiguration(const std::string& json, size_t dimensions) {
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(json));
  return ParseTransposeOrder(configuration, dimensions);
}

Result<std::vector<size_t>> ParseTransposeOrder(const Json& configuration, size_t dimensions) {
  const auto found = configuration.find("order");
  std::vector<size_t> order;
  if (found != configuration.end() && found->is_string()) {  // an older spelling
    const auto name = found->get<std::string>();
    for (size_t d = 0; d < dimensions; ++d) order.push_back(name == "F" ? dimensions - 1 - d : d);
    if (name == "C" || name == "F") return order;
  }
  SEAMOUNT_TRY_ASSIGN(const std::vector<uint64_t> axes, SizesMember(configuration, "order"));
  order.assign(axes.begin(), axes.end());
  std::vector<size_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (size_t d = 0; d < dimensions; ++d) {
    if (sorted.size() != dimensions || sorted[d] != d) {
      return base::DataLoss("\"order\" is not a permutation of the array's " + std::to_string(dimensions) +
                            " dimensions");
    }
  }
  if (sorted.size() != dimensions) return base::DataLoss("\"order\" has entries for an array without dimensions");
  return order;
}

Result<CodecSpec> ParseNamed(const Json& json, const char* what) {
  if (json.is_string()) return CodecSpec{json.get<std::string>(), "{}"};
  auto name = StringMember(json, "name");
  if (!name) return name.error().Wrap(what);
  CodecSpec spec{*std::move(name), "{}"};
  const auto configuration = json.find("configuration");
  if (configuration == json.end()) return spec;
  if (!configuration->is_object()) return base::DataLoss(std::string(what) + ": \"configuration\" is not an object");
  spec.configuration_json = DumpJson(*configuration);
  return spec;
}

Result<std::vector<CodecSpec>> ParseCodecs(const Json& object, const char* member, const ElementType& type) {
  SEAMOUNT_TRY_ASSIGN(const Json* list, Member(object, member));
  if (!list->is_array()) return base::DataLoss("\"" + std::string(member) + "\" is not a list");
  if (list->empty()) return base::DataLoss("\"" + std::string(member) + "\" is empty (\"bytes\" at least expected)");
  std::vector<CodecSpec> codecs;
  for (const Json& codec : *list) {
    SEAMOUNT_TRY_ASSIGN(CodecSpec spec, ParseNamed(codec, member));
    SEAMOUNT_TRY_ASSIGN(spec, CanonicalCodec(std::move(spec), type));
    codecs.push_back(std::move(spec));
  }
  return codecs;
}

Result<ShardingSpec> ParseShardingConfiguration(const std::string& json, const ElementType& type) {
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(json));
  ShardingSpec spec;
  SEAMOUNT_TRY_ASSIGN(spec.chunk_shape, SizesMember(configuration, "chunk_shape"));
  SEAMOUNT_TRY_ASSIGN(spec.codecs, ParseCodecs(configuration, "codecs", type));
  SEAMOUNT_TRY_ASSIGN(spec.index_codecs, ParseCodecs(configuration, "index_codecs", nd::DataType::kUInt64));
  if (!configuration.contains("index_location")) return spec;
  SEAMOUNT_TRY_ASSIGN(const std::string location, StringMember(configuration, "index_location"));
  if (location != "start" && location != "end") {
    return base::DataLoss("\"index_location\" is \"" + location + "\" (\"start\" or \"end\" expected)");
  }
  spec.index_at_start = location == "start";
  return spec;
}

CodecSpec BytesSpec(const ElementType& type, bool big_endian) {
  if (type.kind == ElementKind::kString) return {"vlen-utf8", "{}"};
  if (type.kind == ElementKind::kByteString) return {"vlen-bytes", "{}"};
  if (!HasByteOrder(type)) return {"bytes", "{}"};
  return {"bytes", big_endian ? R"({"endian":"big"})" : R"({"endian":"little"})"};
}

CodecSpec TransposeSpec(const std::vector<size_t>& order) {
  return {"transpose", DumpJson(Json{{"order", Json(order)}})};
}

Result<CodecSpec> CanonicalCodec(CodecSpec spec, const ElementType& type) {
  if (const CodecRow* row = FindCodecByAnyName(spec.name)) spec.name = row->name;
  if (spec.name != "blosc") return spec;
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(spec.configuration_json));
  auto options = ParseBloscOptions(configuration, type.variable() ? 1 : type.size);
  if (!options) return options.error().Wrap("codec \"blosc\"");
  spec.configuration_json = DumpJson(BloscOptionsJson(*options));
  return spec;
}

Result<CodecSpec> CodecFromV2(const std::string& json, const ElementType& type) {
  SEAMOUNT_TRY_ASSIGN(Json configuration, ParseJsonObject(json));
  SEAMOUNT_TRY_ASSIGN(const std::string id, StringMember(configuration, "id"));
  configuration.erase("id");
  const CodecRow* row = FindCodecOfV2(id);
  if (row == nullptr) return UnsupportedCodec(id);
  return CanonicalCodec({std::string(row->name), DumpJson(configuration)}, type);
}

Result<std::string> CodecToV2(const CodecSpec& spec) {
  SEAMOUNT_TRY_ASSIGN(Json configuration, ParseJsonObject(spec.configuration_json));
  const CodecRow* row = FindCodec(spec.name);
  if (row == nullptr || row->v2.empty()) {
    return base::InvalidArgument("Zarr v2 has no codec \"" + spec.name + "\" (write v3, or leave it out)");
  }
  const std::string id(row->v2);
  configuration["id"] = id;
  if (id == "blosc") {
    configuration.erase("typesize");  // v2 takes it from the data type
    const std::string shuffle = configuration.value("shuffle", "shuffle");
    configuration["shuffle"] = shuffle == "noshuffle" ? 0 : shuffle == "shuffle" ? 1 : 2;
  }
  // Newer than the format, and TensorStore refuses what it does not know; leaving it out means the same.
  if (id == "zstd" && configuration.value("checksum", Json(false)) == Json(false)) configuration.erase("checksum");
  return DumpJson(configuration);
}

}  // namespace seamount::zarr
