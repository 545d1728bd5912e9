#include "zarr/codecs/blosc_options.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace seamount::zarr {
namespace {

constexpr int kMaxTypeSize = 255;

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

}  // namespace

Result<BloscOptions> ParseBloscOptions(const Json& configuration, size_t element_size) {
  BloscOptions options;
  if (configuration.contains("cname")) {
    SEAMOUNT_TRY_ASSIGN(options.compressor, StringMember(configuration, "cname"));
  }
  if (std::find(std::begin(kBloscCompressors), std::end(kBloscCompressors), options.compressor) ==
      std::end(kBloscCompressors)) {
    return base::InvalidArgument("\"cname\" is \"" + options.compressor +
                                 "\" (blosclz, lz4, lz4hc, snappy, zlib and zstd are supported)");
  }
  SEAMOUNT_TRY_ASSIGN(options.level, EncoderMemberOr(configuration, "clevel", 5, 0, 9));
  // A longer element has no planes, as in c-blosc.
  const int own = element_size > kMaxTypeSize ? 1 : static_cast<int>(element_size);
  SEAMOUNT_TRY_ASSIGN(const int typesize, IntMemberOr(configuration, "typesize", own, 1, kMaxTypeSize));
  options.element_size = static_cast<size_t>(typesize);
  constexpr int kMaxBlock = (0x7fffffff - 4 * kMaxTypeSize) / 3;  // c-blosc reads no larger ones
  SEAMOUNT_TRY_ASSIGN(const int block, EncoderMemberOr(configuration, "blocksize", 0, 0, kMaxBlock));
  options.block_size = static_cast<size_t>(block);
  SEAMOUNT_TRY_ASSIGN(options.shuffle, ParseShuffle(configuration, options.element_size));
  return options;
}

Json BloscOptionsJson(const BloscOptions& options) {
  constexpr const char* kNames[] = {"noshuffle", "shuffle", "bitshuffle"};
  return Json{{"cname", options.compressor},
              {"clevel", options.level},
              {"shuffle", kNames[static_cast<int>(options.shuffle)]},
              {"typesize", options.element_size},
              {"blocksize", options.block_size}};
}

CodecMaker MakeBlosc;
Result<std::unique_ptr<ByteCodec>> MakeBlosc(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(const BloscOptions options, ParseBloscOptions(configuration, form.type.size));
  if (form.bytes > kMaxBloscBytes) return base::InvalidArgument("takes chunks of at most 2 GiB (make them smaller)");
  return MakeBloscCodec(options);
}

}  // namespace seamount::zarr
