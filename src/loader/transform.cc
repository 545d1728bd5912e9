#include "loader/transform.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace seamount::loader {
namespace {

using nd::DataType;

// IEEE 754 binary16; a type of its own because clang 14 has no _Float16 for plain x86-64.
struct Half {
  uint16_t bits;
  explicit operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t exponent = (bits >> 10) & 0x1Fu;
    const uint32_t fraction = bits & 0x3FFu;
    if (exponent == 0) {
      const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal or zero: exact
      return sign != 0 ? -magnitude : magnitude;
    }
    const uint32_t wide = exponent == 31 ? 0xFFu : exponent + 112;
    return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
  }
  explicit operator double() const { return static_cast<float>(*this); }
};

// Float32 holds every value of these types exactly.
template <class T>
inline constexpr bool kFitsFloat = std::is_same_v<T, float> || std::is_same_v<T, Half> ||
                                   (std::is_integral_v<T> && sizeof(T) <= 2);

template <class T>
T Load(const std::byte* from, size_t index) {
  T value;  // chunks may lie unaligned in a decoder's output
  std::memcpy(&value, from + index * sizeof(T), sizeof(T));
  return value;
}

// The arithmetic in A (float or double): shift in two parts, so that float loses nothing near the mean.
template <class A>
struct Affine {
  explicit Affine(const Transform& t)
      : high(static_cast<A>(t.shift)),
        low(static_cast<A>(t.shift - static_cast<double>(high))),
        factor(static_cast<A>(t.factor)) {}
  A operator()(A stored) const { return ((stored - high) - low) * factor; }
  A high;
  A low;
  A factor;
};

// kMasked: numbers equal to `mark` become NaN in the same pass.
template <class T, class A, bool kMasked, class Out>
void Run(const Affine<A>& affine, A mark, const std::byte* from, size_t stride, Out* to, size_t count) {
  const auto one = [&](size_t i) {
    const A stored = static_cast<A>(Load<T>(from, i));
    const Out value = static_cast<Out>(affine(stored));
    if constexpr (!kMasked) return value;
    return stored == mark ? std::numeric_limits<Out>::quiet_NaN() : value;
  };
  if (stride == 1) {
    for (size_t i = 0; i < count; ++i) to[i] = one(i);
  } else {
    for (size_t i = 0; i < count; ++i) to[i] = one(i * stride);
  }
}

template <class T, class A, class Out>
void RunMasks(const Transform& transform, const std::byte* from, size_t stride, Out* to, size_t count) {
  const Affine<A> affine(transform);
  if (transform.missing.empty()) {
    Run<T, A, false>(affine, A{}, from, stride, to, count);
  } else {
    Run<T, A, true>(affine, static_cast<A>(transform.missing[0]), from, stride, to, count);
  }
  // The rest is rare enough for further passes: a second mark (missing_value besides another _FillValue), a valid
  // range.
  if (transform.valid_min || transform.valid_max) {
    const double low = transform.valid_min.value_or(-std::numeric_limits<double>::infinity());
    const double high = transform.valid_max.value_or(std::numeric_limits<double>::infinity());
    for (size_t i = 0; i < count; ++i) {
      const double stored = static_cast<double>(Load<T>(from, i * stride));
      if (stored < low || stored > high) to[i] = std::numeric_limits<Out>::quiet_NaN();
    }
  }
  for (size_t m = 1; m < transform.missing.size(); ++m) {
    const A mark = static_cast<A>(transform.missing[m]);
    for (size_t i = 0; i < count; ++i) {
      if (static_cast<A>(Load<T>(from, i * stride)) == mark) to[i] = std::numeric_limits<Out>::quiet_NaN();
    }
  }
}

template <class T, class Out>
void RunType(const Transform& transform, const std::byte* from, size_t stride, Out* to, size_t count) {
  if constexpr (std::is_same_v<T, Out>) {
    if (stride == 1 && transform.identity()) {
      std::memcpy(to, from, count * sizeof(T));
      return;
    }
  }
  if constexpr (std::is_same_v<Out, float> && kFitsFloat<T>) {
    RunMasks<T, float>(transform, from, stride, to, count);
  } else {
    RunMasks<T, double>(transform, from, stride, to, count);
  }
}

template <class Out>
void Dispatch(DataType type, const Transform& transform, const std::byte* from, size_t stride, Out* to, size_t count) {
  switch (type) {
    case DataType::kBool:
    case DataType::kUInt8: return RunType<uint8_t>(transform, from, stride, to, count);
    case DataType::kInt8: return RunType<int8_t>(transform, from, stride, to, count);
    case DataType::kInt16: return RunType<int16_t>(transform, from, stride, to, count);
    case DataType::kUInt16: return RunType<uint16_t>(transform, from, stride, to, count);
    case DataType::kInt32: return RunType<int32_t>(transform, from, stride, to, count);
    case DataType::kUInt32: return RunType<uint32_t>(transform, from, stride, to, count);
    case DataType::kInt64: return RunType<int64_t>(transform, from, stride, to, count);
    case DataType::kUInt64: return RunType<uint64_t>(transform, from, stride, to, count);
    case DataType::kFloat16: return RunType<Half>(transform, from, stride, to, count);
    case DataType::kFloat32: return RunType<float>(transform, from, stride, to, count);
    case DataType::kFloat64: return RunType<double>(transform, from, stride, to, count);
    case DataType::kComplex64:
    case DataType::kComplex128:
    case DataType::kChar:
    case DataType::kOther: return;  // refused when the variable was opened (IsReal)
  }
}

// Copies past the caches. Other processors than x86-64 do it with less gain; there it is a plain copy.
template <class Out>
void StreamCopy(const Out* from, Out* to, size_t count) {
#ifdef __SSE2__
  constexpr size_t kLanes = sizeof(__m128i) / sizeof(Out);
  size_t i = 0;
  for (; i < count && reinterpret_cast<uintptr_t>(to + i) % sizeof(__m128i) != 0; ++i) to[i] = from[i];
  for (; i + kLanes <= count; i += kLanes) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
  }
  for (; i < count; ++i) to[i] = from[i];
#else
  std::memcpy(to, from, count * sizeof(Out));
#endif
}

template <class Out>
bool AnyMissing(const Out* values, size_t count) {
  unsigned missing = 0;
  for (size_t i = 0; i < count; ++i) missing |= static_cast<unsigned>(values[i] != values[i]);
  return missing != 0;
}

template <class Out>
void FillMissing(Out* values, uint8_t* mask, size_t count, Out fill) {
  for (size_t i = 0; i < count; ++i) {
    const bool missing = values[i] != values[i];
    if (mask != nullptr) mask[i] = missing ? 1 : 0;
    values[i] = missing ? fill : values[i];
  }
}

// float32 rounded to the nearest of 16 bits, to even in the middle; both as their bits.
struct ToHalf {
  uint16_t operator()(float value) const {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t sign = bits >> 16 & 0x8000u;
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    uint32_t half = 0;
    if (magnitude >= 0x47800000u) {  // 2^16: infinite, or no number
      half = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
    } else if (magnitude < 0x38800000u) {  // below 2^-14: a sum with 0.5 has steps of 2^-24, as they have
      half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3F000000u;
    } else {
      half = (magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u)) >> 13;
    }
    return static_cast<uint16_t>(sign | half);
  }
};

struct ToBrain {
  uint16_t operator()(float value) const {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40u);
    return static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
  }
};

template <class Narrow>
bool WriteNarrow(DataType type, const Transform& transform, const std::byte* from, size_t stride, const Target& target,
                 uint64_t offset, size_t count) {
  constexpr size_t kPiece = 2048;
  float piece[kPiece];
  const size_t element = nd::SizeOf(type);
  uint16_t* const to = reinterpret_cast<uint16_t*>(target.data) + offset;
  bool missing = false;
  for (size_t done = 0; done < count; done += kPiece) {
    const size_t n = std::min(kPiece, count - done);
    uint8_t* const mask = target.mask == nullptr ? nullptr : target.mask + offset + done;
    Dispatch(type, transform, from + done * stride * element, stride, piece, n);
    const bool some = target.may_be_missing && AnyMissing(piece, n);
    missing |= some;
    if (some && target.fill) {
      FillMissing(piece, mask, n, static_cast<float>(*target.fill));
    } else if (mask != nullptr) {
      std::memset(mask, 0, n);
    }
    std::transform(piece, piece + n, to + done, Narrow());
  }
  return missing;
}

template <class Out, class T>
void KeepRun(const std::byte* from, size_t stride, Out* to, size_t count) {
  // NOLINTNEXTLINE(bugprone-signed-char-misuse): 8 bits are a number here, no character
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<Out>(Load<T>(from, i * stride));
}

template <class Out>
bool WriteIntegers(DataType type, const std::byte* from, size_t stride, const Target& target, uint64_t offset,
                   size_t count) {
  Out* const to = reinterpret_cast<Out*>(target.data) + offset;
  if (target.mask != nullptr) std::memset(target.mask + offset, 0, count);
  switch (type) {
    case DataType::kBool:
    case DataType::kUInt8: KeepRun<Out, uint8_t>(from, stride, to, count); break;
    case DataType::kInt8: KeepRun<Out, int8_t>(from, stride, to, count); break;
    case DataType::kInt16: KeepRun<Out, int16_t>(from, stride, to, count); break;
    case DataType::kUInt16: KeepRun<Out, uint16_t>(from, stride, to, count); break;
    case DataType::kInt32: KeepRun<Out, int32_t>(from, stride, to, count); break;
    case DataType::kUInt32: KeepRun<Out, uint32_t>(from, stride, to, count); break;
    case DataType::kInt64: KeepRun<Out, int64_t>(from, stride, to, count); break;
    case DataType::kUInt64: KeepRun<Out, uint64_t>(from, stride, to, count); break;
    default: break;  // KeepsIntegers said no
  }
  return false;
}

bool IsSigned(DataType type) {
  return type == DataType::kInt8 || type == DataType::kInt16 || type == DataType::kInt32 || type == DataType::kInt64;
}

// A dense run, by way of a few KiB that stay in the first-level cache.
template <class Out>
bool WriteRun(DataType type, const Transform& transform, const std::byte* from, size_t stride, const Target& target,
              uint64_t offset, size_t count) {
  constexpr size_t kPiece = 2048;
  constexpr size_t kLongRun = 1024;  // for less, the way past the cache costs more than it saves
  alignas(64) Out piece[kPiece];
  const bool past = target.written == Written::kPastCache && count >= kLongRun;
  const size_t element = nd::SizeOf(type);
  Out* const to = reinterpret_cast<Out*>(target.data) + offset;
  uint8_t* const mask = target.mask == nullptr ? nullptr : target.mask + offset;
  bool missing = false;
  for (size_t done = 0; done < count; done += kPiece) {
    const size_t n = std::min(kPiece, count - done);
    Out* const values = past ? piece : to + done;
    Dispatch(type, transform, from + done * stride * element, stride, values, n);
    const bool some = target.may_be_missing && AnyMissing(values, n);
    missing |= some;
    if (some && target.fill) {
      FillMissing(values, mask == nullptr ? nullptr : mask + done, n, static_cast<Out>(*target.fill));
    } else if (mask != nullptr) {
      std::memset(mask + done, 0, n);
    }
    if (past) StreamCopy(values, to + done, n);
  }
#ifdef __SSE2__
  if (past) _mm_sfence();  // such stores are not ordered with others
#endif
  return missing;
}

bool WriteOne(DataType type, const Transform& transform, const std::byte* from, size_t stride, const Target& target,
              uint64_t offset, size_t count) {
  switch (target.dtype) {
    case DataType::kFloat64: return WriteRun<double>(type, transform, from, stride, target, offset, count);
    case DataType::kFloat16:
      return target.bfloat16 ? WriteNarrow<ToBrain>(type, transform, from, stride, target, offset, count)
                             : WriteNarrow<ToHalf>(type, transform, from, stride, target, offset, count);
    case DataType::kUInt8: return WriteIntegers<uint8_t>(type, from, stride, target, offset, count);
    case DataType::kInt8: return WriteIntegers<int8_t>(type, from, stride, target, offset, count);
    case DataType::kInt16: return WriteIntegers<int16_t>(type, from, stride, target, offset, count);
    case DataType::kUInt16: return WriteIntegers<uint16_t>(type, from, stride, target, offset, count);
    case DataType::kInt32: return WriteIntegers<int32_t>(type, from, stride, target, offset, count);
    case DataType::kUInt32: return WriteIntegers<uint32_t>(type, from, stride, target, offset, count);
    case DataType::kInt64: return WriteIntegers<int64_t>(type, from, stride, target, offset, count);
    case DataType::kUInt64: return WriteIntegers<uint64_t>(type, from, stride, target, offset, count);
    default: return WriteRun<float>(type, transform, from, stride, target, offset, count);
  }
}

bool WriteLoops(DataType type, const Transform& transform, const std::byte* from, const Target& target, uint64_t offset,
                std::span<const CopyLoop> loops) {
  const CopyLoop& loop = loops.front();
  if (loops.size() == 1) {
    return WriteOne(type, transform, from, loop.from_stride, target, offset, loop.count);
  }
  const size_t element = nd::SizeOf(type);
  bool missing = false;
  for (uint64_t i = 0; i < loop.count; ++i) {
    missing |= WriteLoops(type, transform, from + i * loop.from_stride * element, target, offset + i * loop.to_stride,
                          loops.subspan(1));
  }
  return missing;
}

}  // namespace

bool IsReal(DataType type) { return type <= DataType::kFloat64; }

void TransformRun(DataType type, const Transform& transform, const std::byte* from, size_t stride, float* to,
                  size_t count) {
  Dispatch(type, transform, from, stride, to, count);
}

void TransformRun(DataType type, const Transform& transform, const std::byte* from, size_t stride, double* to,
                  size_t count) {
  Dispatch(type, transform, from, stride, to, count);
}

bool CanBeMissing(DataType type, const Transform& transform) {
  return transform.masks() || type == DataType::kFloat16 || type == DataType::kFloat32 || type == DataType::kFloat64;
}

bool KeepsIntegers(DataType type, const Transform& transform, DataType to) {
  if (transform.shift != 0 || transform.factor != 1 || !nd::IsInteger(to)) return false;
  if (!nd::IsInteger(type) && type != DataType::kBool) return false;
  if (type == to) return true;
  const bool wider = nd::SizeOf(to) > nd::SizeOf(type) || type == DataType::kBool;
  return wider && (IsSigned(to) || !IsSigned(type));
}

bool TransformBox(DataType type, const Transform& transform, const std::byte* from, const Target& target,
                  std::span<const CopyLoop> loops) {
  return WriteLoops(type, transform, from, target, 0, loops);
}

}  // namespace seamount::loader
