// A shard, or with the first byte's third bit a plain chunk, or with its last bit a shard that is read whole as a
// chunk's codec, of an array whose layout the first byte chooses: its index is read, and every chunk fetched and
// decoded, on both of the ways in which that is done.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "store/memory/memory_store.h"
#include "zarr/array.h"

namespace {

using namespace seamount;
using namespace seamount::zarr;

ArrayMetadata MetadataFrom(uint8_t choice) {
  constexpr const char* kCodecs[] = {"none",       "zstd", "blosc-lz4", "gzip",
                                     "blosc-zstd", "none", "zstd",      "blosc-blosclz"};
  ArrayMetadata metadata;
  metadata.data_type = nd::DataType::kFloat32;
  metadata.shape = {7, 8};
  metadata.chunk_shape = {2, 4};
  metadata.shard_index_at_start = (choice & 1) != 0;
  if ((choice & 2) == 0) metadata.shard_index_codecs = {{"bytes", R"({"endian":"little"})"}};  // no checksum to guess
  if ((choice & 4) == 0) metadata.shard_shape = {8, 8};
  metadata.codecs = *CodecsFromName(kCodecs[choice >> 3 & 7], metadata.data_type, (choice & 64) != 0);
  if ((choice & 128) == 0) return metadata;
  std::string inner;
  for (const CodecSpec& codec : metadata.codecs) {
    inner += (inner.empty() ? "" : ",") + (R"({"name":")" + codec.name) + R"(","configuration":)" +
             codec.configuration_json + "}";
  }
  const std::string checksum = (choice & 2) == 0 ? "" : R"(,{"name":"crc32c"})";
  metadata.chunk_shape = {8, 8};
  metadata.shard_shape.reset();
  metadata.codecs = {
      {"sharding_indexed", R"({"chunk_shape":[2,4],"codecs":[)" + inner +
                               R"(],"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}})" + checksum +
                               R"(],"index_location":")" + ((choice & 1) != 0 ? "start" : "end") + "\"}"}};
  return metadata;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::shared_ptr<Store> store = store::MakeMemoryStore();
  auto array = Array::Create(store, "a", MetadataFrom(data[0]), false, {});
  if (!array) std::abort();
  const std::string_view object(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (!store->Write((*array)->UnitKey(nd::Index{0, 0}), store::BytesSource(object), {}, {})) std::abort();
  std::vector<std::byte> elements(7 * 8 * 4);
  (void)(*array)->ReadRegion({{0, 0}, {7, 8}}, elements, nullptr, {}).has_value();
  std::vector<std::byte> chunk((*array)->chunk_bytes());
  for (uint64_t row = 0; row < (*array)->grid_shape()[0]; ++row) {
    const nd::Index index = {row, row % (*array)->grid_shape()[1]};
    const auto encoded = (*array)->Fetch(index, {});
    if (encoded && *encoded) (void)(*array)->Decode(index, **encoded, chunk).has_value();
  }
  return 0;
}
