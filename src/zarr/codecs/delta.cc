// numcodecs' delta: the first number, then each one's difference from the one before.
#include "nd/byte_order.h"
#include "zarr/codecs/numbers.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

// Sums in place; integers wrap, floats are rounded after each addition as NumPy's cumsum does.
template <class T>
void Accumulate(std::byte* numbers, size_t count) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    Unsigned sum = 0;
    for (size_t i = 0; i < count; ++i) {
      sum = static_cast<Unsigned>(sum + LoadNumber<Unsigned>(numbers + i * sizeof(T)));
      StoreNumber(sum, numbers + i * sizeof(T));
    }
  } else {
    if (count == 0) return;
    double sum = AsDouble(LoadNumber<T>(numbers));
    for (size_t i = 1; i < count; ++i) {
      std::byte* const at = numbers + i * sizeof(T);
      sum = RoundedTo<T>(sum + AsDouble(LoadNumber<T>(at)));
      if constexpr (std::is_same_v<T, Half>) {
        StoreNumber(Half{HalfFromDouble(sum)}, at);
      } else {
        StoreNumber(static_cast<T>(sum), at);
      }
    }
  }
}

template <class T>
void Difference(const std::byte* from, std::byte* into, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const std::byte* const at = from + i * sizeof(T);
    if (i == 0) {
      std::memcpy(into, at, sizeof(T));
    } else if constexpr (std::is_integral_v<T>) {
      using Unsigned = std::make_unsigned_t<T>;
      const auto before = LoadNumber<Unsigned>(at - sizeof(T));
      StoreNumber(static_cast<Unsigned>(LoadNumber<Unsigned>(at) - before), into + i * sizeof(T));
    } else {
      const double difference = AsDouble(LoadNumber<T>(at)) - AsDouble(LoadNumber<T>(at - sizeof(T)));
      if constexpr (std::is_same_v<T, Half>) {
        StoreNumber(Half{HalfFromDouble(difference)}, into + i * sizeof(T));
      } else {
        StoreNumber(static_cast<T>(difference), into + i * sizeof(T));
      }
    }
  }
}

class DeltaCodec final : public ByteCodec {
 public:
  DeltaCodec(const NumberCode& decoded, const NumberCode& encoded) : decoded_(decoded), encoded_(encoded) {}

  size_t EncodedBound(size_t size) const override { return size / decoded_.size() * encoded_.size(); }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t count, CountNumbers(from, decoded_.size(), encoded_.size(), into.size()));
    const NumberCode native{decoded_.type, false};
    Scratch values(from.size());
    Scratch differences(from.size());
    CastNumbers(decoded_, from, native, values.span());
    VisitNumber(decoded_.type, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_same_v<T, bool>) Difference<T>(values.span().data(), differences.span().data(), count);
    });
    CastNumbers(native, differences.span(), encoded_, into);
    return count * encoded_.size();
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t count, CountNumbers(from, encoded_.size(), decoded_.size(), into.size()));
    const auto values = into.first(count * decoded_.size());
    CastNumbers(encoded_, from, {decoded_.type, false}, values);
    VisitNumber(decoded_.type, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_same_v<T, bool>) Accumulate<T>(values.data(), count);
    });
    if (decoded_.big_endian) nd::SwapBytes(values, decoded_.size());
    return std::span<const std::byte>(values);
  }

 private:
  const NumberCode decoded_;
  const NumberCode encoded_;
};

}  // namespace

CodecMaker MakeDelta;
Result<std::unique_ptr<ByteCodec>> MakeDelta(const Json& configuration, ChunkForm& form) {
  const auto own = NumbersOf(form);
  SEAMOUNT_TRY_ASSIGN(const NumberCode decoded, NumberMemberOr(configuration, "dtype", own.value_or({})));
  SEAMOUNT_TRY_ASSIGN(const NumberCode encoded, NumberMemberOr(configuration, "astype", decoded));
  if (decoded.type == nd::DataType::kBool) return base::InvalidArgument("booleans have no differences");
  auto codec = NewCodec<DeltaCodec>(decoded, encoded);
  SEAMOUNT_TRY(ChangeNumbers(decoded, encoded, form));
  return codec;
}

}  // namespace seamount::zarr
