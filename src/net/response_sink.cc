#include "net/response_sink.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>

#include "base/text.h"

namespace seamount::net {
namespace {

// Real responses have a few KiB of headers.
constexpr size_t kMaxHeaderBytes = 256 << 10;
// Explanations of errors are short; a proxy's page fits too.
constexpr uint64_t kMaxErrorBodyBytes = 1 << 20;
// Where a body's size is not known beforehand.
constexpr size_t kFirstBufferBytes = 16 << 10;

template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

}  // namespace

Result<void> ResponseSink::AddHeaderLine(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) return base::Internal("the response's headers are larger than 256 KiB");
  const std::string_view text = Trim(line);
  if (text.starts_with("HTTP/")) {
    response_ = {};
    content_length_.reset();
    const size_t space = std::min(text.find(' '), text.size());
    const auto status = ParseNumber<int>(text.substr(std::min(space + 1, text.size()), 3));
    if (!status) return base::Internal("the response has a malformed status line");
    response_.status = *status;
    return {};
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {};  // the empty line at the end
  const std::string_view name = text.substr(0, colon);
  const std::string_view value = Trim(text.substr(colon + 1));
  if (EqualNames(name, "content-length")) content_length_ = ParseNumber<uint64_t>(value);
  response_.headers.Add(std::string(name), std::string(value));
  return {};
}

uint64_t ResponseSink::Limit() const {
  return response_.status >= 300 ? std::max(max_bytes_, kMaxErrorBodyBytes) : max_bytes_;
}

Result<void> ResponseSink::AddBody(std::span<const std::byte> part) {
  if (part.size() > buffer_.size() - size_) SEAMOUNT_TRY(Reserve(part.size()));
  std::memcpy(buffer_.data() + size_, part.data(), part.size());
  size_ += part.size();
  return {};
}

// Room for `more` bytes, in one allocation for the whole body where its size is known.
Result<void> ResponseSink::Reserve(size_t more) {
  const uint64_t needed = size_ + more;
  const uint64_t announced = std::max<uint64_t>(content_length_.value_or(0), needed);
  if (announced > Limit()) {
    return base::Internal("the response body has " + std::string(content_length_ ? "" : "at least ") +
                          std::to_string(announced) + " bytes, more than the " + std::to_string(Limit()) +
                          " asked for");
  }
  uint64_t capacity = std::max<uint64_t>(2 * buffer_.size(), kFirstBufferBytes);
  if (content_length_) {
    capacity = *content_length_;
  } else if (buffer_.size() == 0 && response_.status < 300) {
    capacity = std::max<uint64_t>(expected_bytes_, 1);
  }
  capacity = std::min(std::max(capacity, needed), Limit());
  Buffer larger;
  try {
    larger = Buffer(capacity);
  } catch (const std::bad_alloc&) {  // must not pass through libcurl's frames
    return base::ResourceExhausted("no memory for a response body of " + base::FormatBytes(capacity));
  }
  if (size_ > 0) std::memcpy(larger.data(), buffer_.data(), size_);
  buffer_ = std::move(larger);
  return {};
}

HttpResponse ResponseSink::Finish() {
  const size_t capacity = buffer_.size();
  Bytes body(std::move(buffer_));
  // Bytes that are kept (in a cache) should not keep much unused memory with them.
  if (size_ < capacity - capacity / 4) {
    response_.body = Bytes::Copy(body.span().first(size_));
  } else {
    response_.body = body.Slice(0, size_);
  }
  return std::move(response_);
}

}  // namespace seamount::net
