// numcodecs' astype: numbers stored as another type.
#include "zarr/codecs/numbers.h"

namespace seamount::zarr {
namespace {

class CastCodec final : public ByteCodec {
 public:
  CastCodec(const NumberCode& decoded, const NumberCode& encoded) : decoded_(decoded), encoded_(encoded) {}

  size_t EncodedBound(size_t size) const override { return size / decoded_.size() * encoded_.size(); }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t count, CountNumbers(from, decoded_.size(), encoded_.size(), into.size()));
    CastNumbers(decoded_, from, encoded_, into);
    return count * encoded_.size();
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t count, CountNumbers(from, encoded_.size(), decoded_.size(), into.size()));
    CastNumbers(encoded_, from, decoded_, into);
    return std::span<const std::byte>(into.first(count * decoded_.size()));
  }

 private:
  const NumberCode decoded_;
  const NumberCode encoded_;
};

}  // namespace

CodecMaker MakeAsType;
Result<std::unique_ptr<ByteCodec>> MakeAsType(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY(Member(configuration, "encode_dtype"));
  const auto own = NumbersOf(form);
  SEAMOUNT_TRY_ASSIGN(const NumberCode decoded, NumberMemberOr(configuration, "decode_dtype", own.value_or({})));
  SEAMOUNT_TRY_ASSIGN(const NumberCode encoded, NumberMemberOr(configuration, "encode_dtype", decoded));
  auto codec = NewCodec<CastCodec>(decoded, encoded);
  SEAMOUNT_TRY(ChangeNumbers(decoded, encoded, form));
  return codec;
}

}  // namespace seamount::zarr
