// Fill values between their JSON spellings and one element in native byte order.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "zarr/codecs/json.h"
#include "zarr/element_type.h"

namespace seamount::zarr {

// Every spelling of v3: numbers, true/false, "NaN", "Infinity", "-Infinity", "0x" hex of the bits, [re, im] for
// complex. DataLoss for anything else, out of range included.
Result<Bytes> ParseFillValue(const ElementType& type, const Json& value);
// v2 has these too, and the base64 of the element as it is stored.
Result<Bytes> ParseFillValueV2(const ElementType& type, const Json& value, bool big_endian);

// The v3 spelling. NaNs other than the usual one become hex in v3; v2 has one NaN only.
// big_endian: as v2 stores elements that are written as base64.
Json FormatFillValue(const ElementType& type, const Bytes& element, int format, bool big_endian = false);

// Of what is no number: times as integers (or "NaT"), text, bytes as base64. Null where it is none of these.
std::optional<Bytes> ParseOtherFill(const ElementType& type, const Json& value, bool big_endian);
Json FormatOtherFill(const ElementType& type, const Bytes& element, bool big_endian);

}  // namespace seamount::zarr
