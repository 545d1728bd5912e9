#include "cli/copy_plan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.h"
#include "cli/objects.h"

namespace seamount::cli {
namespace {

namespace fs = std::filesystem;

// What lies below a target, by key.
Result<std::map<std::string, store::ObjectInfo>> Present(Store& store, const std::string& target,
                                                         const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto page, store::ListAll(store, {.prefix = FolderPrefix(target)}, context));
  std::map<std::string, store::ObjectInfo> all;
  for (store::ObjectInfo& object : page.objects) all.emplace(object.key, std::move(object));
  return all;
}

bool SameContent(const store::ObjectInfo& a, const store::ObjectInfo& b) {
  return a.size_bytes == b.size_bytes && a.crc32c && a.crc32c == b.crc32c;
}

Result<bool> IsThere(const std::string& path, const store::ObjectInfo& object, const CallContext& context) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) != object.size_bytes || error) return false;
  if (!object.crc32c) return false;
  SEAMOUNT_TRY_ASSIGN(const uint32_t crc, ChecksumOfFile(path, context));
  return crc == *object.crc32c;
}

// Why a key, below the prefix, cannot be the path of a file; empty when it can.
std::string Unfit(const std::string& relative) {
  for (const std::string& part : base::Split(relative, '/')) {
    constexpr size_t kLongestName = 255;
    if (part.empty()) return "it has an empty component";
    if (part == "." || part == "..") return "it has the component '" + part + "'";
    if (part.size() > kLongestName) return "it has a component of more than 255 bytes";
  }
  return "";
}

Result<void> AddFile(CopyPlan& plan, const std::string& path, const std::string& key, uint64_t size,
                     const std::map<std::string, store::ObjectInfo>& present, const CallContext& context) {
  SEAMOUNT_TRY(store::CheckKey(key));
  if (const auto there = present.find(key); there != present.end()) {
    SEAMOUNT_TRY_ASSIGN(const bool same, IsThere(path, there->second, context));
    if (same) {
      ++plan.kept;
      return {};
    }
  }
  plan.uploads.push_back({path, key});
  plan.bytes += size;
  return {};
}

}  // namespace

std::string TargetOf(const Place& source, const Place& dest, bool dest_is_folder) {
  if (!dest_is_folder) return dest.path;
  std::string folder = dest.path;
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  return folder + source.Name();
}

Result<CopyPlan> PlanUpload(const Place& source, Store& to, const std::string& target, bool recursive,
                            const CallContext& context) {
  CopyPlan plan;
  std::error_code error;
  const auto status = fs::status(source.path, error);
  if (!fs::exists(status)) return base::NotFound(source.text + ": no such file or folder");
  if (!fs::is_directory(status)) {
    SEAMOUNT_TRY(AddFile(plan, source.path, target, fs::file_size(source.path, error), {}, context));
    return plan;
  }
  if (!recursive) return base::InvalidArgument(source.text + " is a folder (say -r for all that lies in it)");
  SEAMOUNT_TRY_ASSIGN(const auto present, Present(to, target, context));
  for (fs::recursive_directory_iterator at(source.path, error), end; !error && at != end; at.increment(error)) {
    if (at->is_directory(error) && !at->is_symlink(error)) continue;
    const std::string path = at->path();
    if (!at->is_regular_file(error)) {  // of a link, what it leads to
      plan.skipped.push_back(path + (at->is_symlink(error) ? " is a link to no file" : " is no file"));
      continue;
    }
    const std::string relative = fs::path(path).lexically_relative(source.path);
    SEAMOUNT_TRY(AddFile(plan, path, FolderPrefix(target) + relative, at->file_size(error), present, context));
  }
  if (error) return base::InvalidArgument("listing '" + source.path + "': " + error.message());
  return plan;
}

Result<CopyPlan> PlanDownload(Store& from, const Place& source, const std::string& target, bool recursive,
                              const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto objects,
                      ObjectsOf(from, source, recursive ? Folders::kTaken : Folders::kNotAsked, context));
  CopyPlan plan;
  std::set<std::string> folders, files;
  const std::string prefix = FolderPrefix(source.path);
  for (const store::ObjectInfo& object : objects) {
    const bool whole = object.key == source.path;  // the object itself
    std::string relative = whole ? "" : object.key.substr(prefix.size());
    const bool marker = relative.ends_with('/') || (!whole && relative.empty());  // how tools mark an empty folder
    if (marker && object.size_bytes == 0) {
      while (relative.ends_with('/')) relative.pop_back();
      const std::string why = relative.empty() ? "" : Unfit(relative);
      if (!why.empty()) return base::InvalidArgument("object '" + object.key + "' cannot be a folder here: " + why);
      folders.insert(relative.empty() ? target : target + "/" + relative);
      continue;
    }
    if (const std::string why = whole ? "" : Unfit(relative); !why.empty())
      return base::InvalidArgument("object '" + object.key + "' cannot be a file here: " + why);
    const std::string path = whole ? target : target + "/" + relative;
    files.insert(path);
    for (std::string up = fs::path(path).parent_path(); !up.empty() && folders.insert(up).second;)
      up = fs::path(up).parent_path();
    SEAMOUNT_TRY_ASSIGN(const bool there, recursive ? IsThere(path, object, context) : Result<bool>(false));
    if (there) {
      ++plan.kept;
      continue;
    }
    plan.bytes += object.size_bytes;
    plan.downloads.push_back({object, path});
  }
  for (const std::string& file : files) {
    if (folders.contains(file))
      return base::InvalidArgument("'" + file + "': an object has this name, and others lie below it; a file cannot");
  }
  plan.folders.assign(folders.begin(), folders.end());
  return plan;
}

Result<CopyPlan> PlanTransfer(Store& from, const Place& source, Store& to, const std::string& target, bool recursive,
                              const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto objects,
                      ObjectsOf(from, source, recursive ? Folders::kTaken : Folders::kNotAsked, context));
  std::map<std::string, store::ObjectInfo> present;
  if (recursive) {
    SEAMOUNT_TRY_ASSIGN(present, Present(to, target, context));
  }
  CopyPlan plan;
  const std::string prefix = FolderPrefix(source.path);
  for (const store::ObjectInfo& object : objects) {
    const bool whole = object.key == source.path && !object.key.ends_with('/');
    const std::string key = whole ? target : FolderPrefix(target) + object.key.substr(prefix.size());
    SEAMOUNT_TRY(store::CheckKey(key));
    if (&from == &to && key == object.key)
      return base::InvalidArgument(source.text + ": source and destination are the same object");
    if (const auto there = present.find(key); there != present.end() && SameContent(there->second, object)) {
      ++plan.kept;
      continue;
    }
    plan.bytes += object.size_bytes;
    plan.transfers.push_back({object, key});
  }
  return plan;
}

}  // namespace seamount::cli
