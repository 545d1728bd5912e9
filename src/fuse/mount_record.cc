#include "fuse/mount_record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/bytes.h"
#include "base/checksum.h"
#include "vfs/private_folder.h"

namespace seamount::fuse {
namespace {

std::string RunFolder() {
  if (geteuid() == 0) return "/run/seamount";
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime != '\0') return std::string(runtime) + "/seamount";
  return "/tmp/seamount-run-" + std::to_string(geteuid());
}

// A path is no file name; its checksum and last part are one, and unique enough on one machine.
std::string NameFor(const std::string& path) {
  return std::to_string(base::Crc32c(base::AsBytes(path))) + "-" + std::filesystem::path(path).filename().string() +
         ".mount";
}

}  // namespace

Result<std::unique_ptr<MountRecord>> MountRecord::Create(const std::string& path) {
  // Where others can write, as in /tmp, they can put links there before us.
  auto folder = vfs::OpenPrivateFolder(RunFolder());
  if (!folder) return base::PermissionDenied(folder.error().message);
  const std::string name = NameFor(path);
  auto opened = vfs::OpenPrivateLog(*folder, name);
  if (!opened) return base::PermissionDenied("in '" + RunFolder() + "': " + opened.error().message);
  base::Fd fd = *std::move(opened);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return base::PreconditionFailed("'" + path +
                                    "' is still being unmounted by another process (it is uploading; "
                                    "'seamount umount " +
                                    path + "' waits for it)");
  }
  if (ftruncate(fd.get(), 0) != 0) { /* an old message would be read again: harmless */
  }
  return std::unique_ptr<MountRecord>(new MountRecord(*std::move(folder), std::move(fd), name));
}

void MountRecord::Fail(const std::string& message) {
  failed_ = write(fd_.get(), message.data(), message.size()) == static_cast<ssize_t>(message.size());
}

MountRecord::~MountRecord() {
  if (!failed_) unlinkat(folder_.get(), name_.c_str(), 0);
}

std::optional<std::string> WaitForMountEnd(const std::string& path) {
  const std::string folder = RunFolder(), name = NameFor(path);
  const base::Fd in(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!in || fstat(in.get(), &info) != 0 || info.st_uid != geteuid()) return std::nullopt;
  const base::Fd fd(openat(in.get(), name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::nullopt;
  while (flock(fd.get(), LOCK_SH) != 0 && errno == EINTR) {}
  std::string message(4096, '\0');
  const ssize_t got = read(fd.get(), message.data(), message.size());
  unlinkat(in.get(), name.c_str(), 0);
  if (got <= 0) return std::nullopt;
  message.resize(static_cast<size_t>(got));
  return message;
}

}  // namespace seamount::fuse
