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

struct KindRow {
  nd::DataType type;
  std::string_view code;  // NumPy's, without byte order
};
constexpr KindRow kKinds[] = {
    {nd::DataType::kBool, "b1"},      {nd::DataType::kInt8, "i1"},        {nd::DataType::kInt16, "i2"},
    {nd::DataType::kInt32, "i4"},     {nd::DataType::kInt64, "i8"},       {nd::DataType::kUInt8, "u1"},
    {nd::DataType::kUInt16, "u2"},    {nd::DataType::kUInt32, "u4"},      {nd::DataType::kUInt64, "u8"},
    {nd::DataType::kFloat16, "f2"},   {nd::DataType::kFloat32, "f4"},     {nd::DataType::kFloat64, "f8"},
    {nd::DataType::kComplex64, "c8"}, {nd::DataType::kComplex128, "c16"},
};

struct V2Type {
  nd::DataType type;
  bool big_endian;
};

Result<V2Type> ParseType(const Json& json) {
  SEAMOUNT_TRY_ASSIGN(const Json* member, Member(json, "dtype"));
  if (!member->is_string()) return base::InvalidArgument("structured data types are not supported");
  const auto text = member->get<std::string>();
  const char order = text.empty() ? ' ' : text[0];
  if (order == '<' || order == '>' || order == '|') {
    for (const KindRow& row : kKinds) {
      if (std::string_view(text).substr(1) != row.code) continue;
      if (order == '|' && nd::SizeOf(row.type) > 1) break;
      return V2Type{row.type, order == '>' && nd::SizeOf(row.type) > 1};
    }
  }
  return base::InvalidArgument("data type \"" + text.substr(0, 64) +
                               "\" is not supported (booleans, integers, floats and complex numbers are)");
}

Result<void> AddCodec(const Json& json, ArrayMetadata& metadata) {
  SEAMOUNT_TRY_ASSIGN(CodecSpec codec, CodecFromV2(DumpJson(json), metadata.data_type));
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
  metadata.codecs.push_back(BytesSpec(metadata.data_type, big_endian));
  const auto filters = json.find("filters");
  if (filters != json.end() && !filters->is_null()) {
    if (!filters->is_array()) return base::DataLoss("\"filters\" is not a list");
    for (const Json& filter : *filters) {
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

std::string TypeCode(nd::DataType type, bool big_endian) {
  const char order = nd::SizeOf(type) == 1 ? '|' : big_endian ? '>' : '<';
  return order + std::string(kKinds[static_cast<size_t>(type)].code);
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
  return id == "shuffle" || (row != nullptr && row->kind == CodecKind::kFilter);
}

Result<void> WriteCodecs(const ArrayMetadata& metadata, Json& json) {
  SEAMOUNT_TRY_ASSIGN(const char order, OrderOf(metadata.codecs, metadata.shape.size()));
  json["order"] = std::string(1, order);
  bool big_endian = false;
  std::vector<Json> stages;
  for (const CodecSpec& codec : metadata.codecs) {
    if (codec.name == "transpose") continue;
    if (codec.name == "bytes") {
      SEAMOUNT_TRY_ASSIGN(big_endian, ParseBytesConfiguration(codec.configuration_json));
      continue;
    }
    SEAMOUNT_TRY_ASSIGN(const std::string v2, CodecToV2(codec));
    SEAMOUNT_TRY_ASSIGN(Json stage, ParseJsonObject(v2));
    stages.push_back(std::move(stage));
  }
  json["dtype"] = TypeCode(metadata.data_type, big_endian);
  // The last one is called the compressor, unless it is a filter by nature.
  json["compressor"] = nullptr;
  if (!stages.empty() && !IsFilterByNature(stages.back()["id"].get<std::string>())) {
    json["compressor"] = std::move(stages.back());
    stages.pop_back();
  }
  json["filters"] = stages.empty() ? Json() : Json(stages);
  return {};
}

}  // namespace

Result<ArrayMetadata> ParseArrayMetadataV2(std::string_view zarray, std::string_view zattrs) {
  SEAMOUNT_TRY_ASSIGN(const Json json, ParseJsonObject(zarray));
  SEAMOUNT_TRY_ASSIGN(const Json* format, Member(json, "zarr_format"));
  if (*format != Json(2)) return base::DataLoss("\"zarr_format\" is not 2");
  ArrayMetadata metadata;
  metadata.format = 2;
  SEAMOUNT_TRY_ASSIGN(const V2Type type, ParseType(json));
  metadata.data_type = type.type;
  SEAMOUNT_TRY(ParseV2Shape(json, metadata));
  SEAMOUNT_TRY(ParseV2Codecs(json, type.big_endian, metadata));
  SEAMOUNT_TRY_ASSIGN(const Json* fill, Member(json, "fill_value"));
  metadata.fill_value_null = fill->is_null();
  if (metadata.fill_value_null) {
    Buffer zero(nd::SizeOf(type.type));
    std::fill(zero.span().begin(), zero.span().end(), std::byte{0});
    metadata.fill_value = Bytes(std::move(zero));
  } else {
    SEAMOUNT_TRY_ASSIGN(metadata.fill_value, ParseFillValueV2(type.type, *fill, type.big_endian));
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
  json["fill_value"] = metadata.fill_value_null ? Json() : FormatFillValue(metadata.data_type, metadata.fill_value, 2);
  json["dimension_separator"] = std::string(1, metadata.separator);
  SEAMOUNT_TRY(WriteCodecs(metadata, json));
  SEAMOUNT_TRY_ASSIGN(Json attributes, ParseJsonObject(metadata.attributes_json));
  // xarray wants the list of a scalar too, though it is empty.
  if (!metadata.dimension_names.empty() || metadata.shape.empty()) attributes[kDimensions] = metadata.dimension_names;
  return V2Documents{DumpPrettyJson(json), DumpPrettyJson(attributes)};
}

}  // namespace seamount::zarr
