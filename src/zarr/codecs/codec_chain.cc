#include "zarr/codecs/codec_chain.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "zarr/codecs/codec_config.h"
#include "zarr/codecs/codec_table.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

// Chains in practice have three.
constexpr size_t kMaxCodecs = 16;

bool IsOfKind(const CodecSpec& spec, CodecKind kind) {
  const CodecRow* row = FindCodec(spec.name);
  return row != nullptr && row->kind == kind;
}

// Turns elements into bytes.
bool IsSerializer(const CodecSpec& spec) { return IsOfKind(spec, CodecKind::kArrayToBytes); }

// Whether a codec can stand where the form is.
Result<void> CheckPlace(CodecKind kind, const ChunkForm& form) {
  if (kind == CodecKind::kArrayToArray && form.encoded) return base::InvalidArgument("must come before \"bytes\"");
  if (kind == CodecKind::kBytesToBytes && !form.encoded) return base::InvalidArgument("must come after \"bytes\"");
  if (kind == CodecKind::kArrayToBytes && form.encoded) {
    return base::InvalidArgument("elements became bytes already, by the codec before");
  }
  return {};
}

// Bytes as the caller's, when they are not there already.
void MoveInto(std::span<const std::byte> from, std::span<std::byte> into) {
  if (!from.empty() && from.data() != into.data()) std::memcpy(into.data(), from.data(), from.size());
}

Error WrongSize(size_t size, size_t expected) {
  return base::DataLoss("decodes to " + std::to_string(size) + " bytes, but its chunk shape says " +
                        std::to_string(expected));
}

}  // namespace

std::vector<CodecSpec> WithBytesCodec(const std::vector<CodecSpec>& specs, const ElementType& type) {
  std::vector<CodecSpec> all = specs;
  if (std::any_of(all.begin(), all.end(), IsSerializer)) return all;
  const auto place = std::find_if_not(all.begin(), all.end(), [](const CodecSpec& spec) {
    return IsOfKind(spec, CodecKind::kArrayToArray) || IsOfKind(spec, CodecKind::kFilter);
  });
  all.insert(place, BytesSpec(type, /*big_endian=*/false));
  return all;
}

Result<CodecChain> CodecChain::Make(const std::vector<CodecSpec>& specs, const ElementType& type,
                                    const std::vector<uint64_t>& chunk_shape, const Bytes& fill) {
  if (specs.size() > kMaxCodecs) return base::InvalidArgument("more than 16 codecs in a chain");
  if (type.size == 0) return base::InvalidArgument("elements without a size have no codecs");
  CodecChain chain;
  chain.decoded_bytes_ = type.size;
  for (const uint64_t size : chunk_shape) {
    if (size == 0) return base::InvalidArgument("a chunk must not have a dimension of size 0");
    if (size > kMaxChunkBytes / chain.decoded_bytes_) {
      return base::InvalidArgument("a chunk of more than 4 GiB is not supported (rewrite with smaller chunks)");
    }
    chain.decoded_bytes_ *= size;
  }
  chain.encoded_bound_ = chain.decoded_bytes_;
  ChunkForm form{.type = type, .shape = chunk_shape, .fill = fill, .bytes = chain.decoded_bytes_};
  for (const CodecSpec& spec : WithBytesCodec(specs, type)) {
    auto added = chain.Add(spec, form);
    if (!added) return added.error().Wrap("codec \"" + spec.name + "\"");
  }
  return chain;
}

Result<void> CodecChain::Add(const CodecSpec& spec, ChunkForm& form) {
  const CodecRow* row = FindCodec(spec.name);
  if (row == nullptr) return UnsupportedCodec(spec.name);
  SEAMOUNT_TRY(CheckPlace(row->kind, form));
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(spec.configuration_json));
  const size_t decoded = form.bytes;
  const bool exact = form.exact;
  SEAMOUNT_TRY_ASSIGN(auto codec, row->make(configuration, form));
  if (row->kind == CodecKind::kArrayToBytes) form.encoded = true;
  if (!codec) return {};
  if (form.encoded && row->kind != CodecKind::kArrayToBytes) form.exact = false;
  const size_t bound = codec->EncodedBound(decoded);
  if (bound > decoded && bound > 4 * kMaxChunkBytes && row->kind != CodecKind::kArrayToBytes) {
    return base::InvalidArgument("chunks could take more than 16 GiB (rewrite with smaller chunks)");
  }
  form.bytes = bound;
  encoded_bound_ = bound;
  stages_.push_back({std::move(codec), decoded, exact});
  return {};
}

Result<void> CodecChain::Decode(std::span<const std::byte> encoded, std::span<std::byte> into) const {
  if (into.size() != decoded_bytes_) return base::Internal("decoding a chunk into a buffer of another size");
  // Two buffers between stages; the last to run has `into`. A stage may return a part of its input instead of writing.
  std::optional<Scratch> between[2];
  size_t held = 1;  // the buffer that `data` lies in, if in one
  std::span<const std::byte> data = encoded;
  for (size_t i = stages_.size(); i-- > 0;) {
    const Stage& stage = stages_[i];
    const size_t other = 1 - held;
    if (i > 0) between[other].emplace(stage.decoded_bound);
    const auto target = i > 0 ? between[other]->span() : into;
    SEAMOUNT_TRY_ASSIGN(data, stage.codec->Decode(data, target));
    if (stage.exact && data.size() != stage.decoded_bound) return WrongSize(data.size(), stage.decoded_bound);
    if (data.data() == target.data()) held = other;
  }
  if (data.size() != decoded_bytes_) return WrongSize(data.size(), decoded_bytes_);
  MoveInto(data, into);
  return {};
}

Result<size_t> CodecChain::EncodeInto(std::span<const std::byte> elements, std::span<std::byte> into) const {
  if (elements.size() != decoded_bytes_) return base::Internal("encoding a chunk from a buffer of another size");
  if (into.size() < encoded_bound_) return base::Internal("encoding a chunk into a buffer that is too small");
  into = into.first(encoded_bound_);  // an encoder that has more room may use more: blosc's library does
  std::optional<Scratch> between[2];
  std::span<const std::byte> data = elements;
  for (size_t i = 0; i < stages_.size(); ++i) {
    auto target = into;
    if (i + 1 < stages_.size()) target = between[i % 2].emplace(stages_[i].codec->EncodedBound(data.size())).span();
    SEAMOUNT_TRY_ASSIGN(const size_t size, stages_[i].codec->Encode(data, target));
    data = target.first(size);
  }
  MoveInto(data, into);
  return data.size();
}

Result<Bytes> CodecChain::Encode(std::span<const std::byte> elements) const {
  if (stores_as_is() && elements.size() == decoded_bytes_) return Bytes::Copy(elements);
  Scratch encoded(encoded_bound_);
  SEAMOUNT_TRY_ASSIGN(const size_t size, EncodeInto(elements, encoded.span()));
  return Bytes::Copy(encoded.span().first(size));  // exactly as large as needed: encoded chunks wait in queues
}

}  // namespace seamount::zarr
