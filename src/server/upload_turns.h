// Whose turn it is to add to an upload: the newest request's. It ends the reading of the one before, which may be
// waiting for a client that is long gone: a connection that dies silently must not lock its upload until a timeout.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

namespace seamount::server {

class UploadTurns {
 public:
  // Waits until the request before has ended; `interrupt` is called, from another thread, when a newer one comes.
  class Turn {
   public:
    Turn(UploadTurns& turns, std::function<void()> interrupt);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    // False where a newer request came while this one waited: it is to give way.
    bool held() const { return held_; }

   private:
    UploadTurns& turns_;
    std::unique_lock<std::mutex> lock_;
    bool held_ = false;
  };

 private:
  std::mutex working_;  // held by the request whose turn it is
  std::mutex mutex_;    // of what follows
  uint64_t newest_ = 0;
  std::function<void()> interrupt_;  // of the request whose turn it is
};

}  // namespace seamount::server
