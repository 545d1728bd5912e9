// Decoding. lz4, zstd and zlib with or without byte shuffle, all that Zarr data in practice uses, are decoded here: the
// library's contexts are kept per thread and each stream has its own bounds check. blosclz, snappy and bit shuffle go
// to c-blosc, whose decoder trusts the header (c-blosc #405), after every size and offset in the frame has been
// checked.
#include "zarr/codecs/blosc_frame.h"

#include <blosc.h>
#include <lz4.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "nd/shuffle.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/deflate.h"
#include "zarr/codecs/scratch.h"
#include "zarr/codecs/zstd.h"

namespace seamount::zarr {
namespace {

uint32_t LoadU32(const std::byte* from) {
  uint32_t value = 0;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

Error BadFrame(const std::string& what) { return base::DataLoss("blosc frame: " + what); }

// The bytes of block `index`, from its offset to the frame's end.
Result<std::span<const std::byte>> BlockAt(const BloscHeader& header, std::span<const std::byte> frame, size_t index) {
  const size_t start = LoadU32(frame.data() + kBloscHeaderBytes + 4 * index);
  if (start < kBloscHeaderBytes + 4 * header.blocks() || start >= frame.size()) {
    return BadFrame("block " + std::to_string(index) + " lies outside the frame");
  }
  return frame.subspan(start);
}

size_t BlockBytes(const BloscHeader& header, size_t index) {
  return std::min<size_t>(header.block_bytes, header.decoded_bytes - index * size_t{header.block_bytes});
}

// Takes one stream of at most `most` bytes off the front of `rest`.
Result<std::span<const std::byte>> TakeStream(std::span<const std::byte>& rest, size_t most) {
  if (rest.size() < 4) return BadFrame("a stream's size lies outside the frame");
  const size_t size = LoadU32(rest.data());
  rest = rest.subspan(4);
  if (size == 0 || size > rest.size() || size > most) return BadFrame("a stream has an impossible size");
  const auto stream = rest.first(size);
  rest = rest.subspan(size);
  return stream;
}

// `into` has exactly the decoded size.
Result<void> DecodeStream(BloscFormat format, std::span<const std::byte> stream, std::span<std::byte> into) {
  if (stream.size() == into.size()) {
    std::memcpy(into.data(), stream.data(), stream.size());
    return {};
  }
  size_t made = 0;
  if (format == BloscFormat::kLz4) {
    const int n =
        LZ4_decompress_safe(reinterpret_cast<const char*>(stream.data()), reinterpret_cast<char*>(into.data()),
                            static_cast<int>(stream.size()), static_cast<int>(into.size()));
    made = n < 0 ? 0 : static_cast<size_t>(n);
  } else if (format == BloscFormat::kZstd) {
    SEAMOUNT_TRY_ASSIGN(made, ZstdDecompress(stream, into));
  } else {
    SEAMOUNT_TRY_ASSIGN(made, Inflate(DeflateFormat::kZlib, stream, into));
  }
  if (made != into.size()) return BadFrame("a stream does not decode to its size");
  return {};
}

Result<void> DecodeBlock(const BloscHeader& header, std::span<const std::byte> block, std::span<std::byte> into,
                         std::span<std::byte> planes) {
  const bool shuffled = (header.flags & kBloscByteShuffled) != 0 && header.element_size > 1;
  const auto target = shuffled ? planes.first(into.size()) : into;
  const size_t streams = BloscStreams(header, into.size());
  const size_t stream_bytes = into.size() / streams;
  for (size_t i = 0; i < streams; ++i) {
    SEAMOUNT_TRY_ASSIGN(const auto stream, TakeStream(block, stream_bytes));
    SEAMOUNT_TRY(DecodeStream(header.format(), stream, target.subspan(i * stream_bytes, stream_bytes)));
  }
  if (streams * stream_bytes != into.size()) return BadFrame("a block does not divide into its streams");
  if (shuffled) nd::Unshuffle(target.data(), into.data(), into.size(), header.element_size);
  return {};
}

// Every offset and stream size in the frame, without decoding.
Result<void> CheckStreams(const BloscHeader& header, std::span<const std::byte> frame) {
  for (size_t b = 0; b < header.blocks(); ++b) {
    SEAMOUNT_TRY_ASSIGN(auto rest, BlockAt(header, frame, b));
    const size_t bytes = BlockBytes(header, b);
    const size_t streams = BloscStreams(header, bytes);
    if (bytes % streams != 0) return BadFrame("a block does not divide into its streams");
    // What snappy makes of noise may be longer than the noise.
    const size_t decoded = bytes / streams;
    const size_t most = header.format() == BloscFormat::kSnappy ? 32 + decoded + decoded / 6 : decoded;
    for (size_t i = 0; i < streams; ++i) SEAMOUNT_TRY(TakeStream(rest, most));
  }
  return {};
}

Result<void> DecodeWithLibrary(const BloscHeader& header, std::span<const std::byte> frame, std::span<std::byte> into) {
  SEAMOUNT_TRY(CheckStreams(header, frame));
  constexpr int kThreads = 1;  // the context API then keeps no state between calls
  const int made = blosc_decompress_ctx(frame.data(), into.data(), into.size(), kThreads);
  if (made < 0 || static_cast<size_t>(made) != into.size()) return BadFrame("malformed");
  return {};
}

}  // namespace

size_t BloscStreams(const BloscHeader& header, size_t block_bytes) {
  constexpr size_t kMostStreams = 16;  // both limits are part of the format
  constexpr size_t kSmallestStream = 128;
  const size_t elements = header.element_size;
  const bool split = (header.flags & kBloscNotSplit) == 0 && elements <= kMostStreams &&
                     header.block_bytes / elements >= kSmallestStream && block_bytes == header.block_bytes;
  return split ? elements : 1;
}

Result<BloscHeader> ReadBloscHeader(std::span<const std::byte> frame, size_t capacity) {
  if (frame.size() < kBloscHeaderBytes) return BadFrame("shorter than its header");
  BloscHeader header;
  header.version = std::to_integer<uint8_t>(frame[0]);
  header.format_version = std::to_integer<uint8_t>(frame[1]);
  header.flags = std::to_integer<uint8_t>(frame[2]);
  header.element_size = std::to_integer<uint8_t>(frame[3]);
  header.decoded_bytes = LoadU32(frame.data() + 4);
  header.block_bytes = LoadU32(frame.data() + 8);
  header.frame_bytes = LoadU32(frame.data() + 12);
  if (header.version == 0 || header.version > kBloscVersion) return BadFrame("unknown version");
  if (header.frame_bytes != frame.size()) {
    return BadFrame("says it is " + std::to_string(header.frame_bytes) + " bytes long, but is " +
                    std::to_string(frame.size()));
  }
  if (header.decoded_bytes > capacity || header.decoded_bytes > kMaxBloscBytes) {
    return BadFrame("says it holds " + std::to_string(header.decoded_bytes) + " bytes (at most " +
                    std::to_string(capacity) + " expected)");
  }
  if (header.element_size == 0 || (header.flags & kBloscReserved) != 0) return BadFrame("malformed header");
  if (header.decoded_bytes == 0) return header;
  if (header.block_bytes == 0 || header.block_bytes > header.decoded_bytes) return BadFrame("impossible block size");
  if ((header.flags & kBloscStored) != 0) {
    if (frame.size() != kBloscHeaderBytes + header.decoded_bytes) return BadFrame("stored bytes are missing");
    return header;
  }
  if (header.flags >> 5 > static_cast<uint8_t>(BloscFormat::kZstd)) return BadFrame("unknown compressor");
  if (frame.size() < kBloscHeaderBytes + 4 * header.blocks()) return BadFrame("shorter than its block offsets");
  return header;
}

void WriteBloscHeader(const BloscHeader& header, std::byte* into) {
  into[0] = std::byte{header.version};
  into[1] = std::byte{header.format_version};
  into[2] = std::byte{header.flags};
  into[3] = std::byte{header.element_size};
  std::memcpy(into + 4, &header.decoded_bytes, 4);
  std::memcpy(into + 8, &header.block_bytes, 4);
  std::memcpy(into + 12, &header.frame_bytes, 4);
}

Result<size_t> DecodeBloscFrame(std::span<const std::byte> frame, std::span<std::byte> into) {
  SEAMOUNT_TRY_ASSIGN(const BloscHeader header, ReadBloscHeader(frame, into.size()));
  const auto target = into.first(header.decoded_bytes);
  if (target.empty()) return size_t{0};
  if ((header.flags & kBloscStored) != 0) {
    std::memcpy(target.data(), frame.data() + kBloscHeaderBytes, target.size());
    return target.size();
  }
  const BloscFormat format = header.format();
  const bool ours = format == BloscFormat::kLz4 || format == BloscFormat::kZstd || format == BloscFormat::kZlib;
  if (!ours || (header.flags & kBloscBitShuffled) != 0) {
    SEAMOUNT_TRY(DecodeWithLibrary(header, frame, target));
    return target.size();
  }
  Scratch planes(header.block_bytes);
  for (size_t b = 0; b < header.blocks(); ++b) {
    SEAMOUNT_TRY_ASSIGN(const auto block, BlockAt(header, frame, b));
    const auto part = target.subspan(b * size_t{header.block_bytes}, BlockBytes(header, b));
    SEAMOUNT_TRY(DecodeBlock(header, block, part, planes.span()));
  }
  return target.size();
}

}  // namespace seamount::zarr
