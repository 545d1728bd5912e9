#include "base/time_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace seamount::base {
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

std::optional<SystemTime> Parse(std::string_view text) {
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
  const SystemTime time = SystemTime(sys_days(date)) + hours(*h) + minutes(*mi) + seconds(*s) +
                          duration_cast<SystemTime::duration>(*fraction) - *offset;
  const int year_in_utc = static_cast<int>(year_month_day(floor<days>(time)).year());
  if (year_in_utc < 1678 || year_in_utc > 2261) return std::nullopt;
  return time;
}

}  // namespace

std::string FormatRfc3339(SystemTime time, int fraction_digits) {
  using namespace std::chrono;
  const auto day_start = floor<days>(time);
  const year_month_day date(day_start);
  const hh_mm_ss clock(floor<nanoseconds>(time - day_start));
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  std::string written = text.data();
  if (fraction_digits > 0) {
    std::snprintf(text.data(), text.size(), "%09lld", static_cast<long long>(clock.subseconds().count()));
    written += "." + std::string(text.data(), static_cast<size_t>(std::min(fraction_digits, 9)));
  }
  return written + "Z";
}

std::optional<SystemTime> ParseRfc3339(std::string_view text) { return Parse(text); }

std::string HttpDate(SystemTime time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return text.data();
}

std::optional<SystemTime> ParseHttpDate(std::string_view text) {
  std::tm utc{};
  const std::string terminated(text);
  const char* const end = strptime(terminated.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

}  // namespace seamount::base
