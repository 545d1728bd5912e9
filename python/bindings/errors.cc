#include "bindings/errors.h"

#include <nanobind/nanobind.h>

#include <cstring>
#include <string>
#include <utility>

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

// The engine names what a person can say by the command line's flags; here these are keywords.
std::string InPython(std::string message) {
  constexpr std::pair<const char*, const char*> kWords[] = {
      {"--key FILE", "key=\"FILE\""},    {"--key", "key="},           {"use --anonymous", "pass anonymous=True"},
      {"--anonymous", "anonymous=True"}, {"--endpoint", "endpoint="}, {"--cache-dir", "cache_dir="},
  };
  for (const auto& [flag, keyword] : kWords) {
    for (size_t at = 0; (at = message.find(flag, at)) != std::string::npos; at += std::strlen(keyword)) {
      message.replace(at, std::strlen(flag), keyword);
    }
  }
  return message;
}

}  // namespace

void Raise(const Error& error) {
  const nanobind::object type = nanobind::module_::import_("seamount.errors").attr(ExceptionName(error.code()));
  PyErr_SetString(type.ptr(), InPython(std::string(error.message())).c_str());
  throw nanobind::python_error();
}

}  // namespace seamount::python
