#include "vfs/fault.h"

#include <cerrno>
#include <cstring>

namespace seamount::vfs {
namespace {

int ErrnoOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return ENOENT;
    case ErrorCode::kPreconditionFailed: return ESTALE;
    case ErrorCode::kPermissionDenied: return EACCES;
    case ErrorCode::kUnauthenticated: return EACCES;
    case ErrorCode::kUnavailable: return EIO;
    case ErrorCode::kResourceExhausted: return EIO;
    case ErrorCode::kInvalidArgument: return EINVAL;
    case ErrorCode::kDataLoss: return EIO;
    case ErrorCode::kCancelled: return EINTR;
    case ErrorCode::kInternal: return EIO;
  }
  return EIO;
}

}  // namespace

Fault ToFault(const Error& error) { return {ErrnoOf(error.code()), error.message()}; }

Fault ToChangeFault(const Error& error) {
  if (error.code() == ErrorCode::kResourceExhausted) return {ENOSPC, error.message()};
  return ToFault(error);
}

Fault FromErrno(int error, const std::string& what) { return {error, what + ": " + std::strerror(error)}; }

Fault NoEntry(std::string_view name) { return {ENOENT, "'" + std::string(name) + "': no such file or folder"}; }

}  // namespace seamount::vfs
