// Which files that are being written are put into the journal: those of which a MiB is not in the bucket yet, those
// that wait for more than a few seconds, and those of which an upload failed. A small file that is written and closed
// at once costs nothing of it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "vfs/inode.h"
#include "vfs/journal.h"
#include "vfs/namespace.h"

namespace seamount::vfs {

// Thread-safe.
class Recorder {
 public:
  // The namespace and the journal must outlive it; it looks every so often at what is being written.
  Recorder(Namespace& names, Journal& journal, base::Duration look_every);
  ~Recorder();

  // The inode has just been given a staged file.
  void Watch(const InodePtr& inode);
  // Under the inode's commit lock: after a write…
  void Wrote(const InodePtr& inode, StagedFile& staged);
  // …and whenever it must not be lost without a word, however small it is.
  void Record(const InodePtr& inode, StagedFile& staged);
  // It goes nowhere any more, or is kept already. Also under the inode's commit lock.
  void Forget(const InodePtr& inode);

 private:
  struct Watched {
    std::weak_ptr<Inode> inode;
    bool waited = false;  // when it was last looked at
  };
  void Run(const std::stop_token& stop);
  bool Look(Watched& watched);

  Namespace& names_;
  Journal& journal_;
  const base::Duration look_every_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Watched> watched_;
  std::atomic<bool> told_ = false;  // that the journal does not work
  std::jthread thread_;             // last: it uses the rest
};

}  // namespace seamount::vfs
