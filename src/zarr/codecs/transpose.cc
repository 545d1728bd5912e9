// array → array: the elements in another order of dimensions.
#include <algorithm>

#include "nd/copy.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/codec_config.h"

namespace seamount::zarr {
namespace {

class TransposeCodec final : public ByteCodec {
 public:
  // Stored dimension i is the array's order[i].
  TransposeCodec(const ChunkForm& form, const std::vector<size_t>& order)
      : element_size_(form.type.size), bytes_(form.bytes) {
    const std::vector<uint64_t> strides = nd::DenseStrides(form.shape, element_size_);
    for (const size_t axis : order) {
      shape_.push_back(form.shape[axis]);
      array_strides_.push_back(strides[axis]);
    }
    strides_ = nd::DenseStrides(shape_, element_size_);
  }

  const std::vector<uint64_t>& shape() const { return shape_; }
  size_t EncodedBound(size_t size) const override { return size; }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.size() != bytes_) return base::Internal("transposing a buffer of another size");
    nd::CopyStrided(from.data(), array_strides_, into.data(), strides_, shape_, element_size_);
    return bytes_;
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    if (from.size() != bytes_ || into.size() < bytes_) return base::DataLoss("not the size of the chunk");
    nd::CopyStrided(from.data(), strides_, into.data(), array_strides_, shape_, element_size_);
    return std::span<const std::byte>(into.first(bytes_));
  }

 private:
  const size_t element_size_;
  const size_t bytes_;
  std::vector<uint64_t> shape_;          // stored
  std::vector<uint64_t> strides_;        // of the stored dimensions, as stored
  std::vector<uint64_t> array_strides_;  // of the stored dimensions, in the array
};

}  // namespace

CodecMaker MakeTranspose;
Result<std::unique_ptr<ByteCodec>> MakeTranspose(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(const std::vector<size_t> order, ParseTransposeOrder(configuration, form.shape.size()));
  if (std::is_sorted(order.begin(), order.end())) return std::unique_ptr<ByteCodec>();
  auto codec = std::make_unique<TransposeCodec>(form, order);
  form.shape = codec->shape();
  return std::unique_ptr<ByteCodec>(std::move(codec));
}

}  // namespace seamount::zarr
