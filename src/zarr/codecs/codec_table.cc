#include "zarr/codecs/codec_table.h"

#include <string>

namespace seamount::zarr {

// One file each, except for small relatives.
CodecMaker MakeAdler32, MakeAsType, MakeBase64, MakeBitFields, MakeBitRound, MakeBlosc, MakeBytes, MakeBzip2,
    MakeCastValue, MakeCrc32, MakeCrc32c, MakeDelta, MakeFixedScaleOffset, MakeFletcher32, MakeGzip, MakeJenkins,
    MakeLz4, MakeLzma, MakePackBits, MakeQuantize, MakeScaleOffset, MakeShards, MakeShuffle, MakeTranspose,
    MakeVariable, MakeZfpy, MakeZlib, MakeZstd;

namespace {

constexpr CodecRow kCodecs[] = {
    {"transpose", "", CodecKind::kArrayToArray, MakeTranspose},
    {"scale_offset", "", CodecKind::kArrayToArray, MakeScaleOffset},
    {"cast_value", "", CodecKind::kArrayToArray, MakeCastValue},
    {"bitround", "", CodecKind::kArrayToArray, MakeBitRound},
    {"numcodecs.astype", "astype", CodecKind::kFilter, MakeAsType},
    {"numcodecs.bitround", "bitround", CodecKind::kFilter, MakeBitRound},
    {"numcodecs.delta", "delta", CodecKind::kFilter, MakeDelta},
    {"numcodecs.fixedscaleoffset", "fixedscaleoffset", CodecKind::kFilter, MakeFixedScaleOffset},
    {"numcodecs.packbits", "packbits", CodecKind::kFilter, MakePackBits},
    {"numcodecs.quantize", "quantize", CodecKind::kFilter, MakeQuantize},
    {"numcodecs.zfpy", "zfpy", CodecKind::kFilter, MakeZfpy},
    {"bytes", "", CodecKind::kArrayToBytes, MakeBytes},
    {"packbits", "", CodecKind::kArrayToBytes, MakeBitFields},
    {"sharding_indexed", "", CodecKind::kArrayToBytes, MakeShards},
    {"vlen-bytes", "vlen-bytes", CodecKind::kArrayToBytes, MakeVariable},
    {"vlen-utf8", "vlen-utf8", CodecKind::kArrayToBytes, MakeVariable},
    {"blosc", "blosc", CodecKind::kBytesToBytes, MakeBlosc},
    {"crc32c", "", CodecKind::kBytesToBytes, MakeCrc32c},
    {"gzip", "gzip", CodecKind::kBytesToBytes, MakeGzip},
    {"zstd", "zstd", CodecKind::kBytesToBytes, MakeZstd},
    {"numcodecs.adler32", "adler32", CodecKind::kBytesToBytes, MakeAdler32},
    {"numcodecs.base64", "base64", CodecKind::kBytesToBytes, MakeBase64},
    {"numcodecs.bz2", "bz2", CodecKind::kBytesToBytes, MakeBzip2},
    {"numcodecs.crc32", "crc32", CodecKind::kBytesToBytes, MakeCrc32},
    {"numcodecs.crc32c", "crc32c", CodecKind::kBytesToBytes, MakeCrc32c},
    {"numcodecs.fletcher32", "fletcher32", CodecKind::kBytesToBytes, MakeFletcher32},
    {"numcodecs.jenkins_lookup3", "jenkins_lookup3", CodecKind::kBytesToBytes, MakeJenkins},
    {"numcodecs.lz4", "lz4", CodecKind::kBytesToBytes, MakeLz4},
    {"numcodecs.lzma", "lzma", CodecKind::kBytesToBytes, MakeLzma},
    {"numcodecs.shuffle", "shuffle", CodecKind::kBytesToBytes, MakeShuffle},
    {"numcodecs.zlib", "zlib", CodecKind::kBytesToBytes, MakeZlib},
};

}  // namespace

const CodecRow* FindCodec(std::string_view name) {
  for (const CodecRow& row : kCodecs) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

const CodecRow* FindCodecByAnyName(std::string_view name) {
  constexpr std::string_view kPrefix = "numcodecs.";
  if (const CodecRow* row = FindCodec(name)) return row;
  if (name.starts_with("https://codec.zarrs.dev/")) name = name.substr(name.rfind('/') + 1);
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  if (const CodecRow* row = FindCodec(name)) return row;
  return FindCodec(std::string(kPrefix) + std::string(name));
}

const CodecRow* FindCodecOfV2(std::string_view id) {
  for (const CodecRow& row : kCodecs) {
    if (!row.v2.empty() && row.v2 == id) return &row;
  }
  return nullptr;
}

Error UnsupportedCodec(std::string_view name) {
  const std::string what = "codec \"" + std::string(name.substr(0, 64)) + "\" is not supported";
  if (name.ends_with("pickle")) {
    return base::InvalidArgument(what + ": unpickling runs what the data say (write the array anew without objects)");
  }
  std::string names;
  for (const CodecRow& row : kCodecs) {
    if (row.name.starts_with("numcodecs.")) continue;
    names += std::string(row.name) + ", ";
  }
  std::string others;
  for (const CodecRow& row : kCodecs) {
    if (row.name.starts_with("numcodecs.")) others += (others.empty() ? "" : ", ") + std::string(row.v2);
  }
  return base::InvalidArgument(what + " (" + names + "and numcodecs' " + others + " are)");
}

}  // namespace seamount::zarr
