// Group commit. Writers hand their change to one thread, which runs all that wait in one transaction (each inside its
// own savepoint, so that one that fails undoes only itself) and answers them after the commit: many small writes share
// one fsync.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "server/sqlite.h"

namespace seamount::server {

class CommitQueue {
 public:
  using Change = std::function<Result<void>(Connection&)>;

  enum class Kind { kAny, kFreesSpace };

  // `make_room` gives the file system a reserve back; false when there is none left.
  explicit CommitQueue(std::unique_ptr<Connection> connection, std::function<bool()> make_room = {});
  ~CommitQueue();  // commits what waits
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Thread-safe. Returns once `change` is durable, or with why it was not made. `committed` is called on the queue's
  // thread after the commit and before this returns, in the order of commits: the place to update caches.
  Result<void> Commit(const Change& change, const std::function<void()>& committed = {}, Kind kind = Kind::kAny);

 private:
  struct Waiting {
    const Change* change;
    const std::function<void()>* committed;
    Kind kind = Kind::kAny;
    Result<void> result;
    bool done = false;
  };
  void Loop(std::stop_token stop);
  void RunAndCall(const std::deque<Waiting*>& group);
  Result<void> RunGroup(const std::deque<Waiting*>& group);
  Result<void> RunOne(const Change& change);

  std::unique_ptr<Connection> connection_;
  std::function<bool()> make_room_;
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::condition_variable finished_;
  std::deque<Waiting*> waiting_;
  std::jthread thread_;  // last: ends first
};

}  // namespace seamount::server
