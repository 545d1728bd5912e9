// A variable as the loader sees it: a Zarr array with one dimension that samples run along (or none: a static field),
// the rest one dense field, and the transform from stored numbers to what the model sees.
//
// How stored numbers become values is cf's one reading (docs/packing.md). In format 2 xarray keeps _FillValue in the
// array's own fill_value, so that counts too. Normalisation comes from the attribute "seamount":
// {"normalize": {"mean": m, "std": s}}, in unpacked units, or from the caller.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cf/packing.h"
#include "loader/group.h"
#include "loader/transform.h"
#include "loader/window.h"
#include "nd/box.h"
#include "zarr/array.h"

namespace seamount::loader {

// How an array's numbers are stored. InvalidArgument names the attribute that makes it unknowable.
Result<cf::Packing> PackingOf(const zarr::ArrayMetadata& metadata);

// Immutable once open, but for the array's own caches; thread-safe.
class Variable {
 public:
  // normalization: none, the caller's, or (kFromAttributes) the array's own, whose absence is an error.
  enum class Normalize { kNo, kFromAttributes };
  struct Options {
    std::string sample_dim;
    Normalize normalize = Normalize::kNo;
    std::optional<Normalization> given;
    MissingChunks missing_chunks = MissingChunks::kByRecord;
    bool own_steps = false;    // its positions are other times than the first group's
    uint64_t patch_scale = 1;  // positions for each of the patches'; 0: patches do not crop it
  };
  // An array without the sample dimension is a static field.
  static Result<Variable> Open(const Group& group, const std::string& name, const Options& options,
                               const CallContext& context);

  const std::string& name() const { return name_; }
  zarr::Array& array() const { return *array_; }
  bool is_static() const { return axis_ == kNoAxis; }
  uint64_t samples() const { return array_->metadata().shape[axis_]; }  // of one that is not static
  const std::vector<uint64_t>& field_shape() const { return field_shape_; }
  const std::vector<std::string>& field_dims() const { return field_dims_; }
  uint64_t field_elements() const { return field_elements_; }
  const Transform& transform() const { return transform_; }
  size_t axis() const { return axis_; }  // the sample dimension, or kNoAxis
  uint64_t patch_scale() const { return patch_scale_; }
  bool own_steps() const { return own_steps_; }

  // Whether integers of that type are this variable's as they are stored.
  bool KeepsIntegers(nd::DataType to) const { return loader::KeepsIntegers(stored_type_, transform_, to); }
  nd::DataType stored_type() const { return stored_type_; }
  bool CanBeMissing() const { return loader::CanBeMissing(stored_type_, transform_); }

  // Copies what a decoded chunk holds of a piece of a window, which may be nothing, to its place in the dense tensor of
  // the window at `target`. Returns whether a value was missing.
  bool CopyPiece(const nd::Index& chunk, const std::byte* decoded, const Window& window, const Window::Piece& piece,
                 const Target& target) const;

 private:
  Variable() = default;
  std::string name_;
  std::shared_ptr<zarr::Array> array_;
  size_t axis_ = kNoAxis;
  uint64_t patch_scale_ = 1;
  bool own_steps_ = false;
  std::vector<uint64_t> field_shape_;
  std::vector<std::string> field_dims_;
  uint64_t field_elements_ = 1;
  Transform transform_;
  nd::DataType stored_type_ = nd::DataType::kFloat32;  // as which the bytes are read: _Unsigned changes the sign
};

}  // namespace seamount::loader
