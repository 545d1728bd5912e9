#include "stores/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace seamount::stores {
namespace {

bool IsEmptyAndPrivate(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0 &&
         (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

}  // namespace

Result<NewKeyFile> NewKeyFile::Make(const std::string& path) {
  base::Fd made(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made) return NewKeyFile(path, std::move(made));
  const int reason = errno;
  const std::string name = "key file '" + path + "'";
  if (reason == EEXIST) {
    base::Fd left(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (left && IsEmptyAndPrivate(left.get())) return NewKeyFile(path, std::move(left));
  }
  if (reason == ENOENT || reason == ENOTDIR) {
    const std::string folder = std::filesystem::path(path).parent_path();
    return base::InvalidArgument(name + ": there is no folder '" + folder + "' (make it, or name another file)");
  }
  return base::InvalidArgument(name + ": " + std::strerror(reason));
}

NewKeyFile::~NewKeyFile() {
  if (fd_ && !kept_) ::unlink(path_.c_str());
}

Result<void> NewKeyFile::Write(const auth::Secret& content) {
  const auto failed = [&] {
    std::string message = "writing key file '" + path_ + "': " + std::strerror(errno);
    return errno == ENOSPC ? base::ResourceExhausted(std::move(message)) : base::InvalidArgument(std::move(message));
  };
  std::string_view left = content.Reveal();
  while (!left.empty()) {
    const ssize_t n = ::write(fd_.get(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed();
    left.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd_.get()) != 0) return failed();
  kept_ = true;
  return {};
}

std::string GitWorkTreeOf(const std::string& path) {
  std::error_code error;
  auto folder = std::filesystem::absolute(path, error).lexically_normal().parent_path();
  for (; !error && !folder.empty(); folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / ".git", error)) return folder;
    if (folder == folder.root_path()) break;
  }
  return "";
}

}  // namespace seamount::stores
