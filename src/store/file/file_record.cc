#include "store/file/file_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/text.h"

namespace seamount::store {
namespace {

constexpr std::string_view kFirstLine = "seamount object 1";

using Field = std::pair<std::string_view, std::string ContentHeaders::*>;
constexpr std::array<Field, 4> kHeaders = {{{"cache-control", &ContentHeaders::cache_control},
                                            {"content-disposition", &ContentHeaders::content_disposition},
                                            {"content-encoding", &ContentHeaders::content_encoding},
                                            {"content-language", &ContentHeaders::content_language}}};

template <class T>
bool ParseNumber(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

bool ParseText(std::string_view text, std::string& value) {
  auto decoded = base::PercentDecode(text);
  if (!decoded) return false;
  value = *std::move(decoded);
  return true;
}

bool ParseLine(const std::vector<std::string>& words, FileRecord& record) {
  if (words.size() == 2 && words[0] == "size") return ParseNumber(words[1], record.size_bytes);
  if (words.size() == 2 && words[0] == "mtime_ns") return ParseNumber(words[1], record.mtime_ns);
  if (words.size() == 2 && words[0] == "crc32c") return ParseNumber(words[1], record.crc32c.emplace());
  if (words.size() == 2 && words[0] == "type") return ParseText(words[1], record.content_type);
  for (const auto& [name, member] : kHeaders) {
    if (words.size() == 2 && words[0] == name) return ParseText(words[1], record.headers.*member);
  }
  if (words.size() == 3 && words[0] == "meta") {
    std::string name;
    return ParseText(words[1], name) && ParseText(words[2], record.metadata[name]);
  }
  return false;
}

}  // namespace

std::string EncodeFileRecord(const FileRecord& record) {
  std::string text(kFirstLine);
  text += "\nsize " + std::to_string(record.size_bytes) + "\nmtime_ns " + std::to_string(record.mtime_ns);
  if (record.crc32c) text += "\ncrc32c " + std::to_string(*record.crc32c);
  text += "\ntype " + base::PercentEncode(record.content_type);
  for (const auto& [name, member] : kHeaders) {
    const std::string& value = record.headers.*member;
    if (!value.empty()) text += "\n" + std::string(name) + " " + base::PercentEncode(value);
  }
  for (const auto& [name, value] : record.metadata) {
    text += "\nmeta " + base::PercentEncode(name) + " " + base::PercentEncode(value);
  }
  return text;
}

std::optional<FileRecord> DecodeFileRecord(std::string_view text) {
  const std::vector<std::string> lines = base::Split(text, '\n');
  // Size, time and type are always there.
  if (lines.size() < 4 || lines[0] != kFirstLine) return std::nullopt;
  FileRecord record;
  for (size_t i = 1; i < lines.size(); ++i) {
    if (!ParseLine(base::Split(lines[i], ' '), record)) return std::nullopt;
  }
  return record;
}

}  // namespace seamount::store
