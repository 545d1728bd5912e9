#include "gcs/errors.h"

#include <algorithm>
#include <cctype>

#include "gcs/wire.h"

namespace seamount::gcs {

using base::ErrorCode;

ErrorCode CodeOfStatus(int status, std::string_view reason) {
  switch (status) {
    case 401: return ErrorCode::kUnauthenticated;
    case 403:
      // Rate limits sometimes come as 403.
      if (reason == "rateLimitExceeded" || reason == "userRateLimitExceeded") return ErrorCode::kUnavailable;
      return reason == "quotaExceeded" ? ErrorCode::kResourceExhausted : ErrorCode::kPermissionDenied;
    case 404: return ErrorCode::kNotFound;
    case 408:
    case 429: return ErrorCode::kUnavailable;
    case 409:
    case 412: return ErrorCode::kPreconditionFailed;
    case 410: return ErrorCode::kNotFound;
    case 422: return ErrorCode::kDataLoss;           // our server's: what it has of the object is damaged
    case 501: return ErrorCode::kInternal;           // not implemented: no retry will help
    case 507: return ErrorCode::kResourceExhausted;  // the server's disk is full
    default: break;
  }
  if (status >= 500 && status <= 599) return ErrorCode::kUnavailable;
  if (status >= 400 && status <= 499) return ErrorCode::kInvalidArgument;
  return ErrorCode::kInternal;  // a success or redirect where none was expected
}

bool SaysBucketIsAbsent(const net::HttpResponse& response) {
  std::string message = DecodeError(response.status, response.body.view()).message;
  std::transform(message.begin(), message.end(), message.begin(), [](unsigned char c) { return std::tolower(c); });
  // "The specified bucket does not exist." and "no such bucket" are what servers of this API write.
  return message.find("bucket does not exist") != std::string::npos ||
         message.find("no such bucket") != std::string::npos;
}

Error ErrorOfResponse(const net::HttpResponse& response, std::string_view what, std::string_view bucket,
                      std::string_view identity) {
  const WireError wire = DecodeError(response.status, response.body.view());
  const ErrorCode code = CodeOfStatus(response.status, wire.reason);
  std::string message(what);
  message += ": ";
  switch (code) {
    case ErrorCode::kUnauthenticated:
      message += "the server does not accept the credentials (" + std::string(identity) + ")";
      break;
    case ErrorCode::kPermissionDenied: message += std::string(identity) + " is not permitted to do this"; break;
    case ErrorCode::kNotFound:
      if (SaysBucketIsAbsent(response)) {
        message += "bucket '" + std::string(bucket) + "' does not exist";
        return {code, std::move(message)};
      }
      message += "not found";
      break;
    case ErrorCode::kPreconditionFailed: message += "the object is not at the generation expected"; break;
    case ErrorCode::kUnavailable: message += "the server is busy or failing"; break;
    case ErrorCode::kResourceExhausted: message += "the server is out of space or quota"; break;
    case ErrorCode::kInvalidArgument: message += "the server refuses the request"; break;
    case ErrorCode::kDataLoss:
    case ErrorCode::kCancelled:
    case ErrorCode::kInternal: message += "unexpected answer"; break;
  }
  message += " (HTTP " + std::to_string(response.status);
  if (!wire.message.empty()) message += ": " + wire.message;
  message += ")";
  // "Too many requests" is said before anything is begun; 503 may also come from a proxy that had passed on the
  // request.
  return {code, std::move(message),
          response.status == 429 ? base::ErrorDetail::kNothingDone : base::ErrorDetail::kNone};
}

}  // namespace seamount::gcs
