// numcodecs' zfpy: numbers of one to four dimensions, each chunk with zfp's full header. Read by libzfp, which is
// loaded when the first such chunk is decoded; not written.
//
// libzfp looks at no length while it decodes: damaged bytes let it read on behind their end. It decodes from a copy
// here that has as many zeros behind it as all blocks together can ask for; then what it took is compared with what
// there was.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/shared_library.h"
#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

constexpr size_t kMostDimensions = 4;
constexpr size_t kHeaderBytes = 32;  // 148 bits at most
constexpr unsigned kFullHeader = 7;  // ZFP_HEADER_FULL
constexpr uint64_t kWordBytes = 8;   // what a bit stream is read by

struct ZfpStream;
struct ZfpField;
struct BitStream;

struct Zfp {
  BitStream* (*stream_open)(void* buffer, size_t bytes) = nullptr;
  void (*stream_close)(BitStream* stream) = nullptr;
  ZfpStream* (*zfp_stream_open)(BitStream* stream) = nullptr;
  void (*zfp_stream_close)(ZfpStream* stream) = nullptr;
  ZfpField* (*zfp_field_alloc)() = nullptr;
  void (*zfp_field_free)(ZfpField* field) = nullptr;
  void (*zfp_field_set_pointer)(ZfpField* field, void* elements) = nullptr;
  size_t (*zfp_field_size)(const ZfpField* field, size_t* sizes) = nullptr;
  size_t (*zfp_field_blocks)(const ZfpField* field) = nullptr;
  unsigned (*zfp_field_dimensionality)(const ZfpField* field) = nullptr;
  int (*zfp_field_type)(const ZfpField* field) = nullptr;
  void (*zfp_stream_params)(const ZfpStream* stream, unsigned* min_bits, unsigned* max_bits, unsigned* max_precision,
                            int* min_exponent) = nullptr;
  size_t (*zfp_read_header)(ZfpStream* stream, ZfpField* field, unsigned mask) = nullptr;
  size_t (*zfp_decompress)(ZfpStream* stream, ZfpField* field) = nullptr;
};

Result<Zfp> LoadZfp() {
  // Version 1.0; those before have another interface under another number.
  SEAMOUNT_TRY_ASSIGN(base::SharedLibrary library,
                      base::SharedLibrary::Load({"libzfp.so.1"}, "needs libzfp 1.0 (Debian: apt install libzfp1)"));
  Zfp zfp;
  library.Find(zfp.stream_open, "stream_open");
  library.Find(zfp.stream_close, "stream_close");
  library.Find(zfp.zfp_stream_open, "zfp_stream_open");
  library.Find(zfp.zfp_stream_close, "zfp_stream_close");
  library.Find(zfp.zfp_field_alloc, "zfp_field_alloc");
  library.Find(zfp.zfp_field_free, "zfp_field_free");
  library.Find(zfp.zfp_field_set_pointer, "zfp_field_set_pointer");
  library.Find(zfp.zfp_field_size, "zfp_field_size");
  library.Find(zfp.zfp_field_blocks, "zfp_field_blocks");
  library.Find(zfp.zfp_field_dimensionality, "zfp_field_dimensionality");
  library.Find(zfp.zfp_field_type, "zfp_field_type");
  library.Find(zfp.zfp_stream_params, "zfp_stream_params");
  library.Find(zfp.zfp_read_header, "zfp_read_header");
  library.Find(zfp.zfp_decompress, "zfp_decompress");
  if (library.missing() != nullptr) return base::InvalidArgument(std::string("libzfp lacks ") + library.missing());
  return zfp;
}

const Result<Zfp>& LoadedZfp() {
  static const Result<Zfp> zfp = LoadZfp();
  return zfp;
}

// The number that zfp has for a type; 0 where it has none.
int ZfpTypeOf(nd::DataType type) {
  switch (type) {
    case nd::DataType::kInt32: return 1;
    case nd::DataType::kInt64: return 2;
    case nd::DataType::kFloat32: return 3;
    case nd::DataType::kFloat64: return 4;
    default: return 0;
  }
}

// The most bits that a block of 4^dimensions numbers is decoded from: its exponent and precision, and each bit plane
// with a test for every one of its bits.
uint64_t MostBlockBits(size_t dimensions, size_t number_bytes) {
  const uint64_t numbers = uint64_t{1} << (2 * dimensions);
  return 64 + 8 * number_bytes * (3 * numbers + 4);
}

uint64_t MostBytes(uint64_t blocks, size_t dimensions, size_t number_bytes) {
  return blocks * ((MostBlockBits(dimensions, number_bytes) + 7) / 8) + kHeaderBytes + kWordBytes;
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
// Zeros that cost nothing until they are touched, aligned for words.
using Zeros = std::unique_ptr<std::byte[], Free>;
Zeros MakeZeros(uint64_t bytes) { return Zeros(static_cast<std::byte*>(std::calloc(bytes, 1))); }

// One reading of one buffer.
class Reader {
 public:
  Reader(const Zfp& zfp, std::byte* buffer, uint64_t bytes)
      : zfp_(zfp),
        bits_(zfp.stream_open(buffer, bytes)),
        stream_(zfp.zfp_stream_open(bits_)),
        field_(zfp.zfp_field_alloc()) {}
  ~Reader() {
    zfp_.zfp_field_free(field_);
    zfp_.zfp_stream_close(stream_);
    zfp_.stream_close(bits_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // How many zeros the data can need behind them.
  Result<uint64_t> ReadHeader(nd::DataType type, uint64_t count) {
    if (zfp_.zfp_read_header(stream_, field_, kFullHeader) == 0) return base::DataLoss("has no header of zfp");
    const size_t number_bytes = nd::SizeOf(type);
    const unsigned dimensions = zfp_.zfp_field_dimensionality(field_);
    if (zfp_.zfp_field_type(field_) != ZfpTypeOf(type) || dimensions < 1 || dimensions > kMostDimensions) {
      return base::DataLoss("holds numbers of another type than the array's");
    }
    if (zfp_.zfp_field_size(field_, nullptr) != count) {
      return base::DataLoss("holds " + std::to_string(zfp_.zfp_field_size(field_, nullptr)) + " numbers, its chunk " +
                            std::to_string(count));
    }
    unsigned min_bits = 0;
    zfp_.zfp_stream_params(stream_, &min_bits, nullptr, nullptr, nullptr);
    if (min_bits > MostBlockBits(dimensions, number_bytes)) return base::DataLoss("asks for blocks that are too long");
    return MostBytes(zfp_.zfp_field_blocks(field_), dimensions, number_bytes);
  }

  // How many bytes it took, 0 where that failed.
  size_t Decompress(std::span<std::byte> into) {
    zfp_.zfp_field_set_pointer(field_, into.data());
    return zfp_.zfp_decompress(stream_, field_);
  }

 private:
  const Zfp& zfp_;
  BitStream* bits_;
  ZfpStream* stream_;
  ZfpField* field_;
};

class ZfpyCodec final : public ByteCodec {
 public:
  ZfpyCodec(nd::DataType type, uint64_t most) : type_(type), most_(most) {}

  size_t EncodedBound(size_t) const override { return most_; }
  Result<size_t> Encode(std::span<const std::byte>, std::span<std::byte>) const override {
    return base::InvalidArgument("zfp is read and not written (choose another codec)");
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    const Result<Zfp>& zfp = LoadedZfp();
    if (!zfp) return zfp.error();
    alignas(kWordBytes) std::byte header[kHeaderBytes] = {};
    std::copy_n(from.begin(), std::min(from.size(), sizeof(header)), header);
    const uint64_t count = into.size() / nd::SizeOf(type_);
    SEAMOUNT_TRY_ASSIGN(const uint64_t needed, Reader(*zfp, header, sizeof(header)).ReadHeader(type_, count));

    const uint64_t room = (from.size() + needed + kWordBytes - 1) / kWordBytes * kWordBytes;
    const Zeros copy = MakeZeros(room);
    if (!copy) return base::ResourceExhausted("no memory for " + std::to_string(room) + " bytes");
    std::memcpy(copy.get(), from.data(), from.size());
    Reader reader(*zfp, copy.get(), room);
    SEAMOUNT_TRY(reader.ReadHeader(type_, count));
    const size_t taken = reader.Decompress(into);
    // Where bytes are missing it went on with zeros: at least one bit of them. Writers fill words, of one byte or
    // eight.
    if (from.size() != taken && from.size() != (taken + kWordBytes - 1) / kWordBytes * kWordBytes) {
      return base::DataLoss("holds " + std::to_string(from.size()) + " bytes, of which decoding took " +
                            std::to_string(taken));
    }
    return std::span<const std::byte>(into);
  }

 private:
  const nd::DataType type_;
  const uint64_t most_;
};

}  // namespace

CodecMaker MakeZfpy;
Result<std::unique_ptr<ByteCodec>> MakeZfpy(const Json&, ChunkForm& form) {
  const bool number = form.type.kind == ElementKind::kNumber && ZfpTypeOf(form.type.number) != 0;
  if (!number || form.big_endian) {
    return base::InvalidArgument("is for int32, int64, float32 and float64 in little endian only");
  }
  if (form.shape.empty() || form.shape.size() > kMostDimensions) {
    return base::InvalidArgument("is for one to four dimensions");
  }
  uint64_t blocks = 1;
  for (const uint64_t size : form.shape) blocks *= (size + 3) / 4;
  const nd::DataType type = form.type.number;
  const uint64_t most = MostBytes(blocks, form.shape.size(), nd::SizeOf(type));
  form.shape = {most};
  form.type = nd::DataType::kUInt8;
  form.fill = Bytes();
  form.exact = false;
  return NewCodec<ZfpyCodec>(type, most);
}

}  // namespace seamount::zarr
