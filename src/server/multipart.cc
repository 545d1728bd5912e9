#include "server/multipart.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace seamount::server {
namespace {

constexpr size_t kBufferBytes = 256 << 10;
constexpr size_t kMaxLine = 8 << 10;       // of a part's headers
constexpr size_t kMaxHeaders = 64;         // of one part
constexpr size_t kMaxBoundary = 200;       // RFC 2046 says 70; some clients use more
constexpr size_t kMaxPreambleLines = 100;  // before the first boundary; usually none

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Error Malformed(const std::string& what) { return base::InvalidArgument("multipart body: " + what); }

}  // namespace

std::optional<std::string> BoundaryOf(std::string_view content_type) {
  const size_t at = content_type.find("boundary=");
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view value = content_type.substr(at + 9);
  if (value.starts_with('"') || value.starts_with('\'')) {
    const size_t close = value.find(value.front(), 1);
    if (close == std::string_view::npos) return std::nullopt;
    value = value.substr(1, close - 1);
  } else {
    value = Trim(value.substr(0, value.find(';')));
  }
  if (value.empty() || value.size() > kMaxBoundary || value.find_first_of("\r\n") != std::string_view::npos)
    return std::nullopt;
  return std::string(value);
}

MultipartReader::MultipartReader(Read read, std::string_view boundary)
    : read_(std::move(read)), boundary_("--" + std::string(boundary)), buffer_(kBufferBytes) {}

// Makes room at the end of the buffer and reads once. False at the end of the body.
Result<bool> MultipartReader::Fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  SEAMOUNT_TRY_ASSIGN(const size_t got, read_(std::as_writable_bytes(std::span(buffer_).subspan(end_))));
  end_ += got;
  return got > 0;
}

void MultipartReader::Consume(size_t bytes) { begin_ += bytes; }

// Up to and without the line feed; a carriage return before it stays.
Result<std::string> MultipartReader::ReadLine() {
  while (true) {
    const std::string_view have(buffer_.data() + begin_, end_ - begin_);
    if (const size_t feed = have.find('\n'); feed != std::string_view::npos) {
      std::string line(have.substr(0, feed));
      Consume(feed + 1);
      return line;
    }
    if (have.size() > kMaxLine) return Malformed("a line is too long");
    SEAMOUNT_TRY_ASSIGN(const bool more, Fill());
    if (more) continue;
    // The closing boundary may be the body's last line, without a line break.
    if (end_ == begin_) return Malformed("it ends without its closing boundary");
    std::string line(buffer_.data() + begin_, end_ - begin_);
    Consume(line.size());
    return line;
  }
}

Result<void> MultipartReader::SkipPreamble() {
  for (size_t i = 0; i < kMaxPreambleLines; ++i) {
    SEAMOUNT_TRY_ASSIGN(std::string line, ReadLine());
    const bool carriage_return = line.ends_with('\r');
    if (carriage_return) line.pop_back();
    if (Trim(line) == boundary_) {
      delimiter_ = (carriage_return ? "\r\n" : "\n") + boundary_;
      return {};
    }
    if (Trim(line) == boundary_ + "--") {
      finished_ = true;
      return {};
    }
  }
  return Malformed("its boundary was not found");
}

Result<std::optional<net::Headers>> MultipartReader::NextPart() {
  if (delimiter_.empty() && !finished_) {
    SEAMOUNT_TRY(SkipPreamble());
  } else if (!finished_) {
    std::vector<std::byte> rest(in_part_ ? 64 << 10 : 0);
    while (in_part_) SEAMOUNT_TRY(ReadPart(rest));
    // Behind the boundary: "--" at the end of all parts, else the end of its line.
    SEAMOUNT_TRY_ASSIGN(std::string line, ReadLine());
    if (line.ends_with('\r')) line.pop_back();
    if (line.starts_with("--")) {
      finished_ = true;
    } else if (!Trim(line).empty()) {
      return Malformed("its boundary is followed by text");
    }
  }
  if (finished_) return std::optional<net::Headers>();
  net::Headers headers;
  for (size_t i = 0; i < kMaxHeaders; ++i) {
    SEAMOUNT_TRY_ASSIGN(std::string line, ReadLine());
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) {
      in_part_ = true;
      return std::optional<net::Headers>(std::move(headers));
    }
    const size_t colon = line.find(':');
    if (colon == std::string::npos) return Malformed("a part's header has no colon");
    headers.Add(std::string(Trim(line.substr(0, colon))), std::string(Trim(std::string_view(line).substr(colon + 1))));
  }
  return Malformed("a part has too many headers");
}

// Everything up to the delimiter is content. What could be the delimiter's beginning waits in the buffer for more.
Result<size_t> MultipartReader::ReadPart(std::span<std::byte> into) {
  if (!in_part_ || into.empty()) return size_t{0};
  while (true) {
    const std::string_view have(buffer_.data() + begin_, end_ - begin_);
    const void* hit = have.empty() ? nullptr : memmem(have.data(), have.size(), delimiter_.data(), delimiter_.size());
    const size_t at = hit ? static_cast<size_t>(static_cast<const char*>(hit) - have.data()) : std::string_view::npos;
    if (at == 0) {
      Consume(delimiter_.size());
      in_part_ = false;
      return size_t{0};
    }
    const size_t sure = hit ? at : (have.size() >= delimiter_.size() ? have.size() - delimiter_.size() + 1 : 0);
    if (sure > 0) {
      const size_t n = std::min(sure, into.size());
      std::memcpy(into.data(), have.data(), n);
      Consume(n);
      return n;
    }
    SEAMOUNT_TRY_ASSIGN(const bool more, Fill());
    if (!more) return Malformed("it ends within a part");
  }
}

}  // namespace seamount::server
