// An encoded chunk of text or bytes of variable length, after a byte that chooses the codecs which decode it. What is
// accepted must come back when it is encoded and decoded again.
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <vector>

#include "zarr/codecs/variable_length.h"

namespace {

using seamount::zarr::CodecSpec;
using seamount::zarr::ElementKind;
using seamount::zarr::VariableChain;

struct Chain {
  ElementKind kind;
  std::vector<CodecSpec> specs;
};
const Chain kChains[] = {
    {ElementKind::kString, {{"vlen-utf8"}}},
    {ElementKind::kByteString, {{"vlen-bytes"}}},
    {ElementKind::kString, {{"transpose", R"({"order":[1,0]})"}, {"vlen-utf8"}, {"zstd"}}},
    {ElementKind::kByteString, {{"vlen-bytes"}, {"blosc", R"({"cname":"lz4"})"}, {"crc32c"}}},
    {ElementKind::kByteString, {{"vlen-bytes"}, {"gzip"}}},
    {ElementKind::kByteString, {{"vlen-bytes"}, {"numcodecs.lz4"}, {"numcodecs.base64"}}},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static const std::vector<VariableChain> chains = [] {
    std::vector<VariableChain> all;
    for (const auto& [kind, specs] : kChains) {
      auto chain = VariableChain::Make(specs, seamount::zarr::VariableElement(kind), {3, 2});
      if (!chain) std::abort();
      all.push_back(*std::move(chain));
    }
    return all;
  }();
  const VariableChain& chain = chains[data[0] % std::size(kChains)];
  const std::span encoded(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  std::vector<std::string_view> elements(6);
  std::vector<std::string_view> back(6);
  seamount::zarr::StringArena arena;
  if (!chain.Decode(encoded, std::as_writable_bytes(std::span(elements)), arena)) return 0;
  const auto again = chain.Encode(std::as_bytes(std::span(elements)));
  if (!again || !chain.Decode(again->span(), std::as_writable_bytes(std::span(back)), arena)) std::abort();
  if (elements != back) std::abort();
  return 0;
}
