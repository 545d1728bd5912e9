// Names one content of one key. Opaque: a driver's own text (a number in GCS, an ETag in S3), which only that driver
// reads. It can be compared for equality, kept, and handed back; it has no order, and nothing may be computed from it.
#pragma once

#include <functional>
#include <string>
#include <utility>

namespace seamount::store {

class Generation {
 public:
  Generation() = default;  // kAbsent
  // What text() gave, or what a driver knows.
  explicit Generation(std::string text) : text_(std::move(text)) {}
  // For keeping it. Empty for kAbsent, and for nothing else.
  const std::string& text() const { return text_; }
  bool operator==(const Generation&) const = default;

 private:
  std::string text_;
};

// That of a key without an object: as if_generation, "the key must not exist".
inline const Generation kAbsent;

}  // namespace seamount::store

template <>
struct std::hash<seamount::store::Generation> {
  size_t operator()(const seamount::store::Generation& generation) const noexcept {
    return std::hash<std::string>()(generation.text());
  }
};
