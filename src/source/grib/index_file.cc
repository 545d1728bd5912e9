#include "source/grib/index_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/fd.h"
#include "source/child/wire.h"

namespace seamount::source::grib {
namespace {

namespace fs = std::filesystem;

// Changes with everything that changes what an index says.
constexpr std::string_view kMagic = "SEAGRIB1";
constexpr uint64_t kMostBytes = uint64_t{1} << 30;

// Empty: there is no place.
std::string Folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return std::string(cache) + "/seamount/grib";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::string(home) + "/.cache/seamount/grib";
  }
  return {};
}

std::vector<std::byte> NameOf(const FileIdentity& file) {
  WireWriter out;
  out.Text(kMagic);
  out.Text(file.path);
  out.Put(file.size_bytes);
  out.Put(file.modified_ns);
  out.Text(file.generation);
  return out.Take();
}

// Of one path only the last content is kept.
std::string PathOf(const std::string& folder, const FileIdentity& file) {
  uint64_t hash = 0xCBF29CE484222325ULL;  // FNV-1a; the file names what it is of, so that another's counts as none
  for (const char c : file.path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return folder + "/" + base::HexEncode(std::as_bytes(std::span(&hash, 1))) + ".index";
}

std::optional<Index> Load(const std::string& path, const FileIdentity& file) {
  const base::Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  // What others could have put there is not believed.
  if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) return std::nullopt;
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < sizeof(uint32_t) || size > kMostBytes) return std::nullopt;
  std::vector<std::byte> bytes(size);
  if (read(fd.get(), bytes.data(), size) != static_cast<ssize_t>(size)) return std::nullopt;
  WireReader in(bytes);
  const auto crc = in.Get<uint32_t>();
  if (crc != base::Crc32c(std::span(bytes).subspan(sizeof crc))) return std::nullopt;
  const auto name = in.Bytes();
  const auto index = in.Bytes();
  const auto wanted = NameOf(file);
  if (!in.whole() || !std::equal(name.begin(), name.end(), wanted.begin(), wanted.end())) return std::nullopt;
  auto parsed = ParseIndex(index);
  if (!parsed) return std::nullopt;
  return *std::move(parsed);
}

void Keep(const std::string& folder, const std::string& path, const FileIdentity& file, const Index& index) {
  WireWriter content;
  content.Bytes(NameOf(file));
  content.Bytes(Serialize(index));
  const auto body = content.Take();
  WireWriter out;
  out.Put(base::Crc32c(body));
  std::vector<std::byte> bytes = out.Take();
  bytes.insert(bytes.end(), body.begin(), body.end());
  std::error_code error;
  fs::create_directories(folder, error);
  std::string temporary = path + ".XXXXXX";
  const base::Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return;
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
      std::rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());
  }
}

}  // namespace

Result<Index> KeptIndex(const File& file, const std::function<Result<Index>()>& make) {
  const std::string folder = Folder();
  const std::string path = folder.empty() ? std::string() : PathOf(folder, file.identity());
  if (!path.empty()) {
    if (auto kept = Load(path, file.identity())) return *std::move(kept);
  }
  SEAMOUNT_TRY_ASSIGN(Index index, make());
  if (!path.empty()) Keep(folder, path, file.identity(), index);
  return index;
}

}  // namespace seamount::source::grib
