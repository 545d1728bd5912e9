// The parts of the wire format that are not JSON: times, ranges, hashes, paths.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/encoding.h"
#include "base/time_text.h"
#include "gcs/wire.h"

namespace seamount::gcs {
std::string FormatTime(base::SystemTime time) { return base::FormatRfc3339(time, 6); }

Result<base::SystemTime> ParseTime(std::string_view text) {
  const auto time = base::ParseRfc3339(text);
  if (!time) {
    return base::InvalidArgument("time '" + std::string(text.substr(0, 64)) +
                                 "': not RFC 3339 (2026-01-31T12:00:00.123456Z)");
  }
  return *time;
}

std::string FormatContentRange(const ContentRange& range) {
  std::string text = "bytes ";
  text += range.span ? std::to_string(range.span->first) + "-" + std::to_string(range.span->last) : "*";
  text += "/";
  text += range.total ? std::to_string(*range.total) : "*";
  return text;
}

Result<ContentRange> ParseContentRange(std::string_view text) {
  const Error bad = base::InvalidArgument("content range '" + std::string(text.substr(0, 64)) +
                                          "': not of the form 'bytes FIRST-LAST/TOTAL'");
  if (!text.starts_with("bytes ")) return bad;
  const std::string_view rest = text.substr(6);
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return bad;
  ContentRange range;
  if (const std::string_view total = rest.substr(slash + 1); total != "*") {
    range.total = ParseUint(total);
    if (!range.total) return bad;
  }
  const std::string_view span = rest.substr(0, slash);
  if (span == "*") return range;
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos) return bad;
  const auto first = ParseUint(span.substr(0, dash));
  const auto last = ParseUint(span.substr(dash + 1));
  if (!first || !last || *first > *last || (range.total && *last >= *range.total)) return bad;
  range.span = ContentRange::Span{*first, *last};
  return range;
}

store::Generation GenerationOf(uint64_t number) {
  return number == 0 ? store::kAbsent : store::Generation(std::to_string(number));
}

std::optional<uint64_t> NumberOf(const store::Generation& generation) {
  return generation == store::kAbsent ? 0 : ParseUint(generation.text());
}

std::optional<uint64_t> ParseUint(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<uint32_t> Crc32cOfHashHeader(std::string_view value) {
  while (!value.empty()) {
    const size_t comma = std::min(value.find(','), value.size());
    std::string_view part = value.substr(0, comma);
    value.remove_prefix(std::min(comma + 1, value.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.starts_with("crc32c=")) continue;
    const auto crc32c = base::Crc32cFromBase64(part.substr(7));
    if (crc32c) return *crc32c;
  }
  return std::nullopt;
}

std::string ObjectPath(std::string_view bucket, std::string_view key) {
  return "/storage/v1/b/" + base::PercentEncode(bucket) + "/o/" + base::PercentEncode(key);
}

}  // namespace seamount::gcs
