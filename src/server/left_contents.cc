#include "server/left_contents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <utility>

#include "base/checksum.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/time_text.h"
#include "server/blob_store.h"
#include "server/block_sums.h"

namespace seamount::server {
namespace {

namespace fs = std::filesystem;

std::string NameOf(const LeftContent& left) { return (left.is_aside ? "quarantine/" : "blobs/") + left.id; }

// Reads it; what cannot be read is damaged.
void LookInto(const std::string& path, LeftContent& left) {
  left.state = LeftContent::State::kDamaged;
  const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return;
  left.size = static_cast<uint64_t>(info.st_size);
  left.written = base::SystemTime(std::chrono::seconds(info.st_mtim.tv_sec));
  const auto content = SealedFile::OpenBySeal(file.get(), path);
  if (!content) return;
  left.size = content->size();
  if (content->sealed()) {
    if (!content->Check(0, left.size)) return;
    left.crc32c = content->crc32c();
    left.state = LeftContent::State::kWhole;
    return;
  }
  const auto add = [&](std::span<const std::byte> data) -> Result<void> {
    left.crc32c = base::Crc32c(data, left.crc32c);
    return {};
  };
  if (ReadThrough(file.get(), path, add)) left.state = LeftContent::State::kUnsealed;
}

// Files under `folder` that are named as ours are: id and path.
Result<std::vector<std::pair<std::string, std::string>>> ContentFiles(const std::string& folder) {
  std::vector<std::pair<std::string, std::string>> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    std::string name = it->path().filename().string();
    if (IsContentId(name) && fs::is_regular_file(it->symlink_status(ignored)))
      files.emplace_back(std::move(name), it->path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) return FromErrno("looking into " + folder, error.value());
  return files;
}

}  // namespace

std::string LeftContent::Describe() const {
  std::string begin = NameOf(*this) + ": " + base::FormatBytes(size) + " of " + base::FormatRfc3339(written, 0) + ", ";
  switch (state) {
    case State::kWhole: return begin + "whole";
    case State::kUnsealed: return begin + "without checksums: an older version's, or the beginning of an upload";
    case State::kDamaged: return begin + "damaged";
  }
  return begin;
}

Result<std::vector<LeftContent>> FindLeftContents(const std::string& directory,
                                                  const std::function<bool(const std::string&)>& is_named,
                                                  const std::function<Result<void>()>& step) {
  std::vector<LeftContent> found;
  for (const bool is_aside : {false, true}) {
    SEAMOUNT_TRY_ASSIGN(const auto files, ContentFiles(directory + (is_aside ? "/quarantine" : "/blobs")));
    for (const auto& [id, path] : files) {
      const bool unfinished = !is_aside && ::access((directory + "/tmp/" + id).c_str(), F_OK) == 0;
      if (is_named(id) || unfinished) continue;
      SEAMOUNT_TRY(step());
      found.push_back({.id = id, .is_aside = is_aside});
      LookInto(path, found.back());
    }
  }
  std::ranges::sort(found, {}, [](const LeftContent& left) { return std::tie(left.written, left.id); });
  return found;
}

}  // namespace seamount::server
