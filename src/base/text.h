// What messages to people need: sizes and durations in words, sizes read from words, the nearest of some names.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seamount::base {

// 1536 → "1.5 KiB"
std::string FormatBytes(uint64_t bytes);
// 75.2 s → "1m15s"; under a minute "3.4 s"; under a second "42 ms"
std::string FormatDuration(std::chrono::nanoseconds duration);
// "512", "64K", "64KB", "64KiB", "1.5 GiB" (K and KB mean 1024, as in most file-system tools). InvalidArgument
// otherwise.
Result<uint64_t> ParseBytes(std::string_view text);

// The candidate nearest in edit distance, if near enough to be a plausible slip (at most a third of the letters).
std::optional<std::string> NearestName(std::string_view wanted, std::span<const std::string> candidates);

// ", did you mean 'uwnd'?" or ", there are: a, b, c": the end of an unknown-name message.
std::string NameHint(std::string_view wanted, std::span<const std::string> candidates);

// Control characters as \xNN. Names come from anybody: a line break or an escape sequence in one must not forge a
// line of a log, nor reach the terminal of who reads it.
std::string Printable(std::string_view text);

std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(std::span<const std::string> parts, std::string_view separator);

}  // namespace seamount::base
