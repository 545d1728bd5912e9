// The metadata documents of Zarr v3 (zarr.json) and v2 (.zarray, .zattrs, .zgroup), parsed into one form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "nd/data_type.h"
#include "nd/rectilinear_grid.h"
#include "zarr/codecs/codec_spec.h"
#include "zarr/element_type.h"

namespace seamount::zarr {

struct ArrayMetadata {
  int format = 3;                                   // 3 or 2
  nd::DataType data_type = nd::DataType::kFloat32;  // kOther where the elements are no numbers
  std::optional<ElementType> other_type;            // what they are then
  std::vector<uint64_t> shape;
  std::vector<uint64_t> chunk_shape;                 // the unit of decoding: the inner chunk where sharded
  std::optional<std::vector<uint64_t>> shard_shape;  // v3 only; a multiple of chunk_shape
  // v3 only: per dimension, where chunks (shards where sharded) differ in size; their shape above is then the largest
  // of each dimension. Empty: a regular grid.
  std::vector<nd::Edges> chunk_edges;
  // Of the chunk, array→bytes→bytes; empty: plain bytes. sharding_indexed is among them only where shards lie within
  // shards, or other codecs surround it: then the outer shard is the chunk here, which is read whole.
  std::vector<CodecSpec> codecs;
  Bytes fill_value;                          // one element, native byte order; of variable length: its bytes
  std::vector<std::string> dimension_names;  // empty, or one per dimension. v2: _ARRAY_DIMENSIONS
  std::string attributes_json = "{}";        // an object, dimension names left out
  char separator = '/';
  bool fill_value_null = false;  // v2's "fill_value": null, which readers take as zero and xarray as "no _FillValue"
  bool v2_chunk_keys = false;    // v3 with the "v2" chunk key encoding: "0/1" instead of "c/0/1"
  bool shard_index_at_start = false;          // at the start a reader saves asking for the shard's size first
  std::vector<CodecSpec> shard_index_codecs;  // bytes and perhaps crc32c; empty: both
};

ElementType ElementTypeOf(const ArrayMetadata& metadata);
void SetElementType(const ElementType& type, ArrayMetadata& metadata);

// The fill value, or zero where there is none.
Bytes FillElementOf(const ArrayMetadata& metadata);

// InvalidArgument, naming the field, unless the metadata can be written and its chunks encoded and decoded. Parsed
// metadata has passed it.
Result<void> CheckArrayMetadata(const ArrayMetadata& metadata);

// Codec chains for writing, by the names people use: "none", "zstd", "zstd:3", "blosc-lz4", "blosc-zstd:1", "gzip:5",
// each with a trailing crc32c where `checksum`. InvalidArgument names those there are.
Result<std::vector<CodecSpec>> CodecsFromName(std::string_view name, nd::DataType type, bool checksum);

// Malformed documents are DataLoss, well-formed ones that ask for what is not supported are InvalidArgument. Neither
// names the document: the caller knows where it lies.
Result<ArrayMetadata> ParseArrayMetadataV3(std::string_view zarr_json);
Result<ArrayMetadata> ParseArrayMetadataV2(std::string_view zarray, std::string_view zattrs);
// The metadata must have passed CheckArrayMetadata.
std::string SerializeArrayMetadataV3(const ArrayMetadata& metadata);
struct V2Documents {
  std::string zarray;
  std::string zattrs;
};
Result<V2Documents> SerializeArrayMetadataV2(const ArrayMetadata& metadata);

}  // namespace seamount::zarr
