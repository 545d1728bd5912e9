#include "base/shared_library.h"

#include <dlfcn.h>

namespace seamount::base {

Result<SharedLibrary> SharedLibrary::Load(const std::vector<std::string>& names, const std::string& how_to_get) {
  for (const std::string& name : names) {
    if (void* handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL); handle != nullptr) return SharedLibrary(handle);
  }
  return InvalidArgument(how_to_get + " (" + ::dlerror() + ")");
}

void* SharedLibrary::Symbol(const char* name) {
  void* symbol = ::dlsym(handle_, name);
  if (symbol == nullptr) missing_ = name;
  return symbol;
}

}  // namespace seamount::base
