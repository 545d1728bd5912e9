// The configuration of the blosc codec.
#pragma once

#include "zarr/codecs/byte_codec.h"

namespace seamount::zarr {

// element_size: of what is compressed, where the configuration does not name it.
Result<BloscOptions> ParseBloscOptions(const Json& configuration, size_t element_size);
Json BloscOptionsJson(const BloscOptions& options);

}  // namespace seamount::zarr
