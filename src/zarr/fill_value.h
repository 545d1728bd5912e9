// Fill values between their JSON spellings and one element in native byte order.
#pragma once

#include "base/bytes.h"
#include "nd/data_type.h"
#include "zarr/codecs/json.h"

namespace seamount::zarr {

// Every spelling of v3: numbers, true/false, "NaN", "Infinity", "-Infinity", "0x" hex of the bits, [re, im] for
// complex. DataLoss for anything else, out of range included.
Result<Bytes> ParseFillValue(nd::DataType type, const Json& value);
// v2 has these too, and the base64 of the element as it is stored.
Result<Bytes> ParseFillValueV2(nd::DataType type, const Json& value, bool big_endian);

// The v3 spelling. NaNs other than the usual one become hex in v3; v2 has one NaN only.
Json FormatFillValue(nd::DataType type, const Bytes& element, int format);

}  // namespace seamount::zarr
