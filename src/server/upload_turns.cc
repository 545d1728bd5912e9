#include "server/upload_turns.h"

#include <utility>

namespace seamount::server {

UploadTurns::Turn::Turn(UploadTurns& turns, std::function<void()> interrupt)
    : turns_(turns), lock_(turns.working_, std::defer_lock) {
  uint64_t number = 0;
  {
    std::lock_guard lock(turns.mutex_);
    number = ++turns.newest_;
    if (turns.interrupt_) turns.interrupt_();
  }
  lock_.lock();
  std::lock_guard lock(turns.mutex_);
  held_ = number == turns.newest_;
  if (held_) turns.interrupt_ = std::move(interrupt);
}

UploadTurns::Turn::~Turn() {
  std::lock_guard lock(turns_.mutex_);
  if (held_) turns_.interrupt_ = nullptr;
}

}  // namespace seamount::server
