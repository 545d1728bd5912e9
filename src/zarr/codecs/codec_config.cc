#include "zarr/codecs/codec_config.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "nd/data_type.h"
#include "zarr/codecs/json.h"

namespace seamount::zarr {
namespace {

constexpr int kMaxElementBytes = 255;
const std::string kNumcodecs = "numcodecs.";

Error Unsupported(const std::string& name) {
  return base::InvalidArgument("codec \"" + name +
                               "\" is not supported (bytes, transpose, blosc, zstd, gzip, crc32c, sharding_indexed, "
                               "and numcodecs' zlib, lz4 and shuffle are)");
}

// A parameter that only an encoder looks at: what writers of other libraries could say is taken to the nearest value
// that ours knows, so that their chunks can be read.
Result<int> EncoderMemberOr(const Json& configuration, const char* name, int fallback, int min, int max) {
  constexpr int kAny = std::numeric_limits<int>::max();
  SEAMOUNT_TRY_ASSIGN(const int value, IntMemberOr(configuration, name, fallback, -kAny, kAny));
  return std::clamp(value, min, max);
}

Result<BloscShuffle> ParseShuffle(const Json& configuration, size_t element_size) {
  const auto found = configuration.find("shuffle");
  if (found == configuration.end()) return BloscShuffle::kByte;
  if (found->is_string()) {
    const auto name = found->get<std::string>();
    if (name == "noshuffle") return BloscShuffle::kNone;
    if (name == "shuffle") return BloscShuffle::kByte;
    if (name == "bitshuffle") return BloscShuffle::kBit;
    return base::DataLoss("\"shuffle\" is \"" + name + "\" (\"noshuffle\", \"shuffle\" or \"bitshuffle\" expected)");
  }
  constexpr int kAuto = -1;  // numcodecs: by bits for single bytes, by bytes for the rest
  SEAMOUNT_TRY_ASSIGN(const int shuffle, IntMemberOr(configuration, "shuffle", 1, kAuto, 2));
  if (shuffle == kAuto) return element_size == 1 ? BloscShuffle::kBit : BloscShuffle::kByte;
  return static_cast<BloscShuffle>(shuffle);
}

Result<BloscOptions> ParseBlosc(const Json& configuration, nd::DataType type) {
  BloscOptions options;
  if (configuration.contains("cname")) {
    SEAMOUNT_TRY_ASSIGN(options.compressor, StringMember(configuration, "cname"));
  }
  if (std::find(std::begin(kBloscCompressors), std::end(kBloscCompressors), options.compressor) ==
      std::end(kBloscCompressors)) {
    return base::InvalidArgument("\"cname\" is \"" + options.compressor +
                                 "\" (blosclz, lz4, lz4hc, zlib and zstd are supported)");
  }
  SEAMOUNT_TRY_ASSIGN(options.level, EncoderMemberOr(configuration, "clevel", 5, 0, 9));
  SEAMOUNT_TRY_ASSIGN(const int element_size,
                      IntMemberOr(configuration, "typesize", static_cast<int>(nd::SizeOf(type)), 1, kMaxElementBytes));
  options.element_size = static_cast<size_t>(element_size);
  constexpr int kMaxBlock = (0x7fffffff - 4 * kMaxElementBytes) / 3;  // c-blosc reads no larger ones
  SEAMOUNT_TRY_ASSIGN(const int block, EncoderMemberOr(configuration, "blocksize", 0, 0, kMaxBlock));
  options.block_size = static_cast<size_t>(block);
  SEAMOUNT_TRY_ASSIGN(options.shuffle, ParseShuffle(configuration, options.element_size));
  return options;
}

Json BloscJson(const BloscOptions& options) {
  constexpr const char* kNames[] = {"noshuffle", "shuffle", "bitshuffle"};
  return Json{{"cname", options.compressor},
              {"clevel", options.level},
              {"shuffle", kNames[static_cast<int>(options.shuffle)]},
              {"typesize", options.element_size},
              {"blocksize", options.block_size}};
}

Result<std::unique_ptr<ByteCodec>> MakeBlosc(const Json& configuration, nd::DataType type, size_t decoded_bytes) {
  SEAMOUNT_TRY_ASSIGN(const BloscOptions options, ParseBlosc(configuration, type));
  if (decoded_bytes > kMaxBloscBytes) return base::InvalidArgument("takes chunks of at most 2 GiB (make them smaller)");
  return MakeBloscCodec(options);
}

Result<std::unique_ptr<ByteCodec>> MakeZstd(const Json& configuration) {
  constexpr int kLowest = -131072;
  constexpr int kHighest = 22;
  SEAMOUNT_TRY_ASSIGN(const int level, EncoderMemberOr(configuration, "level", 0, kLowest, kHighest));
  SEAMOUNT_TRY_ASSIGN(const bool checksum, BoolMemberOr(configuration, "checksum", false));
  return MakeZstdCodec(level, checksum);
}

}  // namespace

Result<std::unique_ptr<ByteCodec>> MakeByteCodec(const CodecSpec& spec, nd::DataType type, size_t decoded_bytes) {
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(spec.configuration_json));
  if (spec.name == "blosc") return MakeBlosc(configuration, type, decoded_bytes);
  if (spec.name == "zstd") return MakeZstd(configuration);
  if (spec.name == "crc32c") return MakeCrc32cCodec();
  if (spec.name == "gzip" || spec.name == "numcodecs.zlib") {
    SEAMOUNT_TRY_ASSIGN(const int level, EncoderMemberOr(configuration, "level", spec.name == "gzip" ? 5 : 1, -1, 9));
    const int effective = level < 0 ? 6 : level;  // -1 is zlib's default
    return spec.name == "gzip" ? MakeGzipCodec(effective) : MakeZlibCodec(effective);
  }
  if (spec.name == "numcodecs.lz4") {
    constexpr int kFastest = 65537;
    SEAMOUNT_TRY_ASSIGN(const int acceleration, EncoderMemberOr(configuration, "acceleration", 1, 1, kFastest));
    if (decoded_bytes > kMaxBloscBytes) return base::InvalidArgument("takes chunks of at most 2 GiB");
    return MakeLz4Codec(acceleration);
  }
  if (spec.name == "numcodecs.shuffle") {
    SEAMOUNT_TRY_ASSIGN(const int size,
                        IntMemberOr(configuration, "elementsize", 4, 0, std::numeric_limits<int>::max()));
    return MakeShuffleCodec(static_cast<size_t>(size));
  }
  return Unsupported(spec.name);
}

Result<bool> ParseBytesConfiguration(const std::string& json) {
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(json));
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

Result<std::vector<CodecSpec>> ParseCodecs(const Json& object, const char* member, nd::DataType type) {
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

Result<ShardingSpec> ParseShardingConfiguration(const std::string& json, nd::DataType type) {
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

CodecSpec BytesSpec(nd::DataType type, bool big_endian) {
  if (nd::SizeOf(type) == 1) return {"bytes", "{}"};
  return {"bytes", big_endian ? R"({"endian":"big"})" : R"({"endian":"little"})"};
}

CodecSpec TransposeSpec(const std::vector<size_t>& order) {
  return {"transpose", DumpJson(Json{{"order", Json(order)}})};
}

Result<CodecSpec> CanonicalCodec(CodecSpec spec, nd::DataType type) {
  for (const char* both : {"blosc", "zstd", "gzip"}) {
    if (spec.name == kNumcodecs + both) spec.name = both;
  }
  if (spec.name != "blosc") return spec;
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(spec.configuration_json));
  auto options = ParseBlosc(configuration, type);
  if (!options) return options.error().Wrap("codec \"blosc\"");
  spec.configuration_json = DumpJson(BloscJson(*options));
  return spec;
}

Result<CodecSpec> CodecFromV2(const std::string& json, nd::DataType type) {
  SEAMOUNT_TRY_ASSIGN(Json configuration, ParseJsonObject(json));
  SEAMOUNT_TRY_ASSIGN(const std::string id, StringMember(configuration, "id"));
  configuration.erase("id");
  for (const char* supported : {"blosc", "zstd", "gzip", "zlib", "lz4", "shuffle"}) {
    if (id == supported) return CanonicalCodec({kNumcodecs + id, DumpJson(configuration)}, type);
  }
  return Unsupported(id);
}

Result<std::string> CodecToV2(const CodecSpec& spec) {
  SEAMOUNT_TRY_ASSIGN(Json configuration, ParseJsonObject(spec.configuration_json));
  std::string id = spec.name;
  if (id.starts_with(kNumcodecs)) id.erase(0, kNumcodecs.size());
  if (id != "blosc" && id != "zstd" && id != "gzip" && id == spec.name) {
    return base::InvalidArgument("Zarr v2 has no codec \"" + spec.name + "\" (write v3, or leave it out)");
  }
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
