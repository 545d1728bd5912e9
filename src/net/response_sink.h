// Takes in one HTTP response: header lines, then a body whose size is checked before memory is reserved for it.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/http_client.h"

namespace seamount::net {

// One response; not thread-safe.
class ResponseSink {
 public:
  explicit ResponseSink(const HttpRequest& request)
      : max_bytes_(request.max_response_bytes), expected_bytes_(request.expected_response_bytes) {}

  // A line with its line break, status lines included. A new status line (after "100 Continue") starts over.
  Result<void> AddHeaderLine(std::string_view line);
  Result<void> AddBody(std::span<const std::byte> part);
  // Call once, at the end.
  HttpResponse Finish();

 private:
  Result<void> Reserve(size_t more);
  uint64_t Limit() const;

  const uint64_t max_bytes_;
  const uint64_t expected_bytes_;
  HttpResponse response_;
  size_t header_bytes_ = 0;
  std::optional<uint64_t> content_length_;
  Buffer buffer_;
  size_t size_ = 0;
};

}  // namespace seamount::net
