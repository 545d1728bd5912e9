// What belongs to one process. A forked child begins with one of its own: a lock of its parent's may be held for ever
// there, by a thread that the child does not have.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace seamount::base {

// How many forks lie between the process that asked first and this one.
uint64_t CountForks();

// Thread-safe.
template <typename T>
class PerProcess {
 public:
  explicit PerProcess(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)), own_(new Own{make_()}) {}
  // A parent's is left as it is, here and in Get.
  ~PerProcess() {
    if (const Own* own = own_; own->forks == CountForks()) delete own;
  }
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  // This process's.
  T& Get() {
    Own* own = own_;
    if (own->forks == CountForks()) return *own->value;
    auto fresh = std::make_unique<Own>(Own{make_()});
    if (own_.compare_exchange_strong(own, fresh.get())) return *fresh.release()->value;
    return *own->value;  // another thread of the child was first
  }

 private:
  struct Own {
    std::unique_ptr<T> value;
    uint64_t forks = CountForks();
  };

  const std::function<std::unique_ptr<T>()> make_;
  std::atomic<Own*> own_;  // owned
};

}  // namespace seamount::base
