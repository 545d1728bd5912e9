#include "base/result.h"

namespace seamount::base {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return "NotFound";
    case ErrorCode::kPreconditionFailed: return "PreconditionFailed";
    case ErrorCode::kPermissionDenied: return "PermissionDenied";
    case ErrorCode::kUnauthenticated: return "Unauthenticated";
    case ErrorCode::kUnavailable: return "Unavailable";
    case ErrorCode::kResourceExhausted: return "ResourceExhausted";
    case ErrorCode::kInvalidArgument: return "InvalidArgument";
    case ErrorCode::kDataLoss: return "DataLoss";
    case ErrorCode::kCancelled: return "Cancelled";
    case ErrorCode::kInternal: return "Internal";
  }
  return "Internal";
}

Error Error::Wrap(std::string_view context) const {
  std::string message(context);
  message += ": ";
  message += message_;
  return {code_, std::move(message), detail_};
}

std::string Error::ToString() const {
  std::string text(ErrorCodeName(code_));
  text += ": ";
  text += message_;
  return text;
}

Error NotFound(std::string message) { return {ErrorCode::kNotFound, std::move(message)}; }
Error PreconditionFailed(std::string message) { return {ErrorCode::kPreconditionFailed, std::move(message)}; }
Error PermissionDenied(std::string message) { return {ErrorCode::kPermissionDenied, std::move(message)}; }
Error Unauthenticated(std::string message) { return {ErrorCode::kUnauthenticated, std::move(message)}; }
Error Unavailable(std::string message) { return {ErrorCode::kUnavailable, std::move(message)}; }
Error ResourceExhausted(std::string message) { return {ErrorCode::kResourceExhausted, std::move(message)}; }
Error InvalidArgument(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }
Error DataLoss(std::string message) { return {ErrorCode::kDataLoss, std::move(message)}; }
Error Cancelled(std::string message) { return {ErrorCode::kCancelled, std::move(message)}; }
Error Internal(std::string message) { return {ErrorCode::kInternal, std::move(message)}; }

}  // namespace seamount::base
