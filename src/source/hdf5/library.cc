#include "source/hdf5/library.h"

#include <hdf5.h>

namespace seamount::source::hdf5 {

std::string LastError() {
  std::string message;
  const auto keep = [](unsigned, const H5E_error2_t* error, void* into) -> herr_t {
    if (error->desc != nullptr && *error->desc != '\0') *static_cast<std::string*>(into) = error->desc;
    return 0;
  };
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned n, const H5E_error2_t* error, void* into) -> herr_t {
        if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(into) = error->desc;
        return 0;
      },
      &message);
  if (message.empty()) H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &message);
  return message.empty() ? "unknown error of libhdf5" : message;
}

}  // namespace seamount::source::hdf5
