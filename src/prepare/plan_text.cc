#include "base/text.h"
#include "prepare/plan.h"
#include "source/copy_box.h"

namespace seamount::prepare {
namespace {
constexpr uint64_t kOneChunkBytes = 8 << 20;  // climatologies up to this are one chunk
}  // namespace

std::string ClimatologyName(const DataArray& array) { return array.name + "_climatology"; }

zarr::ArrayMetadata ClimatologyMetadata(const DataArray& array, const Basis& basis) {
  zarr::ArrayMetadata metadata = array.metadata;
  const auto drop = static_cast<std::ptrdiff_t>(*array.time);
  metadata.shape.erase(metadata.shape.begin() + drop);
  metadata.dimension_names.erase(metadata.dimension_names.begin() + drop);
  metadata.shape.insert(metadata.shape.begin(), basis.terms);
  metadata.dimension_names.insert(metadata.dimension_names.begin(), basis.dimension);
  metadata.chunk_shape = metadata.shape;
  for (uint64_t& extent : metadata.chunk_shape) extent = std::max<uint64_t>(1, extent);
  if (source::Elements(metadata.shape) * zarr::SizeOf(metadata.data_type) > kOneChunkBytes) metadata.chunk_shape[0] = 1;
  metadata.shard_shape.reset();
  return metadata;
}

std::string DescribePlan(const Plan& plan) {
  std::string out;
  for (const DataArray& array : plan.arrays) {
    const zarr::ArrayMetadata& m = array.metadata;
    out += array.name + ": " + std::string(zarr::NameOf(m.data_type));
    for (size_t d = 0; d < m.shape.size(); ++d) {
      out += (d == 0 ? " (" : ", ") + m.dimension_names[d] + " " + std::to_string(m.shape[d]) + " in " +
             std::to_string(m.chunk_shape[d]);
      if (m.shard_shape) out += " (shards of " + std::to_string((*m.shard_shape)[d]) + ")";
    }
    out += m.shape.empty() ? "\n" : ")\n";
    out += "  chunks: " + array.reason + "\n";
    if (array.anomaly) {
      out += "  anomaly from '" + ClimatologyName(array) + "', taken over '" + plan.anomaly_over.name + "'\n";
    }
    if (array.standardize) out += "  mean and std over '" + plan.standardize_over.name + "' as attributes\n";
  }
  for (const SmallArray& small : plan.coordinates) {
    out += small.name + ": " + std::string(zarr::NameOf(small.metadata.data_type)) + ", " +
           std::to_string(source::Elements(small.metadata.shape)) + " values\n";
  }
  for (const SplitRange& split : plan.selection.splits) {
    out += "split " + split.name + ": steps " + std::to_string(split.start) + " to " + std::to_string(split.stop - 1) +
           "\n";
  }
  out +=
      std::to_string(plan.tasks.size()) + " regions, " + base::FormatBytes(plan.output_bytes) + " before compression\n";
  return out;
}

}  // namespace seamount::prepare
