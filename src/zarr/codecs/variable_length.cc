#include "zarr/codecs/variable_length.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/utf8.h"
#include "zarr/codecs/codec_table.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kMaxCodecs = 16;
constexpr size_t kViewBytes = sizeof(std::string_view);
constexpr const char* kTextCodec = "vlen-utf8";
constexpr const char* kBytesCodec = "vlen-bytes";

uint32_t LoadLength(const std::byte* from) {
  uint32_t length = 0;
  std::memcpy(&length, from, kLengthBytes);
  return length;
}

std::string_view ViewAt(std::span<const std::byte> elements, size_t i) {
  std::string_view view;
  std::memcpy(&view, elements.data() + i * kViewBytes, kViewBytes);
  return view;
}

// The decoded size is nowhere in the metadata: tried with ever more room, up to what a compressor could honestly have
// made this much of (zstd, which makes most, 128 KiB of four bytes).
Result<Bytes> DecodeUnsized(const ByteCodec& codec, std::span<const std::byte> from) {
  constexpr uint64_t kLeast = uint64_t{64} << 10;
  constexpr uint64_t kMostFold = uint64_t{32} << 10;
  constexpr uint64_t kFirstFold = 16;
  const uint64_t most = from.size() > kMaxStringBytes / kMostFold
                            ? kMaxStringBytes
                            : std::min(kMaxStringBytes, kLeast + kMostFold * from.size());
  for (uint64_t room = std::min(most, kLeast + kFirstFold * from.size());; room = std::min(most, room * kFirstFold)) {
    Scratch into(room);
    auto decoded = codec.Decode(from, into.span());
    if (decoded) return Bytes::Copy(*decoded);
    if (room == most || decoded.error().code() != ErrorCode::kDataLoss) return decoded.error();
  }
}

// Looks at nothing but the elements' places.
Result<void> ParseElements(std::span<const std::byte> payload, size_t count, std::span<std::byte> into) {
  const auto bad = [](const std::string& what) { return base::DataLoss("elements of variable length: " + what); };
  if (payload.size() < kLengthBytes) return bad("their number is missing");
  const uint32_t stored = LoadLength(payload.data());
  if (stored != count) {
    return bad("there are " + std::to_string(stored) + ", but the chunk shape says " + std::to_string(count));
  }
  payload = payload.subspan(kLengthBytes);
  for (size_t i = 0; i < count; ++i) {
    if (payload.size() < kLengthBytes) return bad("they end before element " + std::to_string(i));
    const uint32_t length = LoadLength(payload.data());
    payload = payload.subspan(kLengthBytes);
    if (length > payload.size()) {
      return bad("element " + std::to_string(i) + " says it has " + std::to_string(length) + " bytes, and " +
                 std::to_string(payload.size()) + " are left");
    }
    const std::string_view view(reinterpret_cast<const char*>(payload.data()), length);
    std::memcpy(into.data() + i * kViewBytes, &view, kViewBytes);
    payload = payload.subspan(length);
  }
  if (!payload.empty()) return bad(std::to_string(payload.size()) + " bytes follow the last one");
  return {};
}

Result<void> CheckText(std::span<const std::byte> elements, ErrorCode code) {
  for (size_t i = 0; i < elements.size() / sizeof(std::string_view); ++i) {
    if (!base::IsUtf8(ViewAt(elements, i))) return Error(code, "element " + std::to_string(i) + " is not valid UTF-8");
  }
  return {};
}

}  // namespace

void StringArena::Keep(Bytes bytes) {
  const std::scoped_lock lock(mutex_);
  kept_.push_back(std::move(bytes));
}

Result<VariableChain> VariableChain::Make(const std::vector<CodecSpec>& specs, const ElementType& type,
                                          const std::vector<uint64_t>& chunk_shape) {
  if (specs.size() > kMaxCodecs) return base::InvalidArgument("more than 16 codecs in a chain");
  VariableChain chain;
  chain.text_ = type.kind == ElementKind::kString;
  for (const uint64_t size : chunk_shape) {
    if (size == 0) return base::InvalidArgument("a chunk must not have a dimension of size 0");
    if (size > kMaxStringBytes / sizeof(std::string_view) / chain.count_) {
      return base::InvalidArgument("a chunk of more than 2^26 elements of variable length is not supported");
    }
    chain.count_ *= size;
  }
  ChunkForm form{.type = type, .shape = chunk_shape, .fill = {}, .bytes = chain.decoded_bytes()};
  for (const CodecSpec& spec : specs) {
    auto added = chain.Add(spec, type, form);
    if (!added) return added.error().Wrap("codec \"" + spec.name + "\"");
  }
  return chain;
}

Result<void> VariableChain::Add(const CodecSpec& spec, const ElementType& type, ChunkForm& form) {
  const CodecRow* row = FindCodec(spec.name);
  if (row == nullptr) return UnsupportedCodec(spec.name);
  SEAMOUNT_TRY_ASSIGN(const Json configuration, ParseJsonObject(spec.configuration_json));
  if (row->kind == CodecKind::kArrayToBytes) {
    const std::string own = text_ ? kTextCodec : kBytesCodec;
    if (spec.name != own || form.encoded) {
      return base::InvalidArgument("does not encode " + NameOf(type) + " (\"" + own + "\" does, once)");
    }
    form.encoded = true;
    form.type = nd::DataType::kUInt8;
    form.bytes = kMaxStringBytes;
    form.exact = false;
    return {};
  }
  const bool transposes = spec.name == "transpose" && !form.encoded;
  if (!transposes && (row->kind != CodecKind::kBytesToBytes || !form.encoded)) {
    return base::InvalidArgument("cannot stand there for " + NameOf(type));
  }
  SEAMOUNT_TRY_ASSIGN(auto codec, row->make(configuration, form));
  if (codec) (transposes ? transpositions_ : compressors_).push_back(std::move(codec));
  return {};
}

Result<Bytes> VariableChain::Decompressed(std::span<const std::byte> encoded) const {
  if (compressors_.empty()) return Bytes::Copy(encoded);
  Bytes data;
  std::span<const std::byte> from = encoded;
  for (size_t i = compressors_.size(); i-- > 0; from = data.span()) {
    SEAMOUNT_TRY_ASSIGN(data, DecodeUnsized(*compressors_[i], from));
  }
  return data;
}

Result<void> VariableChain::Decode(std::span<const std::byte> encoded, std::span<std::byte> into,
                                   StringArena& arena) const {
  if (into.size() != decoded_bytes()) return base::Internal("decoding a chunk into a buffer of another size");
  SEAMOUNT_TRY_ASSIGN(Bytes payload, Decompressed(encoded));
  SEAMOUNT_TRY(ParseElements(payload.span(), count_, into));
  if (text_) SEAMOUNT_TRY(CheckText(into, ErrorCode::kDataLoss));
  arena.Keep(std::move(payload));
  for (size_t i = transpositions_.size(); i-- > 0;) {
    Scratch stored(into.size());
    std::memcpy(stored.span().data(), into.data(), into.size());
    SEAMOUNT_TRY(transpositions_[i]->Decode(stored.span(), into));
  }
  return {};
}

Result<Bytes> VariableChain::Encode(std::span<const std::byte> elements) const {
  if (elements.size() != decoded_bytes()) return base::Internal("encoding a chunk from a buffer of another size");
  if (text_) SEAMOUNT_TRY(CheckText(elements, ErrorCode::kInvalidArgument));
  std::optional<Scratch> between[2];
  for (size_t i = 0; i < transpositions_.size(); ++i) {
    auto& into = between[i % 2];
    into.emplace(elements.size());
    SEAMOUNT_TRY(transpositions_[i]->Encode(elements, into->span()));
    elements = into->span();
  }
  uint64_t size = kLengthBytes;
  for (size_t i = 0; i < count_; ++i) size += kLengthBytes + ViewAt(elements, i).size();
  if (size > kMaxStringBytes) {
    return base::InvalidArgument("a chunk of more than 1 GiB of text or bytes is not supported (make it smaller)");
  }
  Buffer payload(size);
  std::byte* at = payload.data();
  const auto put = [&at](std::string_view view) {
    const auto length = static_cast<uint32_t>(view.size());
    std::memcpy(at, &length, kLengthBytes);
    if (!view.empty()) std::memcpy(at + kLengthBytes, view.data(), view.size());
    at += kLengthBytes + view.size();
  };
  const auto count = static_cast<uint32_t>(count_);
  std::memcpy(at, &count, kLengthBytes);
  at += kLengthBytes;
  for (size_t i = 0; i < count_; ++i) put(ViewAt(elements, i));
  Bytes data = std::move(payload);
  for (const auto& compressor : compressors_) {
    Scratch into(compressor->EncodedBound(data.size()));
    SEAMOUNT_TRY_ASSIGN(const size_t made, compressor->Encode(data.span(), into.span()));
    data = Bytes::Copy(into.span().first(made));
  }
  return data;
}

// In the table for their names; in a chain of elements of one size they have no place.
CodecMaker MakeVariable;
Result<std::unique_ptr<ByteCodec>> MakeVariable(const Json&, ChunkForm& form) {
  return base::InvalidArgument("encodes elements of variable length, not " + NameOf(form.type));
}

}  // namespace seamount::zarr
