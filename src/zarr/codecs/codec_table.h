// Every codec there is, by its names in both formats.
#pragma once

#include <string_view>

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {

enum class CodecKind {
  kArrayToArray,
  kFilter,  // numcodecs': array → array in v3; in v2 it stands behind the byte order, and names its own
  kArrayToBytes,
  kBytesToBytes,
};

struct CodecRow {
  std::string_view name;  // as v3 has it
  std::string_view v2;    // as v2 has it; empty: it does not
  CodecKind kind;
  CodecMaker* make;
};

// Null where unknown.
const CodecRow* FindCodec(std::string_view name);
// Format 3 as others write it: numcodecs' codecs with and without their prefix, the rest also with it, and the
// addresses that zarrs once had for names.
const CodecRow* FindCodecByAnyName(std::string_view name);
const CodecRow* FindCodecOfV2(std::string_view id);
// InvalidArgument that names the codec and says what there is, and for some why not.
Error UnsupportedCodec(std::string_view name);

}  // namespace seamount::zarr
