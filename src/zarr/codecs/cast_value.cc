// cast_value of the Zarr extensions: numbers stored as another type, with what happens to those that have no place in
// it said in the configuration. The same rules hold in both directions.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "zarr/codecs/numbers.h"

namespace seamount::zarr {
namespace {

enum class Rounding { kNearestEven, kTowardsZero, kUp, kDown, kNearestAway };
enum class OutOfRange { kError, kClamp, kWrap };

double Rounded(double value, Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearestEven: return std::nearbyint(value);
    case Rounding::kTowardsZero: return std::trunc(value);
    case Rounding::kUp: return std::ceil(value);
    case Rounding::kDown: return std::floor(value);
    case Rounding::kNearestAway: return std::round(value);
  }
  return value;
}

// Holds every integer type.
using Wide = __int128;

class CastValueCodec final : public ByteCodec {
 public:
  CastValueCodec(nd::DataType decoded, nd::DataType encoded, Rounding rounding, OutOfRange out_of_range)
      : decoded_(decoded), encoded_(encoded), rounding_(rounding), out_of_range_(out_of_range) {}

  size_t EncodedBound(size_t size) const override { return size / nd::SizeOf(decoded_) * nd::SizeOf(encoded_); }
  Result<size_t> Encode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    return Cast(decoded_, from, encoded_, into);
  }
  Result<std::span<const std::byte>> Decode(std::span<const std::byte> from, std::span<std::byte> into) const override {
    SEAMOUNT_TRY_ASSIGN(const size_t size, Cast(encoded_, from, decoded_, into));
    return std::span<const std::byte>(into.first(size));
  }

 private:
  Result<size_t> Cast(nd::DataType from_type, std::span<const std::byte> from, nd::DataType to_type,
                      std::span<std::byte> into) const {
    SEAMOUNT_TRY_ASSIGN(const size_t count,
                        CountNumbers(from, nd::SizeOf(from_type), nd::SizeOf(to_type), into.size()));
    if (nd::IsFloat(to_type)) {
      CastNumbers({from_type, false}, from, {to_type, false}, into);
      return count * nd::SizeOf(to_type);
    }
    return VisitNumber(to_type, [&](auto to) {
      return VisitNumber(from_type, [&](auto number) {
        return ToIntegers<decltype(number), decltype(to)>(from.data(), into.data(), count);
      });
    });
  }

  template <class From, class To>
  Result<size_t> ToIntegers(const std::byte* from, std::byte* into, size_t count) const {
    if constexpr (std::is_integral_v<To> && !std::is_same_v<To, bool>) {
      for (size_t i = 0; i < count; ++i) {
        const From number = LoadNumber<From>(from + i * sizeof(From));
        Wide whole = 0;
        if constexpr (std::is_integral_v<From>) {
          whole = Wide{number};  // NOLINT(bugprone-signed-char-misuse): an int8 is a number here
        } else {
          SEAMOUNT_TRY_ASSIGN(whole, Whole(AsDouble(number)));
        }
        SEAMOUNT_TRY_ASSIGN(const To value, Placed<To>(whole));
        StoreNumber(value, into + i * sizeof(To));
      }
      return count * sizeof(To);
    } else {
      return base::Internal("casting to what is no integer");
    }
  }

  Result<Wide> Whole(double number) const {
    constexpr double kBeyond = 1e30;  // any integer type, and less than a Wide
    if (std::isnan(number)) return base::DataLoss("NaN has no place among integers");
    if (std::abs(number) < kBeyond) return static_cast<Wide>(Rounded(number, rounding_));
    if (out_of_range_ != OutOfRange::kClamp) return base::DataLoss("a number is out of the range of the type");
    return static_cast<Wide>(number > 0 ? kBeyond : -kBeyond);
  }

  template <class To>
  Result<To> Placed(Wide whole) const {
    constexpr Wide kMin = std::numeric_limits<To>::min();  // NOLINT(bugprone-signed-char-misuse)
    constexpr Wide kMax = std::numeric_limits<To>::max();
    if (whole >= kMin && whole <= kMax) return static_cast<To>(whole);
    if (out_of_range_ == OutOfRange::kError) return base::DataLoss("a number is out of the range of the type");
    if (out_of_range_ == OutOfRange::kClamp) return static_cast<To>(whole < kMin ? kMin : kMax);
    return static_cast<To>(static_cast<std::make_unsigned_t<To>>(whole));
  }

  const nd::DataType decoded_;
  const nd::DataType encoded_;
  const Rounding rounding_;
  const OutOfRange out_of_range_;
};

template <class Value, size_t kCount>
Result<Value> NamedMemberOr(const Json& configuration, const char* name,
                            const std::pair<const char*, Value> (&values)[kCount]) {
  if (!configuration.contains(name) || configuration[name].is_null()) return values[0].second;
  SEAMOUNT_TRY_ASSIGN(const std::string text, StringMember(configuration, name));
  std::string names;
  for (const auto& [spelling, value] : values) {
    if (text == spelling) return value;
    names += (names.empty() ? "\"" : ", \"") + std::string(spelling) + "\"";
  }
  return base::DataLoss("\"" + std::string(name) + "\" is \"" + text.substr(0, 64) + "\" (" + names + " expected)");
}

}  // namespace

CodecMaker MakeCastValue;
Result<std::unique_ptr<ByteCodec>> MakeCastValue(const Json& configuration, ChunkForm& form) {
  SEAMOUNT_TRY_ASSIGN(const NumberCode decoded, NumbersOf(form));
  SEAMOUNT_TRY(Member(configuration, "data_type"));
  SEAMOUNT_TRY_ASSIGN(const NumberCode encoded, NumberMemberOr(configuration, "data_type", decoded));
  constexpr std::pair<const char*, Rounding> kRoundings[] = {{"nearest-even", Rounding::kNearestEven},
                                                             {"towards-zero", Rounding::kTowardsZero},
                                                             {"towards-positive", Rounding::kUp},
                                                             {"towards-negative", Rounding::kDown},
                                                             {"nearest-away", Rounding::kNearestAway}};
  constexpr std::pair<const char*, OutOfRange> kRanges[] = {
      {"error", OutOfRange::kError}, {"clamp", OutOfRange::kClamp}, {"wrap", OutOfRange::kWrap}};
  SEAMOUNT_TRY_ASSIGN(const Rounding rounding, NamedMemberOr(configuration, "rounding", kRoundings));
  SEAMOUNT_TRY_ASSIGN(const OutOfRange out_of_range, NamedMemberOr(configuration, "out_of_range", kRanges));
  const auto map = configuration.find("scalar_map");
  if (map != configuration.end() && !map->is_null() && !map->empty()) {
    return base::InvalidArgument("\"scalar_map\" is not supported");
  }
  if (decoded.type == nd::DataType::kBool || encoded.type == nd::DataType::kBool) {
    return base::InvalidArgument("is for integers and floats only");
  }
  auto codec = NewCodec<CastValueCodec>(decoded.type, encoded.type, rounding, out_of_range);
  SEAMOUNT_TRY(ChangeNumbers(decoded, encoded, form));
  return codec;
}

}  // namespace seamount::zarr
