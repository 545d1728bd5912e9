// bz2, by libbz2: one or more streams.
#include <bzlib.h>

#include <algorithm>
#include <limits>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {
namespace {

// libbz2 counts in 32 bits.
constexpr size_t kMost = std::numeric_limits<unsigned>::max();

char* Chars(const std::byte* bytes) { return const_cast<char*>(reinterpret_cast<const char*>(bytes)); }

// Decodes one stream, takes it off `from`, and returns what it holds.
Result<size_t> DecodeStream(std::span<const std::byte>& from, std::span<std::byte> into) {
  bz_stream stream{};
  if (BZ2_bzDecompressInit(&stream, /*verbosity=*/0, /*small=*/0) != BZ_OK) {
    return base::ResourceExhausted("no memory for a bz2 decoder");
  }
  stream.next_in = Chars(from.data());
  stream.avail_in = static_cast<unsigned>(from.size());
  stream.next_out = Chars(into.data());
  const size_t room = std::min(into.size(), kMost);
  stream.avail_out = static_cast<unsigned>(room);
  const int result = BZ2_bzDecompress(&stream);
  const size_t made = room - stream.avail_out;
  from = from.last(stream.avail_in);
  BZ2_bzDecompressEnd(&stream);
  if (result == BZ_STREAM_END) return made;
  if (result == BZ_MEM_ERROR) return base::ResourceExhausted("no memory for a bz2 decoder");
  if (result == BZ_OK && made == room) return base::DataLoss("the bz2 stream holds more than expected");
  return base::DataLoss("malformed or truncated bz2 stream");
}

class Bzip2Codec final : public ByteCodec {
 public:
  explicit Bzip2Codec(int level) : level_(level) {}

  size_t EncodedBound(size_t size) const override { return size + size / 100 + 601; }  // as libbz2 documents
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (into.size() > kMost) return base::InvalidArgument("bz2 takes at most 4 GiB at a time");
    auto size = static_cast<unsigned>(into.size());
    const int result = BZ2_bzBuffToBuffCompress(Chars(into.data()), &size, Chars(from.data()),
                                                static_cast<unsigned>(from.size()), level_, 0, 0);
    if (result == BZ_MEM_ERROR) return base::ResourceExhausted("no memory for a bz2 encoder");
    if (result != BZ_OK) return base::Internal("bz2 output exceeds its bound");
    return size_t{size};
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.size() > kMost) return base::DataLoss("too long for bz2");
    size_t made = 0;
    do {
      SEAMOUNT_TRY_ASSIGN(const size_t size, DecodeStream(from, into.subspan(made)));
      made += size;
    } while (!from.empty());
    return std::span<const std::byte>(into.first(made));
  }

 private:
  const int level_;
};

}  // namespace

CodecMaker MakeBzip2;
Result<std::unique_ptr<ByteCodec>> MakeBzip2(const Json& configuration, ChunkForm&) {
  SEAMOUNT_TRY_ASSIGN(const int level, EncoderMemberOr(configuration, "level", 1, 1, 9));
  return NewCodec<Bzip2Codec>(level);
}

}  // namespace seamount::zarr
