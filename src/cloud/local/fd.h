// An owned file descriptor, and system-call errors as values.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/result.h"

namespace seamount::cloud::local {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { Close(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

// errno as an Error: what was being done, and the system's words.
inline Error SystemError(const std::string& doing, int error = errno) {
  const std::string message = doing + ": " + std::strerror(error);
  switch (error) {
    case EPERM:
    case EACCES: return base::PermissionDenied(message);
    case ENOENT: return base::NotFound(message);
    case ENOSPC:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return base::ResourceExhausted(message);
    default: return base::Internal(message);
  }
}

}  // namespace seamount::cloud::local
