#include "prepare/climatology.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "nd/box.h"
#include "nd/data_type.h"

namespace seamount::prepare {
namespace {
constexpr uint64_t kOneChunkBytes = 8 << 20;  // climatologies up to this are one chunk
}  // namespace

std::string ClimatologyName(const DataArray& array) { return array.name + "_climatology"; }

zarr::ArrayMetadata ClimatologyMetadata(const DataArray& array, const Basis& basis) {
  zarr::ArrayMetadata metadata = array.metadata;
  if (array.pack) {
    metadata.data_type = nd::DataType::kFloat32;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    metadata.fill_value = Bytes::Copy(std::as_bytes(std::span(&nan, 1)));
  }
  const auto drop = static_cast<std::ptrdiff_t>(*array.time);
  metadata.shape.erase(metadata.shape.begin() + drop);
  metadata.dimension_names.erase(metadata.dimension_names.begin() + drop);
  metadata.shape.insert(metadata.shape.begin(), basis.terms);
  metadata.dimension_names.insert(metadata.dimension_names.begin(), basis.dimension);
  metadata.chunk_shape = metadata.shape;
  for (uint64_t& extent : metadata.chunk_shape) extent = std::max<uint64_t>(1, extent);
  if (nd::Elements(metadata.shape) * nd::SizeOf(metadata.data_type) > kOneChunkBytes) metadata.chunk_shape[0] = 1;
  metadata.shard_shape.reset();
  return metadata;
}

std::vector<std::byte> CoefficientBytes(const Climatology& climatology, nd::DataType type) {
  std::vector<std::byte> out(climatology.coefficients.size() * nd::SizeOf(type));
  for (size_t i = 0; i < climatology.coefficients.size(); ++i) {
    const double value = climatology.coefficients[i];
    const auto narrow = static_cast<float>(value);
    if (type == nd::DataType::kFloat32) {
      std::memcpy(out.data() + i * sizeof narrow, &narrow, sizeof narrow);
    } else {
      std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
    }
  }
  return out;
}

}  // namespace seamount::prepare
