// Checksums of 32 bits, little endian, behind the data or before them.
#include <libdeflate.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/checksum.h"
#include "base/encoding.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/jenkins.h"

namespace seamount::zarr {
namespace {

constexpr size_t kChecksumBytes = 4;

// Sum: what computes it, a callable that can be copied.
template <class Sum>
class ChecksumCodec final : public ByteCodec {
 public:
  ChecksumCodec(const char* name, Sum sum, bool at_start) : name_(name), sum_(std::move(sum)), at_start_(at_start) {}

  size_t EncodedBound(size_t size) const override { return size + kChecksumBytes; }

  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    std::byte* const data = into.data() + (at_start_ ? kChecksumBytes : 0);
    if (!from.empty()) std::memcpy(data, from.data(), from.size());
    const uint32_t checksum = sum_(from);
    std::memcpy(into.data() + (at_start_ ? 0 : from.size()), &checksum, kChecksumBytes);
    return from.size() + kChecksumBytes;
  }

  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte>) const override {
    if (from.size() < kChecksumBytes) return base::DataLoss("shorter than its " + std::string(name_));
    const size_t size = from.size() - kChecksumBytes;
    const auto data = from.subspan(at_start_ ? kChecksumBytes : 0, size);
    uint32_t stored = 0;
    std::memcpy(&stored, from.data() + (at_start_ ? 0 : size), kChecksumBytes);
    if (stored != sum_(data)) {
      return base::DataLoss(std::string(name_) +
                            " mismatch: damaged since it was written; restore it, or make it anew");
    }
    return data;
  }

 private:
  const char* const name_;
  const Sum sum_;
  const bool at_start_;
};

template <class Sum>
Result<std::unique_ptr<ByteCodec>> Make(const Json& configuration, const char* name, Sum sum, bool at_start) {
  const auto location = configuration.find("location");
  if (location != configuration.end() && !location->is_null()) {
    at_start = *location == Json("start");
    if (!at_start && *location != Json("end")) {
      return base::DataLoss("\"location\" is neither \"start\" nor \"end\"");
    }
  }
  return NewCodec<ChecksumCodec<Sum>>(name, std::move(sum), at_start);
}

// As HDF5 has it: sums of words of 16 bits, high byte first.
uint32_t Fletcher32(std::span<const std::byte> data) {
  constexpr size_t kWords = 360;  // so many can be added before the sums overflow
  uint32_t sum1 = 0;
  uint32_t sum2 = 0;
  const auto fold = [](uint32_t sum) { return (sum & 0xffff) + (sum >> 16); };
  size_t at = 0;
  const auto byte = [&](size_t i) { return std::to_integer<uint32_t>(data[i]); };
  for (const size_t even = data.size() / 2 * 2; at < even;) {
    for (size_t words = 0; words < kWords && at < even; ++words, at += 2) {
      sum1 += byte(at) << 8 | byte(at + 1);
      sum2 += sum1;
    }
    sum1 = fold(sum1);
    sum2 = fold(sum2);
  }
  if (at < data.size()) {
    sum1 += byte(at) << 8;
    sum2 += sum1;
    sum1 = fold(sum1);
    sum2 = fold(sum2);
  }
  return fold(sum2) << 16 | fold(sum1);
}

}  // namespace

CodecMaker MakeCrc32c, MakeCrc32, MakeAdler32, MakeFletcher32, MakeJenkins;

Result<std::unique_ptr<ByteCodec>> MakeCrc32c(const Json& configuration, ChunkForm&) {
  return Make(
      configuration, "CRC32C", [](std::span<const std::byte> data) { return base::Crc32c(data); }, false);
}

Result<std::unique_ptr<ByteCodec>> MakeCrc32(const Json& configuration, ChunkForm&) {
  constexpr auto kSum = [](std::span<const std::byte> data) { return libdeflate_crc32(0, data.data(), data.size()); };
  return Make(configuration, "CRC32", kSum, true);
}

Result<std::unique_ptr<ByteCodec>> MakeAdler32(const Json& configuration, ChunkForm&) {
  constexpr auto kSum = [](std::span<const std::byte> data) { return libdeflate_adler32(1, data.data(), data.size()); };
  return Make(configuration, "Adler-32", kSum, true);
}

Result<std::unique_ptr<ByteCodec>> MakeFletcher32(const Json&, ChunkForm&) {
  return Make(Json::object(), "Fletcher-32", Fletcher32, false);
}

Result<std::unique_ptr<ByteCodec>> MakeJenkins(const Json& configuration, ChunkForm&) {
  const auto initial = configuration.find("initval");
  uint32_t start = 0;
  if (initial != configuration.end()) {
    if (!initial->is_number_unsigned() || initial->get<uint64_t>() > UINT32_MAX) {
      return base::DataLoss("\"initval\" is not a number of 32 bits");
    }
    start = initial->get<uint32_t>();
  }
  const auto prefix = configuration.find("prefix");
  if (prefix != configuration.end() && !prefix->is_null()) return base::InvalidArgument("\"prefix\" is not supported");
  const auto sum = [start](std::span<const std::byte> data) { return JenkinsLookup3(data, start); };
  return Make(Json::object(), "Jenkins checksum", sum, false);
}

}  // namespace seamount::zarr
