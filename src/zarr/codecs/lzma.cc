// lzma, by liblzma: .xz, .lzma, or a raw stream whose filters the configuration names, as Python's lzma module has
// them.
#include <lzma.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

// The highest preset needs 65 MiB; a header may ask for 4 GiB.
constexpr uint64_t kMaxDecoderMemory = uint64_t{512} << 20;
constexpr int kXz = 1;
constexpr int kAlone = 2;
constexpr int kRaw = 3;

struct LzmaOptions {
  int format = kXz;
  int check = -1;
  uint32_t preset = LZMA_PRESET_DEFAULT;
  bool own_filters = false;
  // Ends with an entry of LZMA_VLI_UNKNOWN; the options of each are below.
  struct Filter {
    lzma_vli id = LZMA_VLI_UNKNOWN;
    lzma_options_lzma lzma{};
    lzma_options_delta delta{};
  };
  std::vector<Filter> filters;
};

// liblzma's view of the filters, which must outlive it.
std::array<lzma_filter, LZMA_FILTERS_MAX + 1> FiltersOf(const LzmaOptions& options) {
  std::array<lzma_filter, LZMA_FILTERS_MAX + 1> filters{};
  size_t count = 0;
  for (const LzmaOptions::Filter& filter : options.filters) {
    void* own = nullptr;
    if (filter.id == LZMA_FILTER_DELTA) own = const_cast<lzma_options_delta*>(&filter.delta);
    if (filter.id == LZMA_FILTER_LZMA1 || filter.id == LZMA_FILTER_LZMA2) {
      own = const_cast<lzma_options_lzma*>(&filter.lzma);
    }
    filters[count++] = {filter.id, own};
  }
  filters[count] = {LZMA_VLI_UNKNOWN, nullptr};
  return filters;
}

struct Stream {
  Stream() = default;
  ~Stream() { lzma_end(&stream); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  lzma_stream stream = LZMA_STREAM_INIT;
};

class LzmaCodec final : public ByteCodec {
 public:
  explicit LzmaCodec(LzmaOptions options) : options_(std::move(options)) {}

  size_t EncodedBound(size_t size) const override { return lzma_stream_buffer_bound(size) + 1024; }

  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    Stream own;
    const auto filters = FiltersOf(options_);
    const auto check = options_.check < 0 ? LZMA_CHECK_CRC64 : static_cast<lzma_check>(options_.check);
    lzma_options_lzma alone;
    lzma_lzma_preset(&alone, options_.preset);
    if (options_.own_filters && options_.filters[0].id == LZMA_FILTER_LZMA1) alone = options_.filters[0].lzma;
    const lzma_ret ready = options_.format == kRaw     ? lzma_raw_encoder(&own.stream, filters.data())
                           : options_.format == kAlone ? lzma_alone_encoder(&own.stream, &alone)
                           : options_.own_filters      ? lzma_stream_encoder(&own.stream, filters.data(), check)
                                                       : lzma_easy_encoder(&own.stream, options_.preset, check);
    if (ready == LZMA_MEM_ERROR) return base::ResourceExhausted("no memory for an lzma encoder");
    if (ready != LZMA_OK) return base::InvalidArgument("lzma cannot encode with these parameters");
    if (Run(own.stream, from, into) != LZMA_STREAM_END) return base::Internal("lzma output exceeds its bound");
    return size_t{own.stream.total_out};
  }

  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    Stream own;
    const auto filters = FiltersOf(options_);
    const lzma_ret ready = options_.format == kRaw     ? lzma_raw_decoder(&own.stream, filters.data())
                           : options_.format == kAlone ? lzma_alone_decoder(&own.stream, kMaxDecoderMemory)
                           : options_.format == kXz
                               ? lzma_stream_decoder(&own.stream, kMaxDecoderMemory, LZMA_CONCATENATED)
                               : lzma_auto_decoder(&own.stream, kMaxDecoderMemory, LZMA_CONCATENATED);
    if (ready != LZMA_OK) return base::ResourceExhausted("no memory for an lzma decoder");
    switch (Run(own.stream, from, into)) {
      case LZMA_STREAM_END: break;
      case LZMA_MEM_ERROR: return base::ResourceExhausted("no memory for an lzma decoder");
      case LZMA_MEMLIMIT_ERROR: return base::DataLoss("the lzma stream asks for more than 512 MiB to be decoded");
      case LZMA_OK:
      case LZMA_BUF_ERROR:
        if (own.stream.avail_out == 0) return base::DataLoss("the lzma stream holds more than expected");
        return base::DataLoss("truncated lzma stream");
      default: return base::DataLoss("malformed lzma stream");
    }
    if (own.stream.avail_in != 0) return base::DataLoss("bytes after the end of the lzma stream");
    return std::span<const std::byte>(into.first(own.stream.total_out));
  }

 private:
  static lzma_ret Run(lzma_stream& stream, std::span<const std::byte> from, std::span<std::byte> into) {
    stream.next_in = reinterpret_cast<const uint8_t*>(from.data());
    stream.avail_in = from.size();
    stream.next_out = reinterpret_cast<uint8_t*>(into.data());
    stream.avail_out = into.size();
    lzma_ret result = LZMA_OK;
    while (result == LZMA_OK) result = lzma_code(&stream, LZMA_FINISH);
    return result;
  }

  const LzmaOptions options_;
};

Result<uint32_t> PresetOf(const Json& configuration) {
  const auto found = configuration.find("preset");
  if (found == configuration.end() || found->is_null()) return uint32_t{LZMA_PRESET_DEFAULT};
  constexpr uint32_t kDigit = 0x1f;
  if (!found->is_number_unsigned()) return base::DataLoss("\"preset\" is not a number");
  const auto preset = found->get<uint64_t>();
  const bool known = (preset & kDigit) <= 9 && (preset & ~uint64_t{kDigit | LZMA_PRESET_EXTREME}) == 0;
  return known ? static_cast<uint32_t>(preset) : uint32_t{9};  // of encoders alone
}

Result<LzmaOptions::Filter> ParseFilter(const Json& json) {
  SEAMOUNT_TRY_ASSIGN(const Json* id, Member(json, "id"));
  if (!id->is_number_unsigned()) return base::DataLoss("a filter whose \"id\" is not a number");
  LzmaOptions::Filter filter;
  filter.id = id->get<uint64_t>();
  constexpr int kAny = std::numeric_limits<int>::max();
  if (filter.id == LZMA_FILTER_DELTA) {
    SEAMOUNT_TRY_ASSIGN(const int distance, IntMemberOr(json, "dist", 1, LZMA_DELTA_DIST_MIN, LZMA_DELTA_DIST_MAX));
    filter.delta.type = LZMA_DELTA_TYPE_BYTE;
    filter.delta.dist = static_cast<uint32_t>(distance);
    return filter;
  }
  if (filter.id >= LZMA_FILTER_X86 && filter.id <= LZMA_FILTER_SPARC) return filter;
  if (filter.id != LZMA_FILTER_LZMA1 && filter.id != LZMA_FILTER_LZMA2) {
    return base::InvalidArgument("the filter " + std::to_string(filter.id) + " is not supported");
  }
  SEAMOUNT_TRY_ASSIGN(const uint32_t preset, PresetOf(json));
  lzma_lzma_preset(&filter.lzma, preset);
  const auto take = [&](const char* name, uint32_t& into, int most) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(const int value, IntMemberOr(json, name, static_cast<int>(into), 0, most));
    into = static_cast<uint32_t>(value);
    return {};
  };
  SEAMOUNT_TRY(take("dict_size", filter.lzma.dict_size, 256 << 20));
  SEAMOUNT_TRY(take("lc", filter.lzma.lc, LZMA_LCLP_MAX));
  SEAMOUNT_TRY(take("lp", filter.lzma.lp, LZMA_LCLP_MAX));
  SEAMOUNT_TRY(take("pb", filter.lzma.pb, LZMA_PB_MAX));
  SEAMOUNT_TRY(take("nice_len", filter.lzma.nice_len, kAny));
  SEAMOUNT_TRY(take("depth", filter.lzma.depth, kAny));
  if (filter.lzma.lc + filter.lzma.lp > LZMA_LCLP_MAX) return base::DataLoss("\"lc\" and \"lp\" are more than 4");
  return filter;
}

}  // namespace

CodecMaker MakeLzma;
Result<std::unique_ptr<ByteCodec>> MakeLzma(const Json& configuration, ChunkForm&) {
  LzmaOptions options;
  SEAMOUNT_TRY_ASSIGN(options.format, IntMemberOr(configuration, "format", kXz, 0, kRaw));
  SEAMOUNT_TRY_ASSIGN(options.check, EncoderMemberOr(configuration, "check", -1, -1, LZMA_CHECK_ID_MAX));
  SEAMOUNT_TRY_ASSIGN(options.preset, PresetOf(configuration));
  const auto filters = configuration.find("filters");
  if (filters != configuration.end() && !filters->is_null()) {
    if (!filters->is_array() || filters->empty() || filters->size() > LZMA_FILTERS_MAX) {
      return base::DataLoss("\"filters\" is not a list of one to four filters");
    }
    for (const Json& filter : *filters) {
      SEAMOUNT_TRY_ASSIGN(LzmaOptions::Filter parsed, ParseFilter(filter));
      options.filters.push_back(parsed);
    }
    options.own_filters = true;
  }
  if (options.format == kRaw && !options.own_filters)
    return base::DataLoss("\"format\" is 3 (raw) without \"filters\"");
  return NewCodec<LzmaCodec>(std::move(options));
}

}  // namespace seamount::zarr
