#include "bindings/errors.h"

#include <nanobind/nanobind.h>

namespace seamount::python {
namespace {

const char* ExceptionName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return "NotFoundError";
    case ErrorCode::kPreconditionFailed: return "PreconditionFailedError";
    case ErrorCode::kPermissionDenied: return "PermissionDeniedError";
    case ErrorCode::kUnauthenticated: return "UnauthenticatedError";
    case ErrorCode::kUnavailable: return "UnavailableError";
    case ErrorCode::kResourceExhausted: return "ResourceExhaustedError";
    case ErrorCode::kInvalidArgument: return "InvalidArgumentError";
    case ErrorCode::kDataLoss: return "DataLossError";
    case ErrorCode::kCancelled: return "CancelledError";
    case ErrorCode::kInternal: return "InternalError";
  }
  return "InternalError";
}

}  // namespace

void Raise(const Error& error) {
  const nanobind::object type = nanobind::module_::import_("seamount.errors").attr(ExceptionName(error.code()));
  PyErr_SetString(type.ptr(), error.message().c_str());
  throw nanobind::python_error();
}

}  // namespace seamount::python
