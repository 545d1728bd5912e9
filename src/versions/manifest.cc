#include "versions/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_depth.h"
#include "base/text.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "versions/chunker.h"

namespace seamount::versions {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr size_t kMaxName = 100;
constexpr size_t kMaxPath = 4096;

bool IsPath(std::string_view path) {
  if (path.empty() || path.size() > kMaxPath || !base::IsUtf8(path)) return false;
  if (path.find('\0') != std::string_view::npos) return false;
  const auto parts = base::Split(path, '/');
  if (parts[0] == kUnfinished) return false;
  return std::none_of(parts.begin(), parts.end(),
                      [](const std::string& part) { return part.empty() || part == "." || part == ".."; });
}

// Relative, and ".." only at its front, no more often than the link lies deep: folders above a link are no links, so
// that these lead where they seem to.
bool StaysWithin(const Link& link) {
  const std::string& target = link.target;
  if (target.empty() || target[0] == '/' || target.size() > kMaxPath || !base::IsUtf8(target)) return false;
  if (target.find('\0') != std::string::npos) return false;
  auto up = std::count(link.path.begin(), link.path.end(), '/');
  bool front = true;
  for (const std::string& part : base::Split(target, '/')) {
    if (part == "..") {
      if (!front || --up < 0) return false;
    } else if (!part.empty() && part != ".") {
      front = false;
    }
  }
  return true;
}

Result<void> CheckNothingAbove(const std::set<std::string>& leaves, const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (leaves.contains(above))
      return base::InvalidArgument("'" + path + "' lies below '" + above + "', which is no folder");
  }
  return {};
}

bool ReadText(const Json& json, const char* key, std::string& out) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

bool ReadChunks(const Json& json, File& file) {
  uint64_t left = file.size;
  for (const Json& item : json) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number_unsigned()) return false;
    const auto digest = FromHex(item[0].get_ref<const std::string&>());
    const auto size = item[1].get<uint64_t>();
    if (!digest || size == 0 || size > kMaxChunk || size > left) return false;
    left -= size;
    file.chunks.push_back({*digest, size});
  }
  return left == 0;
}

bool ReadFile(const Json& json, File& file) {
  if (!json.is_object() || !ReadText(json, "path", file.path)) return false;
  const auto size = json.find("size"), executable = json.find("executable"), chunks = json.find("chunks");
  if (size == json.end() || !size->is_number_unsigned() || chunks == json.end() || !chunks->is_array()) return false;
  file.size = size->get<uint64_t>();
  if (executable != json.end()) {
    if (!executable->is_boolean()) return false;
    file.executable = executable->get<bool>();
  }
  return ReadChunks(*chunks, file);
}

bool ReadEntries(const Json& json, Manifest& out) {
  const auto files = json.find("files"), links = json.find("links"), folders = json.find("folders");
  for (const auto& list : {files, links, folders}) {
    if (list == json.end() || !list->is_array()) return false;
  }
  for (const Json& item : *files) {
    if (!ReadFile(item, out.files.emplace_back())) return false;
  }
  for (const Json& item : *links) {
    Link& link = out.links.emplace_back();
    if (!item.is_object() || !ReadText(item, "path", link.path) || !ReadText(item, "target", link.target)) return false;
  }
  for (const Json& item : *folders) {
    if (!item.is_string()) return false;
    out.folders.push_back(item.get<std::string>());
  }
  return true;
}

}  // namespace

uint64_t Manifest::SizeBytes() const {
  uint64_t size = 0;
  for (const File& file : files) size += file.size;
  return size;
}

const File* Manifest::FindFile(std::string_view path) const {
  const auto at = std::lower_bound(files.begin(), files.end(), path,
                                   [](const File& file, std::string_view wanted) { return file.path < wanted; });
  return at != files.end() && at->path == path ? &*at : nullptr;
}

bool Manifest::SameContent(const Manifest& other) const {
  return files == other.files && links == other.links && folders == other.folders;
}

Result<void> CheckName(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '+';
  };
  if (!name.empty() && name.size() <= kMaxName && name[0] != '.' && name[0] != '-' &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return {};
  }
  return base::InvalidArgument("'" + name +
                               "' cannot be the name of a version (expected letters, digits, and . _ - + between "
                               "them, 100 at most)");
}

Result<void> CheckPaths(const Manifest& manifest) {
  std::set<std::string> leaves;
  const auto take = [&leaves](const std::string& path) -> Result<void> {
    if (!IsPath(path)) return base::InvalidArgument("'" + path + "' cannot be the path of a file in a version");
    if (!leaves.insert(path).second) return base::InvalidArgument("'" + path + "' is there twice");
    return {};
  };
  for (const File& file : manifest.files) SEAMOUNT_TRY(take(file.path));
  for (const std::string& folder : manifest.folders) SEAMOUNT_TRY(take(folder));
  for (const Link& link : manifest.links) {
    SEAMOUNT_TRY(take(link.path));
    if (!StaysWithin(link))
      return base::InvalidArgument("the link '" + link.path + "' leads to '" + link.target +
                                   "', out of the folder (expected a relative path within it)");
  }
  for (const std::string& path : leaves) SEAMOUNT_TRY(CheckNothingAbove(leaves, path));
  return {};
}

std::string ManifestJson(const Manifest& manifest) {
  Json files = Json::array(), links = Json::array();
  for (const File& file : manifest.files) {
    Json chunks = Json::array();
    for (const Chunk& chunk : file.chunks) chunks.push_back(Json::array({ToHex(chunk.digest), chunk.size}));
    Json item = {{"path", file.path}, {"size", file.size}};
    if (file.executable) item["executable"] = true;
    item["chunks"] = std::move(chunks);
    files.push_back(std::move(item));
  }
  for (const Link& link : manifest.links) links.push_back({{"path", link.path}, {"target", link.target}});
  const Json json = {{"seamount_version", kFormat}, {"name", manifest.name},     {"saved", manifest.saved},
                     {"message", manifest.message}, {"files", std::move(files)}, {"links", std::move(links)},
                     {"folders", manifest.folders}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Manifest> ParseManifest(std::string_view text) {
  const auto malformed = [] { return base::DataLoss("the manifest of the version is malformed"); };
  if (base::NestsDeeper(text)) return malformed();
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("seamount_version")) return malformed();
  const Json& format = json["seamount_version"];
  if (!format.is_number_integer()) return malformed();
  if (format != kFormat)
    return base::InvalidArgument("the version was saved by a newer Seamount (format " + format.dump() +
                                 ", expected 1): update this one");
  Manifest manifest;
  if (!ReadText(json, "name", manifest.name) || !CheckName(manifest.name)) return malformed();
  if (!ReadText(json, "saved", manifest.saved) || !ReadText(json, "message", manifest.message)) return malformed();
  if (!base::ParseRfc3339(manifest.saved)) return malformed();
  if (!ReadEntries(json, manifest)) return malformed();
  if (const auto paths = CheckPaths(manifest); !paths) return base::DataLoss(paths.error().message());
  const auto by_path = [](const auto& a, const auto& b) { return a.path < b.path; };
  std::sort(manifest.files.begin(), manifest.files.end(), by_path);
  std::sort(manifest.links.begin(), manifest.links.end(), by_path);
  std::sort(manifest.folders.begin(), manifest.folders.end());
  return manifest;
}

}  // namespace seamount::versions
