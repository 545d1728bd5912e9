#include "fuse/mount_record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/bytes.h"
#include "base/checksum.h"

namespace seamount::fuse {
namespace {

std::string RunFolder() {
  if (geteuid() == 0) return "/run/seamount";
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime != '\0') return std::string(runtime) + "/seamount";
  return "/tmp/seamount-run-" + std::to_string(geteuid());
}

// A path is no file name; its checksum and last part are one, and unique enough on one machine.
std::string FileFor(const std::string& path) {
  return RunFolder() + "/" + std::to_string(base::Crc32c(base::AsBytes(path))) + "-" +
         std::filesystem::path(path).filename().string() + ".mount";
}

}  // namespace

Result<std::unique_ptr<MountRecord>> MountRecord::Create(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(RunFolder(), error);
  if (!error) chmod(RunFolder().c_str(), 0700);
  const std::string file = FileFor(path);
  base::Fd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return base::PermissionDenied("making '" + file + "': " + std::strerror(errno));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return base::PreconditionFailed("'" + path +
                                    "' is still being unmounted by another process (it is uploading; "
                                    "'seamount umount " +
                                    path + "' waits for it)");
  }
  if (ftruncate(fd.get(), 0) != 0) { /* an old message would be read again: harmless */
  }
  return std::unique_ptr<MountRecord>(new MountRecord(std::move(fd), file));
}

void MountRecord::Fail(const std::string& message) {
  failed_ = write(fd_.get(), message.data(), message.size()) == static_cast<ssize_t>(message.size());
}

MountRecord::~MountRecord() {
  if (!failed_) unlink(file_.c_str());
}

std::optional<std::string> WaitForMountEnd(const std::string& path) {
  const std::string file = FileFor(path);
  const base::Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::nullopt;
  while (flock(fd.get(), LOCK_SH) != 0 && errno == EINTR) {}
  std::string message(4096, '\0');
  const ssize_t got = read(fd.get(), message.data(), message.size());
  unlink(file.c_str());
  if (got <= 0) return std::nullopt;
  message.resize(static_cast<size_t>(got));
  return message;
}

}  // namespace seamount::fuse
