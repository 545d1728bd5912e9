#include "store/file/file_names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace seamount::store {
namespace {

// NAME_MAX is 255 nearly everywhere, less two for the endings.
constexpr size_t kLongestName = 253;
constexpr std::string_view kContinues = "%+";
constexpr std::string_view kContinued = "%-";
constexpr std::string_view kPercent = "%25";

// Segments that are written wholly otherwise, and how.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSpecial = {
    {{"", "%00"}, {".", "%2E"}, {"..", "%2E%2E"}, {kOwnFolder, "%2Eseamount"}}};

std::string EncodeSegment(std::string_view segment) {
  bool looks_special = false;
  for (const auto& [plain, written] : kSpecial) {
    if (segment == plain) return std::string(written);
    looks_special = looks_special || segment == written;
  }
  std::string encoded;
  for (size_t i = 0; i < segment.size(); ++i) {
    const std::string_view rest = segment.substr(i);
    const bool escape = segment[i] == '%' && ((looks_special && i == 0) || rest.starts_with(kPercent) ||
                                              rest == kContinues || rest == kBesideFolder);
    if (escape) {
      encoded += kPercent;
    } else {
      encoded += segment[i];
    }
  }
  return encoded;
}

std::string DecodeSegment(std::string_view name) {
  for (const auto& [plain, written] : kSpecial) {
    if (name == written) return std::string(plain);
  }
  std::string decoded;
  for (size_t i = 0; i < name.size(); ++i) {
    decoded += name[i];
    if (name.substr(i).starts_with(kPercent)) i += kPercent.size() - 1;
  }
  return decoded;
}

// One segment as a path of one name, or of several where it is cut.
void AppendSegment(std::string& path, std::string_view segment) {
  const std::string encoded = EncodeSegment(segment);
  std::string_view rest = encoded;
  bool first = true;
  while (rest.size() + (first ? 0 : kContinued.size()) > kLongestName) {
    const size_t take = kLongestName - kContinues.size() - (first ? 0 : kContinued.size());
    if (!first) path += kContinued;
    path.append(rest.substr(0, take)).append(kContinues).append("/");
    rest.remove_prefix(take);
    first = false;
  }
  if (!first) path += kContinued;
  path += rest;
}

}  // namespace

std::string PathOfKey(std::string_view key) {
  std::string path;
  for (;;) {
    const size_t slash = std::min(key.find('/'), key.size());
    AppendSegment(path, key.substr(0, slash));
    if (slash == key.size()) return path;
    path += '/';
    key.remove_prefix(slash + 1);
  }
}

std::optional<FileName> ReadFileName(std::string_view name, bool folder, std::string_view pending) {
  if (!pending.empty()) {
    if (!name.starts_with(kContinued)) return std::nullopt;
    name.remove_prefix(kContinued.size());
  }
  std::string text(pending);
  if (folder && name.ends_with(kContinues)) {
    text += name.substr(0, name.size() - kContinues.size());
    return FileName{.text = std::move(text), .continues = true};
  }
  if (!folder && name.ends_with(kBesideFolder)) name.remove_suffix(kBesideFolder.size());
  text += name;
  return FileName{.text = DecodeSegment(text)};
}

}  // namespace seamount::store
