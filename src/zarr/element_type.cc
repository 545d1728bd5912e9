#include "zarr/element_type.h"

#include <algorithm>

#include "nd/byte_order.h"

namespace seamount::zarr {

size_t ScalarType::word() const {
  switch (kind) {
    case ElementKind::kNumber: return nd::WordSizeOf(number);
    case ElementKind::kBFloat16: return 2;
    case ElementKind::kDatetime:
    case ElementKind::kTimedelta: return 8;
    case ElementKind::kText: return 4;
    case ElementKind::kBytes:
    case ElementKind::kRaw:
    case ElementKind::kString:
    case ElementKind::kByteString: break;
  }
  return 1;
}

ElementType::ElementType(nd::DataType type)
    : ScalarType{.kind = ElementKind::kNumber, .number = type, .size = nd::SizeOf(type)} {}

ElementType VariableElement(ElementKind kind) {
  ElementType type;
  type.kind = kind;
  type.size = sizeof(std::string_view);
  return type;
}

Bytes ZeroElement(const ElementType& type) {
  if (type.variable()) return {};
  Buffer zero(type.size);
  std::fill(zero.span().begin(), zero.span().end(), std::byte{0});
  return zero;
}

bool HasByteOrder(const ElementType& type) {
  return type.word() > 1 || std::any_of(type.fields.begin(), type.fields.end(),
                                        [](const ElementField& field) { return field.type.word() > 1; });
}

void SwapElements(const ElementType& type, std::span<std::byte> elements) {
  if (type.fields.empty()) return nd::SwapBytes(elements, type.word());
  for (size_t at = 0; at + type.size <= elements.size(); at += type.size) {
    for (const ElementField& field : type.fields) {
      nd::SwapBytes(elements.subspan(at + field.offset, field.type.size), field.type.word());
    }
  }
}

}  // namespace seamount::zarr
