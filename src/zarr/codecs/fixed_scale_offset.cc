// Numbers scaled and shifted: numcodecs' fixedscaleoffset (with rounding and another type) and quantize, and
// scale_offset of the Zarr extensions.
#include <cmath>
#include <nlohmann/json.hpp>

#include "zarr/codecs/numbers.h"
#include "zarr/codecs/scratch.h"

namespace seamount::zarr {
namespace {

// NumPy computes with floats in their own type, with integers in double.
nd::DataType ComputedIn(nd::DataType type) { return nd::IsFloat(type) ? type : nd::DataType::kFloat64; }

// Applies f(number, round), where round rounds to the type after each operation, to numbers in place. type: a float.
template <class F>
void ForEachNumber(nd::DataType type, std::span<std::byte> numbers, F&& f) {
  const auto apply = [&](auto tag) {
    using T = decltype(tag);
    for (size_t at = 0; at < numbers.size(); at += sizeof(T)) {
      const double value = f(AsDouble(LoadNumber<T>(numbers.data() + at)), RoundedTo<T>);
      if constexpr (std::is_same_v<T, Half>) {
        StoreNumber(Half{HalfFromDouble(value)}, numbers.data() + at);
      } else {
        StoreNumber(static_cast<T>(value), numbers.data() + at);
      }
    }
  };
  if (type == nd::DataType::kFloat16) return apply(Half{});
  if (type == nd::DataType::kFloat32) return apply(float{});
  apply(double{});
}

// Numbers of one type, changed by arithmetic in floats, stored as another.
class ArithmeticCodec : public ByteCodec {
 public:
  ArithmeticCodec(const NumberCode& decoded, const NumberCode& encoded) : decoded_(decoded), encoded_(encoded) {}

  size_t EncodedBound(size_t size) const override { return size / decoded_.size() * encoded_.size(); }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t count, CountNumbers(from, decoded_.size(), encoded_.size(), into.size()));
    const NumberCode computed{ComputedIn(decoded_.type), false};
    Scratch values(count * computed.size());
    CastNumbers(decoded_, from, computed, values.span());
    Forward(computed.type, values.span());
    CastNumbers(computed, values.span(), encoded_, into);
    return count * encoded_.size();
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t count, CountNumbers(from, encoded_.size(), decoded_.size(), into.size()));
    const NumberCode computed{ComputedIn(encoded_.type), false};
    Scratch values(count * computed.size());
    CastNumbers(encoded_, from, computed, values.span());
    Backward(computed.type, values.span());
    CastNumbers(computed, values.span(), decoded_, into);
    return std::span<const std::byte>(into.first(count * decoded_.size()));
  }

 protected:
  virtual void Forward(nd::DataType type, std::span<std::byte> numbers) const = 0;
  virtual void Backward(nd::DataType type, std::span<std::byte> numbers) const = 0;

 private:
  const NumberCode decoded_;
  const NumberCode encoded_;
};

class ScaleCodec final : public ArithmeticCodec {
 public:
  ScaleCodec(const NumberCode& decoded, const NumberCode& encoded, double scale, double offset, bool rounded)
      : ArithmeticCodec(decoded, encoded), scale_(scale), offset_(offset), rounded_(rounded) {}

 private:
  void Forward(nd::DataType type, std::span<std::byte> numbers) const override {
    ForEachNumber(type, numbers, [&](double value, auto round) {
      const double scaled = round(round(value - round(offset_)) * round(scale_));
      return rounded_ ? std::nearbyint(scaled) : scaled;
    });
  }
  void Backward(nd::DataType type, std::span<std::byte> numbers) const override {
    ForEachNumber(type, numbers,
                  [&](double value, auto round) { return round(round(value / round(scale_)) + round(offset_)); });
  }

  const double scale_;
  const double offset_;
  const bool rounded_;
};

// Rounded to as many binary digits as hold the decimal ones.
class QuantizeCodec final : public ArithmeticCodec {
 public:
  QuantizeCodec(const NumberCode& decoded, const NumberCode& encoded, int digits) : ArithmeticCodec(decoded, encoded) {
    const double exact = std::log10(std::pow(10.0, -digits));
    const double exponent = exact < 0 ? std::floor(exact) : std::ceil(exact);
    scale_ = std::exp2(std::ceil(std::log2(std::pow(10.0, -exponent))));
  }

 private:
  void Forward(nd::DataType type, std::span<std::byte> numbers) const override {
    ForEachNumber(type, numbers, [&](double value, auto round) {
      return round(std::nearbyint(round(round(scale_) * value)) / round(scale_));
    });
  }
  void Backward(nd::DataType, std::span<std::byte>) const override {}

  double scale_ = 1;
};

Result<double> NumberMember(const Json& configuration, const char* name) {
  SEAMOUNT_TRY_ASSIGN(const Json* member, Member(configuration, name));
  if (!member->is_number()) return base::DataLoss("\"" + std::string(name) + "\" is not a number");
  return member->get<double>();
}

struct Types {
  NumberCode decoded;
  NumberCode encoded;
};
Result<Types> TypesOf(const Json& configuration, const ChunkForm& form) {
  const auto own = NumbersOf(form);
  Types types;
  SEAMOUNT_TRY_ASSIGN(types.decoded, NumberMemberOr(configuration, "dtype", own.value_or({})));
  SEAMOUNT_TRY_ASSIGN(types.encoded, NumberMemberOr(configuration, "astype", types.decoded));
  return types;
}

}  // namespace

CodecMaker MakeFixedScaleOffset;
Result<std::unique_ptr<ByteCodec>> MakeFixedScaleOffset(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(const Types types, TypesOf(configuration, form));
  SEAMOUNT_TRY_ASSIGN(const double scale, NumberMember(configuration, "scale"));
  SEAMOUNT_TRY_ASSIGN(const double offset, NumberMember(configuration, "offset"));
  auto codec = NewCodec<ScaleCodec>(types.decoded, types.encoded, scale, offset, /*rounded=*/true);
  SEAMOUNT_TRY(ChangeNumbers(types.decoded, types.encoded, form));
  return codec;
}

CodecMaker MakeQuantize;
Result<std::unique_ptr<ByteCodec>> MakeQuantize(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(const Types types, TypesOf(configuration, form));
  if (!nd::IsFloat(types.decoded.type) || !nd::IsFloat(types.encoded.type)) {
    return base::InvalidArgument("is for floats only");
  }
  constexpr int kMostDigits = 308;
  SEAMOUNT_TRY(Member(configuration, "digits"));
  SEAMOUNT_TRY_ASSIGN(const int digits, IntMemberOr(configuration, "digits", 0, -kMostDigits, kMostDigits));
  auto codec = NewCodec<QuantizeCodec>(types.decoded, types.encoded, digits);
  SEAMOUNT_TRY(ChangeNumbers(types.decoded, types.encoded, form));
  return codec;
}

// The numbers keep their type: "cast_value" behind it changes that.
CodecMaker MakeScaleOffset;
Result<std::unique_ptr<ByteCodec>> MakeScaleOffset(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(const NumberCode number, NumbersOf(form));
  if (!nd::IsFloat(number.type)) return base::InvalidArgument("is supported for floats only");
  double scale = 1;
  double offset = 0;
  if (configuration.contains("scale")) {
    SEAMOUNT_TRY_ASSIGN(scale, NumberMember(configuration, "scale"));
  }
  if (configuration.contains("offset")) {
    SEAMOUNT_TRY_ASSIGN(offset, NumberMember(configuration, "offset"));
  }
  auto codec = NewCodec<ScaleCodec>(number, number, scale, offset, /*rounded=*/false);
  SEAMOUNT_TRY(ChangeNumbers(number, number, form));
  return codec;
}

}  // namespace seamount::zarr
