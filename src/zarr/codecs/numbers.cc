#include "zarr/codecs/numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "nd/byte_order.h"

namespace seamount::zarr {
namespace {

// As x86 converts: what does not fit becomes the smallest integer, then its low bytes.
template <class To>
To IntegerFromDouble(double value) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (std::is_same_v<To, uint64_t> && value >= kLimit && value < 2 * kLimit) {
    return static_cast<To>(static_cast<uint64_t>(value));
  }
  const bool fits = value >= -kLimit && value < kLimit;
  return static_cast<To>(fits ? static_cast<int64_t>(value) : INT64_MIN);
}

template <class To, class Wide>
To Narrowed(Wide value) {
  if constexpr (std::is_same_v<To, bool>) return value != Wide{0};
  if constexpr (std::is_same_v<To, Half>) return Half{HalfFromDouble(static_cast<double>(value))};
  if constexpr (std::is_integral_v<To> && std::is_same_v<Wide, double>) return IntegerFromDouble<To>(value);
  if constexpr (!std::is_same_v<To, Half>) return static_cast<To>(value);
}

constexpr size_t kBlock = 1024;

// By way of a block of the widest type of the kind, so that there are not types × types loops.
template <class Wide>
void CastBlock(nd::DataType from_type, const std::byte* from, nd::DataType to_type, std::byte* into, size_t count) {
  std::array<Wide, kBlock> wide;
  VisitNumber(from_type, [&](auto tag) {
    using From = decltype(tag);
    for (size_t i = 0; i < count; ++i) {
      const auto value = LoadNumber<From>(from + i * sizeof(From));
      if constexpr (std::is_same_v<From, Half>) {
        wide[i] = static_cast<Wide>(AsDouble(value));
      } else {
        wide[i] = static_cast<Wide>(value);  // NOLINT(bugprone-signed-char-misuse): an int8 is a number here
      }
    }
  });
  VisitNumber(to_type, [&](auto tag) {
    using To = decltype(tag);
    for (size_t i = 0; i < count; ++i) StoreNumber(Narrowed<To>(wide[i]), into + i * sizeof(To));
  });
}

void CastNative(nd::DataType from_type, const std::byte* from, nd::DataType to_type, std::byte* into, size_t count) {
  if (nd::IsFloat(from_type)) return CastBlock<double>(from_type, from, to_type, into, count);
  if (from_type == nd::DataType::kUInt64) return CastBlock<uint64_t>(from_type, from, to_type, into, count);
  return CastBlock<int64_t>(from_type, from, to_type, into, count);
}

}  // namespace

Result<NumberCode> NumberMemberOr(const Json& configuration, const char* name, const NumberCode& fallback) {
  const auto found = configuration.find(name);
  if (found == configuration.end() || found->is_null()) return fallback;
  const std::string text = found->is_string() ? found->get<std::string>() : DumpJson(*found);
  NumberCode code;
  std::string_view bare = text;
  if (!bare.empty() && std::string_view("<>|=").find(bare[0]) != std::string_view::npos) {
    code.big_endian = bare[0] == '>';
    bare.remove_prefix(1);
  }
  const bool time = bare.starts_with("M8") || bare.starts_with("m8");
  for (auto type = nd::DataType::kBool; type <= nd::DataType::kFloat64;
       type = static_cast<nd::DataType>(static_cast<int>(type) + 1)) {
    const bool named = bare == nd::NameOf(type) || NumberFromCode(bare) == type;
    if (!named && !(time && type == nd::DataType::kInt64)) continue;
    code.type = type;
    code.big_endian = code.big_endian && code.size() > 1;
    return code;
  }
  return base::InvalidArgument("\"" + std::string(name) + "\" is \"" + text.substr(0, 64) +
                               "\" (an integer or float, as \"<f4\", is supported)");
}

Result<NumberCode> NumbersOf(const ChunkForm& form) {
  const bool time = form.type.kind == ElementKind::kDatetime || form.type.kind == ElementKind::kTimedelta;
  const nd::DataType type = time ? nd::DataType::kInt64 : form.type.number;
  if (!nd::IsInteger(type) && !nd::IsFloat(type) && type != nd::DataType::kBool) {
    return base::InvalidArgument("is for integers and floats only");
  }
  return NumberCode{type, form.big_endian};
}

Result<void> ChangeNumbers(const NumberCode& from, const NumberCode& to, ChunkForm& form) {
  if (!form.encoded) {
    if (from.big_endian || to.big_endian) {
      return base::InvalidArgument("big-endian numbers are not supported before \"bytes\" (which has the byte order)");
    }
    if (from.size() != form.type.size) {
      return base::InvalidArgument("\"dtype\" is " + std::string(nd::NameOf(from.type)) +
                                   ", but the elements there have " + std::to_string(form.type.size) + " bytes");
    }
    form.fill = Bytes();  // of the array, not of what comes out of here
  }
  form.bytes = form.bytes / from.size() * to.size();
  form.type = to.type;
  form.big_endian = to.big_endian;
  return {};
}

void CastNumbers(const NumberCode& from_code, std::span<const std::byte> from, const NumberCode& to_code,
                 std::span<std::byte> into) {
  const size_t from_size = from_code.size();
  const size_t to_size = to_code.size();
  const size_t count = from.size() / from_size;
  std::array<std::byte, kBlock * sizeof(double)> block;
  for (size_t at = 0; at < count; at += kBlock) {
    const size_t numbers = std::min(kBlock, count - at);
    const std::byte* source = from.data() + at * from_size;
    const auto target = into.subspan(at * to_size, numbers * to_size);
    if (from_code.type == to_code.type) {
      std::memcpy(target.data(), source, target.size());
      if (from_code.big_endian != to_code.big_endian) nd::SwapBytes(target, to_size);
      continue;
    }
    if (from_code.big_endian) {
      std::memcpy(block.data(), source, numbers * from_size);
      nd::SwapBytes(std::span(block).first(numbers * from_size), from_size);
      source = block.data();
    }
    CastNative(from_code.type, source, to_code.type, target.data(), numbers);
    if (to_code.big_endian) nd::SwapBytes(target, to_size);
  }
}

Result<size_t> CountNumbers(std::span<const std::byte> bytes, size_t from_size, size_t to_size, size_t room) {
  const size_t count = bytes.size() / from_size;
  if (bytes.size() % from_size != 0) {
    return base::DataLoss(std::to_string(bytes.size()) + " bytes are not whole numbers of " +
                          std::to_string(from_size));
  }
  if (count > room / to_size) {
    return base::DataLoss(std::to_string(count) + " numbers (at most " + std::to_string(room / to_size) + " expected)");
  }
  return count;
}

}  // namespace seamount::zarr
