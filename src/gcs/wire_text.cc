// The parts of the wire format that are not JSON: times, ranges, hashes, paths.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/encoding.h"
#include "gcs/wire.h"

namespace seamount::gcs {
namespace {

// Exactly `digits` digits at `at`; moves `at` past them.
std::optional<int> TakeDigits(std::string_view text, size_t& at, size_t digits) {
  if (text.size() < at + digits) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = text[at + i];
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  at += digits;
  return value;
}

bool TakeChar(std::string_view text, size_t& at, std::string_view any_of) {
  if (at >= text.size() || any_of.find(text[at]) == std::string_view::npos) return false;
  ++at;
  return true;
}

// ".123456789", truncated to nanoseconds. Zero when there is no fraction; nothing when the dot stands alone.
std::optional<std::chrono::nanoseconds> TakeFraction(std::string_view text, size_t& at) {
  if (!TakeChar(text, at, ".")) return std::chrono::nanoseconds(0);
  int64_t nanos = 0;
  int digits = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
    if (digits < 9) nanos = nanos * 10 + (text[at] - '0');
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) nanos *= 10;
  return std::chrono::nanoseconds(nanos);
}

// "Z" or "+hh:mm".
std::optional<std::chrono::minutes> TakeOffset(std::string_view text, size_t& at) {
  if (TakeChar(text, at, "Zz")) return std::chrono::minutes(0);
  const bool minus = at < text.size() && text[at] == '-';
  if (!TakeChar(text, at, "+-")) return std::nullopt;
  const auto hours = TakeDigits(text, at, 2);
  if (!hours || *hours > 23 || !TakeChar(text, at, ":")) return std::nullopt;
  const auto minutes = TakeDigits(text, at, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return minus ? -offset : offset;
}

std::optional<base::SystemTime> ParseRfc3339(std::string_view text) {
  using namespace std::chrono;
  size_t at = 0;
  const auto y = TakeDigits(text, at, 4);
  if (!y || !TakeChar(text, at, "-")) return std::nullopt;
  const auto mo = TakeDigits(text, at, 2);
  if (!mo || !TakeChar(text, at, "-")) return std::nullopt;
  const auto d = TakeDigits(text, at, 2);
  if (!d || !TakeChar(text, at, "Tt ")) return std::nullopt;
  const auto h = TakeDigits(text, at, 2);
  if (!h || *h > 23 || !TakeChar(text, at, ":")) return std::nullopt;
  const auto mi = TakeDigits(text, at, 2);
  if (!mi || *mi > 59 || !TakeChar(text, at, ":")) return std::nullopt;
  const auto s = TakeDigits(text, at, 2);
  if (!s || *s > 60) return std::nullopt;
  const auto fraction = TakeFraction(text, at);
  if (!fraction) return std::nullopt;
  const auto offset = TakeOffset(text, at);
  if (!offset || at != text.size()) return std::nullopt;
  // Years that a 64-bit count of nanoseconds holds.
  if (*y < 1678 || *y > 2261) return std::nullopt;
  const year_month_day date{year(*y), month(static_cast<unsigned>(*mo)), day(static_cast<unsigned>(*d))};
  if (!date.ok()) return std::nullopt;
  const base::SystemTime time = base::SystemTime(sys_days(date)) + hours(*h) + minutes(*mi) + seconds(*s) +
                                duration_cast<base::SystemTime::duration>(*fraction) - *offset;
  const int year_in_utc = static_cast<int>(year_month_day(floor<days>(time)).year());
  if (year_in_utc < 1678 || year_in_utc > 2261) return std::nullopt;
  return time;
}

}  // namespace

std::string FormatTime(base::SystemTime time) {
  using namespace std::chrono;
  const auto day_start = floor<days>(time);
  const year_month_day date(day_start);
  const hh_mm_ss clock(floor<microseconds>(time - day_start));
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

Result<base::SystemTime> ParseTime(std::string_view text) {
  const auto time = ParseRfc3339(text);
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
