// Where the messages of a GRIB file are, and their headers: all but the packed values and bitmaps, which are most of
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/byte_source.h"
#include "store/store.h"

namespace seamount::source::grib {

struct Message {
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
  std::vector<store::ByteSpan> headers;  // within the message, in order
};

// The next message from `at` on, of edition 1 or 2; of no bytes where there is none to the file's end. What lies
// between messages is passed over. DataLoss, naming the byte, where one is cut short or its sections make no sense. Any
// bytes are safe input.
Result<Message> NextMessage(const store::ByteSource& file, uint64_t at);

}  // namespace seamount::source::grib
