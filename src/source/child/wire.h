// Numbers and text as bytes, for what goes to a process that has a library, and back (child.h). Little-endian, lengths
// before contents. A reader believes nothing: it stops at the first length that cannot be, and then says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seamount::source {

class WireWriter {
 public:
  template <class Number>
  void Put(Number value) {
    Append(std::as_bytes(std::span(&value, 1)));
  }
  void Bytes(std::span<const std::byte> raw) {
    Put<uint64_t>(raw.size());
    Append(raw);
  }
  void Text(std::string_view text) { Bytes(std::as_bytes(std::span(text))); }
  template <class Item, class PutItem>
  void List(const std::vector<Item>& items, PutItem put) {
    Put<uint64_t>(items.size());
    for (const Item& item : items) put(item);
  }
  template <class Number>
  void Numbers(const std::vector<Number>& numbers) {
    Bytes(std::as_bytes(std::span(numbers)));
  }
  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  void Append(std::span<const std::byte> raw);
  std::vector<std::byte> bytes_;
};

class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  // Everything was read, and nothing else is there.
  bool whole() const { return good_ && rest_.empty(); }
  bool good() const { return good_; }

  template <class Number>
  Number Get() {
    Number value{};
    if (rest_.size() < sizeof value) return Fail(value);
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return value;
  }
  // An enumerator of 0..last.
  template <class Enum>
  Enum GetEnum(Enum last) {
    const auto value = Get<uint8_t>();
    return value <= static_cast<uint8_t>(last) ? static_cast<Enum>(value) : Fail(Enum{});
  }
  bool GetBool() { return Get<uint8_t>() == 1; }
  std::span<const std::byte> Bytes() {
    const auto size = Get<uint64_t>();
    if (size > rest_.size()) return Fail(std::span<const std::byte>());
    const auto raw = rest_.first(size);
    rest_ = rest_.subspan(size);
    return raw;
  }
  std::string Text() {
    const auto raw = Bytes();
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  template <class Item, class GetItem>
  void List(std::vector<Item>& into, GetItem get) {
    const auto count = Get<uint64_t>();
    // Each item takes a byte at least: no length makes this reserve more than was sent.
    if (count > rest_.size()) return (void)Fail(0);
    for (uint64_t i = 0; i < count && good_; ++i) into.push_back(get());
  }
  template <class Number>
  std::vector<Number> Numbers() {
    const auto raw = Bytes();
    if (raw.size() % sizeof(Number) != 0) return Fail(std::vector<Number>());
    std::vector<Number> numbers(raw.size() / sizeof(Number));
    if (!raw.empty()) std::memcpy(numbers.data(), raw.data(), raw.size());
    return numbers;
  }

 private:
  template <class Value>
  Value Fail(Value value) {
    good_ = false;
    rest_ = {};
    return value;
  }

  std::span<const std::byte> rest_;
  bool good_ = true;
};

}  // namespace seamount::source
