#include "vfs/attributes.h"

#include <fmt/format.h>

#include <charconv>

#include "base/time_text.h"

namespace seamount::vfs {
namespace {

constexpr char kMtime[] = "gcsfuse_mtime";
constexpr char kMtimeSeconds[] = "goog-reserved-file-mtime";
constexpr char kAtimeSeconds[] = "goog-reserved-file-atime";
constexpr char kMode[] = "goog-reserved-posix-mode";
constexpr char kUid[] = "goog-reserved-posix-uid";
constexpr char kGid[] = "goog-reserved-posix-gid";
constexpr char kSymlink[] = "gcsfuse_symlink_target";
constexpr char kSpecial[] = "seamount_special";

template <class T>
std::optional<T> ParseNumber(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Seconds that a system_clock in nanoseconds can hold: years 1678 to 2261.
constexpr int64_t kMaxSeconds = 9'223'372'036;

std::optional<base::SystemTime> FromSeconds(int64_t seconds) {
  if (seconds < -kMaxSeconds || seconds >= kMaxSeconds) return std::nullopt;
  return base::SystemTime(std::chrono::seconds(seconds));
}

int64_t WholeSeconds(base::SystemTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

struct SpecialWord {
  Kind kind;
  std::string_view word;
  bool has_device;
};

constexpr SpecialWord kSpecialWords[] = {{Kind::kFifo, "fifo", false},
                                         {Kind::kSocket, "socket", false},
                                         {Kind::kBlockDevice, "block", true},
                                         {Kind::kCharacterDevice, "char", true}};

// "fifo", "char 1:3"
std::optional<Special> ParseSpecial(std::string_view text) {
  const size_t space = text.find(' ');
  for (const auto& [kind, word, has_device] : kSpecialWords) {
    if (text.substr(0, space) != word) continue;
    if (!has_device) return space == std::string_view::npos ? std::optional(Special{kind, {}}) : std::nullopt;
    const size_t colon = text.find(':');
    if (space == std::string_view::npos || colon == std::string_view::npos || colon < space) return std::nullopt;
    const auto major = ParseNumber<uint32_t>(text.substr(space + 1, colon - space - 1));
    const auto minor = ParseNumber<uint32_t>(text.substr(colon + 1));
    if (!major || !minor) return std::nullopt;
    return Special{kind, {*major, *minor}};
  }
  return std::nullopt;
}

std::string FormatSpecial(const Special& special) {
  for (const auto& [kind, word, has_device] : kSpecialWords) {
    if (kind != special.kind) continue;
    return has_device ? fmt::format("{} {}:{}", word, special.device.major, special.device.minor) : std::string(word);
  }
  return {};
}

std::optional<std::string_view> Find(const Metadata& metadata, const char* key) {
  const auto it = metadata.find(key);
  if (it == metadata.end()) return std::nullopt;
  return it->second;
}

}  // namespace

KeptAttributes ParseMetadata(const Metadata& metadata) {
  KeptAttributes kept;
  if (const auto text = Find(metadata, kMtime)) kept.mtime = base::ParseRfc3339(*text);
  if (const auto text = Find(metadata, kMtimeSeconds); text && !kept.mtime) {
    if (const auto seconds = ParseNumber<int64_t>(*text)) kept.mtime = FromSeconds(*seconds);
  }
  if (const auto text = Find(metadata, kAtimeSeconds)) {
    if (const auto seconds = ParseNumber<int64_t>(*text)) kept.atime = FromSeconds(*seconds);
  }
  if (const auto text = Find(metadata, kMode)) {
    if (const auto mode = ParseNumber<uint32_t>(*text, 8)) kept.permissions = *mode & 07777;
  }
  if (const auto text = Find(metadata, kUid)) kept.uid = ParseNumber<uint32_t>(*text);
  if (const auto text = Find(metadata, kGid)) kept.gid = ParseNumber<uint32_t>(*text);
  if (const auto text = Find(metadata, kSymlink)) kept.symlink_target = std::string(*text);
  if (const auto text = Find(metadata, kSpecial)) kept.special = ParseSpecial(*text);
  return kept;
}

Kind KindOf(const KeptAttributes& kept) {
  if (kept.symlink_target) return Kind::kSymlink;
  return kept.special ? kept.special->kind : Kind::kFile;
}

void PutMetadata(const KeptAttributes& kept, Metadata& metadata) {
  if (kept.mtime) {
    metadata[kMtime] = base::FormatRfc3339(*kept.mtime, 9);
    metadata[kMtimeSeconds] = fmt::format("{}", WholeSeconds(*kept.mtime));
  }
  if (kept.atime) metadata[kAtimeSeconds] = fmt::format("{}", WholeSeconds(*kept.atime));
  if (kept.permissions) metadata[kMode] = fmt::format("{:o}", *kept.permissions);
  if (kept.uid) metadata[kUid] = fmt::format("{}", *kept.uid);
  if (kept.gid) metadata[kGid] = fmt::format("{}", *kept.gid);
  if (kept.symlink_target) metadata[kSymlink] = *kept.symlink_target;
  if (kept.special) metadata[kSpecial] = FormatSpecial(*kept.special);
}

}  // namespace seamount::vfs
