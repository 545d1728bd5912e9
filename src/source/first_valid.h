// Dimensions along which a value stands once, and the other places are missing: expver of ERA5, whose months are final
// (1) or preliminary (5).
#pragma once

#include <memory>
#include <string>

#include "cf/packing.h"
#include "source/dataset.h"

namespace seamount::source {

// The data set without the dimension: of each variable along it the first value that is not missing, by the order in
// which the places lie there. What has no such dimension stays as it is.
std::unique_ptr<Dataset> FirstValid(std::unique_ptr<Dataset> dataset, const std::string& dimension,
                                    const cf::Options& reading);

}  // namespace seamount::source
