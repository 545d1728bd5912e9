#include "base/os_error.h"

#include <cerrno>
#include <cstring>
#include <string>

namespace seamount::base {

Error OsError(int error, std::string_view doing) {
  std::string message = std::string(doing) + ": " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return ResourceExhausted(std::move(message));
    case EACCES:
    case EPERM:
    case EROFS: return PermissionDenied(std::move(message));
    case ENOENT: return NotFound(std::move(message));
    case EIO: return DataLoss(std::move(message));
    case ENAMETOOLONG:
    case ENOTDIR:
    case EINVAL: return InvalidArgument(std::move(message));
    case EINTR:
    case EAGAIN:
    case EBUSY:
    case ETIMEDOUT:
    case ESTALE: return Unavailable(std::move(message));
    default: return Internal(std::move(message));
  }
}

Error OsError(int error, std::string_view doing, std::string_view path) {
  return OsError(error, std::string(doing) + " '" + std::string(path) + "'");
}

}  // namespace seamount::base
