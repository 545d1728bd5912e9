// The one place where an Error becomes a Python exception.
#pragma once

#include "base/result.h"

namespace seamount::python {

// Throws what nanobind turns into the exception of seamount.errors that goes with the code. GIL held.
[[noreturn]] void Raise(const Error& error);

template <class T>
T ValueOrRaise(Result<T> result) {
  if (!result) Raise(result.error());
  return *std::move(result);
}

inline void CheckOrRaise(const Result<void>& result) {
  if (!result) Raise(result.error());
}

}  // namespace seamount::python
