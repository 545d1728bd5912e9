// A chunk in zfp, after a byte that chooses the type and shape of the array. libzfp checks no lengths itself.
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <vector>

#include "zarr/codecs/codec_chain.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using seamount::nd::DataType;
  using seamount::zarr::CodecChain;
  if (size < 1) return 0;
  static const std::vector<CodecChain> chains = [] {
    std::vector<CodecChain> all;
    for (const DataType type : {DataType::kInt32, DataType::kInt64, DataType::kFloat32, DataType::kFloat64}) {
      for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{9}, {5, 6}, {3, 4, 5}, {2, 3, 4, 5}}) {
        auto chain = CodecChain::Make({{"numcodecs.zfpy", "{}"}}, type, shape, {});
        if (!chain) std::abort();
        all.push_back(*std::move(chain));
      }
    }
    return all;
  }();
  const CodecChain& chain = chains[data[0] % chains.size()];
  std::vector<std::byte> elements(chain.decoded_bytes());
  (void)chain.Decode({reinterpret_cast<const std::byte*>(data) + 1, size - 1}, elements);
  return 0;
}
