// .zarray and .zattrs. v2 keeps byte order in the data type and Fortran order in a flag; here both become codecs, as v3
// has them, and go back on writing.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "nd/data_type.h"
#include "zarr/codecs/codec_chain.h"
#include "zarr/codecs/codec_config.h"
#include "zarr/codecs/codec_table.h"
#include "zarr/codecs/json.h"
#include "zarr/fill_value.h"
#include "zarr/metadata.h"

namespace seamount::zarr {
namespace {

// xarray's convention for dimension names in v2.
constexpr const char* kDimensions = "_ARRAY_DIMENSIONS";

Result<void> AddCodec(const Json& json, ArrayMetadata& metadata) {
  SEAMOUNT_TRY_ASSIGN(CodecSpec codec, CodecFromV2(DumpJson(json), ElementTypeOf(metadata)));
  metadata.codecs.push_back(std::move(codec));
  return {};
}

Result<void> ParseV2Codecs(const Json& json, bool big_endian, ArrayMetadata& metadata) {
  SEAMOUNT_TRY_ASSIGN(const Json* order, Member(json, "order"));
  if (*order != Json("C") && *order != Json("F")) return base::DataLoss("\"order\" is neither \"C\" nor \"F\"");
  if (*order == Json("F") && metadata.shape.size() > 1) {
    std::vector<size_t> reversed(metadata.shape.size());
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    metadata.codecs.push_back(TransposeSpec(reversed));
  }
  metadata.codecs.push_back(BytesSpec(ElementTypeOf(metadata), big_endian));
  const auto filters = json.find("filters");
  if (filters != json.end() && !filters->is_null()) {
    if (!filters->is_array()) return base::DataLoss("\"filters\" is not a list");
    for (const Json& filter : *filters) {
      // What made bytes of objects stands first, and has been added.
      if (ElementTypeOf(metadata).variable() && &filter == &filters->front()) continue;
      auto added = AddCodec(filter, metadata);
      if (!added) return added.error().Wrap("\"filters\"");
    }
  }
  SEAMOUNT_TRY_ASSIGN(const Json* compressor, Member(json, "compressor"));
  if (compressor->is_null()) return {};
  auto added = AddCodec(*compressor, metadata);
  if (!added) return added.error().Wrap("\"compressor\"");
  return {};
}

Result<void> ParseV2Shape(const Json& json, ArrayMetadata& metadata) {
  SEAMOUNT_TRY_ASSIGN(metadata.shape, SizesMember(json, "shape"));
  SEAMOUNT_TRY_ASSIGN(metadata.chunk_shape, SizesMember(json, "chunks"));
  if (metadata.chunk_shape.size() != metadata.shape.size()) {
    return base::DataLoss("\"chunks\" has another rank than \"shape\"");
  }
  for (size_t d = 0; d < metadata.shape.size(); ++d) {
    // Older writers give an empty dimension empty chunks.
    if (metadata.shape[d] == 0 && metadata.chunk_shape[d] == 0) metadata.chunk_shape[d] = 1;
  }
  metadata.separator = '.';
  if (!json.contains("dimension_separator")) return {};
  SEAMOUNT_TRY_ASSIGN(const std::string separator, StringMember(json, "dimension_separator"));
  if (separator != "/" && separator != ".") return base::DataLoss("\"dimension_separator\" is neither \"/\" nor \".\"");
  metadata.separator = separator[0];
  return {};
}

// Objects are what the first filter makes bytes of.
Result<ElementType> ParseV2Type(const Json& json, bool& big_endian) {
  SEAMOUNT_TRY_ASSIGN(const Json* dtype, Member(json, "dtype"));
  const Json filters = json.value("filters", Json());
  if (*dtype == Json("|O") && filters.is_array() && !filters.empty()) {
    SEAMOUNT_TRY_ASSIGN(const std::string id, StringMember(filters.front(), "id"));
    if (id == "vlen-utf8") return VariableElement(ElementKind::kString);
    if (id == "vlen-bytes") return VariableElement(ElementKind::kByteString);
    if (FindCodecOfV2(id) == nullptr) return UnsupportedCodec(id).Wrap("\"filters\"");
  }
  return ElementFromV2(*dtype, big_endian);
}

// Takes the dimension names out of the attributes, if they fit.
Result<void> ParseAttributes(std::string_view zattrs, ArrayMetadata& metadata) {
  if (zattrs.empty()) return {};
  auto attributes = ParseJsonObject(zattrs);
  if (!attributes) return attributes.error().Wrap(".zattrs");
  const auto names = attributes->find(kDimensions);
  const auto is_string = [](const Json& name) { return name.is_string(); };
  if (names != attributes->end() && names->is_array() && names->size() == metadata.shape.size() &&
      std::all_of(names->begin(), names->end(), is_string)) {
    metadata.dimension_names = names->get<std::vector<std::string>>();
    attributes->erase(kDimensions);
  }
  metadata.attributes_json = DumpJson(*attributes);
  return {};
}

// "C" or "F", where the chain's transposition amounts to that.
Result<char> OrderOf(const std::vector<CodecSpec>& codecs, size_t rank) {
  char order = 'C';
  for (const CodecSpec& codec : codecs) {
    if (codec.name != "transpose") continue;
    SEAMOUNT_TRY_ASSIGN(const auto axes, ParseTransposeConfiguration(codec.configuration_json, rank));
    if (std::is_sorted(axes.begin(), axes.end())) continue;
    if (!std::is_sorted(axes.rbegin(), axes.rend()) || order == 'F') {
      return base::InvalidArgument("Zarr v2 knows the orders C and F only, not every transposition (write v3)");
    }
    order = 'F';
  }
  return order;
}

bool IsFilterByNature(const std::string& id) {
  const CodecRow* row = FindCodecOfV2(id);
  return id == "shuffle" || (row != nullptr && row->kind != CodecKind::kBytesToBytes);
}

// Returns whether the elements are stored as big endian.
Result<bool> WriteCodecs(const ArrayMetadata& metadata, Json& json) {
  SEAMOUNT_TRY_ASSIGN(const char order, OrderOf(metadata.codecs, metadata.shape.size()));
  json["order"] = std::string(1, order);
  bool big_endian = false;
  std::vector<Json> stages;
  for (const CodecSpec& codec : WithBytesCodec(metadata.codecs, ElementTypeOf(metadata))) {
    if (codec.name == "transpose") continue;
    if (codec.name == "bytes") {
      SEAMOUNT_TRY_ASSIGN(big_endian, ParseBytesConfiguration(codec.configuration_json));
      continue;
    }
    SEAMOUNT_TRY_ASSIGN(const std::string v2, CodecToV2(codec));
    SEAMOUNT_TRY_ASSIGN(Json stage, ParseJsonObject(v2));
    stages.push_back(std::move(stage));
  }
  json["dtype"] = ElementToV2(ElementTypeOf(metadata), big_endian);
  // The last one is called the compressor, unless it is a filter by nature.
  json["compressor"] = nullptr;
  if (!stages.empty() && !IsFilterByNature(stages.back()["id"].get<std::string>())) {
    json["compressor"] = std::move(stages.back());
    stages.pop_back();
  }
  json["filters"] = stages.empty() ? Json() : Json(stages);
  return big_endian;
}

}  // namespace

Result<ArrayMetadata> ParseArrayMetadataV2(std::string_view zarray, std::string_view zattrs) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseJsonObject(zarray));
  SEAMOUNT_TRY_ASSIGN(const Json* format, Member(json, "zarr_format"));
  if (*format != Json(2)) return base::DataLoss("\"zarr_format\" is not 2");
  ArrayMetadata metadata;
  metadata.format = 2;
  bool big_endian = false;
  SEAMOUNT_TRY_ASSIGN(const ElementType type, ParseV2Type(json, big_endian));
  SetElementType(type, metadata);
  SEAMOUNT_TRY(ParseV2Shape(json, metadata));
  SEAMOUNT_TRY(ParseV2Codecs(json, big_endian, metadata));
  SEAMOUNT_TRY_ASSIGN(const Json* fill, Member(json, "fill_value"));
  metadata.fill_value_null = fill->is_null();
  if (metadata.fill_value_null) {
    metadata.fill_value = ZeroElement(type);
  } else {
    SEAMOUNT_TRY_ASSIGN(metadata.fill_value, ParseFillValueV2(type, *fill, big_endian));
  }
  SEAMOUNT_TRY(ParseAttributes(zattrs, metadata));
  SEAMOUNT_TRY(CheckArrayMetadata(metadata));
  return metadata;
}

Result<V2Documents> SerializeArrayMetadataV2(const ArrayMetadata& metadata) {
  if (metadata.shard_shape) return base::InvalidArgument("shards need Zarr v3");
  Json json = Json::object();
  json["zarr_format"] = 2;
  json["shape"] = metadata.shape;
  json["chunks"] = metadata.chunk_shape;
  json["dimension_separator"] = std::string(1, metadata.separator);
  SEAMOUNT_TRY_ASSIGN(const bool big_endian, WriteCodecs(metadata, json));
  json["fill_value"] = nullptr;
  if (!metadata.fill_value_null) {
    json["fill_value"] = FormatFillValue(ElementTypeOf(metadata), metadata.fill_value, 2, big_endian);
  }
  SEAMOUNT_TRY_ASSIGN(Json attributes, ParseJsonObject(metadata.attributes_json));
  // xarray wants the list of a scalar too, though it is empty.
  if (!metadata.dimension_names.empty() || metadata.shape.empty()) attributes[kDimensions] = metadata.dimension_names;
  return V2Documents{DumpPrettyJson(json), DumpPrettyJson(attributes)};
}

}  // namespace seamount::zarr
