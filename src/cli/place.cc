#include "cli/place.h"

#include <filesystem>

#include "store/store.h"

namespace seamount::cli {
namespace {

constexpr std::string_view kBucketScheme = "gs://", kFileScheme = "file://";

}  // namespace

bool Place::SaysFolder() const { return kind != Kind::kStream && (path.empty() || path.ends_with('/')); }

std::string Place::Name() const {
  std::string whole = path;
  if (kind == Kind::kLocal) {  // of ".", the folder's own name
    std::error_code error;
    whole = std::filesystem::absolute(path, error).lexically_normal();
  }
  const size_t end = whole.find_last_not_of('/');
  if (end == std::string::npos) return "";
  whole.resize(end + 1);
  return whole.substr(whole.find_last_of('/') + 1);
}

Result<Place> ParsePlace(const std::string& text) {
  if (text == "-") return Place{.kind = Place::Kind::kStream, .text = text};
  if (text.starts_with(kFileScheme)) {
    Place place{.text = text, .path = text.substr(kFileScheme.size())};
    if (!place.path.starts_with('/')) return base::InvalidArgument("'" + text + "': file:// takes an absolute path");
    return place;
  }
  if (!text.starts_with(kBucketScheme)) {
    if (text.empty()) return base::InvalidArgument("'': expected gs://bucket[/key] or a path");
    if (text.find("://") != std::string::npos)
      return base::InvalidArgument("'" + text + "': unknown scheme (expected gs://bucket[/key] or a path)");
    return Place{.text = text, .path = text};
  }
  const size_t slash = text.find('/', kBucketScheme.size());
  Place place{.kind = Place::Kind::kBucket, .text = text, .bucket = text.substr(0, slash)};
  if (place.bucket.size() == kBucketScheme.size())
    return base::InvalidArgument("'" + text + "': no bucket (expected gs://bucket[/key])");
  if (slash != std::string::npos) place.path = text.substr(slash + 1);
  if (place.path.starts_with('/'))
    return base::InvalidArgument("'" + text + "': a key does not begin with '/' (expected gs://bucket/key)");
  if (!place.path.empty()) {
    if (const auto valid = store::CheckKey(place.path); !valid) return valid.error().Wrap("'" + text + "'");
  }
  return place;
}

Result<Place> ParseBucketPlace(const std::string& text) {
  SEAMOUNT_TRY_ASSIGN(Place place, ParsePlace(text));
  if (place.kind == Place::Kind::kBucket) return place;
  return base::InvalidArgument("'" + text + "' is no URL of a bucket (expected gs://bucket[/key])");
}

}  // namespace seamount::cli
