#include "fuse/waiters.h"

#include <system_error>
#include <thread>
#include <utility>

namespace seamount::fuse {

Waiters::Waiters(size_t most, base::Duration idle) : most_(most), idle_(idle) {}

Waiters::~Waiters() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  wake_.notify_all();
  ended_.wait(lock, [&] { return threads_ == 0; });
}

void Waiters::Run(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  tasks_.push_back(std::move(task));
  if (waiting_ >= tasks_.size()) {
    wake_.notify_one();
    return;
  }
  if (threads_ == most_) return;  // one of them will come to it
  ++threads_;
  try {
    std::thread([this] { Work(); }).detach();
  } catch (const std::system_error&) {  // the system has no more
    --threads_;
    if (threads_ > 0) return;
    task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
  }
}

void Waiters::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++waiting_;
    wake_.wait_for(lock, idle_, [&] { return closing_ || !tasks_.empty(); });
    --waiting_;
    if (tasks_.empty()) break;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
  --threads_;
  ended_.notify_all();
}

size_t Waiters::threads() const {
  std::scoped_lock lock(mutex_);
  return threads_;
}

}  // namespace seamount::fuse
