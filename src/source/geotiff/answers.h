// What the process that has GDAL answers; see worker.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "nd/data_type.h"
#include "source/child/child.h"

namespace seamount::source::geotiff {

// Each request: the kind, the file (path, size, time of change), then for kRead a band's number from 0 on, its type,
// and column, row, width and height of a window, of which the elements come back in native order.
enum class RequestKind : uint8_t { kDescribe, kRead };

Result<std::vector<std::byte>> Answer(std::span<const std::byte> request, const Fetch& fetch);

// GDAL's number for a type; 0: it has none that is read here.
int GdalType(nd::DataType type);
nd::DataType TypeOf(int gdal_type);

}  // namespace seamount::source::geotiff
