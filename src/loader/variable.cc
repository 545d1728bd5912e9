#include "loader/variable.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/json_depth.h"
#include "base/text.h"
#include "nd/box.h"
#include "nd/data_type.h"

namespace seamount::loader {
namespace {

using nlohmann::json;

// The names of the arrays and groups beside the one that is missing; empty where the store cannot list.
std::vector<std::string> NamesIn(Store& store, const CallContext& context) {
  const auto page = store::ListAll(store, {.delimiter = "/"}, context);
  std::vector<std::string> names;
  if (!page) return names;
  for (const std::string& prefix : page->prefixes) names.push_back(prefix.substr(0, prefix.size() - 1));
  return names;
}

Error NotANumber(const std::string& attribute, const json& value) {
  return base::InvalidArgument("attribute " + attribute + " is " + value.dump() + ": expected a number");
}

Result<double> Number(const std::string& attribute, const json& value) {
  if (value.is_number()) return value.get<double>();
  // xarray writes a one-element list for what NetCDF stores as an array attribute.
  if (value.is_array() && value.size() == 1 && value[0].is_number()) return value[0].get<double>();
  if (!value.is_string()) return NotANumber(attribute, value);
  const auto text = value.get<std::string>();
  if (text == "NaN") return std::nan("");
  if (text == "Infinity") return HUGE_VAL;
  if (text == "-Infinity") return -HUGE_VAL;
  // xarray's form for floats in format 3: base64 of a little-endian double.
  const auto bytes = base::Base64Decode(text);
  if (!bytes || bytes->size() != sizeof(double)) return NotANumber(attribute, value);
  double number = 0;
  std::memcpy(&number, bytes->data(), sizeof number);
  return number;
}

Result<std::optional<double>> OptionalNumber(const json& object, const std::string& attribute) {
  const auto it = object.find(attribute);
  if (it == object.end() || it->is_null()) return std::optional<double>();
  SEAMOUNT_TRY_ASSIGN(const double number, Number(attribute, *it));
  return std::optional<double>(number);
}

Result<void> CheckFactor(const std::string& attribute, double value) {
  if (std::isfinite(value) && value != 0) return {};
  return base::InvalidArgument(attribute + " is " + std::to_string(value) + ": expected a finite number other than 0");
}

void AddMissing(CfAttributes& cf, std::optional<double> value) {
  if (!value || std::isnan(*value)) return;  // NaN stays NaN by itself
  if (std::find(cf.missing.begin(), cf.missing.end(), *value) == cf.missing.end()) cf.missing.push_back(*value);
}

std::optional<double> FillOf(const zarr::ArrayMetadata& metadata) {
  if (metadata.fill_value.size() != nd::SizeOf(metadata.data_type) || !IsReal(metadata.data_type)) return {};
  double value = 0;
  TransformRun(metadata.data_type, {}, metadata.fill_value.data(), 1, &value, 1);
  return value;
}

Result<std::optional<Normalization>> ParseNormalization(const json& attributes) {
  const auto own = attributes.find("seamount");
  if (own == attributes.end() || !own->is_object()) return std::optional<Normalization>();
  const auto normalize = own->find("normalize");
  if (normalize == own->end() || !normalize->is_object()) return std::optional<Normalization>();
  SEAMOUNT_TRY_ASSIGN(const auto mean, OptionalNumber(*normalize, "mean"));
  SEAMOUNT_TRY_ASSIGN(const auto std, OptionalNumber(*normalize, "std"));
  if (!mean || !std) return base::InvalidArgument("attribute seamount.normalize: expected numbers mean and std");
  return std::optional(Normalization{*mean, *std});
}

Result<void> CheckNormalization(const Normalization& normalization) {
  if (!std::isfinite(normalization.mean)) return base::InvalidArgument("normalize.mean is not finite");
  return CheckFactor("normalize.std", normalization.std);
}

Transform MakeTransform(const CfAttributes& cf, const std::optional<Normalization>& normalization) {
  Transform transform{.missing = cf.missing};
  const double mean = normalization ? normalization->mean : 0;
  const double std = normalization ? normalization->std : 1;
  // ((stored * scale + offset) - mean) / std = (stored - (mean - offset) / scale) * (scale / std)
  transform.shift = (mean - cf.add_offset) / cf.scale_factor;
  transform.factor = cf.scale_factor / std;
  return transform;
}

}  // namespace

Result<CfAttributes> ParseCfAttributes(const zarr::ArrayMetadata& metadata) {
  const json attributes =
      base::NestsDeeper(metadata.attributes_json) ? json() : json::parse(metadata.attributes_json, nullptr, false);
  if (!attributes.is_object()) return base::DataLoss("attributes are not a JSON object");
  CfAttributes cf;
  SEAMOUNT_TRY_ASSIGN(const auto scale, OptionalNumber(attributes, "scale_factor"));
  SEAMOUNT_TRY_ASSIGN(const auto offset, OptionalNumber(attributes, "add_offset"));
  SEAMOUNT_TRY_ASSIGN(const auto fill, OptionalNumber(attributes, "_FillValue"));
  SEAMOUNT_TRY_ASSIGN(const auto missing, OptionalNumber(attributes, "missing_value"));
  cf.scale_factor = scale.value_or(1);
  cf.add_offset = offset.value_or(0);
  SEAMOUNT_TRY(CheckFactor("attribute scale_factor", cf.scale_factor));
  if (!std::isfinite(cf.add_offset)) return base::InvalidArgument("attribute add_offset is not finite");
  AddMissing(cf, fill);
  AddMissing(cf, missing);
  if (metadata.format == 2 && FillOf(metadata).value_or(0) != 0) AddMissing(cf, FillOf(metadata));
  SEAMOUNT_TRY_ASSIGN(cf.normalization, ParseNormalization(attributes));
  return cf;
}

Result<std::unique_ptr<zarr::Array>> OpenArray(const std::shared_ptr<Store>& store, const std::string& name,
                                               const CallContext& context) {
  auto array = zarr::Array::Open(store, name, context);
  if (!array && array.error().code() == ErrorCode::kNotFound) {
    const std::vector<std::string> names = NamesIn(*store, context);
    if (names.empty()) return base::NotFound("no variable '" + name + "', nor any other: is there a Zarr group here?");
    return base::NotFound("there is no variable '" + name + "'" + base::NameHint(name, names));
  }
  if (!array) return array.error().Wrap("opening variable '" + name + "'");
  return array;
}

Result<Variable> Variable::Open(std::shared_ptr<Store> store, const std::string& name, const std::string& sample_dim,
                                Normalize normalize, const std::optional<Normalization>& given,
                                const CallContext& context) {
  Variable variable;
  variable.name_ = name;
  SEAMOUNT_TRY_ASSIGN(variable.array_, OpenArray(store, name, context));
  variable.store_ = std::move(store);
  const zarr::ArrayMetadata& metadata = variable.array_->metadata();
  const std::string who = "variable '" + name + "'";
  if (!IsReal(metadata.data_type)) {
    return base::InvalidArgument(who + " has type " + std::string(nd::NameOf(metadata.data_type)) +
                                 ": expected a real type");
  }
  const auto& dims = metadata.dimension_names;
  const auto axis = std::find(dims.begin(), dims.end(), sample_dim);
  if (axis == dims.end()) {
    if (dims.empty()) return base::InvalidArgument(who + " has no dimension names, so none is '" + sample_dim + "'");
    return base::InvalidArgument(who + " has no dimension '" + sample_dim + "'" + base::NameHint(sample_dim, dims));
  }
  variable.axis_ = static_cast<size_t>(axis - dims.begin());
  for (size_t d = 0; d < metadata.shape.size(); ++d) {
    if (d == variable.axis_) continue;
    variable.field_shape_.push_back(metadata.shape[d]);
    variable.field_dims_.push_back(dims[d]);
    variable.field_elements_ *= metadata.shape[d];
  }
  auto cf = ParseCfAttributes(metadata);
  if (!cf) return cf.error().Wrap(who);
  std::optional<Normalization> normalization = given;
  if (!given && normalize == Normalize::kFromAttributes) {
    normalization = cf->normalization;
    if (!normalization) {
      return base::InvalidArgument(who + " has no attribute seamount.normalize (seamount prepare writes it with " +
                                   "standardize); pass normalize=False, or normalize={'" + name + "': (mean, std)}");
    }
  }
  if (normalization) {
    const auto checked = CheckNormalization(*normalization);
    if (!checked) return checked.error().Wrap(who);
  }
  variable.transform_ = MakeTransform(*cf, normalization);
  return variable;
}

uint64_t Variable::chunks() const {
  uint64_t count = 1;
  for (const uint64_t extent : array_->grid_shape()) count *= extent;
  return count;
}

uint64_t Variable::field_chunks() const {
  uint64_t count = 1;
  for (size_t d = 0; d < array_->grid_shape().size(); ++d) {
    if (d != axis_) count *= array_->grid_shape()[d];
  }
  return count;
}

nd::Index Variable::ChunkIndex(uint64_t sample_row, uint64_t field_chunk) const {
  nd::Index index(array_->grid_shape().size());
  for (size_t d = index.size(); d-- > 0;) {
    if (d == axis_) {
      index[d] = sample_row;
    } else {
      index[d] = field_chunk % array_->grid_shape()[d];
      field_chunk /= array_->grid_shape()[d];
    }
  }
  return index;
}

std::optional<uint64_t> Variable::ShardOf(uint64_t sample_row, uint64_t field_chunk) const {
  const zarr::ArrayMetadata& metadata = array_->metadata();
  if (!metadata.shard_shape) return std::nullopt;
  const nd::Index chunk = ChunkIndex(sample_row, field_chunk);
  uint64_t number = 0;
  for (size_t d = 0; d < chunk.size(); ++d) {
    const uint64_t chunks_along = (*metadata.shard_shape)[d] / metadata.chunk_shape[d];
    const uint64_t shards_along = (array_->grid_shape()[d] + chunks_along - 1) / chunks_along;
    number = number * shards_along + chunk[d] / chunks_along;
  }
  return number;
}

Result<Variable::Fetched> Variable::FetchTogether(std::span<const nd::Index> chunks, const CallContext& context) const {
  Fetched fetched{std::vector<std::optional<Bytes>>(chunks.size())};
  const auto fetch_alone = [&](size_t i) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(fetched.chunks[i], array_->Fetch(chunks[i], context));
    ++fetched.requests;
    return {};
  };
  if (chunks.size() == 1) {
    SEAMOUNT_TRY(fetch_alone(0));
    return fetched;
  }
  struct Run {
    zarr::ChunkLocation location;                            // from the first chunk's begin to the last one's end
    std::vector<std::pair<size_t, store::ByteRange>> parts;  // chunk, and its bytes in the object
  };
  std::vector<Run> runs;
  for (size_t i = 0; i < chunks.size(); ++i) {
    SEAMOUNT_TRY_ASSIGN(const auto location, array_->Locate(chunks[i], context));
    if (!location) continue;
    const store::ByteRange range = *location->range;
    store::ByteRange* const before = runs.empty() ? nullptr : &*runs.back().location.range;
    if (before != nullptr && range.offset == before->offset + *before->length) {
      *before->length += *range.length;
    } else {
      runs.push_back({*location, {}});
    }
    runs.back().parts.emplace_back(i, range);
  }
  for (const Run& run : runs) {
    const zarr::ChunkLocation& where = run.location;
    const auto read = store_->Read(where.key, {.range = where.range, .if_generation = where.generation}, context);
    ++fetched.requests;
    // Another shard lies there by now, or none: each chunk by itself, which looks at the index again.
    const bool changed = read ? !*read : read.error().code() == ErrorCode::kPreconditionFailed;
    if (!read && !changed) return read.error();
    for (const auto& [i, range] : run.parts) {
      if (changed) {
        SEAMOUNT_TRY(fetch_alone(i));
        continue;
      }
      const uint64_t offset = range.offset - where.range->offset;
      if ((*read)->data.size() < offset + *range.length) {
        return base::DataLoss("shard '" + where.key + "' is shorter than its index says");
      }
      fetched.chunks[i] = (*read)->data.Slice(offset, *range.length);
    }
  }
  return fetched;
}

void Variable::CopyField(const nd::Index& chunk, const std::byte* decoded, uint64_t sample, float* field,
                         Written written) const {
  const auto& shape = array_->metadata().shape;
  const auto& chunk_shape = array_->metadata().chunk_shape;
  std::vector<CopyLoop> loops;  // innermost first while being built
  uint64_t from_stride = 1;
  uint64_t to_stride = 1;
  uint64_t from_offset = 0;
  uint64_t to_offset = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    const uint64_t origin = chunk[d] * chunk_shape[d];
    if (d == axis_) {
      from_offset += (sample - origin) * from_stride;
    } else {
      const uint64_t count = std::min(chunk_shape[d], shape[d] - origin);
      to_offset += origin * to_stride;
      // A loop that goes on where the one inside it ends is the same run, longer.
      if (!loops.empty() && from_stride == loops.back().from_stride * loops.back().count &&
          to_stride == loops.back().to_stride * loops.back().count) {
        loops.back().count *= count;
      } else {
        loops.push_back({count, from_stride, to_stride});
      }
      to_stride *= shape[d];
    }
    from_stride *= chunk_shape[d];
  }
  if (loops.empty()) loops.push_back({1, 1, 1});  // a scalar for each sample
  std::reverse(loops.begin(), loops.end());
  const size_t element = nd::SizeOf(array_->metadata().data_type);
  TransformBox(array_->metadata().data_type, transform_, decoded + from_offset * element, field + to_offset, loops,
               written);
}

}  // namespace seamount::loader
