#include "server/commit_queue.h"

#include <utility>

namespace seamount::server {

CommitQueue::CommitQueue(std::unique_ptr<Connection> connection, std::function<bool()> make_room)
    : connection_(std::move(connection)),
      make_room_(std::move(make_room)),
      thread_([this](std::stop_token stop) { Loop(stop); }) {}

CommitQueue::~CommitQueue() {
  thread_.request_stop();
  thread_.join();
}

Result<void> CommitQueue::Commit(const Change& change, const std::function<void()>& committed, Kind kind) {
  Waiting mine{&change, &committed, kind, {}, false};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&mine);
  arrived_.notify_one();
  finished_.wait(lock, [&] { return mine.done; });
  return std::move(mine.result);
}

void CommitQueue::Loop(std::stop_token stop) {
  while (true) {
    std::deque<Waiting*> group;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, stop, [&] { return !waiting_.empty(); });
      if (waiting_.empty()) return;  // stopped, and nothing left
      group.swap(waiting_);
    }
    RunAndCall(group);
    std::deque<Waiting*> again;
    for (Waiting* w : group)
      if (!w->result && w->result.error().code() == ErrorCode::kResourceExhausted && w->kind == Kind::kFreesSpace)
        again.push_back(w);
    if (!again.empty() && make_room_ && make_room_()) RunAndCall(again);
    std::lock_guard lock(mutex_);
    for (Waiting* w : group) w->done = true;
    finished_.notify_all();
  }
}

// Every change of the group has its result afterwards.
void CommitQueue::RunAndCall(const std::deque<Waiting*>& group) {
  const Result<void> committed = RunGroup(group);
  for (Waiting* w : group) {
    if (w->result && !committed) w->result = committed.error();
    if (w->result && *w->committed) (*w->committed)();
  }
}

Result<void> CommitQueue::RunGroup(const std::deque<Waiting*>& group) {
  SEAMOUNT_TRY(connection_->Execute("BEGIN IMMEDIATE"));
  for (Waiting* w : group) {
    w->result = RunOne(*w->change);
    // Gone: a change run now would be committed alone, while its group is reported as failed.
    if (!connection_->in_transaction())
      return w->result ? base::Internal("catalog: the transaction ended early") : w->result.error();
  }
  Result<void> committed = connection_->Execute("COMMIT");
  // A transaction that could not commit must not stay open. Where SQLite rolled it back itself, this fails harmlessly.
  if (!committed) (void)connection_->Execute("ROLLBACK");
  return committed;
}

Result<void> CommitQueue::RunOne(const Change& change) {
  SEAMOUNT_TRY(connection_->Execute("SAVEPOINT one"));
  Result<void> result = change(*connection_);
  if (!result) SEAMOUNT_TRY(connection_->Execute("ROLLBACK TO one"));
  SEAMOUNT_TRY(connection_->Execute("RELEASE one"));
  return result;
}

}  // namespace seamount::server
