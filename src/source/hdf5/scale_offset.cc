#include "source/hdf5/scale_offset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "nd/byte_order.h"

namespace seamount::source::hdf5 {
namespace {

// Where HDF5 keeps what.
enum Parameter : size_t { kScaleType, kScale, kCount, kClass, kSize, kSigned, kBigEndian, kHasFill, kFill };
constexpr size_t kParameters = kFill + 2;
constexpr uint32_t kDecimalScale = 0;  // floats
constexpr uint32_t kIntegerScale = 2;
constexpr uint32_t kFloatClass = 1;

uint64_t LittleEndian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

// A stream of numbers of `bits` bits each, the most significant first.
class Bits {
 public:
  Bits(std::span<const std::byte> bytes, unsigned bits) : bytes_(bytes), bits_(bits) {}

  uint64_t Next() {
    uint64_t value = 0;
    for (unsigned missing = bits_; missing > 0;) {
      const unsigned left = 8 - at_ % 8;
      const unsigned taken = std::min(left, missing);
      const auto byte = std::to_integer<uint64_t>(bytes_[at_ / 8]);
      value = value << taken | (byte >> (left - taken) & ((uint64_t{1} << taken) - 1));
      at_ += taken;
      missing -= taken;
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  unsigned bits_;
  size_t at_ = 0;  // in bits
};

// The packed numbers as T; U: the unsigned integer of its size.
template <class T, class U>
void Unpack(std::span<const uint32_t> parameters, unsigned bits, uint64_t least, std::span<const std::byte> packed,
            std::span<std::byte> into) {
  const auto as_number = [](uint64_t word) {
    const auto narrow = static_cast<U>(word);
    T number;
    std::memcpy(&number, &narrow, sizeof(number));
    return number;
  };
  std::optional<uint64_t> fill_code;
  const T fill = as_number(parameters[kFill] | uint64_t{parameters[kFill + 1]} << 32);
  if (parameters[kHasFill] != 0) fill_code = (uint64_t{1} << bits) - 1;
  const T offset = as_number(least);
  const auto power = static_cast<T>(std::pow(10.0, static_cast<double>(static_cast<int32_t>(parameters[kScale]))));
  Bits numbers(packed, bits);
  for (size_t at = 0; at < into.size(); at += sizeof(T)) {
    const uint64_t code = numbers.Next();
    T value = fill;
    if (code != fill_code) {
      if constexpr (std::is_floating_point_v<T>) {
        value = static_cast<T>(code) / power + offset;
      } else {
        value = as_number(code + least);  // wraps, as a signed least wants it
      }
    }
    std::memcpy(into.data() + at, &value, sizeof(value));
  }
}

}  // namespace

bool CanUndoScaleOffset(std::span<const uint32_t> parameters) {
  if (parameters.size() < kParameters) return false;
  const uint32_t size = parameters[kSize];
  if (parameters[kClass] == kFloatClass) return parameters[kScaleType] == kDecimalScale && (size == 4 || size == 8);
  return parameters[kScaleType] == kIntegerScale && (size == 1 || size == 2 || size == 4 || size == 8);
}

Result<void> UndoScaleOffset(std::span<const uint32_t> parameters, std::span<const std::byte> from,
                             std::span<std::byte> into) {
  if (!CanUndoScaleOffset(parameters)) return base::InvalidArgument("scale-offset of a kind that is not known here");
  const size_t size = parameters[kSize];
  if (into.size() != uint64_t{parameters[kCount]} * size) {
    return base::DataLoss("its scale-offset counts another number of elements");
  }
  if (from.size() < kScaleOffsetHeader) return base::DataLoss("it is too short for scale-offset");
  const uint64_t bits = LittleEndian(from.first(4));
  const size_t least_bytes = std::min<size_t>(8, std::to_integer<size_t>(from[4]));
  const uint64_t least = LittleEndian(from.subspan(5, least_bytes));
  const auto packed = from.subspan(kScaleOffsetHeader);
  if (bits > 8 * size) return base::DataLoss("its scale-offset says more bits than a number has");
  if (packed.size() < (parameters[kCount] * bits + 7) / 8) return base::DataLoss("its scale-offset bits end early");
  const auto width = static_cast<unsigned>(bits);
  const bool is_float = parameters[kClass] == kFloatClass;
  if (bits == 8 * size) {  // stored as they are
    std::memcpy(into.data(), packed.data(), into.size());
  } else if (is_float && size == 4) {
    Unpack<float, uint32_t>(parameters, width, least, packed, into);
  } else if (is_float) {
    Unpack<double, uint64_t>(parameters, width, least, packed, into);
  } else if (size == 1) {
    Unpack<uint8_t, uint8_t>(parameters, width, least, packed, into);
  } else if (size == 2) {
    Unpack<uint16_t, uint16_t>(parameters, width, least, packed, into);
  } else if (size == 4) {
    Unpack<uint32_t, uint32_t>(parameters, width, least, packed, into);
  } else {
    Unpack<uint64_t, uint64_t>(parameters, width, least, packed, into);
  }
  if (parameters[kBigEndian] != 0) nd::SwapBytes(into, size);
  return {};
}

}  // namespace seamount::source::hdf5
