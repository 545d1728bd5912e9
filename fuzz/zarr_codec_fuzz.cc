// An encoded chunk, after a byte that chooses the codecs of the chain which decodes it.
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <vector>

#include "zarr/codecs/codec_chain.h"

namespace {

using seamount::zarr::CodecChain;
using seamount::zarr::CodecSpec;

const std::vector<CodecSpec> kChains[] = {
    {{"numcodecs.bz2", "{}"}},
    {{"numcodecs.lzma", R"({"format":1})"}},
    {{"numcodecs.lzma", R"({"format":2})"}},
    {{"numcodecs.lzma", R"({"format":3,"filters":[{"id":3,"dist":4},{"id":33,"preset":1,"dict_size":65536}]})"}},
    {{"numcodecs.base64", "{}"}, {"numcodecs.lz4", "{}"}},
    {{"bytes", "{}"}, {"numcodecs.packbits", "{}"}, {"numcodecs.adler32", "{}"}},
    {{"numcodecs.delta", R"({"dtype":"<f4","astype":"<i2"})"}, {"bytes", R"({"endian":"big"})"}},
    {{"bytes", R"({"endian":"big"})"}, {"numcodecs.delta", R"({"dtype":">i4","astype":"<i8"})"}},
    {{"numcodecs.fixedscaleoffset", R"({"dtype":"<f4","astype":"|i1","scale":10,"offset":-3.5})"}},
    {{"numcodecs.quantize", R"({"digits":2,"dtype":"<f4","astype":"<f2"})"}},
    {{"scale_offset", R"({"scale":10,"offset":5})"}, {"cast_value", R"({"data_type":"int64"})"}},
    {{"bytes", "{}"}, {"numcodecs.astype", R"({"encode_dtype":">f8","decode_dtype":"|u1"})"}},
    {{"transpose", R"({"order":[1,0]})"}, {"numcodecs.fletcher32", "{}"}, {"numcodecs.jenkins_lookup3", "{}"}},
    {{"blosc", R"({"cname":"snappy"})"}},
    {{"packbits", R"({"first_bit":3,"last_bit":20,"padding_encoding":"last_byte"})"}},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static const std::vector<CodecChain> chains = [] {
    std::vector<CodecChain> all;
    for (const auto& specs : kChains) {
      auto chain = CodecChain::Make(specs, seamount::nd::DataType::kFloat32, {6, 11}, {});
      if (!chain) std::abort();
      all.push_back(*std::move(chain));
    }
    return all;
  }();
  const CodecChain& chain = chains[data[0] % std::size(kChains)];
  std::vector<std::byte> elements(chain.decoded_bytes());
  const std::span encoded(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  if (!chain.Decode(encoded, elements)) return 0;
  // What was decoded can be encoded, unless a number has no place in the stored type.
  const auto again = chain.Encode(elements);
  if (!again && again.error().code() != seamount::ErrorCode::kDataLoss) std::abort();
  return 0;
}
