#include "prepare/moments.h"

namespace seamount::prepare {

Error NoMoments(const std::string& name, const std::string& why, const std::string& over) {
  return base::InvalidArgument("'" + name + "' " + why + " in the split '" + over + "': 'standardize: {except: [" +
                               name + "]}' leaves it as it is");
}

}  // namespace seamount::prepare
