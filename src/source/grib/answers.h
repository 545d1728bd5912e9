// What the process that has ecCodes answers; see worker.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "source/child/child.h"

namespace seamount::source::grib {

// Each request: the kind, then
//   kFields: the length of a message and its headers (place and bytes): a list of Fields, without their places;
//   kGrid, kValues: the field's number in its message, and the message: a Grid, or the values as float32, NaN where
//   there is none.
enum class RequestKind : uint8_t { kFields, kGrid, kValues };

Result<std::vector<std::byte>> Answer(std::span<const std::byte> request, const Fetch& fetch);

}  // namespace seamount::source::grib
