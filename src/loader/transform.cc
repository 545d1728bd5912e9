#include "loader/transform.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#ifdef __SSE2__
#include <emmintrin.h>

#include "nd/data_type.h"
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
  if (transform.missing.empty()) return Run<T, A, false>(affine, A{}, from, stride, to, count);
  Run<T, A, true>(affine, static_cast<A>(transform.missing[0]), from, stride, to, count);
  // A second mark (missing_value besides another _FillValue) is rare enough for a second pass.
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
void StreamCopy(const float* from, float* to, size_t count) {
#ifdef __SSE2__
  constexpr size_t kLanes = 4;
  size_t i = 0;
  for (; i < count && reinterpret_cast<uintptr_t>(to + i) % sizeof(__m128) != 0; ++i) to[i] = from[i];
  for (; i + kLanes <= count; i += kLanes) _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
  for (; i < count; ++i) to[i] = from[i];
#else
  std::memcpy(to, from, count * sizeof(float));
#endif
}

// TransformRun by way of a few KiB that stay in the first-level cache.
void TransformPastCache(DataType type, const Transform& transform, const std::byte* from, size_t stride, float* to,
                        size_t count) {
  constexpr size_t kPiece = 2048;
  alignas(64) float piece[kPiece];
  const size_t element = nd::SizeOf(type);
  for (size_t done = 0; done < count; done += kPiece) {
    const size_t n = std::min(kPiece, count - done);
    Dispatch(type, transform, from + done * stride * element, stride, piece, n);
    StreamCopy(piece, to + done, n);
  }
#ifdef __SSE2__
  _mm_sfence();  // such stores are not ordered with others
#endif
}

}  // namespace

bool IsReal(DataType type) { return type != DataType::kComplex64 && type != DataType::kComplex128; }

void TransformRun(DataType type, const Transform& transform, const std::byte* from, size_t stride, float* to,
                  size_t count) {
  Dispatch(type, transform, from, stride, to, count);
}

void TransformRun(DataType type, const Transform& transform, const std::byte* from, size_t stride, double* to,
                  size_t count) {
  Dispatch(type, transform, from, stride, to, count);
}

void TransformBox(DataType type, const Transform& transform, const std::byte* from, float* to,
                  std::span<const CopyLoop> loops, Written written) {
  const CopyLoop& loop = loops.front();
  if (loops.size() == 1) {
    constexpr uint64_t kLongRun = 1024;  // for less, the way round costs more than it saves
    const bool past = written == Written::kPastCache && loop.count >= kLongRun;
    (past ? TransformPastCache : Dispatch<float>)(type, transform, from, loop.from_stride, to, loop.count);
    return;
  }
  const size_t element = nd::SizeOf(type);
  for (uint64_t i = 0; i < loop.count; ++i) {
    TransformBox(type, transform, from + i * loop.from_stride * element, to + i * loop.to_stride, loops.subspan(1),
                 written);
  }
}

}  // namespace seamount::loader
