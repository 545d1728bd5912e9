#include "zarr/codecs/codec_chain.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "nd/byte_order.h"
#include "nd/copy.h"
#include "nd/data_type.h"
#include "zarr/codecs/codec_chain_shards.h"
#include "zarr/codecs/codec_config.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

// Chains in practice have three.
constexpr size_t kMaxCodecs = 16;

bool IsTranspose(const CodecSpec& spec) { return spec.name == "transpose"; }

// Turns elements into bytes.
bool IsSerializer(const CodecSpec& spec) { return spec.name == "bytes" || spec.name == kSharding; }

// Bytes as the caller's, when they are not there already.
void MoveInto(std::span<const std::byte> from, std::span<std::byte> into) {
  if (!from.empty() && from.data() != into.data()) std::memcpy(into.data(), from.data(), from.size());
}

}  // namespace

CodecChain::CodecChain() = default;
CodecChain::CodecChain(CodecChain&&) noexcept = default;
CodecChain& CodecChain::operator=(CodecChain&&) noexcept = default;
CodecChain::~CodecChain() = default;

std::vector<CodecSpec> WithBytesCodec(const std::vector<CodecSpec>& specs, nd::DataType type) {
  std::vector<CodecSpec> all = specs;
  if (std::any_of(all.begin(), all.end(), IsSerializer)) return all;
  const auto place = std::find_if_not(all.begin(), all.end(), IsTranspose);
  all.insert(place, BytesSpec(type, /*big_endian=*/false));
  return all;
}

Result<CodecChain> CodecChain::Make(const std::vector<CodecSpec>& specs, nd::DataType type,
                                    const std::vector<uint64_t>& chunk_shape, const Bytes& fill) {
  if (specs.size() > kMaxCodecs) return base::InvalidArgument("more than 16 codecs in a chain");
  CodecChain chain;
  chain.shape_ = chunk_shape;
  chain.element_size_ = nd::SizeOf(type);
  chain.word_size_ = nd::WordSizeOf(type);
  chain.decoded_bytes_ = nd::SizeOf(type);
  for (const uint64_t size : chunk_shape) {
    if (size == 0) return base::InvalidArgument("a chunk must not have a dimension of size 0");
    if (size > kMaxChunkBytes / chain.decoded_bytes_) {
      return base::InvalidArgument("a chunk of more than 4 GiB is not supported (rewrite with smaller chunks)");
    }
    chain.decoded_bytes_ *= size;
  }
  for (const CodecSpec& spec : WithBytesCodec(specs, type)) {
    auto added = chain.Add(spec, type, fill);
    if (!added) return added.error().Wrap("codec \"" + spec.name + "\"");
  }
  return chain;
}

Result<void> CodecChain::Add(const CodecSpec& spec, nd::DataType type, const Bytes& fill) {
  if (IsSerializer(spec) && has_bytes_) {
    return base::InvalidArgument("elements became bytes already, by the codec before");
  }
  if (spec.name == "bytes") return AddBytes(spec.configuration_json);
  if (spec.name == kSharding) return AddShards(spec.configuration_json, type, fill);
  if (IsTranspose(spec)) return AddTranspose(spec.configuration_json);
  if (!has_bytes_) return base::InvalidArgument("must come after \"bytes\"");
  const size_t decoded = encoded_bound();
  SEAMOUNT_TRY_ASSIGN(auto codec, MakeByteCodec(spec, type, decoded));
  stages_.push_back(std::move(codec));
  decoded_bounds_.push_back(decoded);
  return {};
}

Result<void> CodecChain::AddBytes(const std::string& configuration) {
  has_bytes_ = true;
  SEAMOUNT_TRY_ASSIGN(const bool big_endian, ParseBytesConfiguration(configuration));
  swap_ = big_endian && word_size_ > 1;
  return {};
}

Result<void> CodecChain::AddShards(const std::string& configuration, nd::DataType type, const Bytes& fill) {
  has_bytes_ = true;
  std::vector<uint64_t> stored_shape = shape_;
  for (size_t i = 0; i < order_.size(); ++i) stored_shape[i] = shape_[order_[i]];
  SEAMOUNT_TRY_ASSIGN(ShardCodec shards, ShardCodec::Make(configuration, type, stored_shape, fill));
  shards_ = std::make_unique<const ShardCodec>(std::move(shards));
  return {};
}

size_t CodecChain::serialized_bound() const { return shards_ ? shards_->encoded_bound() : decoded_bytes_; }

size_t CodecChain::encoded_bound() const {
  return stages_.empty() ? serialized_bound() : stages_.back()->EncodedBound(decoded_bounds_.back());
}

Result<void> CodecChain::AddTranspose(const std::string& configuration) {
  if (has_bytes_) return base::InvalidArgument("must come before \"bytes\"");
  SEAMOUNT_TRY_ASSIGN(const std::vector<size_t> order, ParseTransposeConfiguration(configuration, shape_.size()));
  std::vector<size_t> combined;
  combined.reserve(order.size());
  for (const size_t axis : order) combined.push_back(order_.empty() ? axis : order_[axis]);
  const bool identity = std::is_sorted(combined.begin(), combined.end());
  order_ = identity ? std::vector<size_t>{} : combined;
  return {};
}

// The array's elements into the stored order, or back.
void CodecChain::CopyOrdered(std::span<const std::byte> from, std::span<std::byte> into, bool encode) const {
  const std::vector<uint64_t> strides = nd::DenseStrides(shape_, element_size_);
  std::vector<uint64_t> stored_shape;
  std::vector<uint64_t> array_strides;  // of the stored dimensions, in the array
  for (const size_t axis : order_) {
    stored_shape.push_back(shape_[axis]);
    array_strides.push_back(strides[axis]);
  }
  const std::vector<uint64_t> stored_strides = nd::DenseStrides(stored_shape, element_size_);
  if (encode) {
    nd::CopyStrided(from.data(), array_strides, into.data(), stored_strides, stored_shape, element_size_);
  } else {
    nd::CopyStrided(from.data(), stored_strides, into.data(), array_strides, stored_shape, element_size_);
  }
}

Result<std::span<const std::byte>> CodecChain::DecodeStages(std::span<const std::byte> encoded,
                                                            std::span<std::byte> into) const {
  // Two buffers between stages; the last to run has `into`. A stage may return a part of its input instead of writing.
  std::optional<Scratch> between[2];
  size_t held = 1;  // the buffer that `data` lies in, if in one
  std::span<const std::byte> data = encoded;
  for (size_t i = stages_.size(); i-- > 0;) {
    if (i == 0) {
      SEAMOUNT_TRY_ASSIGN(data, stages_[i]->Decode(data, into));
      break;
    }
    const size_t other = 1 - held;
    between[other].emplace(decoded_bounds_[i]);
    const auto target = between[other]->span();
    SEAMOUNT_TRY_ASSIGN(data, stages_[i]->Decode(data, target));
    if (data.data() == target.data()) held = other;
  }
  if (!shards_ && data.size() != decoded_bytes_) {
    return base::DataLoss("decodes to " + std::to_string(data.size()) + " bytes, but its chunk shape says " +
                          std::to_string(decoded_bytes_));
  }
  // A view into a buffer that ends here is moved while it lives; one of the caller's bytes stays a view.
  const bool callers = data.data() >= encoded.data() && data.data() < encoded.data() + encoded.size();
  if (callers) return data;
  MoveInto(data, into);
  return std::span<const std::byte>(into.first(data.size()));
}

// Into elements in the stored order.
Result<void> CodecChain::Deserialize(std::span<const std::byte> encoded, std::span<std::byte> into) const {
  if (!shards_) {
    SEAMOUNT_TRY_ASSIGN(const auto data, DecodeStages(encoded, into));
    MoveInto(data, into);
    return {};
  }
  if (stages_.empty()) return shards_->Decode(encoded, into);
  Scratch shard(serialized_bound());
  SEAMOUNT_TRY_ASSIGN(const auto data, DecodeStages(encoded, shard.span()));
  return shards_->Decode(data, into);
}

Result<void> CodecChain::Decode(std::span<const std::byte> encoded, std::span<std::byte> into) const {
  if (into.size() != decoded_bytes_) return base::Internal("decoding a chunk into a buffer of another size");
  if (order_.empty()) {
    SEAMOUNT_TRY(Deserialize(encoded, into));
  } else {
    Scratch stored(decoded_bytes_);
    SEAMOUNT_TRY(Deserialize(encoded, stored.span()));
    CopyOrdered(stored.span(), into, /*encode=*/false);
  }
  if (swap_) nd::SwapBytes(into, word_size_);
  return {};
}

Result<Bytes> CodecChain::Encode(std::span<const std::byte> elements) const {
  if (elements.size() != decoded_bytes_) return base::Internal("encoding a chunk from a buffer of another size");
  if (order_.empty() && !swap_) return EncodeStages(elements);
  Scratch stored(decoded_bytes_);
  if (order_.empty()) {
    MoveInto(elements, stored.span());
  } else {
    CopyOrdered(elements, stored.span(), /*encode=*/true);
  }
  if (swap_) nd::SwapBytes(stored.span(), word_size_);
  return EncodeStages(stored.span());
}

Result<Bytes> CodecChain::EncodeStages(std::span<const std::byte> stored) const {
  std::optional<Scratch> between[2];
  std::span<const std::byte> data = stored;
  Bytes shard;
  if (shards_) {
    SEAMOUNT_TRY_ASSIGN(shard, shards_->Encode(stored));
    if (stages_.empty()) return shard;
    data = shard.span();
  }
  for (size_t i = 0; i < stages_.size(); ++i) {
    between[i % 2].emplace(stages_[i]->EncodedBound(data.size()));
    SEAMOUNT_TRY_ASSIGN(const size_t size, stages_[i]->Encode(data, between[i % 2]->span()));
    data = between[i % 2]->span().first(size);
  }
  return Bytes::Copy(data);  // exactly as large as needed: encoded chunks wait in queues
}

}  // namespace seamount::zarr
