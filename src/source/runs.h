// Boxes of arrays that lie plain in a file.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "nd/box.h"
#include "source/file.h"

namespace seamount::source {

// Where an array lies: its first element, and how many bytes on the next one is along each dimension.
struct PlainArray {
  uint64_t begin = 0;
  nd::Index shape;
  nd::Index stride_bytes;
  size_t element_bytes = 0;
};

// Reads the longest runs that are contiguous in the file, one by one, each told to the file beforehand. The box must
// lie within the array, and the array within the file. Bytes come as they are stored.
Result<void> ReadRuns(const File& file, const PlainArray& array, const nd::Box& box, std::span<std::byte> into);

}  // namespace seamount::source
