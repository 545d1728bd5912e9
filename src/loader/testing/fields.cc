#include "loader/testing/fields.h"

#include <algorithm>
#include <random>

#include "nd/box.h"
#include "nd/data_type.h"
#include "zarr/array.h"

namespace seamount::loader {

Field MakeField(const std::string& name, std::vector<uint64_t> shape, std::vector<uint64_t> chunk_shape,
                uint64_t seed) {
  Field field{.name = name, .shape = std::move(shape), .chunk_shape = std::move(chunk_shape)};
  size_t count = 1;
  for (const uint64_t extent : field.shape) count *= extent;
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < count; ++i) field.values.push_back(static_cast<float>(random() % 1000) / 8);
  return field;
}

void WriteField(const std::shared_ptr<Store>& store, const Field& field) {
  zarr::ArrayMetadata metadata{.shape = field.shape, .chunk_shape = field.chunk_shape};
  metadata.shard_shape = field.shard_shape;
  metadata.dimension_names = field.dims;
  metadata.attributes_json = field.attributes;
  const float fill = 0;
  metadata.fill_value = Bytes::Copy(std::as_bytes(std::span(&fill, 1)));
  auto codecs = zarr::CodecsFromName(field.codecs, nd::DataType::kFloat32, true);
  ASSERT_TRUE(codecs) << codecs.error().message();
  metadata.codecs = *codecs;
  auto array = zarr::Array::Create(store, field.name, metadata, false, {});
  ASSERT_TRUE(array) << array.error().message();
  const auto written = (*array)->WriteRegion({nd::Index(field.shape.size(), 0), field.shape},
                                             std::as_bytes(std::span(field.values)), nullptr, {});
  ASSERT_TRUE(written) << written.error().message();
}

std::vector<float> NaiveGather(const std::vector<Field>& fields, const std::vector<uint64_t>& index,
                               const std::vector<int64_t>& leads, bool normalize) {
  std::vector<float> out;
  for (const uint64_t sample : index) {
    for (const int64_t lead : leads) {
      for (const Field& field : fields) {
        const size_t axis =
            static_cast<size_t>(std::find(field.dims.begin(), field.dims.end(), "time") - field.dims.begin());
        size_t after = 1;
        for (size_t d = axis + 1; d < field.shape.size(); ++d) after *= field.shape[d];
        const size_t before = field.values.size() / after / field.shape[axis];
        const size_t position = sample + static_cast<uint64_t>(lead);
        for (size_t b = 0; b < before; ++b) {
          for (size_t a = 0; a < after; ++a) {
            const float value = field.values[(b * field.shape[axis] + position) * after + a];
            out.push_back(normalize ? (value - 2.0f) / 4.0f : value);
          }
        }
      }
    }
  }
  return out;
}

Epoch ReadEpoch(Loader& loader) {
  Epoch epoch;
  size_t field = 1;
  for (const uint64_t extent : loader.slots()[0].field_shape) field *= extent;
  for (;;) {
    auto batch = loader.Next();
    if (!batch) {
      ADD_FAILURE() << batch.error().message();
      return epoch;
    }
    if (!*batch) return epoch;
    const size_t slots = (*batch)->index.size() * loader.options().variables.size() * field;
    const size_t inputs = slots * loader.options().inputs.size();
    const size_t targets = slots * loader.options().targets.size();
    epoch.indices.push_back((*batch)->index);
    epoch.inputs.emplace_back((*batch)->slots[0].floats(), (*batch)->slots[0].floats() + inputs);
    epoch.targets.emplace_back();
    if (targets > 0) epoch.targets.back().assign((*batch)->slots[1].floats(), (*batch)->slots[1].floats() + targets);
  }
}

void ExpectEpoch(const Epoch& epoch, const std::vector<Field>& fields, const LoaderOptions& options) {
  for (size_t b = 0; b < epoch.indices.size(); ++b) {
    EXPECT_EQ(epoch.inputs[b], NaiveGather(fields, epoch.indices[b], options.inputs, options.normalize));
    EXPECT_EQ(epoch.targets[b], NaiveGather(fields, epoch.indices[b], options.targets, options.normalize));
  }
}

Result<std::unique_ptr<Loader>> TryOpen(const std::shared_ptr<Store>& store, LoaderOptions options) {
  SEAMOUNT_TRY_ASSIGN(auto group, Group::Open(store, {}, {}));
  return Loader::Open({std::move(group)}, std::move(options), {});
}

std::unique_ptr<Loader> OpenOrFail(const std::shared_ptr<Store>& store, LoaderOptions options) {
  auto loader = TryOpen(store, std::move(options));
  EXPECT_TRUE(loader) << loader.error().message();
  return loader ? *std::move(loader) : nullptr;
}

}  // namespace seamount::loader
