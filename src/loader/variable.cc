#include "loader/variable.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cf/attribute.h"
#include "nd/data_type.h"

namespace seamount::loader {
namespace {

std::optional<double> FillOf(const zarr::ArrayMetadata& metadata) {
  if (metadata.format != 2 || metadata.fill_value_null || !IsReal(metadata.data_type)) return std::nullopt;
  if (metadata.fill_value.size() != nd::SizeOf(metadata.data_type)) return std::nullopt;
  double value = 0;
  TransformRun(metadata.data_type, {}, metadata.fill_value.data(), 1, &value, 1);
  return value;
}

Result<void> CheckNormalization(const Normalization& normalization) {
  if (!std::isfinite(normalization.mean)) return base::InvalidArgument("normalize.mean is not finite");
  if (std::isfinite(normalization.std) && normalization.std != 0) return {};
  return base::InvalidArgument("normalize.std is " + std::to_string(normalization.std) +
                               ": expected a finite number other than 0");
}

Transform MakeTransform(const cf::Packing& packing, const std::optional<Normalization>& normalization) {
  Transform transform{.missing = packing.missing, .valid_min = packing.valid_min, .valid_max = packing.valid_max};
  // NaN stays NaN by itself.
  std::erase_if(transform.missing, [](double value) { return std::isnan(value); });
  const double mean = normalization ? normalization->mean : 0;
  const double std = normalization ? normalization->std : 1;
  // ((stored * scale + offset) - mean) / std = (stored - (mean - offset) / scale) * (scale / std)
  transform.shift = (mean - packing.offset) / packing.scale;
  transform.factor = packing.scale / std;
  return transform;
}

}  // namespace

Result<cf::Packing> PackingOf(const zarr::ArrayMetadata& metadata) {
  SEAMOUNT_TRY_ASSIGN(const auto attributes, cf::AttributesFromJson(metadata.attributes_json));
  return cf::ParsePacking(attributes, metadata.data_type, FillOf(metadata));
}

Result<Variable> Variable::Open(const Group& group, const std::string& name, const Options& options,
                                const CallContext& context) {
  Variable variable;
  variable.name_ = name;
  variable.patch_scale_ = options.patch_scale;
  variable.own_steps_ = options.own_steps;
  SEAMOUNT_TRY_ASSIGN(variable.array_, group.OpenArray(name, options.missing_chunks, context));
  const zarr::ArrayMetadata& metadata = variable.array_->metadata();
  const std::string who = "variable '" + name + "'";
  if (!IsReal(metadata.data_type)) {
    return base::InvalidArgument(who + " has type " + std::string(nd::NameOf(metadata.data_type)) +
                                 ": expected a real type");
  }
  if (variable.array_->rectilinear()) {
    return base::InvalidArgument(who + " has chunks that differ in size (a rectilinear chunk grid): the Loader takes " +
                                 "those of one size; seamount prepare or zarr-python make such a copy");
  }
  const auto& dims = metadata.dimension_names;
  if (dims.size() != metadata.shape.size()) {
    return base::InvalidArgument(who + " has no dimension names, so none is '" + options.sample_dim + "'");
  }
  const auto axis = std::find(dims.begin(), dims.end(), options.sample_dim);
  if (axis != dims.end()) variable.axis_ = static_cast<size_t>(axis - dims.begin());
  for (size_t d = 0; d < metadata.shape.size(); ++d) {
    if (d == variable.axis_) continue;
    variable.field_shape_.push_back(metadata.shape[d]);
    variable.field_dims_.push_back(dims[d]);
    variable.field_elements_ *= metadata.shape[d];
  }
  auto packing = PackingOf(metadata);
  if (!packing) return packing.error().Wrap(who);
  std::optional<Normalization> normalization = options.given;
  if (!normalization && options.normalize == Normalize::kFromAttributes) {
    auto own = ParseArrayNotes(metadata.attributes_json);
    if (!own) return own.error().Wrap(who);
    normalization = own->normalization;
    if (!normalization) {
      return base::InvalidArgument(who +
                                   " has no attribute ['seamount']['normalize'] (seamount prepare writes it with " +
                                   "standardize); pass normalize=False, or normalize={'" + name + "': (mean, std)}");
    }
  }
  if (normalization) {
    const auto checked = CheckNormalization(*normalization);
    if (!checked) return checked.error().Wrap(who);
  }
  variable.transform_ = MakeTransform(*packing, normalization);
  variable.stored_type_ = packing->type;
  return variable;
}

bool Variable::CopyPiece(const nd::Index& chunk, const std::byte* decoded, const Window& window,
                         const Window::Piece& piece, const Target& target) const {
  const auto& chunk_shape = array_->metadata().chunk_shape;
  std::vector<CopyLoop> loops;  // innermost first while being built
  loops.reserve(chunk_shape.size());
  uint64_t from_stride = 1;
  uint64_t to_stride = 1;
  uint64_t from_offset = 0;
  uint64_t to_offset = 0;
  for (size_t d = chunk_shape.size(); d-- > 0;) {
    const uint64_t chunk_begin = chunk[d] * chunk_shape[d];
    const uint64_t piece_begin = piece.box.origin[d];
    const uint64_t begin = std::max(chunk_begin, piece_begin);
    const uint64_t end = std::min(chunk_begin + chunk_shape[d], piece_begin + piece.box.shape[d]);
    if (begin >= end) return false;
    const uint64_t count = end - begin;
    from_offset += (begin - chunk_begin) * from_stride;
    to_offset += (piece.within[d] + begin - piece_begin) * to_stride;
    // A loop that goes on where the one inside it ends is the same run, longer.
    if (!loops.empty() && from_stride == loops.back().from_stride * loops.back().count &&
        to_stride == loops.back().to_stride * loops.back().count) {
      loops.back().count *= count;
    } else if (window.extent[d] > 1) {
      loops.push_back({count, from_stride, to_stride});
    }
    from_stride *= chunk_shape[d];
    to_stride *= window.extent[d];
  }
  if (loops.empty()) loops.push_back({1, 1, 1});  // a scalar for each sample
  std::reverse(loops.begin(), loops.end());
  Target to = target;
  to.data += to_offset * nd::SizeOf(target.dtype);
  if (to.mask != nullptr) to.mask += to_offset;
  return TransformBox(stored_type_, transform_, decoded + from_offset * nd::SizeOf(stored_type_), to, loops);
}

}  // namespace seamount::loader
