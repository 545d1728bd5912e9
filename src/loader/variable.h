// A variable as the loader sees it: a Zarr array with one dimension that samples run along, the rest one dense field,
// and the transform from stored numbers to what the model sees.
//
// CF attributes are applied: scale_factor and add_offset unpack; _FillValue and missing_value (in stored numbers)
// become NaN. In format 2 xarray keeps _FillValue in the array's own fill_value, so that counts too, unless it is zero,
// which is what writers put there when nobody said anything. Normalisation comes from the attribute "seamount":
// {"normalize": {"mean": m, "std": s}}, in unpacked units, or from the caller.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loader/transform.h"
#include "nd/box.h"
#include "store/store.h"
#include "zarr/array.h"

namespace seamount::loader {

struct Normalization {
  double mean = 0;
  double std = 1;
};

struct CfAttributes {
  double scale_factor = 1;
  double add_offset = 0;
  std::vector<double> missing;
  std::optional<Normalization> normalization;
};
// InvalidArgument names the attribute that is no number, or a std or scale_factor that is not finite and nonzero.
Result<CfAttributes> ParseCfAttributes(const zarr::ArrayMetadata& metadata);

// NotFound says which arrays there are, the nearest name first.
Result<std::unique_ptr<zarr::Array>> OpenArray(const std::shared_ptr<Store>& store, const std::string& name,
                                               const CallContext& context);

// Immutable once open, but for the array's own caches; thread-safe.
class Variable {
 public:
  // normalization: none, the caller's, or (kFromAttributes) the array's own, whose absence is an error.
  enum class Normalize { kNo, kFromAttributes };
  static Result<Variable> Open(std::shared_ptr<Store> store, const std::string& name, const std::string& sample_dim,
                               Normalize normalize, const std::optional<Normalization>& given,
                               const CallContext& context);

  const std::string& name() const { return name_; }
  zarr::Array& array() const { return *array_; }
  uint64_t samples() const { return array_->metadata().shape[axis_]; }
  uint64_t chunk_samples() const { return array_->metadata().chunk_shape[axis_]; }
  const std::vector<uint64_t>& field_shape() const { return field_shape_; }
  const std::vector<std::string>& field_dims() const { return field_dims_; }
  uint64_t field_elements() const { return field_elements_; }
  const Transform& transform() const { return transform_; }

  // Chunks are numbered in grid order; field chunks are those that share one row of the sample dimension.
  uint64_t chunks() const;
  uint64_t field_chunks() const;
  nd::Index ChunkIndex(uint64_t sample_row, uint64_t field_chunk) const;

  // The number of the shard that holds a chunk; nullopt where the array is not sharded.
  std::optional<uint64_t> ShardOf(uint64_t sample_row, uint64_t field_chunk) const;
  struct Fetched {
    std::vector<std::optional<Bytes>> chunks;  // nullopt: not stored
    uint64_t requests = 0;
  };
  // The encoded bytes of chunks of one shard (or of one chunk); those that lie next to each other are read by one
  // request. A shard that was overwritten since its index was read is noticed.
  Result<Fetched> FetchTogether(std::span<const nd::Index> chunks, const CallContext& context) const;

  // Copies what a decoded chunk holds of the field at `sample` (which lies in it) to its place in a dense field.
  void CopyField(const nd::Index& chunk, const std::byte* decoded, uint64_t sample, float* field,
                 Written written) const;

 private:
  Variable() = default;
  std::string name_;
  std::shared_ptr<Store> store_;
  std::shared_ptr<zarr::Array> array_;
  size_t axis_ = 0;  // of the sample dimension
  std::vector<uint64_t> field_shape_;
  std::vector<std::string> field_dims_;
  uint64_t field_elements_ = 1;
  Transform transform_;
};

}  // namespace seamount::loader
