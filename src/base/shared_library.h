// A library that is loaded at run time where the machine has it, so that building and everything else need nothing of
// it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace seamount::base {

// For one thread at a time. What was loaded stays, also when this goes.
class SharedLibrary {
 public:
  // The first of these that the machine has. InvalidArgument: `how_to_get`, and why the last could not be loaded.
  static Result<SharedLibrary> Load(const std::vector<std::string>& names, const std::string& how_to_get);

  // Null where the library lacks it.
  template <class Function>
  void Find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(Symbol(name));
  }
  // The last function that was not found; null where none was missing.
  const char* missing() const { return missing_; }

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}
  void* Symbol(const char* name);

  void* handle_;
  const char* missing_ = nullptr;
};

}  // namespace seamount::base
