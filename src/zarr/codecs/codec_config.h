// The configurations of codecs, as JSON and back.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "zarr/codecs/codec_spec.h"
#include "zarr/codecs/json.h"
#include "zarr/element_type.h"

namespace seamount::zarr {

// True: big endian.
Result<bool> ParseBytesConfiguration(const std::string& json);
Result<bool> ParseEndian(const Json& configuration);
Result<std::vector<size_t>> ParseTransposeConfiguration(const std::string& json, size_t dimensions);
Result<std::vector<size_t>> ParseTransposeOrder(const Json& configuration, size_t dimensions);

inline constexpr const char* kSharding = "sharding_indexed";
struct ShardingSpec {
  std::vector<uint64_t> chunk_shape;
  std::vector<CodecSpec> codecs;
  std::vector<CodecSpec> index_codecs;  // empty: bytes and crc32c
  bool index_at_start = false;
};
Result<ShardingSpec> ParseShardingConfiguration(const std::string& json, const ElementType& type);

// An extension point of v3: "name", or {"name": …, "configuration": {…}}. what: for messages.
Result<CodecSpec> ParseNamed(const Json& json, const char* what);
// The member of `object` that is a list of codecs, in canonical form.
Result<std::vector<CodecSpec>> ParseCodecs(const Json& object, const char* member, const ElementType& type);

// What turns such elements into bytes.
CodecSpec BytesSpec(const ElementType& type, bool big_endian);
CodecSpec TransposeSpec(const std::vector<size_t>& order);

// Between v2's {"id": …, …} and v3's form, where numcodecs' others are "numcodecs.<id>".
Result<CodecSpec> CodecFromV2(const std::string& json, const ElementType& type);
Result<std::string> CodecToV2(const CodecSpec& spec);
// The canonical spec of one that was read: names and spellings that mean the same become the same.
Result<CodecSpec> CanonicalCodec(CodecSpec spec, const ElementType& type);

}  // namespace seamount::zarr
