// libhdf5 behind one lock, its handles as values. An hid_t is an int64_t and a herr_t an int, so that hdf5.h stays in
// the .cc files.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"

namespace seamount::source::hdf5 {

// Every call into libhdf5 is made while holding this. Construction also silences its printing of errors.
class LibraryLock {
 public:
  LibraryLock();

 private:
  std::scoped_lock<std::mutex> lock_;
};

// The deepest message of libhdf5's error stack, or "unknown error".
std::string LastError();

// Owns an identifier; closes it with Close, under the lock that the owner must hold.
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
