// A mounted file system: the kernel's connection and the threads that serve it.
//
// Every thread reads a request, serves it and replies: no hand-over. So that slow requests (a read that waits for the
// network) do not hold up others, a thread that takes the last free turn first starts another, and one that finds
// enough of them free ends. Only what uploads, a close or fsync, is handed to threads that wait for that (waiters.h).
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "fuse/mount_point.h"
#include "vfs/file_system.h"

namespace seamount::fuse {

struct SessionOptions {
  MountPointOptions mount_point;
  base::Duration attribute_ttl = std::chrono::seconds(1);  // how long the kernel believes names and attributes
  int threads = 32;                                        // to begin with, and free ones that are kept
  int most_threads = 512;                                  // questions and reads that may wait for the store at once
  int most_uploads = 2048;                                 // closes and fsyncs that may; more wait for their turn
};

class Session {
 public:
  // Mounts on a path that CheckMountPoint gave, and serves from now on. The file system must outlive the session.
  static Result<std::unique_ptr<Session>> Start(vfs::FileSystem& file_system, const std::string& path,
                                                const SessionOptions& options);
  // Unmounts if that has not happened.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Whether the kernel's side answers: true once a first request was served.
  bool Answers() const;
  // Until somebody unmounts (true), or the context's stop is requested (false).
  bool Wait(const CallContext& context);
  // Takes the mount out of the tree, lazily if it is in use, and ends the threads when they have answered what they
  // are at. Later requests of programs that still have files open fail with ENOTCONN.
  void Stop();

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace seamount::fuse
