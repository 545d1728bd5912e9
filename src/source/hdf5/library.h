// libhdf5's handles as values, in the process that has it (worker.h). An hid_t is an int64_t and a herr_t an int, so
// that hdf5.h stays in the .cc files.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace seamount::source::hdf5 {

// The deepest message of libhdf5's error stack, or "unknown error".
std::string LastError();

// Owns an identifier; closes it with Close.
template <int (*Close)(int64_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(int64_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) Close(id_);
  }
  int64_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  int64_t id_ = -1;
};

}  // namespace seamount::source::hdf5
