#include "nd/copy.h"

#include <algorithm>
#include <cstring>

namespace seamount::nd {
namespace {

struct Axis {
  uint64_t size;
  uint64_t from_stride;
  uint64_t into_stride;
};

// The axes without those of size one, neighbours that are contiguous on both sides joined.
std::vector<Axis> Coalesce(std::span<const uint64_t> from_strides, std::span<const uint64_t> into_strides,
                           std::span<const uint64_t> shape) {
  std::vector<Axis> axes;
  for (size_t d = 0; d < shape.size(); ++d) {
    const Axis axis{shape[d], from_strides[d], into_strides[d]};
    if (axis.size == 1) continue;
    if (!axes.empty() && axes.back().from_stride == axis.size * axis.from_stride &&
        axes.back().into_stride == axis.size * axis.into_stride) {
      axes.back() = {axes.back().size * axis.size, axis.from_stride, axis.into_stride};
    } else {
      axes.push_back(axis);
    }
  }
  return axes;
}

template <size_t kSize>
void CopyLine(const std::byte* from, std::byte* into, const Axis& axis) {
  for (uint64_t i = 0; i < axis.size; ++i) {
    std::memcpy(into + i * axis.into_stride, from + i * axis.from_stride, kSize);
  }
}

void CopyInnermost(const std::byte* from, std::byte* into, const Axis& axis, size_t element_bytes) {
  if (axis.from_stride == element_bytes && axis.into_stride == element_bytes) {
    std::memcpy(into, from, axis.size * element_bytes);
    return;
  }
  switch (element_bytes) {
    case 1: return CopyLine<1>(from, into, axis);
    case 2: return CopyLine<2>(from, into, axis);
    case 4: return CopyLine<4>(from, into, axis);
    case 8: return CopyLine<8>(from, into, axis);
    case 16: return CopyLine<16>(from, into, axis);
    default: break;
  }
  for (uint64_t i = 0; i < axis.size; ++i) {
    std::memcpy(into + i * axis.into_stride, from + i * axis.from_stride, element_bytes);
  }
}

void CopyAxes(const std::byte* from, std::byte* into, std::span<const Axis> axes, size_t element_bytes) {
  if (axes.size() == 1) return CopyInnermost(from, into, axes[0], element_bytes);
  for (uint64_t i = 0; i < axes[0].size; ++i) {
    CopyAxes(from + i * axes[0].from_stride, into + i * axes[0].into_stride, axes.subspan(1), element_bytes);
  }
}

// Offset in bytes of part's origin within a dense buffer that holds `box`.
uint64_t OffsetOf(const Box& part, const Box& box, std::span<const uint64_t> strides) {
  uint64_t offset = 0;
  for (size_t d = 0; d < strides.size(); ++d) offset += (part.origin[d] - box.origin[d]) * strides[d];
  return offset;
}

}  // namespace

std::vector<uint64_t> DenseStrides(std::span<const uint64_t> shape, size_t element_bytes) {
  std::vector<uint64_t> strides(shape.size());
  uint64_t stride = element_bytes;
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= shape[d];
  }
  return strides;
}

void CopyStrided(const std::byte* from, std::span<const uint64_t> from_strides, std::byte* into,
                 std::span<const uint64_t> into_strides, std::span<const uint64_t> shape, size_t element_bytes) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  const std::vector<Axis> axes = Coalesce(from_strides, into_strides, shape);
  if (axes.empty()) {
    std::memcpy(into, from, element_bytes);
    return;
  }
  CopyAxes(from, into, axes, element_bytes);
}

void CopyBox(const Box& part, const Box& from_box, std::span<const std::byte> from, const Box& into_box,
             std::span<std::byte> into, size_t element_bytes) {
  if (IsEmpty(part)) return;
  const auto from_strides = DenseStrides(from_box.shape, element_bytes);
  const auto into_strides = DenseStrides(into_box.shape, element_bytes);
  CopyStrided(from.data() + OffsetOf(part, from_box, from_strides), from_strides,
              into.data() + OffsetOf(part, into_box, into_strides), into_strides, part.shape, element_bytes);
}

void FillElements(std::span<const std::byte> element, std::span<std::byte> into) {
  if (into.empty()) return;
  const bool same_bytes = std::all_of(element.begin(), element.end(), [&](std::byte b) { return b == element[0]; });
  if (same_bytes) {
    std::memset(into.data(), std::to_integer<int>(element[0]), into.size());
    return;
  }
  size_t done = std::min(element.size(), into.size());
  std::memcpy(into.data(), element.data(), done);
  while (done < into.size()) {  // doubling
    const size_t more = std::min(done, into.size() - done);
    std::memcpy(into.data() + done, into.data(), more);
    done += more;
  }
}

void FillBox(const Box& part, std::span<const std::byte> element, const Box& into_box, std::span<std::byte> into) {
  if (IsEmpty(part)) return;
  const auto strides = DenseStrides(into_box.shape, element.size());
  const std::vector<uint64_t> same_element(part.shape.size(), 0);
  CopyStrided(element.data(), same_element, into.data() + OffsetOf(part, into_box, strides), strides, part.shape,
              element.size());
}

}  // namespace seamount::nd
